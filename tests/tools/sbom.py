"""The bill of materials of the wheel in dist/: ``python -m tests.tools.sbom``, or `make sbom`.

What is listed is read from an environment into which nothing but the wheel was installed, with all
extras, in the versions of constraints.txt. The tool that reads it has an environment of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from tests.tools.minimum import EXTRAS, ROOT

DIST: Final = ROOT / "dist"


def _install(inside: Path, *what: str) -> Path:
    """Make an environment without pip, and put that into it; return its folder of programs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(inside)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(inside / "bin" / "python")]
    subprocess.run([*pip, "--disable-pip-version-check", "install", "--quiet", *what], check=True)
    return inside / "bin"


def main() -> None:
    """Write it."""
    [wheel] = DIST.glob("*.whl")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tool = project["optional-dependencies"]["sbom"]
    path = DIST / f"{wheel.name.partition('-py3')[0]}.cdx.json"
    with tempfile.TemporaryDirectory(prefix="pynenc_pg-sbom-") as folder:
        pins = ("--constraint", str(ROOT / "constraints.txt"))
        clean = _install(Path(folder) / "clean", *pins, f"{wheel}[{','.join(EXTRAS)}]")
        program = _install(Path(folder) / "tool", *tool) / "cyclonedx-py"
        described = ("--pyproject", ROOT / "pyproject.toml", "--mc-type", "library")
        subprocess.run(
            [program, "environment", *described, "--output-reproducible", "--validate",
             "--output-file", path, clean / "python"],
            check=True,
        )  # fmt: skip
    # The version stands in the code, where the tool does not look.
    bill = json.loads(path.read_text(encoding="utf-8"))
    bill["metadata"]["component"]["version"] = wheel.name.split("-")[1]
    path.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
