"""How a trigger is written: conditions, how they combine, where arguments come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, Literal, Protocol, Self, runtime_checkable

from pynenc_pg.domain.arguments import short_repr
from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.trigger.arguments import (
    ArgumentSource,
    ContextArguments,
    ProvidedArguments,
    StaticArguments,
)
from pynenc_pg.trigger.callables import CallableRef
from pynenc_pg.trigger.conditions import (
    Condition,
    CronCondition,
    EventCondition,
    EventContext,
    ExceptionCondition,
    ExceptionContext,
    ResultCondition,
    ResultContext,
    StatusCondition,
    StatusContext,
)
from pynenc_pg.trigger.conditions.cron import catch_up_of, jitter_of
from pynenc_pg.trigger.conditions.exception import parse_exception_types
from pynenc_pg.trigger.conditions.status import parse_statuses, why_never
from pynenc_pg.trigger.definition import (
    WITHIN,
    CompositeLogic,
    TriggerDefinition,
    distinct,
    trigger_id_of,
)
from pynenc_pg.trigger.due import CatchUp
from pynenc_pg.trigger.filters import Filter, optional
from pynenc_pg.trigger.trigger_context import TriggerContext


@runtime_checkable
class HasTaskId(Protocol):
    """A task, as far as a trigger has to know it."""

    @property
    def task_id(self) -> str:
        """Module and name."""
        ...


@runtime_checkable
class HasTask(Protocol):
    """What ``app.direct_task`` makes."""

    @property
    def task(self) -> HasTaskId:
        """The task that a call runs."""
        ...


#: A task, or its id for one that cannot be imported there: ``"module.name"``.
TaskLike = HasTaskId | HasTask | str
StatusLike = InvocationStatus | str
ExceptionLike = type[BaseException] | str
#: A dict that must be contained, or a function of a module that returns a bool.
ArgumentFilter = Mapping[str, Any] | Callable[[dict[str, Any]], bool]
#: What a provider returns.
Given = Mapping[str, object]

#: Seconds.
_LONGEST: Final = 10 * 366 * 86_400.0
#: Which method makes contexts of a kind.
_MADE_BY: Final = {
    "event": "on_event",
    "status": "on_status or on_success",
    "result": "on_result or on_any_result",
    "exception": "on_exception",
}


class TriggerBuilder:
    """Says when a task is started, and with which arguments; each method returns the builder.

    >>> trigger = TriggerBuilder().on_cron("30 9 * * mon-fri", timezone="Europe/Berlin")
    >>> trigger.with_args_static({"region": "eu"}).build("shop.reports.daily").task_id
    'shop.reports.daily'

    Every method raises ``TriggerDefinitionError`` for what cannot be.
    """

    def __init__(self) -> None:
        self._conditions: list[Condition] = []
        self._logic = CompositeLogic.AND
        self._within: float | None = None
        self._sources: list[ArgumentSource] = []

    # --- conditions ---------------------------------------------------------------------------

    def on_cron(
        self,
        cron_expression: str,
        timezone: str = "UTC",
        catch_up: CatchUp | Literal["latest", "all", "none"] = CatchUp.LATEST,
        jitter: float | timedelta = 0.0,
    ) -> Self:
        """Start it at times: five fields, or six with the second last; or ``@daily`` and the like.

        ``catch_up`` says what becomes of ticks that passed while nothing ran: the ``latest`` of
        them fires, ``all``, or ``none``. Each tick is up to ``jitter`` seconds late, by chance.
        """
        policy, seconds = catch_up_of(catch_up), jitter_of(jitter)
        return self.add_condition(CronCondition(cron_expression, timezone, policy, seconds))

    def on_event(
        self,
        event_code: str,
        payload_filter: Mapping[str, Any] | Callable[[Any], bool] | Any = None,
    ) -> Self:
        """Start it when an event is emitted, if its payload passes.

        The filter is a dict that the payload must contain, another value that it must equal, or a
        function of a module that gets the payload and returns a bool.

        >>> _ = TriggerBuilder().on_event("order.lost", {"country": "de"})
        """
        chosen = None if payload_filter is None else Filter.of(payload_filter, "payload_filter")
        return self.add_condition(EventCondition(event_code, chosen))

    def on_status(
        self,
        task: TaskLike,
        statuses: StatusLike | Iterable[StatusLike] = InvocationStatus.SUCCESS,
        call_arguments: ArgumentFilter | None = None,
    ) -> Self:
        """Start it each time an invocation of ``task`` gets one of the statuses.

        ``statuses`` are members, names or values in any case; ``call_arguments`` is a dict that the
        arguments of the watched call must contain, or a function of them.

        >>> _ = TriggerBuilder().on_status("shop.tasks.pay", ["RETRY", "failed"])
        """
        wanted = parse_statuses(statuses)
        task_id = _task_id(task)
        conf = getattr(getattr(task, "task", task), "conf", None)
        why = None if conf is None else why_never(wanted, conf)
        if why is not None:
            message = f"a trigger on the status of {task_id} would never fire: {why}"
            raise TriggerDefinitionError(message)
        filter_ = optional(call_arguments, "call_arguments")
        return self.add_condition(StatusCondition(task_id, wanted, filter_))

    def on_success(self, task: TaskLike, call_arguments: ArgumentFilter | None = None) -> Self:
        """Start it each time an invocation of ``task`` succeeds."""
        return self.on_status(task, InvocationStatus.SUCCESS, call_arguments)

    def on_result(
        self, task: TaskLike, filter_result: Any, call_arguments: ArgumentFilter | None = None
    ) -> Self:
        """Start it when ``task`` returns what passes: a dict, a value (also None), a function."""
        chosen = Filter.of(filter_result, "filter_result")
        filter_ = optional(call_arguments, "call_arguments")
        return self.add_condition(ResultCondition(_task_id(task), chosen, filter_))

    def on_any_result(self, task: TaskLike, call_arguments: ArgumentFilter | None = None) -> Self:
        """Start it when ``task`` returns, whatever it is, and know the result."""
        filter_ = optional(call_arguments, "call_arguments")
        return self.add_condition(ResultCondition(_task_id(task), None, filter_))

    def on_exception(
        self,
        task: TaskLike,
        exception_types: ExceptionLike | Iterable[ExceptionLike] | None = None,
        call_arguments: ArgumentFilter | None = None,
    ) -> Self:
        """Start it when ``task`` fails, with one of the exceptions if any are named.

        A class stands for its subclasses, too, a name for the class of that name alone. An attempt
        that is followed by another one does not count.
        """
        types = parse_exception_types(exception_types)
        filter_ = optional(call_arguments, "call_arguments")
        return self.add_condition(ExceptionCondition(_task_id(task), types, filter_))

    def add_condition(self, condition: Condition) -> Self:
        """Add a condition that is made already."""
        if not isinstance(condition, Condition):
            message = f"{short_repr(condition)} is no condition of pynenc_pg.trigger.conditions"
            raise TriggerDefinitionError(message)
        if any(one.condition_id == condition.condition_id for one in self._conditions):
            message = f"the trigger has this condition already: {condition}"
            raise TriggerDefinitionError(message)
        self._conditions.append(condition)
        return self

    def with_logic(
        self,
        logic: CompositeLogic | Literal["and", "or", "AND", "OR"],
        *,
        within: float | timedelta | None = None,
    ) -> Self:
        """Start it when all conditions are met (``and``, as without this), or by each (``or``).

        With ``and`` each condition has a cause of its own, and they may lie ``within`` so many
        seconds of each other (a day): the first ones of all fire together, then the second ones. A
        cause that nothing comes for in that time is dropped.
        """
        try:
            self._logic = CompositeLogic(str(logic).lower())
        except ValueError:
            message = f"with_logic({logic!r}): it must be 'and' or 'or'"
            raise TriggerDefinitionError(message) from None
        if within is not None and self._logic is CompositeLogic.OR:
            message = "with_logic('or', within=...): with 'or' no cause waits for another one"
            raise TriggerDefinitionError(message)
        self._within = None if within is None else _seconds(within)
        return self

    # --- arguments ----------------------------------------------------------------------------

    def with_args_static(self, args: Mapping[str, Any]) -> Self:
        """Give the same arguments each time."""
        return self._with(StaticArguments.of(args))

    def with_args_from_event(self, callback: Callable[[EventContext], Given] | None = None) -> Self:
        """Give arguments made of the event; without ``callback`` those are its payload."""
        return self._from("event", callback)

    def with_args_from_status(
        self, callback: Callable[[StatusContext], Given] | None = None
    ) -> Self:
        """Give arguments made of the status; without ``callback`` those of the watched call."""
        return self._from("status", callback)

    def with_args_from_result(
        self, callback: Callable[[ResultContext], Given] | None = None
    ) -> Self:
        """Give arguments made of the result; without ``callback`` it is the argument ``result``."""
        return self._from("result", callback)

    def with_args_from_exception(
        self, callback: Callable[[ExceptionContext], Given] | None = None
    ) -> Self:
        """Give arguments made of the exception.

        Without ``callback`` they are ``exception_type`` and ``exception_message``.
        """
        return self._from("exception", callback)

    def with_args_from_trigger_context(self, callback: Callable[[TriggerContext], Given]) -> Self:
        """Give arguments made of all that has fired."""
        return self._with(ProvidedArguments(CallableRef.of(callback, "the provider")))

    def with_args_provider(
        self, provider: Callable[[TriggerContext], Given] | ArgumentSource
    ) -> Self:
        """Give what a function returns; or a source of ``pynenc_pg.trigger.arguments``."""
        if isinstance(provider, ArgumentSource):
            return self._with(provider)
        return self.with_args_from_trigger_context(provider)

    def _from(self, kind: str, callback: Callable[..., Given] | None) -> Self:
        role = f"with_args_from_{kind}:"
        ref = None if callback is None else CallableRef.of(callback, role)
        return self._with(ContextArguments(kind, ref))

    def _with(self, source: ArgumentSource) -> Self:
        self._sources.append(source)
        return self

    # --- the end ------------------------------------------------------------------------------

    def build(self, task_id: str) -> TriggerDefinition:
        """Return the trigger of a task, as it is stored."""
        task_id = _task_id(task_id)
        if not self._conditions:
            message = f"a trigger of {task_id} has no condition: add one, as on_cron('@daily')"
            raise TriggerDefinitionError(message)
        kinds = {condition.kind for condition in self._conditions}
        for source in self._sources:
            if isinstance(source, ContextArguments) and source.kind not in kinds:
                message = (
                    f"a trigger of {task_id} has with_args_from_{source.kind}, which would never "
                    f"give anything: there is no {_MADE_BY[source.kind]}, only {', '.join(kinds)}"
                )
                raise TriggerDefinitionError(message)
        return TriggerDefinition(
            trigger_id=trigger_id_of(task_id, self._conditions, self._logic),
            task_id=task_id,
            conditions=tuple(self._conditions),
            logic=self._logic,
            within=WITHIN if self._within is None else self._within,
            arguments=tuple(self._sources),
        )

    def __repr__(self) -> str:
        """Show what it has so far."""
        return f"TriggerBuilder({str(self._logic)!r}, {self._conditions})"


def build_all(
    task_id: str, triggers: TriggerBuilder | Iterable[TriggerBuilder]
) -> tuple[TriggerDefinition, ...]:
    """Return the triggers of a task, each of them once: what its decorator is given.

    Raises:
        TriggerDefinitionError: one of them is no builder, or cannot be.
    """
    single = isinstance(triggers, TriggerBuilder | str) or not isinstance(triggers, Iterable)
    made = []
    for one in [triggers] if single else triggers:  # type: ignore[union-attr]
        if not isinstance(one, TriggerBuilder):
            message = f"triggers of {task_id}: {short_repr(one)} is no TriggerBuilder"
            raise TriggerDefinitionError(message)
        made.append(one.build(task_id))
    return distinct(made)


def _task_id(task: object) -> str:
    found = getattr(task, "task", task)
    found = getattr(found, "task_id", found)
    if isinstance(found, str) and "." in found and all(p.isidentifier() for p in found.split(".")):
        return found
    message = (
        f"{short_repr(task)} is no task: give what @app.task made, or the id of a task, which is "
        "module and name, as 'shop.tasks.add'"
    )
    raise TriggerDefinitionError(message)


def _seconds(within: float | timedelta) -> float:
    seconds = within.total_seconds() if isinstance(within, timedelta) else within
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not 0 < seconds <= _LONGEST
    ):
        message = f"within = {within!r}: it must be seconds, more than 0 and up to ten years"
        raise TriggerDefinitionError(message)
    return float(seconds)
