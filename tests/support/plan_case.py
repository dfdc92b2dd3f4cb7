"""What a case of the tests of plans is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pynenc_pg.domain.ids import new_invocation_id
from tests.support.filled import FEW, Held, Sample
from tests.support.sql import APP, Connection, claim

STATE: Final = "invocation_state_pkey"
REGISTER: Final = {"history_of_insert": "invocation_outcome_pkey"}
GUARDS: Final = {
    "guard_delete": "invocation_outcome_pkey",
    "guard_outcome": STATE,
    "wake_waiters": "wait_edge_once",
}
Act = Callable[[Connection, Sample], object]
Prepare = Callable[[Connection, Sample], Held]


@dataclass(frozen=True, slots=True)
class Case:
    """A verb, and by function, which indexes of tables that grow it is meant to read."""

    act: Callable[[Connection, Sample, Held], object]
    reads: dict[str, str]
    prepare: Prepare = lambda _connection, _sample: []

    def indexes(self) -> dict[str, set[str]]:
        """Return the full names, by function."""
        return {name: set(names.split()) for name, names in self.reads.items()}


def case(act: Act, **reads: str) -> Case:
    """Make one that needs no preparation."""
    return Case(lambda connection, sample, _: act(connection, sample), reads)


def call(query: str, *fixed: object) -> Act:
    """Ask something of the app."""
    return lambda connection, _: connection.execute(query.encode(), (APP, *fixed)).fetchall()


def lost() -> tuple[str, int]:
    """Answer an invocation that nobody knows, so that the verb has to look where it went."""
    return new_invocation_id(), 1


def claims(*queues: str) -> Act:
    """Claim a few from these."""
    return lambda connection, _: claim(connection, limit=FEW, queues=queues)
