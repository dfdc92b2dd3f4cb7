"""From calls to what is registered: ids, encoded arguments, keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pynenc_pg.conf.config_call import UNTUNED, CallOptions
from pynenc_pg.conf.config_task import TaskConf
from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Batch, NewInvocation, Payload
from pynenc_pg.engine.context import entered
from pynenc_pg.engine.keys import CallKeys
from pynenc_pg.engine.registry import TaskDefinition
from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.large import Outgoing, SharedArguments


def new_batch(
    calls: Sequence[Mapping[str, Any]],
    *,
    task: TaskDefinition,
    outgoing: Outgoing,
    clock_offset: float,
    ageing: float,
    options: CallOptions = UNTUNED,
    shared: SharedArguments | None = None,
) -> Batch:
    """Encode calls of one task, given as arguments by name, with a fresh ``outgoing``.

    ``ageing``: the seconds of waiting that a point of priority is worth. ``options`` stand above
    the task's own; ``shared`` are arguments that all of them have.
    """
    parent, conf = entered(), task.conf
    refs: list[tuple[InvocationId, str]] = []
    cached, ttl = _caching(conf, options)
    invocations = _all_new(
        task,
        calls,
        outgoing,
        offset=clock_offset,
        shared=shared,
        refs=refs,
        cached=cached,
    )
    return Batch(
        task_id=task.task_id,
        invocations=invocations,
        queue=options.queue or conf.queue,
        priority=conf.priority if options.priority is None else options.priority,
        ageing=ageing,
        delay=options.delay,
        at=options.at,
        expires_in=conf.expires if options.expires is None else options.expires,
        key=options.key,
        cached=cached,
        cache_ttl=ttl,
        options=for_runner(options),
        parent_id=parent.invocation_id if parent else None,
        depth=parent.depth + 1 if parent else 0,
        changed_by=parent.task_id if parent else "client",
        slots=conf.slots,
        rate_limit=conf.rate_limit,
        must_not_wait=conf.must_not_wait,
        refuse_different=conf.refuses_different,
        payloads=_payloads(outgoing, shared) if refs else (),
        refs=refs,
        own_workflow=conf.force_new_workflow,
    )


def _caching(conf: TaskConf, options: CallOptions) -> tuple[bool, float | None]:
    """Whether the calls may become equal ones that have succeeded, in how many seconds."""
    cached, ttl = options.call_result_cache, options.call_result_cache_ttl
    return (
        conf.call_result_cache if cached is None else cached,
        conf.call_result_cache_ttl if ttl is None else ttl,
    )


def _payloads(outgoing: Outgoing, shared: SharedArguments | None) -> list[Payload]:
    found = outgoing.payloads if shared is None else {**shared.payloads, **outgoing.payloads}
    return list(found.values())


def for_runner(options: CallOptions) -> str:
    """Write down, as JSON, what the runner that executes the call has to know."""
    delayed = options.delay > 0 or options.at is not None or None
    if options.max_retries is None and options.timeout is None and not delayed:
        return "{}"
    said = {
        "max_retries": options.max_retries,
        "timeout": options.timeout,
        "delayed": delayed,  # how long it waits says nothing of the runners
    }
    return json.dumps({name: value for name, value in said.items() if value is not None})


def _all_new(
    task: TaskDefinition,
    calls: Sequence[Mapping[str, Any]],
    outgoing: Outgoing,
    *,
    offset: float,
    shared: SharedArguments | None,
    refs: list[tuple[InvocationId, str]],
    cached: bool,
) -> list[NewInvocation]:
    known: dict[int, str] | None = None if shared is None else {}
    plain = not (cached or task.conf.concurrency_controlled)
    made = []
    for number, call in enumerate(calls):
        try:
            if shared is None:
                arguments, large = outgoing.arguments(call)
            else:
                arguments, large = shared.encode(call, outgoing)
            which = InvocationId(new_invocation_id(offset))
            if plain:
                new = NewInvocation(which, call_id(task.task_id, arguments), arguments)
            else:
                keys = CallKeys(task, call, outgoing.serializer, known)
                new = _keyed(which, task, arguments, keys, cached=cached)
        except SerializationError as error:
            if len(calls) > 1:
                error.add_note(f"in call {number} of these {len(calls)}, counted from 0")
            raise
        made.append(new)
        if large:
            refs += [(new.invocation_id, name) for name in large]
    return made


def _keyed(
    which: InvocationId, task: TaskDefinition, arguments: str, keys: CallKeys, *, cached: bool
) -> NewInvocation:
    return NewInvocation(
        invocation_id=which,
        call_id=keys.identity if cached else keys.call_id or call_id(task.task_id, arguments),
        arguments=arguments,
        registration_key=keys.registration,
        lane_key=keys.running,
    )


def call_id(task_id: str, arguments: str) -> str:
    """Hash of a task and its arguments as they were encoded.

    Equal calls may differ in it, by a default spelled out or the order of a dict: every call pays
    for this, and ``CallKeys`` has the one that does not, for tasks that need it.
    """
    digest = hashlib.blake2b(f"{task_id}\x00{arguments}".encode(), digest_size=16)
    return digest.hexdigest()
