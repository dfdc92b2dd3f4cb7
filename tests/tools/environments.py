"""A part of the tests in environments of users: other versions of packages, other Pythons.

``python -m tests.tools.environments minimum``, or `make test-minimum`: the oldest version of each
package that pyproject.toml allows. ``... pythons``, or `make test-pythons`: each Python on the PATH
that is supported. What follows goes to pytest.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.tools.minimum import EXTRAS, ROOT, constraints

#: They touch every dependency: drivers, migrations, serializers, logs, daemons, monitor, measures.
TESTS: Final = (
    "tests/app/test_calls.py", "tests/app/test_metrics.py", "tests/app/test_tracing.py",
    "tests/app/test_triggers.py", "tests/app/test_values.py", "tests/acceptance/test_worker.py",
    "tests/acceptance/test_systemd.py", "tests/acceptance/test_reload.py",
    "tests/migrations/test_cli.py", "tests/migrations/test_up_and_down.py",
    "tests/monitor/test_pages.py", "tests/unit/test_cli_top.py", "tests/unit/test_conf.py",
    "tests/unit/test_logs_json.py", "tests/unit/test_serializer.py",
)  # fmt: skip
#: What these need beside the package and its extras; httpx and httpx2 for one starlette or another.
TOOLS: Final = (
    "pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "httpx", "httpx2",
    "opentelemetry-sdk",
)  # fmt: skip
PYTHONS: Final = ("python3.11", "python3.12", "python3.13", "python3.14")


def _run(*command: str | Path) -> int:
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _runs(python: str) -> bool:
    """Whether it is there; a name on the PATH may be a shim for a version that is not."""
    if shutil.which(python) is None:
        return False
    probe = [python, "-c", "import venv"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def check(python: str, versions: str, arguments: list[str]) -> int:
    """Install everything in those versions for that Python, and run the tests; 0 if all is well."""
    with tempfile.TemporaryDirectory(prefix="pynenc_pg-environment-") as folder:
        inside = Path(folder) / "venv" / "bin" / "python"
        pins = Path(folder) / "constraints.txt"
        pins.write_text(versions, encoding="utf-8")
        began = time.monotonic()
        # --python: the environment stays without pip, and pip is the one of here.
        failed = _run(python, "-m", "venv", "--without-pip", inside.parents[1]) or _run(
            sys.executable, "-m", "pip", "--python", inside, "--disable-pip-version-check",
            "install", "--quiet", "--constraint", pins,
            "--editable", f".[{','.join(EXTRAS)}]", *TOOLS,
        )  # fmt: skip
        sys.stdout.write(f"installed in {time.monotonic() - began:.0f} s\n")
        sys.stdout.flush()
        return failed or _run(inside, "-m", "pytest", "-q", "-m", "not long", *TESTS, *arguments)


def main() -> int:
    """Do what the first argument says; 0 if all is well."""
    which, *arguments = sys.argv[1:]
    if which == "minimum":
        # Old packages warn of what has become of others since; it works all the same.
        return check(
            sys.executable, constraints(), ["-W", "ignore::DeprecationWarning", *arguments]
        )
    worst = 0
    for python in PYTHONS:
        if not _runs(python):
            sys.stdout.write(f"{python}: not there\n")
            continue
        sys.stdout.write(f"{python}:\n")
        sys.stdout.flush()
        worst |= check(python, (ROOT / "constraints.txt").read_text(encoding="utf-8"), arguments)
    return worst


if __name__ == "__main__":
    sys.exit(main())
