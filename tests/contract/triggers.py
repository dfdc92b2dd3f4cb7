"""Short words for what every test of triggers does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pynenc_pg.domain.causes import (
    EVENT,
    Firing,
    Look,
    NewEvent,
    ScheduleSpec,
    Taken,
    TriggerInfo,
    TriggerSpec,
    Verdict,
    WatchSpec,
)
from pynenc_pg.domain.ids import InvocationId, RunnerId, new_invocation_id
from tests.contract.driver import Driver

TASK = "tests.task"  # which is watched
STARTED = "tests.started"  # which is started
LOOKER = RunnerId("looker")


def on(
    *whats: str,
    about: str = TASK,
    condition_id: str = "",
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - its name in the record
) -> tuple[WatchSpec, ...]:
    """Watch statuses of a task as one condition, which is called like them."""
    name = condition_id or "+".join(whats)
    return tuple(WatchSpec(what, about, name, filter) for what in whats)


def on_event(
    code: str = "paid",
    condition_id: str = "",
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - its name in the record
) -> tuple[WatchSpec, ...]:
    """Watch an event."""
    return on(EVENT, about=code, condition_id=condition_id or code, filter=filter)


def trigger(
    *watches: tuple[WatchSpec, ...],
    trigger_id: str = "t",
    task_id: str = STARTED,
    version: str = "1",
    pairs: bool = False,
    schedules: Sequence[str] = (),
) -> TriggerSpec:
    """Make a trigger."""
    return TriggerSpec(
        trigger_id,
        task_id,
        {"of": version},
        version,
        pairs,
        60.0,
        tuple(watch for some in watches for watch in some),
        tuple(ScheduleSpec(name, {"expression": "* * * * *"}) for name in schedules),
    )


def tell(store: Driver, *specs: TriggerSpec, tasks: Sequence[str] = (STARTED,)) -> None:
    """Tell all triggers of some tasks."""
    store.trigger.register_triggers(tasks, specs)


def emit(store: Driver, payload: Any = None, code: str = "paid", event_id: str = "") -> str:
    """Emit an event; return its id."""
    event_id = event_id or new_invocation_id()
    store.trigger.emit(NewEvent(event_id, code, json.dumps(payload)))
    return event_id


def take(
    store: Driver, *ids: str, version: str = "1", limit: int = 100, seconds: float = 60
) -> list[Taken]:
    """Take causes of triggers, of ``t`` if none are named."""
    return store.trigger.take_causes(LOOKER, dict.fromkeys(ids or ("t",), version), limit, seconds)


def fire(store: Driver, taken: Sequence[Taken], **facts: Any) -> list[InvocationId]:
    """Start one call for each of these; return what they became."""
    firings = [Firing(one.cause_id, one.attempt, '{"of": "a test"}') for one in taken]
    facts = {"task_id": STARTED, "firings": firings, **facts}
    return store.register(len(taken), **facts)


def settle(
    store: Driver,
    taken: Sequence[Taken],
    verdict: Verdict,
    *,
    delay: float = 0,
    error: str | None = None,
) -> int:
    """Say the same of all; return how many were ours."""
    looks = [Look(one.cause_id, one.attempt, verdict, delay, error) for one in taken]
    return store.trigger.settle_causes(looks)


def info(store: Driver, trigger_id: str = "t") -> TriggerInfo:
    """Read where a trigger stands."""
    [found] = [one for one in store.trigger.triggers() if one.trigger_id == trigger_id]
    return found


def counts(store: Driver, trigger_id: str = "t") -> tuple[int, int, int, int]:
    """Count its causes that are due, wait and are parked, and what it has fired."""
    found = info(store, trigger_id)
    return found.due, found.waiting, found.parked, found.fired


def wait(store: Driver, *codes: str) -> list[int]:
    """Emit an event of each code and let its cause wait for others; return the causes."""
    waiting = []
    for code in codes:
        emit(store, code=code)
        taken = take(store)
        assert settle(store, taken, Verdict.YES) == 1
        waiting += [one.cause_id for one in taken]
    return waiting
