"""The serializers one can name in the configuration."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from copy import copy
from functools import cache
from inspect import isabstract
from typing import Any, Final

from pynenc_pg.exceptions import ConfigError
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.json_pickle import JsonPickleSerializer
from pynenc_pg.serializer.json_strict import JsonSerializer
from pynenc_pg.serializer.pickled import PickleSerializer
from pynenc_pg.serializer.typed import TypedJsonSerializer

_BUILT_IN: Final[dict[str, type[BaseSerializer]]] = {
    cls.__name__: cls
    for cls in (JsonPickleSerializer, JsonSerializer, PickleSerializer, TypedJsonSerializer)
}


def make_serializer(
    spec: str | type[BaseSerializer] | BaseSerializer, allowed: tuple[str, ...] | None = None
) -> BaseSerializer:
    """Return the serializer that a configuration means, limited to the modules ``allowed``.

    ``spec`` is the name of a built-in one, ``"path.to.CustomSerializer"`` (or ``path.to:Custom``),
    the bare name of a subclass of ``BaseSerializer`` that is defined already, a class or an
    instance. A path is imported here, by the calling thread: hold no lock that its module may need.

    Raises:
        ConfigError: there is none of that name, several, or it cannot be made; says what was tried.
    """
    if allowed:
        # One that is given may be somebody else's, too.
        made = copy(spec) if isinstance(spec, BaseSerializer) else make_serializer(spec)
        made.allowed_modules = allowed
        return made
    if isinstance(spec, BaseSerializer):
        return spec
    found = _found(spec) if isinstance(spec, str) else spec
    if not (isinstance(found, type) and issubclass(found, BaseSerializer)):
        message = (
            f"serializer_cls = {spec!r} is not a subclass of pynenc_pg.serializer.BaseSerializer"
        )
        raise ConfigError(message)
    if isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        message = f"serializer_cls = {spec!r}: {found.__qualname__} does not define {missing}"
        raise ConfigError(message)
    try:
        return found()
    except Exception as error:
        message = (
            f"serializer_cls = {spec!r}: {found.__qualname__}() raised "
            f"{type(error).__qualname__}: {error}; one that needs arguments is given as an instance"
        )
        raise ConfigError(message) from error


@cache
def by_codec(codec: str, allowed: tuple[str, ...] | None = None) -> BaseSerializer:
    """Return the built-in serializer that writes ``$<codec>``, limited to these modules."""
    return make_serializer(next(c for c in _BUILT_IN.values() if c.codec == codec), allowed)


def _found(name: str) -> Any:
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    if "." in name or ":" in name:
        return _imported(name)
    return _defined(name)


def _defined(name: str) -> type[BaseSerializer]:
    named = {f"{c.__module__}.{c.__qualname__}": c for c in _subclasses() if c.__name__ == name}
    if len(named) > 1:
        message = f"serializer_cls = {name!r} is ambiguous: write one of {', '.join(sorted(named))}"
        raise ConfigError(message)
    if not named:
        message = (
            f"serializer_cls = {name!r}: choose one of {', '.join(sorted(_BUILT_IN))}, or give "
            "the path of your own ('package.module.Name'); no class of that name is defined so far"
        )
        raise ConfigError(message)
    return next(iter(named.values()))


def _subclasses(of: type[BaseSerializer] = BaseSerializer) -> Iterator[type[BaseSerializer]]:
    for found in of.__subclasses__():
        yield found
        yield from _subclasses(found)


def _imported(path: str) -> Any:
    """Import the longest part of the path that is a module; the rest are names in it."""
    parts = path.replace(":", ".").split(".")
    tried: list[str] = []
    if not all(part.isidentifier() for part in parts):
        message = f"serializer_cls = {path!r} is no path: write 'package.module.Name'"
        raise ConfigError(message)
    for length in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:length])
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise _broken(path, module_name, error) from error
            tried.append(f"module {module_name!r} does not exist")
            continue
        except Exception as error:
            raise _broken(path, module_name, error) from error
        for name in parts[length:]:
            if not hasattr(found, name):
                tried.append(f"module {module_name!r} has no {'.'.join(parts[length:])!r}")
                break
            found = getattr(found, name)
        else:
            return found
    message = f"serializer_cls = {path!r} was not found: {'; '.join(tried)}"
    raise ConfigError(message)


def _broken(path: str, module_name: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"serializer_cls = {path!r}: importing {module_name!r} raised "
        f"{type(error).__qualname__}: {error}"
    )
