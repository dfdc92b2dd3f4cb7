"""Both stores side by side: whatever is done is done in both, and must be answered alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, TypeVar

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import Hold
from pynenc_pg.domain.workflows import Step, StepKind
from pynenc_pg.exceptions import InvocationNotFoundError, PynencError
from pynenc_pg.invocation.status import FINAL, is_legal
from tests.support.stores import MemoryStore, OpenStore, PostgresStore

T = TypeVar("T")
EPOCH: Final = datetime.fromtimestamp(0, UTC)

# In one round trip what the ports would read one by one.
_RECORDS: Final = """
select g.* from unnest(%s::uuid[]) i (id), lateral {schema}.get_invocation(%s, i.id) g"""
_HISTORIES: Final = """
select i.id, h.* from unnest(%s::uuid[]) i (id), lateral {schema}.history(%s, i.id) h
order by i.id, h.rev"""
_READY: Final = """
select q.name, {schema}.count_ready(%s, q.name)
from (select unnest(%s::text[]) union all select null) q (name)"""

_OVERFULL: Final = """
select l.key from {schema}.lane l where l.app_id = %s
and exists (select from {schema}.slot x
            where x.lane = l.lane_id and x.invocation_id = any (%s::uuid[]))
and l.slots < (select count(*) from {schema}.slot x where x.lane = l.lane_id)"""

#: What must never be seen in the tables of an app: name -> query for its exceptions.
INVARIANTS: Final = {
    "history has a gap or ends elsewhere": """
        select h.invocation_id, h.revs from (
            select g.invocation_id, array_agg(g.rev order by g.rev) as revs
            from {schema}.invocation_history g where g.app_id = %s group by g.invocation_id) h
        left join {schema}.invocation_state s using (invocation_id)
        left join {schema}.invocation_outcome o using (invocation_id)
        where h.revs <> array(select generate_series(0, coalesce(o.rev, s.rev, -1)))""",
    "neither live nor ended, or both": """
        select i.invocation_id from {schema}.invocation i
        left join {schema}.invocation_state s using (invocation_id)
        left join {schema}.invocation_outcome o using (invocation_id)
        where i.app_id = %s and num_nonnulls(s.status, o.status) <> 1""",
    "a slot is held by what is not owned": """
        select x.* from {schema}.slot x join {schema}.lane l on l.lane_id = x.lane
        left join {schema}.invocation_state s on s.invocation_id = x.invocation_id
        where l.app_id = %s and (s.runner_id is null or s.lane <> x.lane)""",
    "owned work of a key holds no slot": """
        select s.invocation_id from {schema}.invocation_state s
        where s.app_id = %s and s.lane is not null and s.runner_id is not null
        and not exists (select from {schema}.slot x where x.invocation_id = s.invocation_id)""",
    "parked although a slot is free": """
        select s.invocation_id from {schema}.invocation_state s
        join {schema}.lane l on l.lane_id = s.lane
        where s.app_id = %s and s.status = 'concurrency_controlled'
        and l.slots > (select count(*) from {schema}.slot x where x.lane = l.lane_id)""",
    "begun, and still holds its registration key": """
        select s.invocation_id from {schema}.invocation_state s
        where s.app_id = %s and s.registration_key is not null and exists (
            select from {schema}.invocation_history h
            where h.invocation_id = s.invocation_id and h.status = 'running')""",
    "a step names a call that is not there": """
        select w.* from {schema}.workflow_step w
        left join {schema}.invocation i on i.invocation_id = w.child_id
        where w.app_id = %s and (w.kind = 'task') <> (i.invocation_id is not null)""",
    "somebody waits for what has ended": """
        select e.awaited_id from {schema}.wait_edge e where e.app_id = %s and not exists (
            select from {schema}.invocation_state s where s.invocation_id = e.awaited_id)""",
}


@dataclass(frozen=True, slots=True)
class Held:
    """What a claim gave to a runner, with the lease of each store."""

    invocation_id: InvocationId
    runner_id: RunnerId
    leases: tuple[int, int]

    def hold(self, side: int) -> Hold:
        """Return the proof for one of the stores."""
        return Hold(self.invocation_id, self.leases[side])


class Pair:
    """One app in PostgreSQL (side 0) and in memory (side 1)."""

    def __init__(self, postgres: PostgresStore, memory: MemoryStore) -> None:
        """Both empty."""
        self.postgres = postgres
        self.memory = memory
        self.ids: dict[InvocationId, None] = {}
        self._agreed = True
        self._unsettled: dict[InvocationId, None] = {}
        self.claimed: dict[InvocationId, Held] = {}  # by the latest claim of each

    def both(self, act: Callable[[OpenStore, int], T]) -> T | str:
        """Do it in both stores; the answer, or the name of the error, must be the same."""
        ours = _attempt(act, self.postgres, 0)
        theirs = _attempt(act, self.memory, 1)
        self._same(ours, theirs)
        return ours

    def know(self, ids: Iterable[InvocationId]) -> None:
        """Look at these from now on."""
        for which in ids:
            self.ids[which] = self._unsettled[which] = None

    def know_nothing(self) -> None:
        """Look at everything again: it may all have changed."""
        self._unsettled = dict(self.ids)

    def claim(
        self, runner_id: RunnerId, queues: Sequence[str], limit: int, begin_below: int = 0
    ) -> list[Held] | None:
        """Claim in both: the same work in the same order, each with a greater lease.

        Nothing comes back for a runner that is fenced.
        """
        leases: list[list[int]] = []

        def act(store: OpenStore, _side: int) -> object:
            claimed = store.orchestrator.claim(runner_id, queues, limit, begin_below)
            leases.append([c.lease for c in claimed])
            return [replace(c, lease=0) for c in claimed]

        said = self.both(act)
        if not isinstance(said, list):
            return None
        held = [
            Held(c.invocation_id, runner_id, pair)
            for c, pair in zip(said, zip(*leases, strict=True), strict=True)
        ]
        for h in held:
            before = self.claimed.get(h.invocation_id)
            if before is not None:
                assert all(new > old for new, old in zip(h.leases, before.leases, strict=True))
            self.claimed[h.invocation_id] = h
        if held:
            taken = [h.invocation_id for h in held]
            overfull = self.postgres.database.call(_OVERFULL, (self.postgres.app_id, taken))
            assert overfull == [], f"more of a key than its slots: {overfull}"
        return held

    def owned(self) -> list[Held]:
        """Return what is held now, by whomever; both stores agree on that."""
        live = self.memory.database.live
        rows = [live[i] for i in self.claimed if i in live]
        return [self.claimed[r.invocation_id] for r in rows if r.runner_id is not None]

    def look(self, queues: Sequence[str]) -> None:
        """Compare all that can be seen of what may have changed since the last look."""
        ids = list(self._unsettled)
        records, histories = self._read_postgres(ids)
        for which in ids:
            self._same(records.get(which), _record(self.memory, which))
            self._same(histories.get(which), _history(self.memory, which))
        ended = [i for i in ids if i in records and records[i][5] in FINAL]
        if ended:
            self.both(lambda store, _: _outcomes(store, ended))
        for which in ids:
            if which in ended or which not in records:
                del self._unsettled[which]
        ready = dict(self.postgres.database.call(_READY, (self.postgres.app_id, list(queues))))
        self._same(ready, {q: self.memory.state_backend.count_ready(q) for q in (*queues, None)})

    def check(self) -> None:
        """Compare everything through the ports, and look for what must never be seen."""
        if not self._agreed:
            return  # there is a difference to look at already
        for which in self.ids:
            self.both(lambda store, _, w=which: _record(store, w))  # type: ignore[misc]
            self.both(lambda store, _, w=which: _history(store, w))  # type: ignore[misc]
            entries = _history(self.postgres, which) or []
            for before, after in pairwise(entries):
                assert after[0] == before[0] + 1
                assert after[1] == before[2]
                assert is_legal(before[2], after[2], after[3])
            self.both(lambda store, _, w=which: _run(store, w))  # type: ignore[misc]
            self.both(lambda store, _, w=which: _why(store, w))  # type: ignore[misc]
        self.both(lambda store, _: _outcomes(store, list(self.ids)))
        for name, query in INVARIANTS.items():
            found = self.postgres.database.call(query, (self.postgres.app_id,))
            assert found == [], f"{name}: {found}"

    def _same(self, ours: object, theirs: object) -> None:
        self._agreed = ours == theirs
        assert self._agreed, f"PostgreSQL says {ours}, memory says {theirs}"

    def _read_postgres(
        self, ids: Sequence[InvocationId]
    ) -> tuple[dict[InvocationId, tuple[Any, ...]], dict[InvocationId, list[tuple[Any, ...]]]]:
        parameters = (list(ids), self.postgres.app_id)
        records = {
            row[0]: _timeless(row) for row in self.postgres.database.call(_RECORDS, parameters)
        }
        histories: dict[InvocationId, list[tuple[Any, ...]]] = {}
        for row in self.postgres.database.call(_HISTORIES, parameters):
            histories.setdefault(row[0], []).append((*row[1:-2], row[-1]))
        return records, histories


def _attempt(act: Callable[[OpenStore, int], T], store: OpenStore, side: int) -> T | str:
    try:
        return act(store, side)
    except PynencError as error:
        return type(error).__name__


def _record(store: OpenStore, which: InvocationId) -> tuple[Any, ...] | None:
    try:
        return _timeless(astuple(store.state_backend.get_invocation(which)))
    except InvocationNotFoundError:
        return None


def _timeless(record: tuple[Any, ...]) -> tuple[Any, ...]:
    """Drop the times of the record: the stores' clocks differ. Whether it is due later stays."""
    *facts, due_at, _registered_at, _status_at = record
    return (*facts, due_at is None)


def _history(store: OpenStore, which: InvocationId) -> list[tuple[Any, ...]] | None:
    try:
        entries = [astuple(entry) for entry in store.state_backend.get_history(which)]
        return [(*facts, error) for *facts, _at, error in entries]
    except InvocationNotFoundError:
        return None


def _why(store: OpenStore, which: InvocationId) -> list[tuple[str, Any]]:
    """Why it is not running, and how many come before it."""
    found = store.state_backend.why(which)
    counted = ("ahead", "taken", "places", "slots", "one_of", "health")
    return [(one.code, [one.facts.get(name) for name in counted]) for one in found]


def timeless_step(step: Step) -> tuple[Any, ...]:
    """Drop its times; whether something is left of it stays."""
    value = None if step.kind is StepKind.SLEEP else step.value
    return astuple(replace(step, value=value, at=EPOCH, left=None)), step.left is None


def _run(store: OpenStore, which: InvocationId) -> tuple[Any, ...] | None:
    try:
        info = store.workflows.info(which)
    except InvocationNotFoundError:
        return None
    steps = [timeless_step(step) for step in store.workflows.steps(which)]
    times = (info.began_at is None, info.paused_at is None)
    data = store.workflows.data(which)
    return astuple(replace(info, began_at=None, paused_at=None)), times, steps, data


def _outcomes(store: OpenStore, ids: Sequence[InvocationId]) -> dict[InvocationId, Any]:
    found = store.state_backend.get_outcomes(ids)
    return {which: astuple(outcome)[:-1] for which, outcome in found.items()}
