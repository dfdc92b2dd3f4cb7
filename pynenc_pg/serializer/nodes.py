"""An exception and all it is linked to, as a list of nodes: causes, contexts, members of groups.

A list, because such graphs may have cycles and may be longer than Python may recurse. The first
node is the exception itself; the others stand under its key ``others`` and are referred to by their
number from 1.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.classes import name_of
from pynenc_pg.serializer.plain import is_hostile, plain
from pynenc_pg.serializer.rebuild import (
    ARGS,
    ATTRIBUTES,
    CAUSE,
    CONTEXT,
    MEMBERS,
    MESSAGE,
    SUPPRESS,
    fields,
)

#: Exceptions in one outcome; the farthest ones of a longer chain are left out.
LIMIT: Final = 1_000
UNPRINTABLE: Final = "<{} that cannot be printed>"

Carry = Callable[[Any], Any]


def to_nodes(error: BaseException, carry: Carry, *, lenient: bool = False) -> dict[str, Any]:
    """Return the node of an exception, with those it is linked to.

    ``carry`` turns what they contain into JSON. ``lenient``: attributes that it refuses are left
    out, and arguments that it refuses are None, so that others learn the message at least.

    Raises:
        SerializationError: not lenient, and something in it cannot be carried.
    """
    return _Writer(carry, lenient=lenient).write(error)


def message_of(error: BaseException) -> str:
    """Return ``str(error)``, or what stands for it where that fails."""
    try:
        return str.__str__(str(error))
    except BaseException:  # noqa: BLE001 - a broken __str__ must not hide the failure itself
        return UNPRINTABLE.format(name_of(type(error))[1])


class _Writer:
    def __init__(self, carry: Carry, *, lenient: bool) -> None:
        self._carry = carry
        self._lenient = lenient
        self._errors: list[BaseException] = []
        self._numbers: dict[int, int] = {}

    def write(self, error: BaseException) -> dict[str, Any]:
        self._number(error)
        root = self._node(error)
        others = []
        for number in range(1, LIMIT):  # grows while it is walked
            if number >= len(self._errors):
                break
            other = self._errors[number]
            module, name = name_of(type(other))
            said = {"module": plain(module), "type": plain(name)}
            said["message"] = self._or_none(self._carry, message_of(other))
            others.append(said | self._node(other))
        return root | {"others": others} if others else root

    def _node(self, error: BaseException) -> dict[str, Any]:
        node: dict[str, Any] = {}
        if issubclass(type(error), BaseExceptionGroup):
            node["args"] = self._or_none(self._values, [MESSAGE.__get__(error)])
            members = [self._number(one) for one in MEMBERS.__get__(error)]
            node["members"] = [number for number in members if number is not None]
            node["omitted"] = members.count(None)
        else:
            node["args"] = self._or_none(self._values, ARGS.__get__(error))
        node["fields"] = dict(self._each(fields(error)))
        attributes = dict(ATTRIBUTES.__get__(error))
        notes = attributes.pop("__notes__", None)
        node["attrs"] = dict(self._each(attributes.items()))
        if isinstance(notes, (list, tuple)):
            texts = [str.__str__(note) for note in notes if isinstance(note, str)]
            node["notes"] = self._or_none(self._values, texts)
        node["cause"] = self._number(CAUSE.__get__(error))
        node["context"] = self._number(CONTEXT.__get__(error))
        node["suppress"] = SUPPRESS.__get__(error)
        links = ("args", "cause", "context")  # number 0 is a link, too
        return {k: v for k, v in node.items() if v or (k in links and v is not None)}

    def _each(self, pairs: Any) -> Iterator[tuple[str, Any]]:
        try:
            for name, value in pairs:
                pair = self._or_none(self._pair, name, value)
                if pair is not None:
                    yield pair
        except Exception:  # the class cannot be made again, so that its fields cannot be compared
            if not self._lenient:
                raise

    def _pair(self, name: Any, value: Any) -> tuple[str, Any]:
        if type(name) is not str or is_hostile(name):
            message = f"an exception's attribute is named {name!r:.80}"
            raise SerializationError(message)
        return name, self._value(value)

    def _values(self, values: Iterable[Any]) -> list[Any]:
        return [self._value(value) for value in values]

    def _value(self, value: Any) -> Any:
        """Carry a value; here tuples and bytes are, whatever the serializer takes."""
        kind = type(value)
        if issubclass(kind, BaseException):
            number = self._number(value)
            if number is not None:
                return {"$exception": number}
        try:
            return self._carry(value)
        except SerializationError:
            if kind is bytes:
                return {"$bytes": base64.b64encode(value).decode("ascii")}
            if kind is tuple:
                return {"$tuple": [self._value(item) for item in value]}
            raise

    def _number(self, error: BaseException | None) -> int | None:
        if error is None:
            return None
        number = self._numbers.get(id(error))
        if number is None and len(self._errors) < LIMIT:
            number = self._numbers[id(error)] = len(self._errors)
            self._errors.append(error)
        return number

    def _or_none(self, carry: Callable[..., Any], *values: Any) -> Any:
        try:
            return carry(*values)
        except BaseException:  # a task's own objects may raise anything
            if not self._lenient:
                raise
            return None
