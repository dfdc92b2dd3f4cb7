"""The oldest versions that pyproject.toml allows, as constraints for pip.

``python -m tests.tools.minimum``, or `make test-minimum`. Where two extras differ, the newer bound
counts: both are installed together.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).parents[2]
#: What users install beside the core; the others are for those who work on it.
EXTRAS: Final = ("embedded", "systemd", "reload", "monitor", "top", "metrics", "otel")


def requirements(project: dict[str, Any], extras: Iterable[str]) -> Iterator[Requirement]:
    """Return what the core and these extras ask for, on this Python."""
    groups = [project["dependencies"], *(project["optional-dependencies"][e] for e in extras)]
    for text in (one for group in groups for one in group):
        found = Requirement(text)
        if found.marker is None or found.marker.evaluate():
            yield found


def oldest(asked: Iterable[Requirement]) -> dict[str, Version]:
    """Return the lower bound of each.

    Raises:
        ValueError: one of them has none.
    """
    found: dict[str, Version] = {}
    for one in asked:
        bounds = [Version(s.version) for s in one.specifier if s.operator in {">=", "=="}]
        if not bounds:
            message = f"{one} has no lower bound: nobody knows which version it needs"
            raise ValueError(message)
        name = canonicalize_name(one.name)
        found[name] = max(bounds[0], found.get(name, bounds[0]))
    return found


def constraints() -> str:
    """Return them, a line each, for the core and all that users install beside it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = oldest(requirements(project, EXTRAS))
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


if __name__ == "__main__":
    sys.stdout.write(constraints())
