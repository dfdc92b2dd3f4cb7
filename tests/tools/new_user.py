"""The first hour of a new user: ``python -m tests.tools.new_user``, or `make test-new-user`.

Builds the wheel and follows the README's `Use it`, the tutorial and the README of each example,
word for word: in empty folders, with an empty environment, with nothing of the checkout but the
pages and the folders of the examples. As the user who calls it; as root a second time, as `nobody`.
What a command prints and its exit code must be as the page says, and nothing may run afterwards.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.support.blocks import DOCS, ROOT, Block, blocks_of
from tests.support.examples import EXAMPLES, NAMES, compare, shown
from tests.support.typed import patient, type_in

#: Where an ordinary user's commands are, and of the maker's environment only what pip needs.
PATH: Final = "/usr/local/bin:/usr/bin:/bin"
PASSED_ON: Final = ("PIP_CERT", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_PROXY", "https_proxy")
#: What the READMEs of these tell to install.
NEEDS: Final = {
    "13_fastapi_service": ("fastapi", "uvicorn"),
    "14_django_project": ("django", "django-tasks"),
}
OTHER_USER: Final = "nobody"
#: Seconds in which the server and its supervisor have ended after their last user.
PATIENCE: Final = 10


@dataclass(frozen=True, slots=True)
class Account:
    """Who tries, in a folder of their own, which is also where their data and their home are."""

    name: str
    folder: Path
    wheel: Path

    def environment(self) -> dict[str, str]:
        """Nothing of ours, but the versions that are pinned."""
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        own = {
            "HOME": str(self.folder / "home"), "PATH": f"{self.folder}/bin:{PATH}",
            "LANG": "C.UTF-8", "PIP_CONSTRAINT": str(self.wheel.parent / "constraints.txt"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1", "PIP_NO_INPUT": "1",
        }  # fmt: skip
        return {**passed, **own}

    def command(self, *words: str) -> list[str]:
        """The same, run by that account."""
        if self.name != OTHER_USER:
            return list(words)
        drop = ("setpriv", f"--reuid={OTHER_USER}", "--regid=nogroup", "--clear-groups")
        return [*drop, *words]

    def make(self, name: str) -> Path:
        """Make an empty folder of theirs."""
        made = self.folder / name
        made.mkdir()
        if self.name == OTHER_USER:
            shutil.chown(made, OTHER_USER)
        return made

    def embedded(self) -> str:
        """The DSN of the pages. Root's own folder is not below its home, and may be in use."""
        return f"embedded://{self.folder}/queue" if self.name == "root" else "embedded"

    def left(self) -> list[tuple[int, str]]:
        """Processes that were started from that folder, or serve it."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(self.folder) in line and int(path.parent.name) != os.getpid():
                    found.append((int(path.parent.name), line.strip()))
        return found


def _change(account: Account, skip: tuple[str, ...]) -> Callable[[str], str]:
    """What a user would put in place of what the page has for an example."""
    port = _free_port()

    def change(text: str) -> str:
        if text.startswith(skip):
            return ""
        if text.startswith("export PYNENC__POSTGRES__DSN="):  # the page says this for no server
            return f"export PYNENC__POSTGRES__DSN={account.embedded()}"
        changed = patient(text).replace("8089", port).replace('"pynenc_pg[', f'"{account.wheel}[')
        return changed.replace('"embedded"', f'"{account.embedded()}"')

    return change


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def _type(account: Account, where: str, blocks: list[Block], skip: tuple[str, ...]) -> list[str]:
    """Follow pages in a folder of their own; return what was not as they say."""
    typed, log = type_in(
        blocks,
        shell=account.command("bash"),
        folder=account.make(where),
        environment=account.environment(),
        change=_change(account, skip),
        seconds=600,
    )
    wrong = [one.wrong for one in typed if one.wrong]
    return [*wrong, log] if wrong else []


def readme(account: Account) -> list[str]:
    """Follow `Use it`; there are no tests yet for the last command."""
    blocks = blocks_of(ROOT / "README.md")
    first = next(n for n, block in enumerate(blocks) if "pip install" in block.text)
    return _type(account, "readme", blocks[first:], ("PYNENC__DEV_MODE",))


def tutorial(account: Account) -> list[str]:
    """Follow all pages, one after the other, in one shell."""
    pages = sorted((DOCS / "tutorial").glob("[0-9]*.md"))
    return _type(account, "tutorial", [block for page in pages for block in blocks_of(page)], ())


def example(account: Account, name: str) -> list[str]:
    """Copy the folder and run its command, in the environment of the README."""
    arguments, _ = shown(name)
    there = account.folder / "examples" / name
    python = account.folder / "readme/.venv/bin/python"
    environment = {**account.environment(), "PATH": f"{python.parent}:{PATH}"}
    if account.name == "root":
        environment["PYNENC__POSTGRES__DSN"] = account.embedded()
    if needs := NEEDS.get(name):
        said = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
        assert all(f"{need}`" in said or f"{need} " in said for need in needs), name
        install = account.command(str(python), "-m", "pip", "install", *needs)
        subprocess.run(install, cwd=there, env=environment, check=True)
    before = _files(there)
    done = subprocess.run(
        account.command("python", *arguments), cwd=there, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    try:
        compare(name, done.returncode, done.stdout, done.stderr)
    except AssertionError as error:
        return [str(error)]
    left = _files(there) - before
    return [f"left behind: {', '.join(sorted(map(str, left)))}"] if left else []


def _files(folder: Path) -> set[Path]:
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return {path for path in found if "__pycache__" not in path.parts}


def _try(account: Account) -> bool:
    """Try everything as that account; whether all is as the pages say."""
    account.make("home")
    examples = account.make("examples")
    for name in NAMES:
        shutil.copytree(EXAMPLES / name, examples / name, ignore=_COMPILED)
    if account.name == OTHER_USER:
        for path in examples.rglob("*"):
            shutil.chown(path, OTHER_USER)
    tries: list[tuple[str, Callable[[], list[str]]]] = [
        ("README", partial(readme, account)),
        ("tutorial", partial(tutorial, account)),
    ]
    tries += [(name, partial(example, account, name)) for name in NAMES]
    return all({what: _tell(account, what, one) for what, one in tries}.values())


_COMPILED: Final = shutil.ignore_patterns("__pycache__")


def _tell(account: Account, what: str, one: Callable[[], list[str]]) -> bool:
    began = time.monotonic()
    try:
        wrong = one()
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        wrong = [str(error)]
    took = time.monotonic() - began
    while account.left() and time.monotonic() - began - took < PATIENCE:
        time.sleep(0.1)
    for pid, line in account.left():
        wrong.append(f"still there: {pid} {line}")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    sys.stdout.write(f"{account.name}: {what}: {'not so' if wrong else 'well'}, {took:.1f} s\n")
    sys.stdout.writelines(f"{each}\n" for each in wrong)
    sys.stdout.flush()
    return not wrong


def _build(folder: Path) -> Path:
    """Build the wheel, as `make package` does, and put the pins beside it."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder)]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    [wheel] = folder.glob("*.whl")
    shutil.copy(ROOT / "constraints.txt", folder)
    return wheel


def main() -> int:
    """Try as each account; 0 if all is as the pages say."""
    base = Path(tempfile.mkdtemp(prefix="pynenc-pg-new-user-"))
    base.chmod(0o755)
    dist = base / "dist"
    dist.mkdir()
    wheel = _build(dist)
    mine = "root" if os.geteuid() == 0 else "myself"
    names = sys.argv[1:] or ([mine, OTHER_USER] if mine == "root" else [mine])
    well = True
    for name in names:
        folder = base / name
        folder.mkdir()
        if name == OTHER_USER:
            shutil.chown(folder, OTHER_USER)
        well &= _try(Account(name, folder, wheel))
    shutil.rmtree(base, ignore_errors=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
