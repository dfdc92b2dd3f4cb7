"""Reads the configuration: code > environment > ``[tool.pynenc]`` of pyproject.toml > default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.exceptions import ConfigError

PREFIX = "PYNENC__"


def load(
    values: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> PynencConf:
    """Merge the sources and check the result.

    Raises:
        ConfigError: a key does not exist or a value cannot be; names the key, the value and why.
    """
    merged: dict[str, Any] = {}
    for source in (
        _pyproject(),
        _environment(os.environ if environment is None else environment),
        dict(values or {}),
    ):
        merged = _merge(merged, source)
    try:
        conf = PynencConf.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from error
    _refuse_mix(conf)
    return conf


def _pyproject() -> dict[str, Any]:
    path = Path.cwd() / "pyproject.toml"
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        found = tomllib.load(file).get("tool", {}).get("pynenc", {})
    return dict(found)


def _environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in environment.items():
        if name.upper().startswith(PREFIX) and "FILEPATH" not in name.upper():
            *sections, field = name[len(PREFIX) :].lower().split("__")
            place = found
            for section in sections:
                place = place.setdefault(section, {})
            place[field] = value
    return found


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        merged[key] = _merge(under, value) if both else value  # type: ignore[arg-type]
    return merged


def _refuse_mix(conf: PynencConf) -> None:
    named = [c for c in (conf.orchestrator_cls, conf.broker_cls, conf.state_backend_cls) if c]
    if len({name[:2] for name in named}) > 1:
        message = (
            f"{' and '.join(named)}: memory and PostgreSQL components do not mix; set one family"
        )
        raise ConfigError(message)


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{key} is not a configuration key"
    shown = "(hidden)" if key.endswith("dsn") else repr(first.get("input"))
    return f"{key} = {shown}: {first['msg']}"
