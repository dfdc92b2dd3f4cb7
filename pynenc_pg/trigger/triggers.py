"""The triggers of an app, as its code defines them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import chain
from typing import Any

from pynenc_pg.domain.causes import EVENT, ScheduleSpec, TriggerSpec, WatchSpec
from pynenc_pg.engine.registry import Registry
from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.trigger.conditions import Condition, CronCondition
from pynenc_pg.trigger.conditions.status import StatusCondition, why_never
from pynenc_pg.trigger.definition import TriggerDefinition, distinct


class Triggers:
    """All of them, by id."""

    def __init__(self, registry: Registry) -> None:
        """``registry`` has the tasks that they start and watch."""
        self._registry = registry
        # By task: those of its decorator, and those that were added to it.
        self._decorated: dict[str, tuple[TriggerDefinition, ...]] = {}
        self._added: dict[str, tuple[TriggerDefinition, ...]] = {}
        self._known: dict[str, TriggerDefinition] = {}
        self.version = 0

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._known)

    def decorate(self, task_id: str, definitions: tuple[TriggerDefinition, ...]) -> None:
        """Set those of a task's decorator: a module that is reloaded defines them anew."""
        if definitions or task_id in self._decorated:
            self._decorated[task_id] = definitions
            self._settle()

    def add(self, definition: TriggerDefinition) -> None:
        """Add one to those of its task; an equal one is there once.

        Raises:
            TriggerDefinitionError: the call of it is known to fail.
        """
        task = self._registry.find(definition.task_id)
        if task is not None:
            definition.check_call(task.signature)
        before = self._added.get(definition.task_id, ())
        self._added[definition.task_id] = distinct([*before, definition])
        self._settle()

    def find(self, trigger_id: str) -> TriggerDefinition | None:
        """Return one, if it is there."""
        return self._known.get(trigger_id)

    def all(self) -> list[TriggerDefinition]:
        """Return them."""
        return list(self._known.values())

    def versions(self) -> dict[str, str]:
        """Return the version of each, by its id."""
        return {one.trigger_id: one.version for one in self.all()}

    def specs(self) -> list[TriggerSpec]:
        """Describe them for the store."""
        return [self._spec(one) for one in self.all()]

    def check(self) -> None:
        """Refuse conditions that nothing can meet.

        Raises:
            TriggerDefinitionError: one watches a task that is not known, or a status that its
                task never gets.
        """
        for definition in self.all():
            for condition in definition.conditions:
                why = self._why_never(condition)
                if why is not None:
                    message = f"trigger {definition.trigger_id} would never fire: {why}"
                    raise TriggerDefinitionError(message)

    def _why_never(self, condition: Condition) -> str | None:
        watched = condition.watches.task_id
        if watched is None:
            return None
        task = self._registry.find(watched)
        if task is None:
            known = [one.task_id for one in self._registry.definitions()]
            near = get_close_matches(watched, known, n=1)
            hint = f"did you mean {near[0]}? Else " if near else ""
            return (
                f"there is no task {watched} here; {hint}import its module, or name that in "
                "trigger_task_modules"
            )
        if not isinstance(condition, StatusCondition):
            return None
        why = why_never(condition.statuses, task.conf)
        return None if why is None else f"of {watched}, {why}"

    def _settle(self) -> None:
        tasks = dict.fromkeys([*self._decorated, *self._added])
        one_by_one = (
            distinct([*self._decorated.get(task, ()), *self._added.get(task, ())]) for task in tasks
        )
        # A new dict: other threads may be looking at this one.
        self._known = {one.trigger_id: one for one in chain.from_iterable(one_by_one)}
        self.version += 1

    def _spec(self, definition: TriggerDefinition) -> TriggerSpec:
        return TriggerSpec(
            trigger_id=definition.trigger_id,
            task_id=definition.task_id,
            definition=definition.to_json(),
            version=definition.version,
            pairs=definition.pairs,
            within=definition.within,
            watches=tuple(w for one in definition.conditions for w in self._watches(one)),
            schedules=tuple(
                ScheduleSpec(one.condition_id, one.to_json())
                for one in definition.conditions
                if isinstance(one, CronCondition)
            ),
        )

    def _watches(self, condition: Condition) -> Iterable[WatchSpec]:
        watch, wanted = condition.watches, self._static_filter(condition)
        if watch.event_code is not None:
            return [WatchSpec(EVENT, watch.event_code, condition.condition_id, wanted)]
        return [
            WatchSpec(str(status), watch.task_id or "", condition.condition_id, wanted)
            for status in watch.statuses
        ]

    def _static_filter(self, condition: Condition) -> dict[str, Any] | None:
        """Leave out arguments that a call need not spell out: the row may not have them."""
        wanted = dict(condition.static_filter or {})
        if isinstance(wanted.get("arguments"), dict):
            task = self._registry.find(condition.watches.task_id or "")
            required = frozenset[str]() if task is None else task.required
            wanted["arguments"] = {n: v for n, v in wanted["arguments"].items() if n in required}
        return wanted or None
