"""Pages whose every sentence names its tests: how they are read.

Below the first heading of the second level such a page has bullets and nothing else. A bullet is
one sentence and ``*Shown by*`` with links to tests. Only the sections in ``EXEMPT`` may say more,
since they promise nothing; the tests that they name are looked for all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

EXEMPT: Final = ("What is not promised", "What is not defended")
_SHOWN: Final = "*Shown by* "
_LINK: Final = re.compile(r"\[`(test_\w+(?:::\w+)?)`\]\(\.\./\.\./tests/([\w/]+\.py)\)( \(long\))?")
_END: Final = re.compile(r"[.!?](?=\s|$)")


@dataclass(frozen=True, slots=True)
class Proof:
    """A test that a page names: its address, and whether the page says that it is a long one."""

    address: str
    long: bool


@dataclass(frozen=True, slots=True)
class Promise:
    """What stands in one bullet, or in another block; ``promises``: it must be shown."""

    says: str
    proofs: tuple[Proof, ...]
    strange: str  # what stands among the links and is none
    promises: bool

    @property
    def sentences(self) -> int:
        """How many there are; what stands in code or in a link has no ends."""
        plain = re.sub(r"`[^`]*`|\]\([^)]*\)", "x", self.says)
        return len(_END.findall(plain))


def read(page: str) -> list[Promise]:
    """Return all that a page says below its first heading of the second level."""
    _, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    return [promise for section in sections for promise in _of(section)]


def _of(section: str) -> Iterator[Promise]:
    heading, _, body = section.partition("\n")
    for block in re.split(r"\n(?=- )|\n\n+", body.strip("\n")):
        if not block.strip():
            continue
        bullet = block.startswith("- ")
        says, _, shown = block.removeprefix("- ").partition(_SHOWN)
        named = _LINK.findall(shown)
        yield Promise(
            says=" ".join(says.split()),
            proofs=tuple(Proof(f"{file}::{name}", bool(long)) for name, file, long in named),
            strange=_LINK.sub("", shown).replace(",", "").strip(),
            promises=heading not in EXEMPT or not bullet,
        )
