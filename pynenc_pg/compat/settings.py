"""Settings of pynenc 0.1, of its files and its variables, and what they are called here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pynenc_pg.compat.finding import Advice, Severity, Topic
from pynenc_pg.conf.settings import SECTIONS, every_key, from_mapping
from pynenc_pg.exceptions import ConfigError

_DSN: Final = "postgres.dsn"
_NO_PAUSES: Final = "leave it out: runners are woken, and do not sleep between looks"
_BY_ITSELF: Final = "leave it out: recovery and house-keeping are duties of every runner"
_NO_SHARED: Final = "leave it out: the processes of a runner share values in a folder"

#: Field: the setting that says the same, with what is to be minded, or why there is none.
RENAMED: Final[dict[str, tuple[str, str]]] = {
    "auto_final_invocation_purge_hours": ("retention.finished", "in seconds, not hours"),
    "event_retention_days": ("retention.history", "in seconds, not days"),
    "idle_timeout_process_sec": ("runner.idle_process_timeout", ""),
    "log_format": ("logging_format", ""),
    "log_use_colors": ("logging_colors", ""),
    "max_pending_seconds": ("runner.max_pending_seconds", ""),
    "max_processes": ("runner.max_processes", "leave 0 out: unset is one for each core"),
    "max_threads": ("runner.concurrency", "one fixed number"),
    "min_parallel_slots": ("runner.concurrency", "one fixed number"),
    "min_processes": ("runner.min_processes", ""),
    "min_threads": ("runner.concurrency", "one fixed number; leave it out beside max_threads"),
    "num_processes": ("runner.concurrency", "leave 0 out"),
    "print_arguments": ("argument_print_mode", "'hidden' for false"),
    "redis_url": (_DSN, ""),
    "redis_host": (_DSN, ""),
    "mongo_url": (_DSN, ""),
    "rabbitmq_url": (_DSN, ""),
    "runner_considered_dead_after_minutes": ("runner.lease", "in seconds; the default is 30"),
    "sqlite_db_path": (_DSN, "'embedded' needs no server"),
}
LEFT_OUT: Final[dict[str, str]] = {
    "atomic_service_check_interval_minutes": _BY_ITSELF,
    "atomic_service_interval_minutes": _BY_ITSELF,
    "atomic_service_spread_margin_minutes": _BY_ITSELF,
    "cached_status_time": "leave it out: a status is read when it is asked for",
    "compact_log_context": "leave it out: log lines have one form",
    "enforce_max_processes": "leave it out: runner.min_processes says how many stay",
    "invocation_wait_results_sleep_time_sec": _NO_PAUSES,
    "log_stream": "leave it out: set up logging yourself, and nothing of yours is changed",
    "max_events_batch_size": "leave it out: causes are taken in batches by themselves",
    "max_pending_resolution_threads": _NO_PAUSES,
    "pagination_batch_size": "leave it out",
    "recover_pending_invocations_cron": _BY_ITSELF,
    "recover_running_invocations_cron": _BY_ITSELF,
    "runner_loop_sleep_time_sec": _NO_PAUSES,
    "scheduler_interval_seconds": "leave it out: times are kept to the second, without polling",
    "shared_memory_cleanup_timeout_sec": _NO_SHARED,
    "shared_memory_name_prefix": _NO_SHARED,
    "shared_memory_size_mb": _NO_SHARED,
}
#: Fields of the connections of other stores.
_OF_OTHERS: Final = re.compile(r"(redis|mongo|mongodb|rabbitmq|sqlite|socket)_\w+")
_CONNECTION: Final = {"health_check_interval", "max_connection_attempts"}

_COMPONENTS: Final = ("Orchestrator", "Broker", "StateBackend", "Trigger", "ClientDataStore")
_COMPONENT: Final = re.compile(rf"([A-Za-z0-9]*?)({'|'.join(_COMPONENTS)})")
RUNNERS: Final = (
    "AsyncRunner", "DummyRunner", "MultiThreadRunner", "PersistentProcessRunner", "ProcessRunner",
    "ThreadRunner",
)  # fmt: skip
_KEYS: Final = frozenset(every_key())


@dataclass(frozen=True, slots=True)
class Written:
    """A setting as a source writes it: ``show`` says how a setting of ours is written there."""

    section: str
    field: str
    value: Any
    text: str  # as it stands
    variable: bool = False  # of the environment
    known: bool = True  # the value can be read from the source

    def show(self, key: str) -> str:
        """Write one of our settings as this source would."""
        return f"PYNENC__{key.replace('.', '__').upper()}" if self.variable else key


def advise(one: Written) -> Advice | None:
    """Say what is to become of a setting; None: it can stay."""
    section = section_named(one.section)
    key = f"{section}.{one.field}" if section else one.field
    if section == "task" or key in _KEYS:
        return _of_value(one) or _respelled(one, section, key)
    if one.field in RENAMED:
        new, mind = RENAMED[one.field]
        instead = f"write {one.show(new)}" + (f" ({mind})" if mind else "")
        return Advice(one.text, instead, Topic.STORES if new == _DSN else Topic.SETTINGS)
    if one.field in LEFT_OUT:
        return Advice(one.text, LEFT_OUT[one.field], Topic.SETTINGS)
    if _OF_OTHERS.fullmatch(one.field) or one.field in _CONNECTION:
        instead = f"leave it out: {one.show(_DSN)} says where the database is"
        return Advice(one.text, instead, Topic.STORES)
    elsewhere = [known for known in sorted(_KEYS) if known.rpartition(".")[2] == one.field]
    if elsewhere:
        return Advice(one.text, f"write {one.show(elsewhere[0])}", Topic.SETTINGS)
    return Advice(one.text, "there is no such setting, and unknown ones are errors", Topic.SETTINGS)


def section_named(name: str) -> str:
    """Return our section of a name that pynenc knows, which is that of a class; else the name.

    >>> section_named("ConfigClientDataStore"), section_named("clientdatastore")
    ('client_data_store', 'client_data_store')
    """
    bare = name.lower().removeprefix("config").replace("_", "")
    return next((known for known in SECTIONS if known.replace("_", "") == bare), bare)


def _respelled(one: Written, section: str, key: str) -> Advice | None:
    """The names of sections are ours; a task's own options are named as in pynenc."""
    if one.section in ("", section) or (one.variable and one.section.startswith("configtask")):
        return None
    return Advice(one.text, f"write {one.show(key)}", Topic.SETTINGS)


def _of_value(one: Written) -> Advice | None:
    value = one.value
    if one.field == "runner_cls" and isinstance(value, str):
        return _of_runner(one, value)
    if one.field.endswith("_cls") and isinstance(value, str):
        return _of_component(one, value)
    number = _number(value)
    if one.field == "parallel_batch_size" and number == 0:
        return Advice(one.text, "1 or more; 1 sends each by itself", Topic.TASKS)
    if one.field == "retry_for" and "pynenc." in str(value):
        return Advice(one.text, "name them as pynenc_pg.exceptions has them", Topic.IMPORTS)
    return _of_refused(one)


def _of_refused(one: Written) -> Advice | None:
    """Ask the reader of the configuration itself."""
    section = section_named(one.section)
    if section == "task" or not one.known:
        return None
    values = {section: {one.field: one.value}} if section else {one.field: one.value}
    try:
        list(from_mapping(values, "the project"))
    except ConfigError as error:
        why = str(error).removesuffix(" (the project)")
        return Advice(one.text, why, Topic.SETTINGS)
    return None


def _of_component(one: Written, value: str) -> Advice | None:
    found = _COMPONENT.fullmatch(value)
    if found is None or found[1] in {"Mem", "Pg"}:
        return None
    instead = f"Pg{found[2]}, or leave it out and set {one.show(_DSN)}"
    return Advice(one.text, instead, Topic.STORES)


def _of_runner(one: Written, value: str) -> Advice | None:
    if value in RUNNERS or ("." in value and not value.startswith("pynenc.")):
        return None
    last = value.rpartition(".")[2]
    instead = last if last in RUNNERS else f"one of {', '.join(RUNNERS)}, or the path of your own"
    return Advice(one.text, instead, Topic.RUNNERS)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else None
    return float(value) if isinstance(value, int | float) else None


def concurrency_default(found: str) -> Advice:
    """What a blocked invocation becomes where nothing is said of it."""
    return Advice(
        found,
        "a call that may not run yet waits, where pynenc ended it: add "
        "reroute_on_concurrency_control=False to have it ended",
        Topic.TASKS,
        Severity.DIFFERS,
    )
