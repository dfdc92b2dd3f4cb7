"""What a runner tells of its tasks: for calls from SQL, and for what waits for who can take it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from pynenc_pg.conf.config_task import TaskConf
from pynenc_pg.domain.concurrency import ConcurrencyControlType, Purpose, concurrency_key, digest
from pynenc_pg.domain.known import KnownTask
from pynenc_pg.engine.registry import Registry, TaskDefinition

_OFF: Final = ConcurrencyControlType.DISABLED


class Known:
    """The tasks of an app, described."""

    def __init__(self, registry: Registry, ageing: Callable[[], float]) -> None:
        """``ageing`` answers the seconds of waiting that a point of priority is worth."""
        self._registry = registry
        self._ageing = ageing
        self._others: list[KnownTask] | None = None
        self._replaced = 0

    @property
    def version(self) -> int:
        """Another one when there is something new to tell."""
        return self._registry.version + self._replaced

    def replace(self, others: list[KnownTask]) -> None:
        """Tell of these from now on: processes of ours that execute have newer code than we."""
        if others != self.tasks():
            self._others = others
            self._replaced += 1

    def tasks(self) -> list[KnownTask]:
        """Describe them all."""
        if self._others is not None:
            return self._others
        ageing = self._ageing()
        return [_known(task, ageing) for task in self._registry.definitions()]


def _known(task: TaskDefinition, ageing: float) -> KnownTask:
    parameters = task.described()
    options = json.dumps(_options(task, ageing, takes_any=bool(parameters)), sort_keys=True)
    shape = [[p.name, p.kind, p.required] for p in parameters]
    return KnownTask(task.task_id, digest([shape, options]), tuple(parameters), options)


def _options(task: TaskDefinition, ageing: float, *, takes_any: bool) -> dict[str, Any]:
    conf = task.conf
    scopes = (conf.registration_concurrency, conf.limited)
    return {
        "queue": conf.queue,
        "priority": conf.priority,
        "ageing": ageing,
        "expires": conf.expires,
        "timeout": conf.timeout,
        "max_retries": conf.max_retries,
        "slots": conf.slots,
        "must_not_wait": conf.must_not_wait,
        "rate": conf.rate_limit and conf.rate_limit.count,
        "rate_period": conf.rate_limit and conf.rate_limit.period,
        "registration_concurrency": conf.registration_concurrency,
        "running_concurrency": conf.running_concurrency,
        "key_arguments": list(conf.key_arguments),
        # What counts is written by ``canonical_text``, which SQL does not have.
        "keyed_by_arguments": any(_counts(scope, conf, takes_any=takes_any) for scope in scopes),
        "registration_key": _key("registration", task, conf.registration_concurrency),
        "lane_key": _key("running", task, conf.limited),
    }


def _counts(scope: ConcurrencyControlType, conf: TaskConf, *, takes_any: bool) -> bool:
    """Whether arguments are part of a key."""
    if scope is ConcurrencyControlType.KEYS:
        return bool(conf.key_arguments)
    return scope is ConcurrencyControlType.ARGUMENTS and takes_any


def _key(purpose: Purpose, task: TaskDefinition, scope: ConcurrencyControlType) -> str | None:
    """Return the key of calls without arguments that count."""
    return None if scope is _OFF else concurrency_key(purpose, task.task_id, scope, {})
