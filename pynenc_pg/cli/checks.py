"""The checks of ``pynenc-pg doctor``: each looks for one thing, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from pynenc_pg.serializer.built_in import make_serializer

if TYPE_CHECKING:
    from pynenc_pg import Pynenc
    from pynenc_pg.postgres.database import PgDatabase

PROBLEM: Final = "problem"
NOTE: Final = "note"
#: Reading them runs what somebody wrote into the row.
_TRUSTING: Final = frozenset({"jsonpickle", "pickle"})

_SET_ASIDE: Final = """
select task_id, queue, why, count(*) from {schema}.set_aside where app_id = %s
group by task_id, queue, why order by task_id, queue, why
"""
_QUEUED: Final = "select * from {schema}.queued_misfits(%s)"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at."""

    check: str
    level: str  # a problem keeps calls from being run, a note does not
    message: str
    task_id: str | None = None
    queue: str | None = None
    calls: int | None = None


class Patient(NamedTuple):
    """What is looked at."""

    app: Pynenc
    database: PgDatabase


Check = Callable[[Patient], Iterator[Finding]]


def set_aside(patient: Patient) -> Iterator[Finding]:
    """Look for what no runner could take."""
    rows = patient.database.call(_SET_ASIDE, (patient.app.conf.app_id,))
    for task_id, queue, why, calls in rows:
        message = f"{task_id}: {_calls(calls)} in queue {queue}, {why}"
        yield Finding("set_aside", PROBLEM, message, task_id, queue, calls)


def queued(patient: Patient) -> Iterator[Finding]:
    """Look for what waits, and no live runner knows, serves or can take."""
    rows = patient.database.call(_QUEUED, (patient.app.conf.app_id,))
    for task_id, queue, calls, runners, missing, unknown in rows:
        check, why = _misfit(runners, missing or (), unknown or ())
        message = f"{task_id}: {_calls(calls)} in queue {queue}, {why}"
        yield Finding(check, PROBLEM, message, task_id, queue, calls)


def unsigned(patient: Patient) -> Iterator[Finding]:
    """Look for serializers that run what they read, where nothing says who wrote it."""
    conf = patient.app.conf
    if conf.serializer_signing_key:
        return
    named = {"the app": conf.serializer_cls} | {
        task_id: task.definition.conf.serializer_cls
        for task_id, task in patient.app.tasks.items()
        if task.definition.conf.serializer_cls is not None
    }
    for whose, serializer_cls in named.items():
        serializer = make_serializer(serializer_cls)
        if serializer.codec in _TRUSTING:
            message = (
                f"{whose} has the serializer {type(serializer).__name__}, and no signing key: "
                "whoever can write rows can have code run where they are read. JsonSerializer "
                "runs none"
            )
            yield Finding("unsigned", NOTE, message)


#: In the order in which they are told.
CHECKS: Final[tuple[Check, ...]] = (set_aside, queued, unsigned)


def _misfit(runners: int, missing: Sequence[str], unknown: Sequence[str]) -> tuple[str, str]:
    if not runners:
        return "unknown_tasks", "and no live runner knows the task: start one that does"
    if missing or unknown:
        told = [("missing", missing), ("unknown", unknown)]
        names = ", ".join(f"{what} {' '.join(names)}" for what, names in told if names)
        return "other_arguments", f"and the task as it is now takes other arguments: {names}"
    return "unserved", "and no live runner that can take it serves the queue"


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number:,} calls"
