"""What holds the project together: its commands, its documents, its layers, its sizes."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import pynenc_pg

ROOT = Path(__file__).parents[2]
MODULE_LINES = 400
FUNCTION_LINES = 40
_NOT_OURS = {".venv", ".git", "dist", "build", "__pycache__"}
#: Put together from their parts, or this file would name what it forbids.
_REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
    )
)


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _pyproject() -> dict[str, Any]:
    return tomllib.loads(_read("pyproject.toml"))


def _project_files() -> list[Path]:
    """List what is tracked or would be; without git (a source archive), all there is."""
    try:
        listed = subprocess.run(
            ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        found = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        listed = [str(path) for path in found if not _NOT_OURS.intersection(path.parts)]
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def _modules() -> list[Path]:
    return [
        path
        for path in _project_files()
        if path.suffix == ".py" and path.is_relative_to(ROOT / "pynenc_pg")
    ]


def _functions(module: Path) -> Iterator[tuple[str, int]]:
    """Every function with the lines of its body; the docstring does not count."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body:
                yield node.name, (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_version_is_the_same_everywhere() -> None:
    """The package, its metadata and the README name one version."""
    installed = version("pynenc_pg")
    assert installed == pynenc_pg.__version__, "installed from other code: run make test"
    assert pynenc_pg.__version__ in _read("README.md")


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_help_names_every_target_of_the_makefile() -> None:
    """`make` alone explains every target one can ask for."""
    said = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", _read("Makefile"), re.MULTILINE))
    shown = set(re.findall(r"^  make (\S+) +\S", said, re.MULTILINE))
    assert shown == targets
    assert {"demo", "test", "test-long", "check", "bench", "schema", "clean"} <= shown


def test_readme_opens_with_the_two_commands() -> None:
    """Before its first section the README shows `make demo` and `make test`, and nothing else."""
    opening = _read("README.md").split("\n## ")[0]
    assert re.findall(r"^\$ (make \S+)", opening, re.MULTILINE) == ["make demo", "make test"]


def test_examples_of_the_readme_are_python() -> None:
    """What is marked as Python compiles."""
    blocks = re.findall(r"```python\n(.*?)```", _read("README.md"), re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")


def test_links_between_documents_lead_somewhere() -> None:
    """Every relative link of every page names a file, and a heading of it where it names one."""
    broken = []
    for page in (path for path in _project_files() if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            name, _, heading = target.partition("#")
            there = page.parent / name if name else page
            if not there.exists() or (heading and heading not in _anchors(there)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_drawings_of_the_layers_are_the_contract() -> None:
    """The drawings in pyproject.toml and CONTRIBUTING.md show what import-linter checks."""
    contracts = _pyproject()["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    drawing = [layer.replace("(", "").replace(")", "") for layer in layers]
    in_comment = re.findall(r"^#   (\S.*)$", _read("pyproject.toml"), re.MULTILINE)
    assert in_comment == drawing
    assert "```\n" + "\n".join(drawing) + "\n```" in _read("CONTRIBUTING.md")


def test_every_page_is_in_the_table_of_contents() -> None:
    """docs/index.md leads to each page; the decisions have a list of their own."""
    contents = _read("docs/index.md")
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    wanted = {str(page) for page in pages if page.parts[0] != "decisions"} - {"index.md"}
    assert not {page for page in wanted if f"]({page}" not in contents}


def test_every_decision_is_listed() -> None:
    """The list of decisions names every record."""
    listed = _read("docs/decisions/README.md")
    for record in (ROOT / "docs/decisions").glob("[0-9]*.md"):
        assert f"({record.name})" in listed


def test_direct_dependencies_are_pinned() -> None:
    """What pyproject.toml asks for has its version in constraints.txt, so `make` repeats itself.

    What has an environment of its own, as the peers of the benchmark, has bounds alone.
    """
    project = _pyproject()["project"]
    extras = {
        k: v for k, v in project["optional-dependencies"].items() if k not in {"bench", "sbom"}
    }
    groups = [project["dependencies"], *extras.values()]
    asked = {_canonical(requirement) for group in groups for requirement in group}
    lines = _read("constraints.txt").splitlines()
    assert asked <= {_canonical(line) for line in lines if "==" in line}


def _canonical(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_modules_stay_small() -> None:
    """A module of more than 400 lines is two things: move one of them out."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in _modules()}
    large = [
        f"{path.relative_to(ROOT)}: {count} lines"
        for path, count in lines.items()
        if count > MODULE_LINES
    ]
    assert not large


def test_functions_stay_small() -> None:
    """A function whose body takes more than 40 lines is two things: give the second a name."""
    large = [
        f"{module.relative_to(ROOT)}: {name} has {lines} lines"
        for module in _modules()
        for name, lines in _functions(module)
        if lines > FUNCTION_LINES
    ]
    assert not large


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the user's setting, not ours."""
    naming = []
    for path in _project_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        naming += [f"{path.relative_to(ROOT)}: {host}" for host in _REGISTRIES if host in text]
    assert not naming


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files")
def test_ci_is_a_program() -> None:
    """`.ci/run` can be started as it is, and stops at the first failure."""
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
