"""The tasks an app knows, by id. Only these are ever called, whatever a row says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import Signature
from typing import Any

from pynenc_pg.conf.config_task import TaskConf
from pynenc_pg.exceptions import TaskNotFoundError


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A function with what its calls need."""

    task_id: str
    function: Callable[..., Any]
    signature: Signature
    conf: TaskConf


@dataclass(slots=True)
class Registry:
    """Task definitions by id."""

    _definitions: dict[str, TaskDefinition] = field(default_factory=dict)

    def add(self, definition: TaskDefinition) -> None:
        """Add or replace: a module that is reloaded defines its tasks anew."""
        self._definitions[definition.task_id] = definition

    def get(self, task_id: str) -> TaskDefinition:
        """Return the definition.

        Raises:
            TaskNotFoundError: names the task and those that are known.
        """
        found = self._definitions.get(task_id)
        if found is None:
            known = ", ".join(sorted(self._definitions)) or "none"
            message = (
                f"no task {task_id!r} in this app (known: {known}); "
                "import the module that defines it before the runner starts"
            )
            raise TaskNotFoundError(message)
        return found
