"""Single settings: what a mapping or the environment says, key by key, checked, with its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.conf.config_task import TaskSection, TaskSetting, task_key
from pynenc_pg.conf.section import Section
from pynenc_pg.conf.wording import HIDDEN, wrong_value
from pynenc_pg.exceptions import ConfigError

PREFIX = "PYNENC__"
#: The variable that is no setting but names a file.
FILEPATH = "PYNENC__FILEPATH"
#: Begins the options of one task: ``PYNENC__CONFIGTASK__MODULE#TASK__FIELD``.
PER_TASK = "configtask"

SECTIONS: dict[str, type[Section]] = {
    name: field.annotation
    for name, field in PynencConf.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that a source gives; ``section`` is empty at the top, ``task_id`` mostly.

    ``task_id`` may be a pattern.
    """

    section: str
    field: str
    value: Any
    source: str
    task_id: str = ""
    any_case: bool = False

    @property
    def of_task(self) -> TaskSetting:
        """The same as an option of one task."""
        return TaskSetting(self.task_id, self.field, self.value, self.source, self.any_case)


def is_filepath(variable: str) -> bool:
    """Whether a variable names a file; like all of ours it may be written in any case."""
    return variable.upper() == FILEPATH


def every_key() -> list[str]:
    """Return the names of all settings."""
    top = [PynencConf.key(field) for field in PynencConf.model_fields if field not in SECTIONS]
    return top + [part.key(field) for part in SECTIONS.values() for field in part.model_fields]


def from_mapping(values: Mapping[str, Any], source: str) -> Iterator[Setting]:
    """Yield what code or a file says: sections are mappings, or objects such as ``RunnerConf()``.

    Raises:
        ConfigError: a key that does not exist, or a value that cannot be.
    """
    for raw, value in values.items():
        name = str(raw)
        if name not in SECTIONS:
            yield _setting("", name, value, source)
        elif name == "task":
            yield from _of_tasks(_table(name, value, source), (), source)
        else:
            for field, each in _table(name, value, source).items():
                yield _setting(name, field, each, source)


def from_environment(environment: Mapping[str, str]) -> Iterator[Setting]:
    """Yield what variables that begin with ``PYNENC__`` say; an empty one says None if it can.

    Raises:
        ConfigError: a key that does not exist, or a value that cannot be.
    """
    for variable in sorted(environment):
        name = variable.lower()
        if not name.startswith(PREFIX.lower()) or is_filepath(variable):
            continue
        value, source = environment[variable], f"environment {variable}"
        *before, field = name.removeprefix(PREFIX.lower()).split("__")
        if not field:
            message = f"{variable} names no setting: write PYNENC__FIELD or PYNENC__SECTION__FIELD"
            raise ConfigError(message)
        if before[:1] == [PER_TASK]:
            task_id = "__".join(before[1:]).replace("#", ".")
            if "." not in task_id.strip("."):
                message = (
                    f"{variable} names no task and option: write "
                    "PYNENC__CONFIGTASK__MODULE#TASK__OPTION, or PYNENC__TASK__OPTION for all tasks"
                )
                raise ConfigError(message)
            yield _setting("task", field, value, source, task_id=task_id, any_case=True)
        elif before and before[0] in SECTIONS:
            yield _setting(before[0], "__".join([*before[1:], field]), value, source)
        else:
            yield _setting("", before[0] if before else field, value, source)


def _setting(
    section: str, name: str, value: Any, source: str, *, task_id: str = "", any_case: bool = False
) -> Setting:
    model = SECTIONS[section] if section else PynencConf
    if name in SECTIONS and not section:
        # Hidden here and below: it may be the DSN, written where its section belongs.
        raise ConfigError(wrong_value(name, HIDDEN, "is a section, set its keys", source))
    key = task_key(task_id, name) if task_id else ""
    field = model.fields_by_name().get(name, name)
    if value == "" and field in model.model_fields and source.startswith("environment "):
        value = None if model.model_fields[field].default is None else value
    elsewhere = () if task_id else every_key()
    field, value = model.checked(name, value, source, key=key, elsewhere=elsewhere)
    return Setting(section, field, value, source, task_id, any_case)


def _table(section: str, value: Any, source: str) -> dict[str, Any]:
    if isinstance(value, SECTIONS[section]):
        return {field: getattr(value, field) for field in value.model_fields_set}
    if not isinstance(value, Mapping):
        raise ConfigError(wrong_value(section, HIDDEN, "must be a table of settings", source))
    return {str(key): each for key, each in value.items()}


def _of_tasks(table: Mapping[str, Any], of: tuple[str, ...], source: str) -> Iterator[Setting]:
    """A table in it is about a task or a pattern; TOML without quotes nests them by the dots."""
    for raw, value in table.items():
        name = str(raw)
        if isinstance(value, Mapping) and name not in TaskSection.model_fields:
            yield from _of_tasks(value, (*of, name.replace("#", ".")), source)
        else:
            yield _setting("task", name, value, source, task_id=".".join(of))


def merged(settings: Iterable[Setting]) -> list[Setting]:
    """Keep the last of each, in order of their sources: the weakest first."""
    kept: dict[tuple[str, str, str, bool], Setting] = {}
    for one in settings:
        key = (one.section, one.task_id, one.field, one.any_case)
        kept.pop(key, None)
        kept[key] = one
    return list(kept.values())
