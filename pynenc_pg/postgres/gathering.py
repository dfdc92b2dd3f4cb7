"""Single calls that several threads make at once go to the database together.

Most of what a call takes is its transaction: the way there and back, and a commit that waits for
the disk. While calls of a kind are on their way, others of that kind wait until one of them is
back, and go together then. Nobody waits for a time to pass, and a thread that calls alone does so
as if nothing of this were here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Final

from pynenc_pg.domain.records import Batch, Registered
from pynenc_pg.exceptions import StoreUnavailableError

#: How many sends of a kind are under way at once: one keeps the server busy, the other the client.
_UNDER_WAY: Final = 2
#: Calls in one send. Threads that wait are hardly ever as many.
_MOST: Final = 500
#: Seconds after which a call goes alone, longer than a send takes that finds no database: an
#: interrupt may have struck a thread between its turn and its send.
_LONG: Final = 20.0
_OF_EACH: Final = frozenset({"invocations", "payloads", "refs"})
_kind = attrgetter(*(one.name for one in fields(Batch) if one.name not in _OF_EACH))

_Kind = tuple[object, ...]


@dataclass(slots=True, eq=False)
class _Call:
    """One that waits for its turn to send, or for what became of it."""

    batch: Batch
    #: Held while it waits: a lock costs a twentieth of an event.
    gate: threading.Lock = field(default_factory=threading.Lock)
    group: list[_Call] = field(default_factory=list)  # not empty: it is to send these, itself first
    answer: Registered | None = None
    error: StoreUnavailableError | None = None


@dataclass(slots=True)
class _Line:
    """The calls of one kind."""

    under_way: int = 0
    waiting: list[_Call] = field(default_factory=list)


class _Lines:
    """All of one process: a child of a fork has nobody who would end what its parent began."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._of: dict[_Kind, _Line] = {}

    def enter(self, kind: _Kind, batch: Batch) -> _Call | None:
        """Return nothing if the batch may be sent now, or what it waits in."""
        with self._lock:
            line = self._of.setdefault(kind, _Line())
            if line.under_way < _UNDER_WAY:
                line.under_way += 1
                return None
            call = _Call(batch)
            call.gate.acquire()
            line.waiting.append(call)
            return call

    def back(self, kind: _Kind) -> None:
        """Note that a send is back: the next one begins, with all who wait."""
        with self._lock:
            line = self._of[kind]
            if line.waiting:
                group, line.waiting = line.waiting[:_MOST], line.waiting[_MOST:]
                _hand_over(group)
                return
            line.under_way -= 1
            if not line.under_way:
                del self._of[kind]

    def leave(self, kind: _Kind, call: _Call) -> None:
        """Take out a call whose thread was interrupted; if it was to send others, the next does."""
        with self._lock:
            line = self._of.get(kind)
            if line is not None and call in line.waiting:
                line.waiting.remove(call)
                return
            group, call.group = call.group, []
            if len(group) > 1:
                _hand_over(group[1:])
                return
        if group:
            self.back(kind)


def _hand_over(group: list[_Call]) -> None:
    group[0].group = group
    group[0].gate.release()


class Gathering:
    """Sends batches of one call each; those of a kind that come meanwhile together."""

    def __init__(self, send: Callable[[Batch], list[Registered]]) -> None:
        """``send`` registers a batch, all or none of it, and may do so again with the same ids."""
        self._send = send
        self._lines = _Lines()

    def register(self, batch: Batch) -> list[Registered]:
        """Register a call for which ``goes_with_others`` holds."""
        if self._lines.pid != os.getpid():
            self._lines = _Lines()
        lines, kind = self._lines, _kind(batch)
        call = lines.enter(kind, batch)
        if call is None:
            try:
                return self._send(batch)
            finally:
                lines.back(kind)
        self._wait(lines, kind, call)
        if call.group:
            self._send_all(lines, kind, call.group)
        if call.error is not None:
            raise type(call.error)(*call.error.args) from call.error
        if call.answer is None:
            return self._send(batch)  # together they failed, perhaps by another one's fault
        return [call.answer]

    def _wait(self, lines: _Lines, kind: _Kind, call: _Call) -> None:
        """Wait for the turn of a call, or for its answer."""
        told = False
        try:
            told = call.gate.acquire(timeout=_LONG)
        finally:
            if not told:  # or it is a signal's error, and others must not wait for this thread
                lines.leave(kind, call)
        if not told:
            self._lines = _Lines()

    def _send_all(self, lines: _Lines, kind: _Kind, group: list[_Call]) -> None:
        """Send these, and tell each what became of it: an answer, no database, or nothing."""
        calls = [call.batch.invocations[0] for call in group]
        try:
            answers = self._send(replace(group[0].batch, invocations=calls))
            for call, answer in zip(group, answers, strict=True):
                call.answer = answer
        except StoreUnavailableError as error:
            for call in group:
                call.error = error
        except Exception:  # noqa: BLE001, S110 - each finds its own, by itself
            pass
        finally:
            for call in group[1:]:
                call.gate.release()
            lines.back(kind)


def goes_with_others(batch: Batch) -> bool:
    """Whether it is a single call that waits for nothing but the database.

    One with a key may wait for somebody's transaction, one with a large argument is sent another
    way, and what is no plain call does more than to register.
    """
    if len(batch.invocations) != 1 or batch.refs or batch.cached or batch.key is not None:
        return False
    [call] = batch.invocations
    if call.registration_key is not None or call.lane_key is not None:
        return False
    other = batch.child or batch.fork or batch.firings or batch.retried_from
    return not other
