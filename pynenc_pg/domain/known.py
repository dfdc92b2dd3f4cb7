"""What a runner tells of its tasks, and whether arguments fit them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: So many that were set aside are freed by one call at most.
MOST_FREED: Final = 2_000


class Kind(StrEnum):
    """How a parameter takes what is given for it."""

    NAMED = "named"  # by its name
    POSITIONAL = "positional"  # by its place alone
    VAR_POSITIONAL = "var_positional"  # what stands for ``*``: a list
    VAR_KEYWORD = "var_keyword"  # what stands for ``**``: an object, and names nobody else takes


@dataclass(frozen=True, slots=True)
class KnownParameter:
    """One parameter of a task."""

    name: str
    kind: Kind
    required: bool
    #: What stands for it in concurrency keys where it is left out, if that can be told.
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why arguments do not fit."""

    missing: tuple[str, ...]  # parameters that need one
    unknown: tuple[str, ...]  # arguments that no parameter takes

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.missing or self.unknown)

    def __str__(self) -> str:
        """Say it in words."""
        said = [("missing", self.missing), ("unknown", self.unknown)]
        return ", ".join(f"{what} {' '.join(names)}" for what, names in said if names)


@dataclass(frozen=True, slots=True)
class KnownTask:
    """A task as it is called: what it takes, and what its calls go by."""

    task_id: str
    fingerprint: str  # of all the rest
    parameters: Sequence[KnownParameter]
    options: str  # JSON

    def misfit(self, names: Collection[str]) -> Misfit:
        """Compare the names of arguments with the parameters."""
        return misfit(self.parameters, names)


def misfit(parameters: Sequence[KnownParameter], names: Collection[str]) -> Misfit:
    """Compare the names of arguments with parameters; the SQL function of this name does the same.

    >>> x, y = KnownParameter("x", Kind.NAMED, True), KnownParameter("y", Kind.NAMED, False)
    >>> misfit([x, y], ["y", "z"])
    Misfit(missing=('x',), unknown=('z',))
    """
    taken = {parameter.name for parameter in parameters}
    takes_all = any(parameter.kind is Kind.VAR_KEYWORD for parameter in parameters)
    return Misfit(
        tuple(p.name for p in parameters if p.required and p.name not in names),
        () if takes_all else tuple(sorted(name for name in names if name not in taken)),
    )
