"""Looks at causes, and calls the tasks of triggers whose conditions they meet."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.domain.arguments import short_repr
from pynenc_pg.domain.causes import Firing, Look, ScheduleState, Taken, Verdict
from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.engine.binding import Binding
from pynenc_pg.engine.core import Engine
from pynenc_pg.exceptions import (
    CausesLostError,
    ConfigError,
    StoreUnavailableError,
    TriggerDefinitionError,
)
from pynenc_pg.serializer.wire import encode_arguments
from pynenc_pg.trigger.conditions import CronCondition, condition_from_json
from pynenc_pg.trigger.contexts import context_of
from pynenc_pg.trigger.definition import TriggerDefinition
from pynenc_pg.trigger.pairing import Waiting, pair
from pynenc_pg.trigger.trigger_context import TriggerContext
from pynenc_pg.trigger.triggers import Triggers

logger = logging.getLogger(__name__)

#: Causes taken at once, and the seconds in which they must have been looked at.
AT_ONCE: Final = 100
LOOK_WITHIN: Final = 60.0
#: A cause whose functions have failed so often is parked: somebody has to look.
ATTEMPTS: Final = 5
#: Seconds until it is looked at again, doubled each time.
AGAIN_AFTER: Final = 1.0
#: Others may take what we are about to pair: then the rest is paired.
_TRIES: Final = 5
#: Seconds after which causes that wait are looked at all the same: who found that one is the
#: last of a set may have died before it said so.
PAIR_EVERY: Final = 30.0
#: Characters of arguments, and of an error, that are kept for people.
_SHOWN: Final = 10_000
_ERROR: Final = 2_000


@dataclass(frozen=True, slots=True)
class _Call:
    """What a trigger has made of causes."""

    taken: Taken
    arguments: Mapping[str, Any]


class TriggerReactor:
    """See ``pynenc_pg.engine.reactor.Reactor``."""

    def __init__(
        self,
        engine: Engine,
        triggers: Triggers,
        conf: Callable[[], PynencConf],
    ) -> None:
        """Call by way of ``engine``, with the triggers of the code and what ``conf`` answers."""
        self._conf = conf
        self._engine = engine
        self._store = engine.store.trigger
        self._triggers = triggers
        self._pair_at = 0.0
        self._drops: dict[str, datetime] = {}  # when somebody waits no longer, by trigger

    @property
    def version(self) -> int:
        """Another one when there is something new to tell."""
        return self._triggers.version + self._engine.registry.version

    @property
    def idle(self) -> bool:
        """Whether the code has no triggers."""
        return not self._triggers

    def tell(self) -> None:
        """Tell the store which triggers the code has.

        Raises:
            TriggerDefinitionError: one of them can never fire.
            ConfigError: a module of ``trigger_task_modules`` cannot be imported.
        """
        for module in self._conf().trigger_task_modules:
            try:
                import_module(module)
            except ImportError as error:
                message = f"trigger_task_modules: {module} cannot be imported: {error}"
                raise ConfigError(message) from error
        self._triggers.check()
        definitions = self._triggers.all()
        tasks = {task.task_id for task in self._engine.registry.definitions()}
        tasks.update(one.task_id for one in definitions)
        self._store.register_triggers(sorted(tasks), self._triggers.specs())

    def react(self, runner_id: RunnerId) -> float | None:
        """Look at what is due, till nothing is; return the seconds until there is more."""
        versions = self._triggers.versions()
        while taken := self._store.take_causes(runner_id, versions, AT_ONCE, LOOK_WITHIN):
            self._look_at(taken)
        now = self._now()
        if time.monotonic() >= self._pair_at:
            self._pair_at = time.monotonic() + PAIR_EVERY
            self._drops |= {one.trigger_id: now for one in self._triggers.all() if one.pairs}
        for trigger_id in [i for i, drop in self._drops.items() if drop <= now]:
            self._pair(trigger_id)
        left = [(drop - now).total_seconds() for drop in self._drops.values()]
        due = self._store.next_cause(versions)
        return min([*left, *([] if due is None else [due])], default=None)

    def tick(self) -> float | None:
        """Note the ticks of schedules that are due; return the seconds until the next one."""
        if not self._conf().trigger.enable_scheduler:
            return None
        waits = []
        for state in self._store.schedules():
            condition = self._schedule(state)
            if condition is None:
                continue
            due = condition.due(state.settled, state.now, state.trigger_id)
            if due.settled != state.settled or due.next_at != state.next_at:
                self._store.tick(state, due.ticks, due.settled, due.next_at)
            waits.append((due.next_at - state.now).total_seconds())
        return max(0.0, min(waits)) if waits else None

    def _schedule(self, state: ScheduleState) -> CronCondition | None:
        """Return the times of a schedule; None: other code has it, or they cannot be read."""
        definition = self._triggers.find(state.trigger_id)
        condition = definition and definition.condition(state.condition_id)
        if not isinstance(condition, CronCondition):
            return None
        if not state.edited:
            return condition
        try:
            edited = condition_from_json(dict(state.condition))
        except TriggerDefinitionError as error:
            logger.error("trigger.unreadable: %s: %s", state.trigger_id, error)  # noqa: TRY400
            return None
        return edited if isinstance(edited, CronCondition) else None

    # --- one look -----------------------------------------------------------------------------

    def _look_at(self, taken: Sequence[Taken]) -> None:
        looks: list[Look] = []
        calls: dict[str, list[_Call]] = defaultdict(list)
        for one in taken:
            definition = self._triggers.find(one.trigger_id)
            if definition is None:  # reloaded meanwhile: it is due again when its time is over
                continue
            try:
                made = self._evaluate(definition, one)
            except StoreUnavailableError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - functions of the user
                looks.append(self._failed(one, error))
                continue
            if isinstance(made, _Call):
                calls[one.trigger_id].append(made)
            else:
                looks.append(Look(one.cause_id, one.attempt, made))
        for trigger_id, some in calls.items():
            looks += self._fire(trigger_id, some)
        if looks:
            self._store.settle_causes(looks)
        met = {look.cause_id for look in looks if look.verdict is Verdict.YES}
        for trigger_id in {one.trigger_id for one in taken if one.cause_id in met}:
            self._pair(trigger_id)

    def _evaluate(self, definition: TriggerDefinition, taken: Taken) -> _Call | Verdict:
        """Return what to call, or what is to become of the cause."""
        together = len(taken.sources) > 1
        contexts = {}
        for source in taken.sources:
            condition = definition.condition(source.condition_id)
            if condition is None:
                return Verdict.NO
            context = context_of(source, condition, self._engine)
            # What a schedule has noted is a tick of it, though its times may be others by now.
            is_tick = isinstance(condition, CronCondition)
            if not (together or is_tick or condition.matches(context)):
                return Verdict.NO
            contexts[source.condition_id] = context
        if definition.pairs and not together:
            return Verdict.YES
        fired = TriggerContext(
            trigger_id=definition.trigger_id,
            task_id=definition.task_id,
            timestamp=max(source.at for source in taken.sources),
            contexts=contexts,
        )
        arguments = {
            # As the arguments of a watched call are, which one is likely to pass on.
            name: dict(value) if isinstance(value, MappingProxyType) else value
            for name, value in definition.build_arguments(fired).items()
        }
        task = self._engine.registry.get(definition.task_id)
        return _Call(taken, Binding(task.task_id, task.signature).bind(**arguments))

    def _fire(self, trigger_id: str, calls: Sequence[_Call]) -> list[Look]:
        """Call a task, all at once if that can be, and return what became of the rest."""
        definition = self._triggers.find(trigger_id)
        if definition is None:
            return []
        task = self._engine.registry.get(definition.task_id)
        firings = [Firing(c.taken.cause_id, c.taken.attempt, self._shown(c)) for c in calls]
        try:
            self._engine.submit(
                task,
                [call.arguments for call in calls],
                amend=lambda batch: replace(batch, firings=firings, changed_by="trigger"),
            )
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - one of them is to blame, the others are not
            if len(calls) > 1:
                return [look for call in calls for look in self._fire(trigger_id, [call])]
            if isinstance(error, CausesLostError):
                return []
            return [self._failed(calls[0].taken, error)]
        logger.info("trigger.fired: %s started %s, %d", trigger_id, definition.task_id, len(calls))
        return []

    def _failed(self, taken: Taken, error: BaseException) -> Look:
        said = f"{type(error).__qualname__}: {error}"[:_ERROR]
        about = (taken.trigger_id, taken.cause_id, short_repr(said, 500))
        if taken.attempt >= ATTEMPTS:
            logger.error("trigger.parked: %s, cause %d: %s", *about)
            verdict = Verdict.PARK
        else:
            logger.warning("trigger.failed: %s, cause %d: %s", *about)
            verdict = Verdict.LATER
        delay = AGAIN_AFTER * 2.0 ** (taken.attempt - 1)
        return Look(taken.cause_id, taken.attempt, verdict, delay, said)

    def _shown(self, call: _Call) -> str | None:
        try:
            shown = encode_arguments(call.arguments, self._engine.serializer)
        except Exception:  # noqa: BLE001 - the call itself says what is wrong with them
            return None
        return shown if len(shown) <= _SHOWN else None

    # --- causes that wait for each other ------------------------------------------------------

    def _pair(self, trigger_id: str) -> None:
        definition = self._triggers.find(trigger_id)
        if definition is None or not definition.pairs:
            self._drops.pop(trigger_id, None)
            return
        within = timedelta(seconds=definition.within)
        for _ in range(_TRIES):
            queues: dict[str, list[Waiting]] = {c.condition_id: [] for c in definition.conditions}
            for cause in self._store.waiting_causes(trigger_id):
                queues[cause.condition_id].append(Waiting(cause.at, f"{cause.cause_id:020d}"))
            made = pair(queues, self._now(), within)
            if made.next_drop is None:
                self._drops.pop(trigger_id, None)
            else:
                self._drops[trigger_id] = made.next_drop
            sets = [[int(cause.cause_id) for cause in one.values()] for one in made.sets]
            dropped = [int(cause.cause_id) for _, cause in made.dropped]
            if not (sets or dropped) or self._store.pair_causes(trigger_id, sets, dropped):
                break
        if dropped:
            logger.warning(
                "trigger.dropped: %s, %d causes that nothing came for", trigger_id, len(dropped)
            )

    def _now(self) -> datetime:
        """The store's time."""
        return datetime.now(UTC) + timedelta(seconds=self._engine.clock_offset())
