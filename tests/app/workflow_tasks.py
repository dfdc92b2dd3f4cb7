"""Workflows for the tests of the app."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from pynenc_pg import Pynenc, RetryError
from pynenc_pg.exceptions import EventTimeoutError, Snooze, WorkflowError

app = Pynenc("flows")
gate = threading.Event()
#: What the tasks have done, in their order.
seen: list[Any] = []
#: What a test has switched on.
switches: set[str] = set()


def twin(dsn: str) -> Pynenc:
    """Another app that shares the work."""
    other = Pynenc("flows", config_values={"postgres": {"dsn": dsn}})
    other._registry = app._registry
    return other


# --- the guide's ----------------------------------------------------------------------------------


@app.task
def process_payment(order_id: str) -> dict[str, Any]:
    """Pay."""
    seen.append(("paid", order_id))
    return {"payment_id": f"P-{order_id}", "status": "ok"}


@app.task
def process_order_workflow(order_id: str) -> dict[str, Any]:
    """The guide's example."""
    # Generate deterministic tracking number
    tracking_number = f"TRK-{order_id}-{int(process_order_workflow.wf.random() * 100000):05d}"

    # Execute payment processing within workflow context
    payment_result = process_order_workflow.wf.execute_task(process_payment, order_id)

    # Store workflow state for persistence
    process_order_workflow.wf.set_data("tracking_number", tracking_number)
    process_order_workflow.wf.set_data("payment_id", payment_result.result["payment_id"])

    return {
        "order_id": order_id,
        "tracking_number": tracking_number,
        "payment_status": payment_result.result["status"],
        "workflow_id": process_order_workflow.workflow.workflow_id,
    }


@app.task(force_new_workflow=True)
def independent_audit_workflow(order_id: str) -> dict[str, Any]:
    """The guide's second example."""
    audit_id = independent_audit_workflow.wf.uuid()
    return {
        "audit_id": audit_id,
        "order_id": order_id,
        "workflow_id": independent_audit_workflow.workflow.workflow_id,
    }


# --- identity -------------------------------------------------------------------------------------


@app.task
def member() -> list[Any]:
    """Tell to which workflow a plain call in it belongs."""
    own = member.workflow
    return [own.workflow_id, own.workflow_type, own.parent_workflow_id]


@app.workflow
def inner() -> list[Any]:
    """Be a workflow in another one."""
    own = inner.workflow
    called = member().result
    return [own.workflow_id, own.workflow_type, own.parent_workflow_id, called]


@app.task
def outer() -> list[Any]:
    """Call both."""
    outer.wf.set_data("who", "outer")
    return [member().result, outer.wf.execute_task(inner).result]


# --- replays --------------------------------------------------------------------------------------


@app.task(max_retries=2)
def all_kinds(number: int) -> list[Any]:
    """Do one of each, and fail twice after it."""
    wf = all_kinds.wf
    values = [
        wf.random(),
        wf.uuid(),
        wf.utc_now().isoformat(),
        wf.set_data("number", number),  # type: ignore[func-returns-value]
        wf.get_data("number"),
        wf.get_data("other", "none"),
        wf.step(count, "step"),
        wf.execute_task(noted, number).result,
        wf.execute_task(noted, number).result,
    ]
    seen.append(values)
    if all_kinds.invocation.num_retries < 2:
        raise RetryError
    return values


def count(what: str) -> int:
    """Count the calls."""
    seen.append(what)
    return seen.count(what)


@app.task
def noted(number: int) -> int:
    """Note each execution."""
    seen.append(("noted", number))
    return number * 2


@app.task(max_retries=1, retry_for=LookupError)
def retried_child() -> str:
    """Fail with a child that fails the first time."""
    return retried_child.wf.execute_task(fails_first, "retried").result


@app.task
def fails_first(name: str) -> str:
    """Fail the first time."""
    if count(name) == 1:
        raise LookupError(name)
    return f"{name} {seen.count(name)}"


@app.task(max_retries=1, retry_for=LookupError)
def survives() -> list[str]:
    """Go on after a child's failure, and be retried after that."""
    wf, found = survives.wf, []
    try:
        found.append(wf.execute_task(fails_first, "survived").result)
    except LookupError:
        found.append("failed")
    found.append(wf.execute_task(fails_first, "retried").result)
    return found


@app.task
def sleeps_after_failure() -> list[str]:
    """Know of a failure when it goes on later, which is no retry."""
    try:
        sleeps_after_failure.wf.execute_task(fails_first, "late").result  # noqa: B018
    except LookupError:
        sleeps_after_failure.wf.sleep(2)
        return ["failed", *[s for s in seen if s == "late"]]
    return ["not failed"]


@app.task(max_retries=1)
def changes() -> float:
    """Do something else the second time."""
    if changes.invocation.num_retries:
        return changes.wf.execute_task(noted, 1).result
    changes.wf.random()
    raise RetryError


@app.task(max_retries=1)
def changes_arguments() -> int:
    """Call a task with other arguments the second time."""
    called = changes_arguments.wf.execute_task(noted, changes_arguments.invocation.num_retries)
    if not changes_arguments.invocation.num_retries:
        raise RetryError
    return called.result


@app.task(max_retries=1)
def is_patched() -> list[Any]:
    """Have been begun before the patch, if that is switched on."""
    wf = is_patched.wf
    if "patch" in switches:
        found: list[Any] = [wf.patched("more"), wf.random(), wf.patched("end")]
    else:
        found = [None, wf.random(), None]
    if not is_patched.invocation.num_retries:
        switches.add("patch")
        seen.append(found)
        raise RetryError
    return found


# --- going on later -------------------------------------------------------------------------------


@app.task
def sleeps(seconds: float) -> list[Any]:
    """Sleep, and tell how often it began."""
    seen.append("begun")
    before = sleeps.wf.utc_now()
    try:
        sleeps.wf.sleep(timedelta(seconds=seconds))
    finally:
        seen.append("finally")
    return [(sleeps.wf.utc_now() - before).total_seconds(), seen.count("begun")]


@app.task
def sleeps_until(end: str) -> str:
    """Sleep until a time."""
    sleeps_until.wf.sleep(until=datetime.fromisoformat(end))
    return sleeps_until.wf.utc_now().isoformat()


@app.task
def hears(code: str, timeout: float | None = None) -> list[Any]:
    """Wait for two events of a code, of those that are wanted."""
    wf = hears.wf
    found = []
    for _ in range(2):
        try:
            found.append(wf.wait_for_event(code, {"wanted": True}, timeout=timeout)["n"])
        except EventTimeoutError:
            found.append("late")
    return [*found, wf.random()]


@app.task
def hears_odd(code: str) -> Any:
    """Wait for what a function accepts."""
    return hears_odd.wf.wait_for_event(code, lambda payload: payload % 2 == 1)


@app.task
def rests() -> list[Any]:
    """Pause."""
    first = rests.wf.uuid()
    rests.wf.pause("look at it")
    return [first, rests.wf.uuid()]


@app.task
def two_steps() -> str:
    """Be paused between two steps."""
    two_steps.wf.random()
    seen.append("between")
    gate.wait(20)
    two_steps.wf.random()
    return "done"


@app.task
def swallows(how: str) -> str:
    """Catch what it must not."""
    try:
        swallows.wf.sleep(100)
    except BaseException:  # noqa: BLE001 - that is what is tested
        if how == "raises":
            raise LookupError(how) from None
        if how == "goes on":
            swallows.wf.random()
    return how


@app.task
def returns_in_finally() -> str:
    """Return where it is to go on later."""
    try:
        returns_in_finally.wf.pause()
    finally:
        return "swallowed"  # noqa: B012 - that is what is tested


# --- foreigners -----------------------------------------------------------------------------------


@app.task
def in_a_thread() -> list[str]:
    """Use it in another thread, and in a loop of its own."""

    async def in_loop() -> None:
        in_a_thread.wf.random()

    said = []
    for attempt in (
        lambda: ThreadPoolExecutor(1).submit(in_a_thread.wf.random).result(),
        lambda: asyncio.run(asyncio.to_thread(in_a_thread.wf.random)),
        lambda: asyncio.run(in_loop()),
        in_a_thread.awf.random,
        lambda: in_a_thread.wf.step(in_a_thread.wf.random),
        lambda: in_a_thread.wf.step(noted, 1),
        sleeps.wf.random,
    ):
        try:
            attempt()
        except WorkflowError as error:
            said.append(str(error))
    return said


@app.task
async def in_a_coroutine() -> list[str]:
    """Use it in another asyncio task, and in a thread."""

    async def foreign() -> float:
        return await in_a_coroutine.awf.random()

    async def in_thread() -> float:
        return await (await asyncio.to_thread(in_a_coroutine.awf.random))

    async def plain() -> float:
        return in_a_coroutine.wf.random()

    said = []
    for attempt in (asyncio.create_task(foreign()), in_thread(), plain()):
        try:
            await attempt
        except WorkflowError as error:
            said.append(str(error))
    return said


# --- coroutines -----------------------------------------------------------------------------------


@app.task(max_retries=1)
async def async_kinds(number: int) -> list[Any]:
    """Do one of each, and fail once after it."""
    awf = async_kinds.awf
    values = [
        await awf.random(),
        await awf.uuid(),
        (await awf.utc_now()).isoformat(),
        await awf.set_data("number", number),  # type: ignore[func-returns-value]
        await awf.get_data("number"),
        await awf.step(count, "step"),
        await awf.step(acount, "astep"),
        await (await awf.execute_task(noted, number)).async_result(),
        await awf.patched("newer"),
        *await asyncio.gather(awf.random(), awf.uuid()),
    ]
    seen.append(values)
    if not async_kinds.invocation.num_retries:
        raise RetryError
    return values


async def acount(what: str) -> int:
    """Count the calls."""
    await asyncio.sleep(0)
    return count(what)


@app.task(max_retries=1)
async def gathers() -> list[Any]:
    """Run branches in another order at each attempt."""
    awf, again = gathers.awf, gathers.invocation.num_retries

    async def branch(number: int) -> list[Any]:
        await asyncio.sleep(0.01 * (number if again else 3 - number))
        first = await awf.random()
        seen.append((again, number))
        await asyncio.sleep(0.01 * (number if again else 3 - number))
        deeper = await awf.gather(awf.uuid(), lambda: leaf(number))
        return [first, *deeper]

    async def leaf(number: int) -> str:
        return f"{number} {await awf.uuid()}"

    values = [*await awf.gather(branch(0), branch(1), branch(2)), await awf.uuid()]
    seen.append(values)
    if not again:
        raise RetryError
    return values


@app.task
async def gathered_sleeps() -> list[Any]:
    """Sleep in one branch, wait in another, and have the third end meanwhile."""
    awf = gathered_sleeps.awf
    seen.append("begun")

    async def asleep(seconds: float) -> str:
        await awf.sleep(seconds)
        return f"slept {seconds}"

    async def waits() -> Any:
        return await awf.wait_for_event("gathered")

    async def ends() -> int:
        await asyncio.sleep(0.01)
        return await awf.step(acount, "ends")

    return list(await awf.gather(asleep(2), asleep(4), waits(), ends()))


@app.task
async def gather_fails() -> list[Any]:
    """Have a branch fail while the others are at work."""

    async def fails() -> None:
        await gather_fails.awf.random()
        raise LookupError

    async def goes_on() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            seen.append("cancelled")

    try:
        await gather_fails.awf.gather(goes_on(), fails(), goes_on())
    except LookupError:
        seen.append("failed")
    return [*seen, await gather_fails.awf.step(len, "four")]


# --- sagas ----------------------------------------------------------------------------------------


@app.task
def refund(number: int) -> None:
    """Undo a payment."""
    seen.append(("refund", number))


@app.task
def cannot_undo() -> None:
    """Fail to undo."""
    seen.append("cannot")
    raise LookupError


@app.task(max_retries=1)
def ships(how: str) -> str:
    """Do things that are undone if it fails for good."""
    wf = ships.wf
    with wf.saga() as saga:
        wf.execute_task(noted, 1).result  # noqa: B018
        saga.add(refund, 1)
        saga.add(count, "undone")
        saga.add(cannot_undo)
        if how == "fails":
            raise KeyError(how)
        if how == "retries":
            raise RetryError(how)
        if how == "sleeps":
            wf.sleep(5)
    return "shipped"


@app.task
async def ships_async() -> None:
    """Undo with functions of both kinds, and tasks."""
    async with ships_async.awf.saga() as saga:
        saga.add(refund, 2)
        saga.add(acount, "aundone")
        saga.add(count, "undone")
        raise KeyError


# --- many -----------------------------------------------------------------------------------------


@app.task(max_retries=1)
def one_of_many(number: int) -> list[Any]:
    """Do the same as others, at the same time."""
    wf = one_of_many.wf
    made = [number, wf.random(), wf.uuid(), wf.execute_task(noted, number).result]
    wf.set_data("number", number)
    time.sleep(0.001 * (number % 3))
    wf.set_data("made", made)
    if not one_of_many.invocation.num_retries:
        raise RetryError
    return [made, wf.get_data("made"), wf.get_data("number")]


@app.task
def too_large() -> None:
    """Record more than a step may have."""
    too_large.wf.set_data("text", "x" * 1_000_001)


@app.task
def calls_and_waits() -> int:
    """Have a child that never ends."""
    return calls_and_waits.wf.execute_task(never).result


@app.task
def never() -> int:
    """Wait for the gate."""
    seen.append("never")
    gate.wait(30)
    never.invocation  # noqa: B018 - raises if it was cancelled
    return 1


@app.task
def calls_in_a_step() -> int:
    """Have a workflow called by the function of a step."""
    return calls_in_a_step.wf.step(result_of_another)


def result_of_another() -> int:
    """Call a workflow that is none of the caller's steps."""
    return len(all_kinds(4).result) - 1


@app.task
def waits_in_vain() -> Any:
    """Let the timeout end it."""
    return waits_in_vain.wf.wait_for_event("vain", timeout=timedelta(minutes=1))


@app.task
def long_way(number: int) -> list[Any]:
    """Do one of each, and call three tasks, two of them at once."""
    wf = long_way.wf
    values: list[Any] = [wf.random(), wf.uuid(), wf.utc_now().isoformat()]
    wf.set_data("number", number)
    first = wf.execute_task(noted, number)
    second = wf.execute_task(noted, number + 1)
    values += [first.result, second.result, wf.get_data("number")]
    wf.sleep(5)
    values.append(wf.wait_for_event("long way", {"number": number}))
    if wf.patched("newer"):
        values.append(wf.step(str, number))
    with wf.saga() as saga:
        saga.add(refund, number)
        values.append(wf.execute_task(noted, number + 2).result)
    return values


@app.task
async def wide_way(number: int) -> list[Any]:
    """Do much of it in branches."""
    awf = wide_way.awf

    async def branch(shift: int) -> list[Any]:
        called = await awf.execute_task(noted, number + shift)
        await awf.sleep(5 + 2 * shift)
        return [await awf.random(), await called.async_result(), await awf.uuid()]

    return [
        await awf.utc_now(),
        *await awf.gather(branch(0), branch(1), branch(2)),
        await awf.wait_for_event("long way", lambda payload: bool(payload["number"] == number)),
    ]


def fail(how: str) -> NoReturn:
    """Raise something that is not tried again."""
    raise KeyError(how)


@app.task
def nested_sagas(how: str) -> str:
    """Fail in the inner one, and go on or not."""
    wf = nested_sagas.wf
    with wf.saga() as outside:
        outside.add(count, "outer")
        wf.random()
        try:
            with wf.saga() as inside:
                wf.random()
                inside.add(count, "inner")
                fail(how)
        except KeyError:
            if how == "both":
                raise
        wf.random()
    wf.random()
    return "done"


@app.task
def changes_its_mind() -> str:
    """Undo something, sleep, and do as if that had not been."""
    wf = changes_its_mind.wf
    fails = "mind" not in switches
    try:
        with wf.saga() as saga:
            wf.random()
            saga.add(count, "undone")
            if fails:
                fail("mind")
    except KeyError:
        switches.add("mind")
        wf.sleep(0.0)
        raise Snooze(0) from None
    return "shipped"


@app.task
def dies_once(marker: str) -> list[Any]:
    """Take its worker along, the first time, with some steps done and a task called."""
    wf = dies_once.wf
    values = [wf.random(), wf.uuid(), wf.utc_now().isoformat()]
    called = wf.execute_task(noted, 3)
    values.append(called.result)
    known = Path(marker)
    if not known.exists():
        known.write_text(json.dumps(values), encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)
    return [*values, wf.random()]
