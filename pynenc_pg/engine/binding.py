"""From the arguments of a Python call to arguments by name, by the signature of the task."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pynenc_pg.domain.arguments import Arguments

#: The arguments of one call: positional, named, or bound by ``task.args``.
Params = tuple[Any, ...] | Mapping[str, Any] | Arguments


@dataclass(frozen=True, slots=True)
class Binding:
    """Binds the calls of one task; what does not fit fails here, before anything is written."""

    task_id: str
    signature: inspect.Signature

    def bind(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Bind one call.

        Raises:
            TypeError: the arguments do not fit the function.
        """
        try:
            bound = dict(self.signature.bind(*args, **kwargs).arguments)
        except TypeError as error:
            message = f"{self.task_id}{self.signature}: {error}"
            raise TypeError(message) from None
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL and name in bound:
                bound[name] = list(bound[name])
        return bound

    def chunks(
        self, params: Iterable[Params], common: Mapping[str, Any], size: int
    ) -> Iterator[list[dict[str, Any]]]:
        """Bind calls that have arguments in common, so many at a time.

        Raises:
            TypeError: an element does not fit the function; names its place.
            ValueError: an argument stands in an element and in ``common``.
        """
        numbered = enumerate(params)
        while chunk := list(islice(numbered, size)):
            yield [self._element(number, element, common) for number, element in chunk]

    def shareable(self, common: Mapping[str, Any]) -> dict[str, Any]:
        """Return what stands for itself in every call; what goes into a ``**`` does not."""
        return {name: value for name, value in common.items() if self._has_a_name(name)}

    def _element(self, number: int, element: Params, common: Mapping[str, Any]) -> dict[str, Any]:
        positional: tuple[Any, ...] = ()
        named: Mapping[str, Any] = {}
        taken: set[str] = set()
        try:
            match element:
                case Arguments():
                    positional, named = self._unbound(element.kwargs)
                    taken = {n for n in element.kwargs if self._has_a_name(n)} | {*named}
                case Mapping():
                    named, taken = element, set(element)
                case tuple() if not common:
                    positional = element
                case tuple():
                    message = "it is a tuple, and common_args are named: give dicts with the others"
                    raise TypeError(message)  # noqa: TRY301 - they all get their number below
                case _:
                    message = (
                        f"it is of type {type(element).__qualname__}: give a tuple (one argument "
                        f"x is (x,)), a dict of named arguments, or {self.task_id}.args(…)"
                    )
                    raise TypeError(message)  # noqa: TRY301
            if twice := sorted(taken & common.keys()):
                message = f"{twice[0]!r} stands there and in common_args: leave it in one of them"
                raise ValueError(message)  # noqa: TRY301
            return self.bind(*positional, **{**common, **named})
        except (TypeError, ValueError) as error:
            message = f"element {number} of params: {error}"
            raise (TypeError if isinstance(error, TypeError) else ValueError)(message) from None

    def _unbound(self, bound: Mapping[str, Any]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Take apart what ``args`` has bound, be it of this task or of another one."""
        if unknown := sorted(bound.keys() - self.signature.parameters.keys()):
            message = f"{self.task_id}{self.signature} has no parameter {unknown[0]!r}"
            raise TypeError(message)
        call = inspect.BoundArguments(self.signature, OrderedDict(bound))
        return call.args, call.kwargs

    def _has_a_name(self, name: str) -> bool:
        parameter = self.signature.parameters.get(name)
        return parameter is not None and parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        )
