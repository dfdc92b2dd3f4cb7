"""Reads the configuration: code > environment > files > ``[tool.pynenc]`` > default."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.conf.files import read_file, read_pyproject
from pynenc_pg.conf.settings import (
    FILEPATH,
    SECTIONS,
    Setting,
    from_environment,
    from_mapping,
    is_filepath,
    merged,
)


def load(
    values: Mapping[str, Any] | None = None,
    *,
    filepath: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> PynencConf:
    """Merge the sources, setting by setting, and check the result.

    ``values`` are what code says, ``filepath`` is a YAML, TOML or JSON file; a file that
    ``PYNENC__FILEPATH`` names beats it, setting by setting.

    Raises:
        ConfigError: a key does not exist or a value cannot be; names the key, the value, where it
            was written, and what is allowed. Checked in every source, also where another wins.
    """
    environment = os.environ if environment is None else environment
    found = merged(_settings(dict(values or {}), filepath, environment))
    conf = PynencConf.model_validate(_nested(found))
    for section in ("", *SECTIONS):
        part = getattr(conf, section) if section else conf
        here = [one for one in found if one.section == section and not one.task_id]
        part.remember({one.field: one.source for one in here})
    conf.add_task_settings(one.of_task for one in found if one.task_id)
    conf.check()
    return conf


def _settings(
    values: Mapping[str, Any],
    filepath: str | os.PathLike[str] | None,
    environment: Mapping[str, str],
) -> Iterator[Setting]:
    """Yield all settings of all sources, the weakest first."""
    here = Path.cwd()
    yield from from_mapping(read_pyproject(here), f"pyproject.toml {here}")
    by_variable = next((environment[name] for name in environment if is_filepath(name)), None)
    for name, named_by in ((filepath, "config_filepath"), (by_variable, FILEPATH)):
        if name:
            path = here / Path(name).expanduser()
            yield from from_mapping(read_file(path, named_by=named_by), f"file {path}")
    yield from from_environment(environment)
    yield from from_mapping(values, "code")


def _nested(found: list[Setting]) -> dict[str, Any]:
    """Put settings into the sections they belong to."""
    nested: dict[str, Any] = {}
    for one in found:
        if not one.task_id:
            place = nested.setdefault(one.section, {}) if one.section else nested
            place[one.field] = one.value
    return nested
