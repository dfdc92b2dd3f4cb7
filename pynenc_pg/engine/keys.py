"""The concurrency keys of a call, for tasks that have concurrency options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from pynenc_pg.domain.concurrency import ConcurrencyControlType, Purpose, concurrency_key, digest
from pynenc_pg.serializer.canonical import canonical_text

if TYPE_CHECKING:
    from pynenc_pg.engine.registry import TaskDefinition
    from pynenc_pg.serializer.base import BaseSerializer


class CallKeys:
    """What stands for one call in the store. Arguments count as encoded, with their defaults."""

    def __init__(
        self,
        task: TaskDefinition,
        call: Mapping[str, Any],
        serializer: BaseSerializer,
        known: dict[int, str] | None = None,
    ) -> None:
        """Take the call as arguments by name; nothing is computed that is not asked for.

        ``known`` are texts by the ids of values, for calls that share arguments: give all of them
        the same dict, and keep the calls as long.
        """
        self._task = task
        self._call = call
        self._serializer = serializer
        self._known = known
        self._texts: dict[str, str] = {}

    @cached_property
    def registration(self) -> str | None:
        """Whose invocations a call becomes one with, if any."""
        return self._key("registration", self._task.conf.registration_concurrency)

    @cached_property
    def running(self) -> str | None:
        """Which invocations share slots and rate limit, if any."""
        return self._key("running", self._task.conf.limited)

    @cached_property
    def call_id(self) -> str | None:
        """The same for equal calls, however they were written, if that matters to the task."""
        return self.identity if self._task.conf.refuses_different else None

    @cached_property
    def identity(self) -> str:
        """The same for equal calls, however they were written."""
        return digest([self._task.task_id, *self._all().items()])

    def different(self, other: CallKeys) -> list[str]:
        """Return the names of the parameters in which two calls differ."""
        one, two = self._all(), other._all()
        return [name for name in one if one[name] != two[name]]

    def _key(self, purpose: Purpose, scope: ConcurrencyControlType) -> str | None:
        match scope:
            case ConcurrencyControlType.DISABLED:
                return None
            case ConcurrencyControlType.TASK:
                counts: dict[str, str] = {}
            case ConcurrencyControlType.ARGUMENTS:
                counts = self._all()
            case ConcurrencyControlType.KEYS:
                names = sorted(set(self._task.conf.key_arguments))
                counts = {name: self._text(name) for name in names}
        return concurrency_key(purpose, self._task.task_id, scope, counts)

    def _all(self) -> dict[str, str]:
        return {name: self._text(name) for name in self._task.signature.parameters}

    def _text(self, name: str) -> str:
        text = self._texts.get(name)
        if text is None:
            text = self._texts[name] = self._written(name)
        return text

    def _written(self, name: str) -> str:
        if name not in self._call:
            return canonical_text(default_of(self._task, name, self._serializer), self._serializer)
        value = self._call[name]
        text = None if self._known is None else self._known.get(id(value))
        if text is None:
            text = canonical_text(value, self._serializer)
            if self._known is not None:
                self._known[id(value)] = text
        return text


def default_of(task: TaskDefinition, name: str, serializer: BaseSerializer) -> Any:
    """Return what counts for an argument that is left out."""
    parameter = task.signature.parameters[name]
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return []
    if parameter.kind is Parameter.VAR_KEYWORD:
        return {}
    types = task.types(serializer)
    return parameter.default if types is None else types.default(name, parameter.default)
