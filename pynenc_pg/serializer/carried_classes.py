"""Carriers of classes with named parts, of unions, and of what has methods for it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, RootModel, ValidationError

from pynenc_pg.serializer.carriers import (
    ALL_KINDS,
    Carrier,
    UnfitError,
    fields,
    kind_of,
    not_this,
)


class Record(Carrier):
    """A dataclass, a named tuple or a typed dict: an object of its fields."""

    kinds = frozenset({"object"})

    def __init__(
        self,
        kind: type,
        carriers: Mapping[str, Carrier],
        required: frozenset[str],
        *,
        parts: Callable[[Any], Mapping[str, Any]],
        make: Callable[[Mapping[str, Any]], Any],
        exact: type,
        checked: bool = False,
    ) -> None:
        """``parts`` takes a value apart, ``make`` makes one; ``exact`` is its type.

        ``checked``: making it may change it, so that is looked at when it is lowered.
        """
        self.label = kind.__qualname__
        self._carriers, self._required = carriers, required
        self._parts, self._make, self._exact = parts, make, exact
        self._checked = checked

    def lower(self, value: Any) -> Any:
        """Lower each field."""
        if type(value) is not self._exact:
            raise not_this(self.label, value)
        parts = self._parts(value)
        self._look(parts)
        lowered = fields(self._carriers, parts, "lower")
        if self._checked and self.lift(lowered) != value:
            message = f"it would come back changed: {self.label} changes what it is made of"
            raise UnfitError(message)
        return lowered

    def lift(self, data: Any) -> Any:
        """Lift each field, and make one."""
        if type(data) is not dict:
            message = f"the object of a {self.label}"
            raise not_this(message, data)
        self._look(data)
        try:
            return self._make(fields(self._carriers, data, "lift"))
        except UnfitError:
            raise
        except Exception as error:
            message = f"{self.label} raised {type(error).__qualname__}: {error}"
            raise UnfitError(message) from error

    def _look(self, parts: Mapping[str, Any]) -> None:
        if unknown := sorted(parts.keys() - self._carriers.keys()):
            message = f"{self.label} has no field {unknown[0]!r}"
            raise UnfitError(message)
        if missing := sorted(self._required - parts.keys()):
            message = f"{self.label} needs the field {missing[0]!r}"
            raise UnfitError(message)


def of_dataclass(kind: type, carriers: Mapping[str, Carrier]) -> Record:
    """Carry a dataclass: made by its constructor; fields that this does not take are set."""
    own = dataclasses.fields(kind)
    late = [field.name for field in own if not field.init]
    none = dataclasses.MISSING
    required = {f.name for f in own if f.init and f.default is none and f.default_factory is none}

    def parts(value: Any) -> dict[str, Any]:
        try:
            return {field.name: getattr(value, field.name) for field in own}
        except AttributeError as error:
            raise UnfitError(str(error)) from None

    def make(given: Mapping[str, Any]) -> Any:
        made = kind(**{name: part for name, part in given.items() if name not in late})
        for name in late:
            if name in given:
                object.__setattr__(made, name, given[name])
        return made

    checked = hasattr(kind, "__post_init__")
    named = frozenset(required)
    return Record(kind, carriers, named, parts=parts, make=make, exact=kind, checked=checked)


def of_named_tuple(kind: Any, carriers: Mapping[str, Carrier]) -> Record:
    """Carry a named tuple."""
    required = frozenset(kind._fields) - kind._field_defaults.keys()
    return Record(
        kind,
        carriers,
        required,
        parts=lambda value: value._asdict(),
        make=lambda given: kind(**given),
        exact=kind,
    )


def of_typed_dict(kind: Any, carriers: Mapping[str, Carrier]) -> Record:
    """Carry a typed dict."""
    return Record(
        kind, carriers, kind.__required_keys__, parts=lambda value: value, make=dict, exact=dict
    )


class Model(Carrier):
    """A model of pydantic's: by its own JSON."""

    def __init__(self, kind: type[BaseModel]) -> None:
        """Take instances of this very class."""
        self.label = kind.__qualname__
        self._kind = kind
        self.kinds = ALL_KINDS if issubclass(kind, RootModel) else frozenset({"object"})

    def lower(self, value: Any) -> Any:
        """Have it write itself, and see that it comes back equal."""
        if type(value) is not self._kind:
            raise not_this(self.label, value)
        try:
            text = value.model_dump_json(by_alias=True, round_trip=True, warnings=False)
        except ValueError as error:
            message = f"{self.label}.model_dump_json raised {type(error).__qualname__}: {error}"
            raise UnfitError(message) from error
        data = json.loads(text)
        if self.lift(data) != value:
            message = f"it would come back changed: the JSON of a {self.label} does not say it all"
            raise UnfitError(message)
        return data

    def lift(self, data: Any) -> Any:
        """Have it read and check itself."""
        try:
            return self._kind.model_validate_json(json.dumps(data))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"]))
            message = f"{self.label}: {f'{place}: ' if place else ''}{first['msg']}"
            raise UnfitError(message) from None
        except (TypeError, ValueError) as error:
            message = f"{data!r:.80} is no {self.label}: {error}"
            raise UnfitError(message) from None


class ByItself(Carrier):
    """A class with ``to_json`` and ``from_json``: by these."""

    def __init__(self, kind: Any) -> None:
        """Take instances of this very class."""
        self.label = kind.__qualname__
        self._kind = kind

    def lower(self, value: Any) -> Any:
        """Ask it."""
        if type(value) is not self._kind:
            raise not_this(self.label, value)
        try:
            return value.to_json()
        except Exception as error:
            message = f"{self.label}.to_json raised {type(error).__qualname__}: {error}"
            raise UnfitError(message) from error

    def lift(self, data: Any) -> Any:
        """Ask its class."""
        try:
            return self._kind.from_json(data)
        except Exception as error:
            message = f"{self.label}.from_json raised {type(error).__qualname__}: {error}"
            raise UnfitError(message) from error


class Instance(Carrier):
    """An exception: as ``JsonSerializer`` carries it."""

    kinds = frozenset({"other"})
    plain = True

    def __init__(self, kind: type) -> None:
        """Take it and its subclasses, which are told apart by that."""
        self.label = kind.__qualname__
        self._kind = kind

    def lower(self, value: Any) -> Any:
        """Look at it."""
        if not isinstance(value, self._kind):
            raise not_this(self.label, value)
        return value

    def lift(self, data: Any) -> Any:
        """Look at it."""
        return self.lower(data)


class Later(Carrier):
    """Stands for a class inside of itself."""

    def __init__(self, label: str, kinds: frozenset[str]) -> None:
        """Its carrier is not known yet."""
        self.label, self.kinds = label, kinds
        self.itself: Carrier | None = None

    def lower(self, value: Any) -> Any:
        """Have it done."""
        assert self.itself is not None  # noqa: S101 - set before anything is carried
        return self.itself.lower(value)

    def lift(self, data: Any) -> Any:
        """Have it done."""
        assert self.itself is not None  # noqa: S101
        return self.itself.lift(data)


class Either(Carrier):
    """A union. Members that look alike in JSON are told apart by ``{"type", "value"}``.

    What stands under ``type`` is compared with the members of the annotation, and no more.
    """

    def __init__(self, named: Mapping[str, Carrier]) -> None:
        """Take what one of these takes."""
        self.label = " | ".join(named)
        self._named = named
        members = self._members = list(named.values())
        self._tagged = any(
            one.kinds & other.kinds and not (one.plain and other.plain)
            for number, one in enumerate(members)
            for other in members[:number]
        )
        self.plain = not self._tagged and all(one.plain for one in members)
        kinds: frozenset[str] = frozenset().union(*(one.kinds for one in members))
        self.kinds = frozenset({"object"}) | kinds & {"null"} if self._tagged else kinds

    def lower(self, value: Any) -> Any:
        """Lower it by the first that takes it."""
        why: list[UnfitError] = []
        for label, one in self._named.items():
            try:
                lowered = one.lower(value)
            except UnfitError as error:
                why.append(error)
                continue
            if not self._tagged or lowered is None:
                return lowered
            return {"type": label, "value": lowered}
        deep = [error for error in why if error.place]
        raise deep[0] if len(deep) == 1 else not_this(self.label, value)

    def lift(self, data: Any) -> Any:
        """Lift it by the one that it is of."""
        fits = self._tagged_as(data) if self._tagged else self._like(data)
        content = data["value"] if self._tagged and data is not None else data
        why: UnfitError | None = None
        for one in fits:
            try:
                return one.lift(content)
            except UnfitError as error:
                why = error
        raise why or not_this(self.label, data)

    def _like(self, data: Any) -> list[Carrier]:
        return [one for one in self._members if kind_of(data) in one.kinds]

    def _tagged_as(self, data: Any) -> list[Carrier]:
        if data is None:
            return self._like(data)
        if type(data) is not dict or data.keys() != {"type", "value"}:
            message = f'{{"type": …, "value": …}} expected for {self.label}'
            raise UnfitError(message)
        return [one for label, one in self._named.items() if label == data["type"]]
