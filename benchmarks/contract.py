"""What a contender is: a name, what it is, and its measures."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from benchmarks.server import Server

#: Keys of ``benchmarks.catalogue.ROWS``. What a contender cannot do, or the machine cannot
#: tell, is left out.
Figures = dict[str, float]

_SINGLE: Final = 50  # fewer say nothing


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    rounds: int = 5
    single: int = 2_000  # enqueued one by one
    bulk: int = 50_000  # enqueued by the thousand
    drain: int = 40_000
    gentle: int = 100  # calls one every 50 ms
    chained: int = 300  # calls each made when the result before is there
    idle: float = 120.0  # seconds an idle worker is watched; ours beats every 10
    settle: float = 25.0  # seconds before: sessions report what they did up to 10 s later
    producers: int = 16  # threads, coroutines or processes that call at once
    crowded: int = 8_000  # calls of all of these together
    held: float = 30.0  # seconds a snapshot is held open
    held_rate: float = 2_000.0  # calls a second meanwhile
    crowd: tuple[int, int] = (8, 32)  # worker processes at once; fewer only in tests

    def part(self, share: int) -> Scale:
        """Return one with fewer calls to accept and to work off: a rate does not need more."""
        return dataclasses.replace(
            self,
            single=min(self.single, max(_SINGLE, self.single // share)),
            bulk=max(1, self.bulk // share),
            drain=max(1, self.drain // share),
        )

    def slower(self, share: int) -> Scale:
        """Return one with fewer calls that are made one after the other."""
        return dataclasses.replace(self, chained=max(5, self.chained // share))


QUICK = Scale(
    rounds=1,
    single=300,
    bulk=10_000,
    drain=5_000,
    gentle=40,
    chained=100,
    idle=5.0,
    crowded=1_600,
    held=5.0,
)
TINY = Scale(
    rounds=1,
    single=50,
    bulk=50,
    drain=50,
    gentle=5,
    chained=5,
    idle=1.0,
    settle=0.5,
    producers=2,
    crowded=50,
    held=0.5,
    held_rate=100.0,
    crowd=(1, 2),
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a measure gets."""

    scale: Scale
    server: Server  # its ``fresh`` gives a database of one's own
    #: Where servers other than this one put their data: a real disk.
    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))


class Contender(Protocol):
    """A ``CONTENDER`` of a module of ``benchmarks.contenders``. Leaves nothing behind.

    A measure is a method that takes a ``Bench`` and returns ``Figures``; ``benchmarks.rounds`` has
    their names. One that a contender does not have is not taken of it.
    """

    NAME: str

    def about(self) -> str:
        """Tell what it is and how it is set, in a few words."""
        ...
