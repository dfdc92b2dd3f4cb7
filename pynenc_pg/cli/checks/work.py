"""Work that stands: nobody takes it, nobody may take it, nobody finishes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pynenc_pg.cli.checks.finding import NOTE, PROBLEM, WARNING, Finding, Patient
from pynenc_pg.serializer.built_in import make_serializer

#: Reading them runs what somebody wrote into the row.
_TRUSTING: Final = frozenset({"jsonpickle", "pickle"})

_SET_ASIDE: Final = """
select task_id, queue, why, count(*) from {schema}.set_aside where app_id = %s
group by task_id, queue, why order by task_id, queue, why
"""
_RUNNERS: Final = """
select runner_id, health, holds from {schema}.runner_health where app_id = %s order by runner_id
"""
_PARKED: Final = """
select trigger_id, task_id, count(*), max(error) from {schema}.parked_causes where app_id = %s
group by trigger_id, task_id order by trigger_id
"""
_QUEUED: Final = "select * from {schema}.queued_misfits(%s)"


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


def dead_runners(patient: Patient) -> Iterator[Finding]:
    """Look for runners that are dead, and hold work."""
    rows = patient.database.call(_RUNNERS, (patient.app.conf.app_id,))
    others = any(health == "alive" for _, health, _ in rows)
    for runner_id, health, holds in rows:
        if not holds or health in {"alive", "lock gone"}:
            continue
        then = (
            "another runner takes it back at its next look"
            if others
            else "no other runner is there that could take it back: start one"
        )
        message = f"runner {runner_id} is dead ({health}) and holds {_calls(holds)}: {then}"
        level = WARNING if others else PROBLEM
        yield Finding("dead_runners", level, message, calls=holds, rows=((runner_id,),))


def paused_queues(patient: Patient) -> Iterator[Finding]:
    """Look for queues that somebody has paused, and that work waits in."""
    for queue in patient.app.queues():
        if queue.paused and queue.ready:
            about = "" if queue.exact else "about "
            message = f"queue {queue.name} is paused, and {about}{_calls(queue.ready)} wait in it"
            yield Finding("paused_queues", NOTE, message, queue=queue.name, calls=queue.ready)


def parked_causes(patient: Patient) -> Iterator[Finding]:
    """Look for causes of triggers that could not be looked at."""
    rows = patient.database.call(_PARKED, (patient.app.conf.app_id,))
    for trigger_id, task_id, count, error in rows:
        message = (
            f"{count} causes of trigger {trigger_id} could not be looked at ({error}): when that "
            f"is put right, pynenc-pg triggers retry {trigger_id}"
        )
        yield Finding("parked_causes", WARNING, message, task_id, rows=((trigger_id,),))


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
