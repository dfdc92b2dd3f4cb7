"""Waiting for an event: the store finds those that may be it, and their payloads are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pynenc_pg.domain.arguments import short_repr
from pynenc_pg.domain.workflows import FOREVER, Look, SeenEvent, Step, StepKind, WaitSpec
from pynenc_pg.exceptions import EventTimeoutError, WorkflowError
from pynenc_pg.invocation.status import Reason
from pynenc_pg.serializer.wire import decode
from pynenc_pg.trigger.conditions.event import check_event_code
from pynenc_pg.trigger.json_values import as_json, for_sql, matches
from pynenc_pg.workflow.values import duration

if TYPE_CHECKING:
    from datetime import timedelta

    from pynenc_pg.workflow.place import Place

#: What a payload must be: a dict that it must contain, or a function that says so.
PayloadFilter = Mapping[str, Any] | Callable[[Any], bool]
_NOBODY_ELSE: Final = (
    "in synchronous mode nobody else can emit it while the workflow waits: test with "
    "pynenc_pg.testing.in_memory, which has events, or give a timeout, which is over at once"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The event that is waited for."""

    code: str
    filter: Any  # JSON, a function, or None
    timeout: float | None

    @classmethod
    def of(
        cls, code: str, filter_: PayloadFilter | None, timeout: float | timedelta | None
    ) -> Wanted:
        """Check what a user has written.

        Raises:
            TriggerDefinitionError: no event can have that code, or the filter is no JSON.
            TypeError: the filter is neither dict nor function.
            ValueError: the timeout is no number of seconds.
        """
        wanted: Any = filter_
        if isinstance(filter_, Mapping):
            wanted = as_json(filter_, "filter")
        elif filter_ is not None and not callable(filter_):
            message = f"filter = {short_repr(filter_)}: give a dict, or a function of the payload"
            raise TypeError(message)
        seconds = None if timeout is None else duration(timeout, "timeout")
        return cls(check_event_code(code), wanted, seconds)

    def accepts(self, payload: Any) -> bool:
        """Whether a payload passes."""
        if callable(self.filter):
            return bool(self.filter(payload))
        return self.filter is None or matches(self.filter, payload)

    def spec(self, path: str) -> WaitSpec:
        """Return what the store is asked for."""
        contained = for_sql(self.filter) if isinstance(self.filter, dict) else ...
        return WaitSpec(path, self.code, None if contained is ... else contained, self.timeout)


def wait_for_event(place: Place, wanted: Wanted) -> Any:
    """Return the payload of the first event that passes.

    Raises:
        EventTimeoutError: none has come in time.
        Suspended: none has come yet.
    """
    step = _record(place, wanted, None)
    if step is None:
        event, left = _look(place, wanted)
        if event is None and (left is None or left > 0):
            _go_on_later(place, wanted, left)
        step = _record(place, wanted, event, late=True)
    if step is None or step.event_id is None:
        said = "" if wanted.timeout is None else f" in {wanted.timeout:g} s"
        message = f"no event {wanted.code!r} has come{said}, in step {place.path} of the workflow"
        raise EventTimeoutError(message)
    return decode(step.value or "null", place.branch.run.engine.serializer)


def _record(
    place: Place, wanted: Wanted, event: SeenEvent | None, *, late: bool = False
) -> Step | None:
    """Return what stands there; with ``late``, write that it was this event, or none."""
    if not late and not place.branch.run.known(place.path):
        return None
    return place.recorded(
        StepKind.EVENT,
        wanted.code,
        value=None if event is None else lambda: event.payload,
        key=wanted.code,
        event_id=None if event is None else event.event_id,
    )


def _look(place: Place, wanted: Wanted) -> tuple[SeenEvent | None, float | None]:
    """Return the event, if it is there, and the seconds that are left to wait for it."""
    run, spec = place.branch.run, wanted.spec(place.path)
    skip: list[str] = []

    def ask() -> Look:
        return run.engine.store.workflows.await_event(run.author, spec, skip)

    while True:
        look = run.within(place.branch, lambda: run.ask(ask))
        if look.event is None:
            return None, look.left
        if wanted.accepts(decode(look.event.payload, run.engine.serializer)):
            return look.event, look.left
        skip.append(look.event.event_id)


def _go_on_later(place: Place, wanted: Wanted, left: float | None) -> None:
    if not place.branch.run.now.forced_sync:
        raise place.branch.suspend(Reason.EVENT, FOREVER if left is None else left)
    if left is None:
        message = f"no event {wanted.code!r} has been emitted, and {_NOBODY_ELSE}"
        raise WorkflowError(message)
