"""From an annotation to what carries its values."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections import abc
from collections.abc import Mapping, Sequence
from enum import Enum
from inspect import Parameter
from typing import Any, Final

from pydantic import BaseModel

from pynenc_pg.serializer.carried_classes import (
    ByItself,
    Either,
    Instance,
    Later,
    Model,
    of_dataclass,
    of_named_tuple,
    of_typed_dict,
)
from pynenc_pg.serializer.carried_texts import SIMPLE
from pynenc_pg.serializer.carriers import (
    ALL_KINDS,
    Anything,
    Carrier,
    Fixed,
    Items,
    Members,
    OneOf,
    Pairs,
)
from pynenc_pg.serializer.classes import attribute_of, name_of

_ANYTHING: Final = (Any, object, Parameter.empty, typing.NoReturn, typing.Never)
_LISTS: Final = (list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection)
_DICTS: Final = (dict, abc.Mapping, abc.MutableMapping)
_KINDS_OF_ITEMS: Final = (
    dict.fromkeys(_LISTS, list)
    | dict.fromkeys((set, abc.Set, abc.MutableSet), set)
    | {frozenset: frozenset}
)
#: What only says something about the annotation inside of it.
_AROUND: Final = (
    typing.Annotated,
    typing.Required,
    typing.NotRequired,
    typing.ClassVar,
    typing.Final,
)
_JSON_SCALARS: Final = (str, int, bool, type(None))


class NotCarriedError(Exception):
    """Values of an annotation cannot be carried, whatever they are."""


class Reader:
    """Finds the carriers of annotations; a class that is met again has the one it had."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._met: dict[Any, Later] = {}

    def carrier(self, annotation: Any) -> Carrier:
        """Return what carries the values of an annotation.

        Raises:
            NotCarriedError: nothing does; says why.
            NameError: a name in it is not known (yet).
        """
        while hasattr(annotation, "__supertype__"):  # a NewType
            annotation = annotation.__supertype__
        if annotation is None or any(annotation is one for one in _ANYTHING):
            return SIMPLE[type(None)] if annotation is None else Anything()
        if isinstance(annotation, typing.TypeVar):
            return self._type_variable(annotation)
        origin = typing.get_origin(annotation)
        if origin is None:
            return self._plain(annotation)
        return self._generic(annotation, origin, typing.get_args(annotation))

    def _plain(self, annotation: Any) -> Carrier:
        if isinstance(annotation, typing.Hashable) and annotation in SIMPLE:
            return SIMPLE[annotation]
        if type(annotation).__name__ == "TypeAliasType":
            return self._once(annotation, ALL_KINDS, lambda: self.carrier(annotation.__value__))
        if annotation in _KINDS_OF_ITEMS or annotation in _DICTS or annotation is tuple:
            return self._container(annotation, ())
        if isinstance(annotation, type):
            return self._class(annotation, {})
        if isinstance(annotation, str | typing.ForwardRef):
            message = f"{annotation!r} inside of it is a text: write the class itself"
            raise NotCarriedError(message)
        raise NotCarriedError(_unknown(annotation))

    def _generic(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Carrier:
        if origin in _AROUND:
            return self.carrier(args[0])
        if origin in (typing.Union, types.UnionType):
            return self._union([self.carrier(arg) for arg in args])
        if origin is typing.Literal:
            return self._literal(args)
        if origin in _KINDS_OF_ITEMS or origin in _DICTS or origin is tuple:
            return self._container(origin, args)
        if isinstance(origin, type) and hasattr(origin, "__parameters__"):
            return self._class(origin, dict(zip(origin.__parameters__, args, strict=False)))
        raise NotCarriedError(_unknown(annotation))

    def _container(self, origin: Any, args: tuple[Any, ...]) -> Carrier:
        if origin in _DICTS:
            key, item = (self.carrier(arg) for arg in args or (Any, Any))
            return Pairs(key, item)
        if origin is not tuple:
            return Items(_KINDS_OF_ITEMS[origin], self.carrier(*args or (Any,)))
        if not args or (len(args) == 2 and args[1] is Ellipsis):  # noqa: PLR2004 - tuple[X, ...]
            return Items(tuple, self.carrier(args[0] if args else Any))
        return Fixed([] if args == ((),) else [self.carrier(arg) for arg in args])

    def _type_variable(self, variable: Any) -> Carrier:
        if variable.__constraints__:
            return self._union([self.carrier(one) for one in variable.__constraints__])
        return Anything() if variable.__bound__ is None else self.carrier(variable.__bound__)

    def _union(self, members: Sequence[Carrier]) -> Carrier:
        if any(isinstance(one, Anything) for one in members):
            return Anything()
        named: dict[str, Carrier] = {}
        for one in members:
            label, count = one.label, 1
            while named.get(label, one) is not one:
                count += 1
                label = f"{one.label} {count}"
            named[label] = one
        return Either(named)

    def _literal(self, values: tuple[Any, ...]) -> Carrier:
        carrier = OneOf(values)
        strange = [v for v in values if type(v) not in _JSON_SCALARS and not isinstance(v, Enum)]
        if strange or carrier.ambiguous:
            message = f"its values {', '.join(map(repr, values))} cannot be told apart in JSON"
            raise NotCarriedError(message)
        return carrier

    def _class(self, kind: Any, variables: Mapping[Any, Any]) -> Carrier:
        if issubclass(kind, Enum):
            return Members(kind)
        if issubclass(kind, BaseModel):
            return Model(kind)
        if all(callable(attribute_of(kind, name)) for name in ("to_json", "from_json")):
            return ByItself(kind)
        makers = {
            dataclasses.is_dataclass(kind): of_dataclass,
            typing.is_typeddict(kind): of_typed_dict,
            issubclass(kind, tuple) and hasattr(kind, "_fields"): of_named_tuple,
        }
        if True in makers:
            key, label = (kind, *variables.items()), name_of(kind)[1]
            return self._once(
                key,
                frozenset({"object"}),
                lambda: makers[True](kind, self._fields(kind, variables)),
                label,
            )
        if issubclass(kind, BaseException):
            return Instance(kind)
        raise NotCarriedError(_unknown(kind))

    def _fields(self, kind: Any, variables: Mapping[Any, Any]) -> dict[str, Carrier]:
        called = name_of(kind)[1]
        hints = typing.get_type_hints(kind, include_extras=True)
        names = list(hints)
        if dataclasses.is_dataclass(kind):
            names = [field.name for field in dataclasses.fields(kind)]
            if any(isinstance(hint, dataclasses.InitVar) for hint in hints.values()):
                message = f"{called} has an InitVar, which nobody could give it again"
                raise NotCarriedError(message)
        elif not typing.is_typeddict(kind):
            names = list(kind._fields)
        carriers = {}
        for name in names:
            try:
                carriers[name] = self.carrier(_substituted(hints.get(name, Any), variables))
            except NotCarriedError as error:
                message = f"field {name!r} of {called}: {error}"
                raise NotCarriedError(message) from None
        return carriers

    def _once(self, key: Any, kinds: frozenset[str], make: Any, label: str = "") -> Carrier:
        met = self._met.get(key)
        if met is not None:
            return met if met.itself is None else met.itself
        later = self._met[key] = Later(label or str(key), kinds)
        try:
            later.itself = make()
        except BaseException:
            del self._met[key]
            raise
        return later.itself


def _substituted(annotation: Any, variables: Mapping[Any, Any]) -> Any:
    if annotation in variables if isinstance(annotation, typing.TypeVar) else False:
        return variables[annotation]
    inside = getattr(annotation, "__parameters__", ())
    if not variables or not inside or isinstance(annotation, type):
        return annotation
    return annotation[tuple(variables.get(one, Any) for one in inside)]


def _unknown(annotation: Any) -> str:
    name = getattr(annotation, "__qualname__", None) or str(annotation)
    return (
        f"{name} has no form in JSON: make it a dataclass or a pydantic model, give it to_json and "
        "from_json, or annotate Any and pass what JsonSerializer carries"
    )
