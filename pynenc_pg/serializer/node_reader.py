"""Exceptions made again from the nodes that ``pynenc_pg.serializer.nodes`` writes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection
from typing import Any

from pynenc_pg.exceptions import SerializationError, TaskFailedError
from pynenc_pg.serializer.allowed import allowed_class
from pynenc_pg.serializer.nodes import Carry
from pynenc_pg.serializer.rebuild import (
    ATTRIBUTES,
    CAUSE,
    CONTEXT,
    SUPPRESS,
    add_note,
    make,
    make_group,
    set_field,
)


def from_nodes(
    root: Any,
    read: Carry,
    *,
    named_as: tuple[str, str],
    instead: BaseException | None = None,
    allowed: Collection[str] | None = None,
) -> BaseException:
    """Make the exception again; what it is linked to and is not known here is a TaskFailedError.

    ``instead`` takes the place of the exception itself where that is not known here. Classes are
    looked for in the modules ``allowed``, None being all.

    Raises:
        SerializationError: it is not known here, and there is nothing to put instead.
    """
    if not isinstance(root, dict):
        message = f"an exception's node expected, not {root!r:.80}"
        raise SerializationError(message)
    return _Reader(root, read, named_as, instead, allowed).build_all()


class _Reader:
    def __init__(
        self,
        root: dict[str, Any],
        read: Carry,
        named_as: tuple[str, str],
        instead: BaseException | None,
        allowed: Collection[str] | None,
    ) -> None:
        self._read = read
        self._nodes = [root, *root.get("others", ())]
        self._named_as = named_as
        self._instead = instead
        self._allowed = allowed
        self._made: dict[int, BaseException | None] = {}
        self._substitutes: set[int] = set()

    def build_all(self) -> BaseException:
        errors = [self._build(number) for number in range(len(self._nodes))]
        for number, error in enumerate(errors):
            self._fill(error, self._nodes[number], itself=number not in self._substitutes)
        return errors[0]

    def _build(self, number: int) -> BaseException:
        if number in self._made:
            made = self._made[number]
            if made is None:
                message = "an exception has itself among its arguments"
                raise SerializationError(message)
            return made
        self._made[number] = None
        error = self._itself(number)
        self._made[number] = error
        return error

    def _itself(self, number: int) -> BaseException:
        node = self._nodes[number]
        module, name = self._named_as
        if number:
            module, name = self._text(node["module"]), self._text(node["type"])
        try:
            return self._rebuilt(allowed_class(module, name, self._allowed), node)
        except Exception as error:
            self._substitutes.add(number)
            if number:
                return TaskFailedError(name, self._text(node.get("message")))
            if self._instead is None:
                message = f"exception {module}:{name} cannot be made again here: {error}"
                raise SerializationError(message) from error
            return self._instead

    def _rebuilt(self, kind: type, node: dict[str, Any]) -> BaseException:
        if not issubclass(kind, BaseException):
            message = f"{kind} is no exception"
            raise SerializationError(message)
        if node.get("args") is None:
            message = "its arguments could not be carried"
            raise SerializationError(message)
        args = tuple(self._value(arg) for arg in node["args"])
        if issubclass(kind, BaseExceptionGroup):
            members = [self._build(number) for number in node.get("members", ())]
            if node.get("omitted"):
                members.append(TaskFailedError("ExceptionGroup", f"{node['omitted']} more members"))
            return make_group(kind, args[0], members)
        return make(kind, args)

    def _fill(self, error: BaseException, node: dict[str, Any], *, itself: bool) -> None:
        if itself:
            for name, wire in node.get("fields", {}).items():
                self._set(error, name, wire, set_field)
            for name, wire in node.get("attrs", {}).items():
                self._set(error, name, wire, _set_attribute)
        for wire in node.get("notes") or ():
            add_note(error, self._text(wire))
        if (cause := node.get("cause")) is not None:
            CAUSE.__set__(error, self._made[cause])
        if (context := node.get("context")) is not None:
            CONTEXT.__set__(error, self._made[context])
        SUPPRESS.__set__(error, bool(node.get("suppress")))

    def _set(self, error: BaseException, name: str, wire: Any, setter: Callable[..., None]) -> None:
        try:
            setter(error, name, self._value(wire))
        except Exception:
            if self._instead is None:
                raise

    def _value(self, wire: Any) -> Any:
        if type(wire) is dict and len(wire) == 1:
            ((key, content),) = wire.items()
            if key == "$exception":
                return self._build(content)
            if key == "$tuple":
                return tuple(self._value(item) for item in content)
            if key == "$bytes":
                return base64.b64decode(content)
        return self._read(wire)

    def _text(self, wire: Any) -> str:
        """Return a text; one that cannot be read here must not hide the failure itself."""
        if wire is None:
            return "<a text that could not be carried>"
        try:
            return str(self._read(wire))
        except Exception as error:  # noqa: BLE001
            return f"<a text that cannot be read here: {error}>"


def _set_attribute(error: BaseException, name: str, value: Any) -> None:
    ATTRIBUTES.__get__(error)[name] = value
