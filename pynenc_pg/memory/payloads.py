"""Large values in memory. Whoever calls a function holds the lock of the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Again, Batch, Collected, Ending, Payload, Registered
from pynenc_pg.exceptions import PayloadError
from pynenc_pg.memory.checks import is_json
from pynenc_pg.ports import UNREFERRED

if TYPE_CHECKING:
    from pynenc_pg.memory.database import MemDatabase


@dataclass(slots=True)
class Kept:
    """One of them, and who needs it."""

    content: bytes
    held_at: datetime
    needed_by: set[InvocationId] = field(default_factory=set)


def hold(database: MemDatabase, payloads: Iterable[Payload]) -> None:
    """Keep them; one that is there already counts as new."""
    now = database.clock()
    for each in payloads:
        if each.sha256 in database.payloads:
            database.payloads[each.sha256].held_at = now
        elif each.content is not None:
            database.payloads[each.sha256] = Kept(each.content, now)


def check_payloads(database: MemDatabase, batch: Batch) -> None:
    """Refuse a batch that refers to what is not there, nor comes with it.

    Raises:
        PayloadError: names it.
    """
    coming = {each.sha256 for each in batch.payloads if each.content is not None}
    for _, sha256 in batch.refs:
        if sha256 not in coming and sha256 not in database.payloads:
            message = (
                f"the large value {sha256} is not in the store, nor does it come with the call"
            )
            raise PayloadError(message)


def refer(database: MemDatabase, batch: Batch, registered: Iterable[Registered]) -> None:
    """Note what the calls of a batch need: those that did not become others."""
    hold(database, batch.payloads)
    new = {one.invocation_id for one in registered}
    for which, sha256 in batch.refs:
        if which in new:
            database.payloads[sha256].needed_by.add(which)


def keepable(database: MemDatabase, text: str | None, end: Ending | Again) -> bool:
    """Whether the end of an attempt can be kept: its text, and what that refers to."""
    there = (each.content is not None or each.sha256 in database.payloads for each in end.payloads)
    return (text is None or is_json(text)) and all(there)


def keep(database: MemDatabase, end: Ending | Again) -> None:
    """Keep what the end of an attempt refers to, as long as the invocation."""
    hold(database, end.payloads)
    for each in end.payloads:
        database.payloads[each.sha256].needed_by.add(end.invocation_id)


class MemClientDataStore:
    """Holds. See ``pynenc_pg.ports.ClientDataStore``."""

    def __init__(self, database: MemDatabase) -> None:
        """Use the state of ``database``."""
        self._database = database

    def hold(self, payloads: Iterable[Payload]) -> None:
        """Store them, though nobody refers to them yet."""
        with self._database.lock:
            hold(self._database, payloads)

    def fetch(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Return their contents, unchecked; those that are not there are left out."""
        with self._database.lock:
            there = self._database.payloads
            return {sha256: there[sha256].content for sha256 in hashes if sha256 in there}

    def collect(self, after: str = "", limit: int = 1000) -> Collected:
        """Remove, of ``limit`` payloads from a place on, the old ones nobody refers to."""
        with self._database.lock:
            there = self._database.payloads
            before = self._database.clock() - timedelta(seconds=UNREFERRED)
            seen = list(islice((name for name in sorted(there) if name > after), limit))
            gone = [n for n in seen if there[n].held_at < before and not there[n].needed_by]
            for name in gone:
                del there[name]
            return Collected(len(gone), seen[-1] if len(seen) == limit else None)
