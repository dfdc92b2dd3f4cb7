"""Code as users write it. Checked by type checkers, never run.

Each line that ends in `# error` must be refused, and no other.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, assert_type

import psycopg
import sqlalchemy
from psycopg.rows import TupleRow
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from pynenc_pg import (
    ConcurrencyControlType,
    InvocationStatus,
    Pynenc,
    PynencBuilder,
    RetryError,
)
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.invocation.group import InvocationGroup
from pynenc_pg.invocation.handle import Invocation
from pynenc_pg.task import Task
from pynenc_pg.trigger import EventContext, ResultContext, TriggerBuilder

app = Pynenc("typed", config_values={"max": 1}, config_filepath="pynenc.toml")
built = PynencBuilder().app_id("x").memory().thread_runner(4).serializer_json().build()
assert_type(built, Pynenc)


@app.task
def add(x: int, y: int = 2) -> int:
    add.logger.info("adding")
    assert_type(add.invocation, Invocation[int])
    return x + y


@app.task(max_retries=3, retry_for=(ValueError,), retry_delay=lambda attempt, error: 2.0 * attempt)
def greet(name: str, *, loud: bool = False) -> str:
    if loud:
        raise RetryError("not so loud", delay=1.5)
    return f"hello {name}"


@app.task(retry_for=KeyError, queue="low", priority=-5)
def collect(*numbers: float, **named: list[str]) -> dict[str, float] | None:
    return None


@app.task(
    registration_concurrency=ConcurrencyControlType.KEYS,
    running_concurrency="arguments",
    key_arguments=("user",),
    max_running=2,
    on_diff_non_key_args_raise=True,
    reroute_on_concurrency_control=False,
)
def sync(user: str, depth: int = 1) -> set[str]:
    return {user}


@app.direct_task
def square(n: int) -> float:
    return n**2


@app.direct_task(
    parallel_func=lambda arguments: ({"loud": True}, [{"name": n} for n in arguments["names"]]),
    aggregate_func=" ".join,
    queue="low",
)
async def greet_all(names: list[str]) -> str:
    return " ".join(names)


async def main() -> None:
    group = await add.aparallelize([(1,), (2, 3)])
    assert_type([result async for result in group.async_results()], list[int])
    assert_type(await greet_all(["ann"]), str)
    invocation = await add.acall(1, y=3)
    assert_type(invocation, Invocation[int])
    assert_type(await invocation.async_result(), int)
    assert_type(await invocation.async_result(timeout=2), int)
    await add.acall("1")  # error


# What is known of tasks and their calls.
assert_type(add(1), Invocation[int])
assert_type(add(1, y=2).result, int)
assert_type(greet("ann", loud=True).result_or_raise(timeout=1.0), str)
assert_type(collect(1, 2.5, names=["a"]).result, dict[str, float] | None)
assert_type(sync("ann", depth=2).result, set[str])
assert_type(add(1).status, InvocationStatus)
assert_type(add(1).num_retries, int)
assert_type(add.func(1, 2), int)
assert_type(add.get_invocation("id").result, int)
assert_type(add.parallelize([(1,), {"x": 2}, add.args(3, y=4)]), InvocationGroup[int])
assert_type(list(greet.parallelize(({"name": n} for n in "ab"), {"loud": True}).results), list[str])
assert_type([call.result for call in add.parallelize([]).progress().as_completed()], list[int])
assert_type(square(3), float)
assert_type(square.task.parallelize([(n,) for n in range(3)])[0].status, InvocationStatus)
assert_type(add.options(delay=1, queue="mail")(1), Invocation[int])
assert_type(greet.options(max_retries=2).parallelize([("ann",)]), InvocationGroup[str])
any_task: Task[..., object] = greet


@app.task(retry_for=(OSError,), timeout=3)
async def download(url: str, *, size: int = 0) -> bytes:
    assert_type(await add.acall(1), Invocation[int])
    return b""


# A coroutine is a task like another: its result, not its awaitable.
assert_type(download("x"), Invocation[bytes])
assert_type(download("x", size=1).result, bytes)
assert_type(download.options(priority=3)("x"), Invocation[bytes])
assert_type(download.parallelize([("x",)]), InvocationGroup[bytes])

# Groups, one call after the other.
group = greet.parallelize([("ann",), greet.args("bob", loud=True)])
assert_type(len(group), int)
assert_type([one.result for one in group], list[str])
assert_type(next(group.results), str)
assert_type(group.progress(), InvocationGroup[str])
assert_type(next(group.as_completed(timeout=1)).arguments.kwargs, Mapping[str, Any])


async def in_transactions(
    connection: psycopg.Connection[tuple[object, ...]],
    session: Session,
    awaited: psycopg.AsyncConnection[dict[str, object]],
    awaited_session: AsyncSession,
) -> None:
    """Make calls part of one's own transaction."""
    assert_type(add.using(connection)(1), Invocation[int])
    assert_type(greet.using(session)("ann", loud=True).result, str)
    assert_type(add.using(session).parallelize([(1,)]), InvocationGroup[int])
    assert_type(await add.using(awaited)(1, y=2), Invocation[int])
    assert_type(await greet.using(awaited_session).parallelize([("ann",)]), InvocationGroup[str])
    assert_type(add.options(queue="mail").using(session)(1), Invocation[int])
    add.using(connection)("1")  # error
    await add.using(awaited)("1")  # error
    add.using("dsn")  # error


@app.task
def pay(number: int) -> None:
    with pay.invocation.transaction() as connection:
        assert_type(connection, psycopg.Connection[TupleRow])
        assert_type(connection.execute("select 1").fetchall(), list[tuple[Any, ...]])
    with pay.invocation.transaction(sqlalchemy=True) as other:
        assert_type(other, sqlalchemy.Connection)
    pay.invocation.transaction(alchemy=True)  # error


@app.task
async def pay_later(number: int) -> None:
    async with pay_later.invocation.transaction() as connection:
        assert_type(connection, psycopg.AsyncConnection[TupleRow])
    async with pay_later.invocation.transaction(sqlalchemy=True) as other:
        assert_type(other, AsyncConnection)


covariant: Invocation[int | str] = add(1)
with app as entered:
    assert_type(entered, Pynenc)



def is_large(arguments: dict[str, int]) -> bool:
    return arguments["x"] > 1000


def of_event(context: EventContext) -> dict[str, int]:
    return {"x": 1, "y": 2}


def of_result(context: ResultContext) -> dict[str, str]:
    return {"name": str(context.result)}


assert_type(TriggerBuilder().on_status(add, ["SUCCESS", InvocationStatus.FAILED]), TriggerBuilder)
TriggerBuilder().on_success(add, {"x": 1}).on_success(square).on_success("shop.tasks.add", is_large)
TriggerBuilder().on_event("paid", is_large).with_args_from_event(of_event).with_logic("or")
TriggerBuilder().on_exception(add, [ValueError, "Refused"]).on_exception(add, OSError)
TriggerBuilder().on_cron("@daily", "Europe/Berlin", catch_up="all", jitter=5)

assert_type(app.trigger.emit_event("paid", {"order": 1}), str)
app.trigger.on_event("paid").with_args_static({"x": 1}).run(add)
app.trigger.on_cron("* * * * *").run(download)

# What must be refused.
TriggerBuilder().on_status(1)  # error
TriggerBuilder().on_status(is_large)  # error
TriggerBuilder().on_status(add, 1)  # error
TriggerBuilder().on_exception(add, [int])  # error
TriggerBuilder().on_event("paid").with_args_from_event(of_result)  # error
TriggerBuilder().on_cron("@daily", catch_up="some")  # error
TriggerBuilder().with_logic("xor")  # error
TriggerBuilder().with_args_static(["x"])  # error
add("1")  # error
add(1, 2, 3)  # error
add()  # error
add(z=1)  # error
greet("ann", True)  # error
add.args("1")  # error
add.parallelize([1])  # error
square("1")  # error
square(1).result  # error
greet_all([1])  # error
greet(name=1)  # error
collect("1")  # error
collect(named="a")  # error
text: str = add(1).result  # error
add(1).nothing  # error
add.nothing  # error
add.options(dely=1)  # error
add.options(delay="1")  # error
add.options(delay=1)("1")  # error
PynencBuilder().memori()  # error
PynencBuilder().app_id(1)  # error
PynencBuilder().thread_runner("4")  # error
PynencBuilder().argument_print_mode("some")  # error
PynencBuilder().serializer_json(typed="yes")  # error
download(1)  # error
download("x", 1)  # error
download.parallelize([1])  # error
group["x"]  # error
number: int = next(group.results)  # error
app.trigger.on_event("paid").run(is_large)  # error
app.trigger.emit_event(1)  # error
app.trigger.on_cron("@daily", catch_up="some")  # error


@app.task(max_retires=1)  # error
def misspelt() -> None: ...


@app.task(max_retries="3")  # error
def mistyped() -> None: ...


@app.task(max_running="2")  # error
def miscounted() -> None: ...


@app.task(retry_delay=lambda attempt: 2.0)  # error
def too_few() -> None: ...


# Workflows.
@app.workflow
def ship(number: int) -> str:
    wf = ship.wf
    assert_type(wf.random(), float)
    assert_type(wf.uuid(), str)
    assert_type(wf.utc_now(), datetime)
    assert_type(wf.execute_task(add, 1, y=2), Invocation[int])
    assert_type(wf.execute_task(add.options(delay=3), 1).result, int)
    assert_type(wf.execute_task(fetch_later, "x").result, bytes)
    assert_type(wf.step(len, "x"), int)
    assert_type(wf.patched("newer"), bool)
    assert_type(ship.workflow.parent_workflow_id, InvocationId | None)
    wf.sleep(3)
    wf.sleep(timedelta(days=1))
    wf.sleep(until=wf.utc_now())
    wf.wait_for_event("paid", {"order": number}, timeout=60)
    wf.wait_for_event("paid", lambda payload: bool(payload))
    with wf.saga() as saga:
        saga.add(add, 1)
        saga.add(len, "x")
        saga.add(add, "x")  # error
        saga.add(len, 1)  # error
    wf.execute_task(add, "1")  # error
    wf.execute_task(add)  # error
    wf.execute_task(len, "x")  # error
    wf.step(len, 3)  # error
    wf.sleep("3")  # error
    wf.set_data(1, "x")  # error
    return wf.root.uuid()


@app.workflow(max_retries=3, retry_for=ValueError)
async def fetch_later(page: str) -> bytes:
    awf = fetch_later.awf

    async def branch(number: int) -> str:
        return str(number)

    assert_type(await awf.random(), float)
    assert_type(await awf.execute_task(add, 1), Invocation[int])
    assert_type(await awf.step(len, "x"), int)
    assert_type(await awf.step(branch, 3), str)
    assert_type(await awf.gather(branch(1), awf.random()), tuple[str, float])
    assert_type(await awf.gather(lambda: branch(1)), tuple[str])
    assert_type(await awf.gather(*[branch(n) for n in range(9)]), tuple[str, ...])
    async with awf.saga() as saga:
        saga.add(branch, 1)
        saga.add(branch, "1")  # error
    await awf.execute_task(add, "1")  # error
    await awf.step(branch, "3")  # error
    return b""


@app.workflow(max_retires=1)  # error
def misspelled() -> None: ...


assert_type(ship(1), Invocation[str])
assert_type(fetch_later("x").result, bytes)
assert_type(app.get_workflow("x").signal("paid", {"order": 1}), str)
app.workflow(max_retries="3")  # error
