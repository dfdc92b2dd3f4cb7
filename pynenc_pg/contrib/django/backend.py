"""The backend for ``django.tasks``: each of Django's tasks is a task of an app of ours."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils import timezone

from pynenc_pg.app import Pynenc
from pynenc_pg.contrib.django import results
from pynenc_pg.contrib.django.execution import executed_as
from pynenc_pg.contrib.django.framework import BaseTaskBackend, task_enqueued

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pynenc_pg.contrib.django.framework import Task, TaskResult
    from pynenc_pg.task import Task as OurTask


class PynencBackend(BaseTaskBackend):
    """Enqueues in Django's own transaction: what is rolled back was never called.

    ``OPTIONS``: ``app``, where the app is (``"mysite.queue:app"``); ``database``, the alias of
    Django's connection in whose transaction calls are made, ``"default"`` unless it is said.
    ``None`` has them made over the app's own connection, at once.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        """Find the app.

        Raises:
            ImproperlyConfigured: none is named, or there is none of that name.
        """
        super().__init__(alias, params)
        where = self.options.get("app")
        if not where:
            message = (
                f"TASKS[{alias!r}] names no app: OPTIONS = {{'app': 'mysite.queue:app'}}, where "
                "that module has app = Pynenc(...)"
            )
            raise ImproperlyConfigured(message)
        try:
            self.app: Pynenc = resolve_name(where)
        except (ImportError, AttributeError, ValueError) as error:
            message = f"TASKS[{alias!r}]: there is no app {where!r}: {error}"
            raise ImproperlyConfigured(message) from error
        self._database: str | None = self.options.get("database", "default")

    def validate_task(self, task: Task[..., Any]) -> None:
        """Refuse what cannot be a task; make it one of the app, so that workers know it."""
        super().validate_task(task)
        self._ours(task)

    def enqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Call it, in the transaction that is open in Django."""
        self.validate_task(task)
        result = results.new(task, self.alias, args, kwargs)
        tuned = self._ours(task).options(
            queue=task.queue_name, priority=task.priority, at=task.run_after
        )
        arguments, named = result.args, result.kwargs
        if self._database is None or not self._transactional:
            invocation = tuned(*arguments, **named)
        else:
            invocation = tuned.using(connections[self._database])(*arguments, **named)
        results.amend(result, id=invocation.invocation_id, enqueued_at=timezone.now())
        task_enqueued.send(type(self), task_result=result)
        if self.app.conf.dev_mode_force_sync_tasks:
            return results.found(invocation, task, self.alias)
        return result

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """Return how it stands.

        Raises:
            TaskResultDoesNotExist: the app has no such invocation of one of Django's tasks.
        """
        return results.get(self.app, result_id, self.alias)

    @property
    def _transactional(self) -> bool:
        # Not what is configured: a test may have given the app a store in memory for a while.
        return self.app.engine.store.processes and not self.app.conf.dev_mode_force_sync_tasks

    def _ours(self, task: Task[..., Any]) -> OurTask[..., Any]:
        """Return the app's task of that function; with ``using`` it is the same."""
        known = self.app.tasks.get(f"{task.func.__module__}.{task.func.__qualname__}")
        if known is not None:
            return known
        decorate = self.app.task(queue=task.queue_name, priority=task.priority)
        return decorate(executed_as(task, self.alias))
