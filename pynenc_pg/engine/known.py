"""What a runner tells of its tasks: for calls from SQL, and for what waits for who can take it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from pynenc_pg.domain.concurrency import ConcurrencyControlType, Purpose, concurrency_key, digest
from pynenc_pg.domain.known import KnownParameter, KnownTask
from pynenc_pg.engine.keys import default_of
from pynenc_pg.engine.registry import Registry, TaskDefinition
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.canonical import plain_text
from pynenc_pg.serializer.json_pickle import JsonPickleSerializer
from pynenc_pg.serializer.json_strict import JsonSerializer
from pynenc_pg.serializer.pickled import PickleSerializer
from pynenc_pg.serializer.plain import NotJsonError

#: These take plain JSON as it is; what is derived from them may not.
_PLAIN: Final = (JsonSerializer, JsonPickleSerializer, PickleSerializer)


class Known:
    """The tasks of an app, described."""

    def __init__(
        self, registry: Registry, ageing: Callable[[], float], serializer: BaseSerializer
    ) -> None:
        """``ageing`` answers the seconds of waiting that a point of priority is worth.

        ``serializer`` is of tasks that have none of their own.
        """
        self._registry = registry
        self._serializer = serializer
        self._ageing = ageing
        self._others: list[KnownTask] | None = None
        self._replaced = 0
        #: Called when they are replaced, by any thread: whoever tells of them is in no hurry else.
        self.on_replaced: Callable[[], None] = lambda: None

    @property
    def version(self) -> int:
        """Another one when there is something new to tell."""
        return self._registry.version + self._replaced

    def replace(self, others: list[KnownTask]) -> None:
        """Tell of these from now on: processes of ours that execute have newer code than we."""
        if others != self.tasks():
            self._others = others
            self._replaced += 1
            self.on_replaced()

    def tasks(self) -> list[KnownTask]:
        """Describe them all."""
        if self._others is not None:
            return self._others
        ageing = self._ageing()
        return [self._known(task, ageing) for task in self._registry.definitions()]

    def _known(self, task: TaskDefinition, ageing: float) -> KnownTask:
        counts = _counts(task)
        plain = self._is_plain(task)
        parameters = task.described()
        if plain and counts is not None:
            named = {name for names in counts.values() for name in names or ()}
            parameters = [self._with_default(p, task) if p.name in named else p for p in parameters]
        said = _options(task, ageing) | {"counts": counts, "plain": plain}
        options = json.dumps(said, sort_keys=True)
        shape = [[p.name, p.kind, p.required, p.default] for p in parameters]
        return KnownTask(task.task_id, digest([shape, options]), tuple(parameters), options)

    def _is_plain(self, task: TaskDefinition) -> bool:
        """Whether its arguments that are plain JSON count as they are, so that SQL can tell."""
        try:
            return type(self._registry.serializer(task, self._serializer)) in _PLAIN
        except ConfigError:  # every call of it says so
            return False

    def _with_default(self, parameter: KnownParameter, task: TaskDefinition) -> KnownParameter:
        if parameter.required:
            return parameter
        serializer = self._registry.serializer(task, self._serializer)
        try:
            text = plain_text(default_of(task, parameter.name, serializer))
        except (NotJsonError, RecursionError):
            return parameter  # a call that leaves it out is refused
        return replace(parameter, default=text)


def _options(task: TaskDefinition, ageing: float) -> dict[str, Any]:
    conf = task.conf
    return {
        "queue": conf.queue,
        "priority": conf.priority,
        "ageing": ageing,
        "expires": conf.expires,
        "timeout": conf.timeout,
        "max_retries": conf.max_retries,
        "keep": conf.keep,
        "keep_failed": conf.keep_failed,
        "slots": conf.slots,
        "must_not_wait": conf.must_not_wait,
        "rate": conf.rate_limit and conf.rate_limit.count,
        "rate_period": conf.rate_limit and conf.rate_limit.period,
        "registration_concurrency": conf.registration_concurrency,
        "running_concurrency": conf.running_concurrency,
        "key_arguments": list(conf.key_arguments),
        "registration_key": _key("registration", task, conf.registration_concurrency),
        "lane_key": _key("running", task, conf.limited),
    }


def _counts(task: TaskDefinition) -> dict[str, list[str] | None] | None:
    """Return which arguments count for what, if any do."""
    conf = task.conf
    found = {
        "registration": _counted(task, conf.registration_concurrency),
        "running": _counted(task, conf.limited),
        "call": list(task.signature.parameters) if conf.refuses_different else None,
    }
    return found if any(found.values()) else None


def _counted(task: TaskDefinition, scope: ConcurrencyControlType) -> list[str] | None:
    match scope:
        case ConcurrencyControlType.KEYS:
            return sorted(set(task.conf.key_arguments)) or None
        case ConcurrencyControlType.ARGUMENTS:
            return list(task.signature.parameters) or None
    return None


def _key(purpose: Purpose, task: TaskDefinition, scope: ConcurrencyControlType) -> str | None:
    """Return the key of calls without arguments that count."""
    if scope is ConcurrencyControlType.DISABLED or _counted(task, scope) is not None:
        return None
    return concurrency_key(purpose, task.task_id, scope, {})
