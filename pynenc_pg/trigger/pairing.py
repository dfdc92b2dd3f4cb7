"""Which causes fire an ``and`` together.

Each condition has a queue of the causes that met it, the oldest first. The oldest of all queues are
a set and fire together, then the next ones: the k-th of each condition belong together, and each
cause is used once. Causes that lie further apart than ``within`` never belong together: the older
one is dropped, and what it would have been paired with is paired with the next. A cause that is
alone for longer than ``within`` is dropped, too. Both are told, none disappears.
What is paired follows from the times of the causes alone, not from when somebody looks. A cause
that becomes known late (its transaction took long) is put in its place by its time; what was paired
before stays paired.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, order=True)
class Waiting:
    """A cause that has met a condition and is not used yet."""

    at: datetime
    cause_id: str


@dataclass(frozen=True, slots=True)
class Pairing:
    """What becomes of those that wait; the others go on waiting."""

    sets: tuple[Mapping[str, Waiting], ...]  # each fires once: by condition, its cause
    dropped: tuple[tuple[str, Waiting], ...]  # nobody came for them in time: condition, cause
    next_drop: datetime | None  # when the next of those that still wait will be dropped


def pair(queues: Mapping[str, Sequence[Waiting]], now: datetime, within: timedelta) -> Pairing:
    """Decide for all conditions of a trigger; a condition that nothing has met has an empty queue.

    >>> noon = datetime(2027, 1, 1, 12)
    >>> queues = {"paid": [Waiting(noon, "a"), Waiting(noon, "b")], "packed": [Waiting(noon, "c")]}
    >>> made = pair(queues, noon, timedelta(days=1))
    >>> [{name: cause.cause_id for name, cause in one.items()} for one in made.sets]
    [{'paid': 'a', 'packed': 'c'}]
    """
    left = {name: deque(sorted(queue)) for name, queue in queues.items()}
    sets: list[Mapping[str, Waiting]] = []
    dropped: list[tuple[str, Waiting]] = []
    while left and all(left.values()):
        newest = max(queue[0].at for queue in left.values())
        # Whoever comes after the newest is further away still.
        late = [name for name, queue in left.items() if newest - queue[0].at > within]
        if late:
            dropped += [(name, left[name].popleft()) for name in late]
        else:
            sets.append({name: queue.popleft() for name, queue in left.items()})
    for name, queue in left.items():
        while queue and now - queue[0].at > within:
            dropped.append((name, queue.popleft()))
    ends = [queue[0].at + within for queue in left.values() if queue]
    return Pairing(tuple(sets), tuple(dropped), min(ends, default=None))
