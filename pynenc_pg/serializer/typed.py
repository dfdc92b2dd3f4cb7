"""JSON that keeps types, because the annotations of a task say what they are."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final

from pynenc_pg.exceptions import InvalidTaskOptionsError, SerializationError
from pynenc_pg.serializer.annotations import NotCarriedError, Reader
from pynenc_pg.serializer.carried_texts import SIMPLE
from pynenc_pg.serializer.carriers import Anything, Carrier, Items, Pairs, UnfitError
from pynenc_pg.serializer.json_strict import JsonSerializer

_RETURN: Final = "return"
_NONE: Final[Mapping[str, Any]] = {}


class TypedJsonSerializer(JsonSerializer):
    """JSON that stays readable in SQL, and values that have the types of their annotations.

    Dataclasses, named tuples, typed dicts, pydantic models, enums, ``datetime`` and its kin,
    ``UUID``, ``Decimal``, ``bytes``, sets and tuples, in lists, dicts, unions and each other. What
    does not fit its annotation is refused at the call. Without an annotation it is as under
    ``JsonSerializer``. Of what is annotated no row names a class.
    """

    typed = True


class TaskTypes:
    """What carries the arguments and the result of one task."""

    def __init__(
        self, task_id: str, function: Callable[..., Any], signature: inspect.Signature
    ) -> None:
        """Read the annotations.

        Raises:
            InvalidTaskOptionsError: one of them cannot be carried; says which.
            NameError: a name in one of them is not known (yet).
        """
        self._task_id = task_id
        hints = typing.get_type_hints(inspect.unwrap(function), include_extras=True)
        self._shown = {n: _shown(p.annotation) for n, p in signature.parameters.items()}
        self._shown[_RETURN] = _shown(signature.return_annotation)
        reader = Reader()
        self._carriers: dict[str, Carrier] = {}
        for name, parameter in signature.parameters.items():
            carrier = self._carrier(reader, name, hints.get(name, Any))
            if parameter.kind is parameter.VAR_POSITIONAL:
                carrier = Items(list, carrier)
            if parameter.kind is parameter.VAR_KEYWORD:
                carrier = Pairs(SIMPLE[str], carrier)
            self._carriers[name] = carrier
        self._result = self._carrier(reader, _RETURN, hints.get(_RETURN, Any))
        self._untouched = all(isinstance(one, Anything) for one in self._carriers.values())

    def lower(self, call: Mapping[str, Any], done: Mapping[str, Any] = _NONE) -> Mapping[str, Any]:
        """Return the arguments as JSON has them; those of ``done`` are so already.

        Raises:
            SerializationError: one does not fit its annotation.
        """
        if self._untouched:
            return call
        return {
            name: done[name] if name in done else self.lowered(name, value)
            for name, value in call.items()
        }

    def lowered(self, name: str, value: Any) -> Any:
        """Return one argument as JSON has it.

        Raises:
            SerializationError: it does not fit its annotation.
        """
        carrier = self._carriers.get(name)
        try:
            return value if carrier is None else carrier.lower(value)
        except (UnfitError, RecursionError) as error:
            message = f"argument {name!r}"
            raise self._unfit(message, name, value, error) from error

    def default(self, name: str, value: Any) -> Any:
        """Return a parameter's default as JSON has it; one that does not fit is itself."""
        try:
            return self._carriers[name].lower(value)
        except UnfitError:
            return value

    def lift(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as they were; one that is no parameter is left.

        Raises:
            SerializationError: what stands in the row does not fit an annotation.
        """
        lifted = dict(arguments)
        for name, data in arguments.items():
            carrier = self._carriers.get(name)
            try:
                lifted[name] = data if carrier is None else carrier.lift(data)
            except (UnfitError, RecursionError) as error:
                message = f"argument {name!r}"
                raise self._unread(message, name, error) from error
        return lifted

    def lower_result(self, value: Any) -> Any:
        """Return a result as JSON has it.

        Raises:
            SerializationError: it does not fit the annotation.
        """
        try:
            return self._result.lower(value)
        except (UnfitError, RecursionError) as error:
            message = "the result"
            raise self._unfit(message, _RETURN, value, error) from error

    def lift_result(self, data: Any) -> Any:
        """Return a result as it was.

        Raises:
            SerializationError: what stands in the row does not fit the annotation.
        """
        try:
            return self._result.lift(data)
        except (UnfitError, RecursionError) as error:
            message = "the result"
            raise self._unread(message, _RETURN, error) from error

    def _carrier(self, reader: Reader, name: str, annotation: Any) -> Carrier:
        try:
            return reader.carrier(annotation)
        except NotCarriedError as error:
            which = "the result" if name == _RETURN else f"parameter {name!r}"
            message = (
                f"{self._task_id}: TypedJsonSerializer cannot carry {which}, annotated "
                f"{self._shown[name]}: {error}"
            )
            raise InvalidTaskOptionsError(message) from None

    def _unfit(self, which: str, name: str, value: Any, error: Exception) -> SerializationError:
        return SerializationError(
            f"{which} of type {type(value).__qualname__} does not fit its annotation "
            f"{self._shown[name]}: {_said(name, error)}"
        )

    def _unread(self, which: str, name: str, error: Exception) -> SerializationError:
        return SerializationError(
            f"{which} cannot be read: what stands in the row does not fit its annotation "
            f"{self._shown[name]}: {_said(name, error)}"
        )


def _shown(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _said(name: str, error: Exception) -> str:
    if not isinstance(error, UnfitError):
        return "it is nested too deep, or contains itself"
    whole = "result" if name == _RETURN else name
    return f"at {whole}{error.place}, {error.why}" if error.place else error.why
