"""``app.trigger``: triggers beside the decorator, events, and what has become of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.trigger.conditions import condition_from_json
from pynenc_pg.trigger.conditions.event import check_event_code
from pynenc_pg.trigger.trigger_builder import HasTask, HasTaskId, TriggerBuilder

if TYPE_CHECKING:
    from pynenc_pg.domain.causes import Fired, ScheduleState, TriggerInfo
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.trigger.definition import TriggerDefinition
    from pynenc_pg.trigger.triggers import Triggers

P = ParamSpec("P")


class AppTriggerBuilder(TriggerBuilder):
    """A trigger that is given to a task at its end, by ``run``."""

    def __init__(self, triggers: Triggers) -> None:
        """Add to these."""
        super().__init__()
        self._triggers = triggers

    def run(self, task: HasTaskId | HasTask) -> TriggerDefinition:
        """Have it start a task of this app.

        Raises:
            TriggerDefinitionError: it has no condition, or arguments that nothing would give.
        """
        definition = self.build(task)  # type: ignore[arg-type]  # it takes a task, too
        self._triggers.add(definition)
        return definition


def _begins(
    method: Callable[Concatenate[TriggerBuilder, P], TriggerBuilder],
) -> Callable[Concatenate[AppTrigger, P], AppTriggerBuilder]:
    def begin(self: AppTrigger, /, *args: P.args, **kwargs: P.kwargs) -> AppTriggerBuilder:
        builder = AppTriggerBuilder(self._triggers)
        method(builder, *args, **kwargs)
        return builder

    begin.__name__, begin.__doc__ = method.__name__, method.__doc__
    return begin


class AppTrigger:
    """The triggers of an app.

    >>> app.trigger.on_cron("*/5 * * * *").run(sweep)  # doctest: +SKIP
    >>> app.trigger.emit_event("order.paid", {"order": 7})  # doctest: +SKIP
    """

    def __init__(self, triggers: Triggers, engine: Callable[[], Engine]) -> None:
        """``engine`` answers who carries it out."""
        self._triggers = triggers
        self._engine = engine

    on_cron = _begins(TriggerBuilder.on_cron)
    on_event = _begins(TriggerBuilder.on_event)
    on_status = _begins(TriggerBuilder.on_status)
    on_success = _begins(TriggerBuilder.on_success)
    on_result = _begins(TriggerBuilder.on_result)
    on_any_result = _begins(TriggerBuilder.on_any_result)
    on_exception = _begins(TriggerBuilder.on_exception)
    add_condition = _begins(TriggerBuilder.add_condition)
    with_logic = _begins(TriggerBuilder.with_logic)

    # --- events -------------------------------------------------------------------------------

    def emit_event(self, code: str, payload: Any = None) -> str:
        """Make known that something has happened; return the event's id.

        What watches it is started by a runner. ``payload`` is what a serializer carries, a dict as
        a rule.

        Raises:
            TriggerDefinitionError: no event can have that code.
            SerializationError: the payload cannot be carried.
        """
        engine = self._engine()
        event = engine.new_event(check_event_code(code), payload)
        engine.store.trigger.emit(event)
        return event.event_id

    async def aemit_event(self, code: str, payload: Any = None) -> str:
        """Like ``emit_event``, from a coroutine: the event loop goes on meanwhile."""
        return await asyncio.to_thread(self.emit_event, code, payload)

    def using(self, session: Any) -> EventsWithin:
        """Make events part of the caller's own transaction: they are there if that commits.

        ``session`` is one that ``task.using`` takes.

        >>> with engine.begin() as connection:  # doctest: +SKIP
        ...     connection.execute(insert(orders).values(number=7))
        ...     app.trigger.using(connection).emit_event("order.placed", {"order": 7})
        """
        return EventsWithin(self._engine, session)

    # --- what there is ------------------------------------------------------------------------

    def all(self) -> list[TriggerInfo]:
        """Return the triggers that runners have told of, by id, with what waits and was fired."""
        return self._engine().store.trigger.triggers()

    def fired(self, trigger_id: str | None = None, limit: int = 100) -> list[Fired]:
        """Return what was fired, and by what, the latest first; what was dropped stands there too.

        Kept for a week.
        """
        return self._engine().store.trigger.fired(trigger_id, limit)

    def pause(self, trigger_id: str) -> None:
        """Let a trigger rest. What happens meanwhile is noted and fires later.

        Ticks of a schedule are caught up as its ``catch_up`` says.

        Raises:
            TriggerDefinitionError: there is none of that id.
        """
        self._pause(trigger_id, paused=True)

    def resume(self, trigger_id: str) -> None:
        """Let a trigger go on.

        Raises:
            TriggerDefinitionError: there is none of that id.
        """
        self._pause(trigger_id, paused=False)

    def schedules(self) -> list[ScheduleState]:
        """Return where the schedules stand, but those of triggers that rest."""
        return self._engine().store.trigger.schedules()

    def reschedule(
        self,
        trigger_id: str,
        cron_expression: str | None,
        timezone: str | None = None,
        *,
        condition_id: str | None = None,
    ) -> None:
        """Let a trigger have other times from now on; with None, those of its code again.

        Kept over deploys, until the code itself has other times. The zone stays if it is left out.
        ``condition_id`` says which, of a trigger that has several schedules.

        Raises:
            TriggerDefinitionError: there is no such schedule, several, or times that cannot be.
        """
        states = [s for s in self.schedules() if s.trigger_id == trigger_id]
        chosen = [s for s in states if condition_id in {None, s.condition_id}]
        if len(chosen) != 1:
            found = ", ".join(s.condition_id for s in states) or "none"
            message = (
                f"trigger {trigger_id} has {len(chosen)} such schedules (in all: {found}): "
                "name one as condition_id; of a trigger that is paused there is none"
            )
            raise TriggerDefinitionError(message)
        [state] = chosen
        edited = None
        if cron_expression is not None:
            said = {**state.condition, "expression": cron_expression}
            if timezone is not None:
                said["timezone"] = timezone
            edited = condition_from_json(said).to_json()
        self._engine().store.trigger.reschedule(trigger_id, state.condition_id, edited)

    def retry(self, trigger_id: str) -> int:
        """Look again at causes that were parked, as their functions failed; how many there were."""
        return self._engine().store.trigger.retry_causes(trigger_id)

    def _pause(self, trigger_id: str, *, paused: bool) -> None:
        if not self._engine().store.trigger.pause_trigger(trigger_id, paused=paused):
            message = (
                f"no runner has told of a trigger {trigger_id}: see app.trigger.all(), or "
                "pynenc-pg triggers list"
            )
            raise TriggerDefinitionError(message)


class EventsWithin:
    """Events that belong to a transaction of the caller's: see ``AppTrigger.using``."""

    def __init__(self, engine: Callable[[], Engine], session: object) -> None:
        """Made by ``AppTrigger.using``."""
        self._engine = engine
        self._session = session

    def emit_event(self, code: str, payload: Any = None) -> str:
        """Like ``AppTrigger.emit_event``; nothing is known of it before the caller commits.

        Raises:
            TypeError: nothing of that type can be used.
            StoreError: this store has no transactions.
        """
        engine = self._engine()
        event = engine.new_event(check_event_code(code), payload)
        engine.store.trigger.emit_within(self._session, event)
        return event.event_id

    async def aemit_event(self, code: str, payload: Any = None) -> str:
        """Like ``emit_event``, for a session that is awaited."""
        engine = self._engine()
        event = engine.new_event(check_event_code(code), payload)
        await engine.store.trigger.emit_within_async(self._session, event)
        return event.event_id
