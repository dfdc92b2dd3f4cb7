"""Types of the examples: ``python -m tests.tools.check_examples``.

Each folder is a project of its own, with modules of the same names as those of others. For mypy,
which knows a name once, they are made packages side by side, and it is asked once about all.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples"


def main() -> int:
    """Check all; return mypy's exit code."""
    folders = sorted(path for path in EXAMPLES.iterdir() if path.name[0].isdigit())
    with tempfile.TemporaryDirectory() as there:
        for folder in folders:
            _as_package(folder, Path(there) / f"example_{folder.name}")
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", there],
            cwd=ROOT,
            env={**os.environ, "MYPYPATH": there},
            capture_output=True,
            text=True,
            check=False,
        )
        said = re.sub(rf"\S*{re.escape(Path(there).name)}/example_", "examples/", done.stdout)
    print(said + done.stderr, end="")  # noqa: T201 - a command
    return done.returncode


def _as_package(folder: Path, package: Path) -> None:
    """Copy it, with imports of its own modules by their full names. Lines keep their numbers."""
    shutil.copytree(folder, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").touch()
    own = "|".join(path.stem for path in folder.iterdir() if path.suffix in {"", ".py"})
    of = re.compile(rf"^from ({own})\b(?=[.\w]* import)", re.MULTILINE)
    whole = re.compile(rf"^import ({own})$", re.MULTILINE)
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        text = of.sub(rf"from {package.name}.\1", text)
        path.write_text(whole.sub(rf"from {package.name} import \1", text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
