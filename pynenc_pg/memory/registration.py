"""Calls become invocations, or one with others. The caller holds the lock."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timedelta

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Batch, NewInvocation, Registered
from pynenc_pg.domain.workflows import Child, Fork
from pynenc_pg.exceptions import (
    InvocationCancelledError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationNotFoundError,
    StepTakenError,
)
from pynenc_pg.memory.call_results import recall, remember
from pynenc_pg.memory.causes import check_firings, fire
from pynenc_pg.memory.checks import check_batch, check_new_step
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.lanes import share_lane
from pynenc_pg.memory.payloads import check_payloads, refer
from pynenc_pg.memory.rows import Call, Queue, Row
from pynenc_pg.memory.runs import author_row, begin_run, check_not_paused, fork_steps, write


def register(database: MemDatabase, batch: Batch) -> list[Registered]:
    """Accept calls as REGISTERED, all or none.

    Raises:
        DataRejectedError: something of the batch cannot be kept.
        StoreError: an id that was made more than a day from now.
        PayloadError: something that it refers to is not there.
        InvocationConcurrencyWithDifferentArgumentsError: a call would become one that has other
            arguments, and the batch refuses that.
        CausesLostError: a cause of it is not the caller's any more.
        StepTakenError, InvocationStatusOwnershipError, InvocationCancelledError,
            WorkflowPausedError: it is a step of a workflow, which cannot be written.
    """
    now = database.clock()
    check_batch(batch, now)
    if batch.child is not None:
        _check_child(database, batch, batch.child)
    if (first := _first(database, batch)) is not None:
        return [first]
    found = recall(database, batch, due(batch, now) or now) if batch.cached else {}
    if batch.refuse_different:
        _check_same_arguments(batch, database, found)
    if batch.refs:
        check_payloads(database, batch)
    if batch.firings:
        check_firings(database, batch.firings)
    if batch.fork is not None:
        _check_fork(database, batch, batch.fork)
    registered = _accept_all(database, batch, found, now)
    _note(database, batch, registered)
    return registered


def _first(database: MemDatabase, batch: Batch) -> Registered | None:
    """Return what the one call of a batch has become before, if it has a key."""
    if batch.key is None:
        return None
    first = database.call_keys.get((batch.task_id, batch.key))
    if first is None:
        return None
    return Registered(first, reused=first != batch.invocations[0].invocation_id)


def _note(database: MemDatabase, batch: Batch, registered: Sequence[Registered]) -> None:
    """Write down all that goes with calls."""
    if batch.cached:
        remember(database, batch, registered)
    if batch.key is not None:
        database.call_keys[batch.task_id, batch.key] = registered[0].invocation_id
    if batch.refs:
        refer(database, batch, registered)
    if batch.firings:
        fire(database, batch.firings, registered)
    if batch.fork is not None:
        fork_steps(database, batch.fork, registered[0].invocation_id)
    if batch.child is not None:
        run = begin_run(database, batch.child.author.hold.invocation_id)
        step = batch.child.step
        if (step.path, step.run) in run.steps:
            return
        write(run, step, step.value, database.clock(), registered[0].invocation_id)


def _check_child(database: MemDatabase, batch: Batch, child: Child) -> None:
    """Refuse a call that cannot be that step. One whose answer was lost is made once more."""
    which, step = child.author.hold.invocation_id, child.step
    row = author_row(database, child.author)
    stands = database.runs.steps(which).get((step.path, step.run))
    if stands is None:
        if row.cancel_requested:
            message = f"invocation {which} was cancelled: it calls no more tasks"
            raise InvocationCancelledError(message)
        check_new_step(step)
        check_not_paused(database, which)
        return
    known = _known(database, batch.invocations[0])
    if known is None or known.invocation_id != stands.child_id:
        message = (
            f"step {step.path} of invocation {which}: {stands.kind} {stands.about} stands there, "
            f"with the invocation {stands.child_id}. Read the steps, and go on with that"
        )
        raise StepTakenError(message)


def _check_fork(database: MemDatabase, batch: Batch, fork: Fork) -> None:
    if fork.source not in database.runs.by_id:
        message = f"invocation {fork.source} is no run of a workflow"
        raise InvocationNotFoundError(message)
    known = _known(database, batch.invocations[0])
    if known is not None and known.reused:
        message = f"the fork became invocation {known.invocation_id}, which was there already"
        raise StepTakenError(message)


def due(batch: Batch, now: datetime) -> datetime | None:
    """Return when these may be begun, if not at once."""
    at = now + timedelta(seconds=batch.delay) if batch.at is None else batch.at
    return at if at > now else None


def _accept_all(
    database: MemDatabase, batch: Batch, found: Mapping[InvocationId, InvocationId], now: datetime
) -> list[Registered]:
    """Accept those that have not ``found`` an equal one that has succeeded."""
    if any(new.invocation_id not in found for new in batch.invocations):
        database.queues.setdefault(batch.queue, Queue())
    return [
        Registered(found[new.invocation_id], reused=True)
        if new.invocation_id in found
        else _accept(database, batch, new, now)
        for new in batch.invocations
    ]


def _accept(database: MemDatabase, batch: Batch, new: NewInvocation, now: datetime) -> Registered:
    lane = None
    if new.lane_key is not None:
        lane = share_lane(database, new.lane_key, batch, now)
    known = _known(database, new)
    if known is not None:
        if lane is not None:
            database.forget_lane(lane)
        return known
    due_at = due(batch, now)
    expires_at = None
    if batch.expires_in is not None:
        expires_at = (due_at or now) + timedelta(seconds=batch.expires_in)
    caller = database.calls.get(batch.parent_id) if batch.parent_id else None
    own = batch.own_workflow or batch.fork is not None
    above = None if caller is None or own else caller.workflow_id
    call = Call(new, batch, now, expires_at, above)
    database.calls[new.invocation_id] = call
    database.add(
        Row(
            call=call,
            status_at=now,
            rank=(due_at or now).timestamp() - batch.priority * batch.ageing,
            due_at=due_at,
            expires_at=expires_at,
            lane=lane,
            registration_key=new.registration_key,
        )
    )
    return Registered(new.invocation_id, reused=False)


def _known(database: MemDatabase, new: NewInvocation) -> Registered | None:
    """Return what a call becomes that is there already, or whose key is taken."""
    if new.invocation_id in database.calls:  # the same id again is the same call
        return Registered(new.invocation_id, reused=False)
    if new.registration_key is not None and new.registration_key in database.keys:
        return Registered(database.keys[new.registration_key], reused=True)
    return None


def _check_same_arguments(
    batch: Batch, database: MemDatabase, found: Container[InvocationId]
) -> None:
    first: dict[str, NewInvocation] = {}
    for new in batch.invocations:
        key = new.registration_key
        if key is None or new.invocation_id in database.calls or new.invocation_id in found:
            continue
        held = first.get(key)
        if held is None and key in database.keys:
            held = database.calls[database.keys[key]].new
        if held is None:
            first[key] = new
        elif held.call_id != new.call_id and held.arguments != new.arguments:
            message = (
                f"invocation {held.invocation_id} of {batch.task_id} is registered with the same "
                "key and other arguments. Call again when it has started, or with the same "
                "arguments"
            )
            ids = (held.invocation_id, new.invocation_id)
            raise InvocationConcurrencyWithDifferentArgumentsError(message, ids)
