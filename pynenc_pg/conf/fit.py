"""Whether the options of a task fit each other and the parameters of its function.

What is said of this very task must fit: otherwise it is an error where the task is defined. What
section ``task`` says of all tasks holds for those that it fits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from enum import IntEnum
from typing import Final, NoReturn

from pynenc_pg.conf.config_task import TaskConf
from pynenc_pg.conf.wording import shown, told
from pynenc_pg.domain.concurrency import ConcurrencyControlType
from pynenc_pg.exceptions import ConfigError, InvalidTaskOptionsError

_OFF: Final = ConcurrencyControlType.DISABLED
_KEYS: Final = ConcurrencyControlType.KEYS
_REGISTRATION: Final = "registration_concurrency"
_RUNNING: Final = "running_concurrency"


class Level(IntEnum):
    """Who said it."""

    NOBODY = 0
    ALL_TASKS = 1  # section ``task``
    THIS_TASK = 2  # the configuration of this task
    DECORATOR = 3


def fitted(conf: TaskConf, levels: Mapping[str, Level], parameters: Collection[str]) -> TaskConf:
    """Return the options as they hold for a function with these parameters.

    Raises:
        InvalidTaskOptionsError: the decorator says what can never make sense.
        ConfigError: the configuration of this task does.
    """
    fit = _Fit(conf, levels, parameters)
    fit.check_key_arguments()
    fit.check_dependent()
    fit.check_cache_args()
    off = {field: _OFF for field in (_REGISTRATION, _RUNNING) if not fit.holds(field)}
    return conf.model_copy(update=off) if off else conf


class _Fit:
    def __init__(
        self, conf: TaskConf, levels: Mapping[str, Level], parameters: Collection[str]
    ) -> None:
        self._conf = conf
        self._levels = levels
        self._parameters = parameters
        self._strange = [name for name in conf.key_arguments if name not in parameters]

    def holds(self, scope: str) -> bool:
        """Whether a scope can be had; raises if it was asked for of this very task."""
        if getattr(self._conf, scope) is not _KEYS:
            return True
        if self._conf.key_arguments and not self._strange:
            return True
        if self._level(scope) < Level.THIS_TASK:
            return False  # meant for other tasks
        if self._strange:
            self._refuse_strange(scope)
        return self._refuse(scope, "needs key_arguments, the names of the parameters that count")

    def check_key_arguments(self) -> None:
        if self._level("key_arguments") < Level.THIS_TASK or not self._conf.key_arguments:
            return
        if self._strange:
            self._refuse_strange("key_arguments")
        if not any(
            self._may_be(scope, _KEYS, "key_arguments") for scope in (_REGISTRATION, _RUNNING)
        ):
            self._refuse(
                "key_arguments",
                "counts only where registration_concurrency or running_concurrency is KEYS: set "
                "one of them, or leave it out",
            )

    def check_cache_args(self) -> None:
        field = "disable_cache_args"
        strange = [
            name
            for name in self._conf.disable_cache_args
            if name != "*" and name not in self._parameters
        ]
        if strange and self._level(field) >= Level.THIS_TASK:
            self._refuse(field, self._no_parameter(strange[0]))

    def check_dependent(self) -> None:
        conf = self._conf
        for field, said, other in (
            ("max_running", conf.max_running != 1, ""),
            (
                "reroute_on_concurrency_control",
                not conf.reroute_on_concurrency_control and conf.rate_limit is None,
                " or rate_limit",
            ),
        ):
            if said and not self._may_be(_RUNNING, None, field):
                way_out = f"counts only with running_concurrency{other}: "
                way_out += "set it to TASK, ARGUMENTS or KEYS"
                self._refuse(field, f"{way_out}, or leave {field} out")
        field = "on_diff_non_key_args_raise"
        if conf.on_diff_non_key_args_raise and not self._may_be(_REGISTRATION, _KEYS, field):
            way_out = "counts only where registration_concurrency is KEYS: set that"
            self._refuse(field, f"{way_out}, or leave {field} out")

    def _may_be(self, scope: str, wanted: ConcurrencyControlType | None, field: str) -> bool:
        """Whether ``field`` makes sense with this scope (None: any but DISABLED).

        It does not if whoever said it forgot the scope. A scope that somebody else set, or that is
        switched off in so many words, may be another one tomorrow.
        """
        value, level = getattr(self._conf, scope), self._level(scope)
        if self._level(field) < Level.THIS_TASK or (
            value is wanted if wanted else value is not _OFF
        ):
            return True
        return level is not Level.NOBODY and (value is _OFF or level is not self._level(field))

    def _level(self, field: str) -> Level:
        return self._levels.get(field, Level.NOBODY)

    def _refuse_strange(self, field: str) -> NoReturn:
        name = self._strange[0]
        source = "" if field == "key_arguments" else "key_arguments names "
        self._refuse(field, self._no_parameter(name, source))

    def _no_parameter(self, name: str, source: str = "") -> str:
        near = get_close_matches(name, self._parameters, n=1)
        known = f"it has {', '.join(self._parameters) or 'none'}"
        way_out = f"did you mean {near[0]!r}?" if near else known
        which = f"{source}{name!r}, which" if source else repr(name)
        return f"{which} is no parameter of the function: {way_out}"

    def _refuse(self, field: str, why: str) -> NoReturn:
        value = getattr(self._conf, field)
        message = f"{field} = {shown(getattr(value, 'value', value))}: {why}"
        if self._level(field) is Level.DECORATOR:
            raise InvalidTaskOptionsError(message)
        message += f" {told(self._conf.source(field))}"
        raise ConfigError(message)
