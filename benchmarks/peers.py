"""Other task queues: measured when they are asked for and installed."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.contract import Contender


@dataclass(frozen=True, slots=True)
class Peer:
    """What its module in ``benchmarks.contenders`` needs."""

    requirements: str  # for pip
    modules: tuple[str, ...]
    program: str | None = None  # on the PATH

    def missing(self) -> str | None:
        """Return what to install, if anything."""
        if not all(find_spec(module) for module in self.modules):
            return f"not installed: pip install {self.requirements}"
        if self.program and not shutil.which(self.program):
            return f"no {self.program} on the PATH"
        return None


PEERS: Final = {
    "procrastinate": Peer('"procrastinate>=3.10,<4"', ("procrastinate",)),
    "pgqueuer": Peer('"pgqueuer[asyncpg]>=1.6,<2"', ("pgqueuer", "asyncpg", "uvloop")),
    "celery": Peer('"celery[redis]>=5.7,<6"', ("celery", "redis"), "redis-server"),
    "chancy": Peer('"chancy>=0.26,<0.27"', ("chancy",)),
    "dbos": Peer('"dbos>=3.4,<4"', ("dbos",)),
    "dramatiq": Peer('"dramatiq[redis]>=2.2,<3"', ("dramatiq", "redis"), "redis-server"),
    "huey": Peer('"huey>=3.5,<4" redis', ("huey", "redis"), "redis-server"),
    # Without pynenc-redis or a Redis server it is measured on SQLite.
    "pynenc": Peer("pynenc==0.1.1 pynenc-redis==0.1.5", ("pynenc",)),
}


def find(names: Sequence[str]) -> tuple[list[Contender], list[str]]:
    """Return those that can be measured, and a line for each that cannot."""
    found: list[Contender] = []
    left_out: list[str] = []
    for name in names:
        missing = PEERS[name].missing()
        if missing:
            left_out.append(f"{name}: {missing}")
        else:
            found.append(importlib.import_module(f"benchmarks.contenders.{name}").CONTENDER)
    return found, left_out
