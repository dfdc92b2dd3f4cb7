"""What raises each error that the page on errors shows, in memory or without any store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

import pytest

from pynenc_pg import Pynenc, RetryError
from pynenc_pg.conf.config_runner import RunnerConf
from pynenc_pg.domain.causes import Firing
from pynenc_pg.domain.ids import InvocationId, RunnerId, new_invocation_id
from pynenc_pg.domain.records import Batch, Hold, NewInvocation, RecoveryPolicy
from pynenc_pg.domain.runner_context import RunnerContext
from pynenc_pg.domain.workflows import Author, Child, NewStep, StepKind
from pynenc_pg.postgres import database
from pynenc_pg.postgres.embedded.dsn import from_dsn
from pynenc_pg.runner.threads import Threads
from pynenc_pg.testing import World
from pynenc_pg.trigger import TriggerBuilder
from pynenc_pg.trigger.callables import CallableRef
from tests.app.conftest import working

ME: Final = RunnerId("me")

app = Pynenc("shop")


@app.task
def add(x: int, y: int = 0) -> int:
    """Return the sum."""
    return x + y


@app.task
def show(rows: object) -> None:
    """Take anything."""


@app.task
def pay() -> NoReturn:
    """Raise an error of a module that is not imported here."""
    unknown = type("NoPayment", (Exception,), {"__module__": "shop.errors"})
    message = "card refused"
    raise unknown(message)


@app.task
def fetch(page: int) -> NoReturn:
    """Never succeed."""
    message = f"page {page} is not there yet"
    raise RetryError(message)


@app.task(registration_concurrency="keys", key_arguments="user", on_diff_non_key_args_raise=True)
def sync(user: str, depth: int = 1) -> None:
    """Be registered once for a user."""


@app.task
def crunch() -> NoReturn:
    """Take as long as it is left alone."""
    while True:
        pass


@app.task
def look() -> None:
    """Wait for oneself."""
    look.invocation.result  # noqa: B018 - asking waits


@app.task(max_retries=1)
def order(number: int) -> str:
    """Do something else the second time."""
    if order.invocation.num_retries:
        return order.wf.uuid()
    order.wf.random()
    raise RetryError(number)


@app.task
def sleep() -> NoReturn:
    """Catch what takes it off the stack."""
    try:
        sleep.wf.sleep(60)
    except BaseException as error:
        raise ValueError from error
    raise AssertionError


@app.task
def listen() -> object:
    """Wait for an event."""
    return listen.wf.wait_for_event("paid", timeout=5)


def _register(**options: object) -> str:
    """Register a call of ``add`` with what no option of a task says yet; return its id."""
    new = NewInvocation(
        new_invocation_id(app.state_backend.clock_offset()),
        "call",
        '{"x": 1}',
        lane_key="lane" if "must_not_wait" in options else None,
    )
    app.orchestrator.register(Batch(add.task_id, [new], **options))  # type: ignore[arg-type]
    return new.invocation_id


def _result(invocation_id: str) -> object:
    result: object = app.get_invocation(invocation_id).result
    return result


def _control(_: World) -> object:
    both = {_register(must_not_wait=True), _register(must_not_wait=True)}
    [held] = app.orchestrator.claim(ME, (), 2)
    [other] = both - {held.invocation_id}
    return _result(other)


def _cancel(_: World) -> object:
    invocation = add(1)
    invocation.cancel()
    return invocation.result


def _take_too_long(_: World) -> object:
    with Pynenc("shop", config_values={"runner_cls": "ThreadRunner"}) as slow:
        invocation = slow.task(timeout=0.05)(crunch.func)()
        with working(slow.runner):
            return invocation.result_or_raise(20)


def _expire(world: World) -> object:
    invocation_id = _register(expires_in=5)
    world.advance(6)
    return _result(invocation_id)


def _exhaust(world: World) -> object:
    invocation_id = _register()
    held = [Hold(one.invocation_id, one.lease) for one in app.orchestrator.claim(ME, (), 1)]
    app.orchestrator.start(ME, held)
    world.advance(60)
    app.orchestrator.recover(RecoveryPolicy(max_recoveries=0))
    return _result(invocation_id)


def _wait(_: World) -> object:
    with Pynenc("shop") as served_by_nobody:
        return served_by_nobody.task(add.func)(1).result_or_raise(0.1)


def _ask_for_unknown_task(_: World) -> object:
    with Pynenc("shop") as other:
        other.task(add.func)
        return other.get_task(add.task_id.replace("add", "ad"))


def _reach_nobody(_: World) -> object:
    values = {"postgres": {"dsn": "host=127.0.0.1 port=1 dbname=shop"}}
    with pytest.MonkeyPatch.context() as patch, Pynenc("shop", config_values=values) as away:
        patch.setattr(database, "_PATIENCE", 0.2)
        patch.setattr(database, "_TURN", 0.1)
        return away.purge()


def _fire_what_is_lost(_: World) -> object:
    return _register(firings=[Firing(cause_id=7, attempt=1, arguments=None)])


def _begun() -> Author:
    """Register a call of ``add``, and begin it; return who may write its steps."""
    _register()
    [held] = app.orchestrator.claim(ME, (), 1)
    hold = Hold(held.invocation_id, held.lease)
    app.orchestrator.start(ME, [hold])
    return Author(ME, hold)


def _step_while_paused(_: World) -> object:
    author, workflows = _begun(), app.engine.store.workflows
    workflows.pause_workflow(author.hold.invocation_id, "look at it")
    return workflows.record_step(author, NewStep("1", StepKind.RANDOM, "", "0.5"))


def _call_where_a_step_stands(_: World) -> object:
    author = _begun()
    app.engine.store.workflows.record_step(author, NewStep("1", StepKind.RANDOM, "", "0.5"))
    return _register(child=Child(author, NewStep("1", StepKind.TASK, "shop.tasks.add")))


def _wait_in_vain(world: World) -> object:
    invocation = listen()
    world.run_until_idle()
    world.advance(5)
    return invocation.result


def _let_too_many_wait(_: World) -> object:
    executor = Threads(
        engine=app.engine,
        conf=RunnerConf(),
        runner=RunnerContext("Threads", ME),
        done=lambda _: None,
        freed=lambda: None,
        crashed=lambda _: None,
        tally=None,
    )
    executor._waiting = dict.fromkeys(map(InvocationId, map(str, range(1000))))  # type: ignore[assignment]
    executor.check_room_to_wait()
    return None


#: By the name of the error, what raises it. In memory, or without any store.
IN_MEMORY: Final[dict[str, Callable[[World], object]]] = {
    "ConfigError": lambda _: Pynenc(config_values={"runer_cls": "ThreadRunner"}),
    "InvalidTaskOptionsError": lambda _: app.task(max_retry=1),  # type: ignore[call-overload]
    "TriggerDefinitionError": lambda _: TriggerBuilder().on_cron("61 * * * *"),
    "TriggerCallableError": lambda _: CallableRef("shop.tasks:is_large").resolve(),
    "TaskNotFoundError": _ask_for_unknown_task,
    "SerializationError": lambda _: show(row for row in range(3)),
    "InvocationNotFoundError": lambda _: app.get_invocation(new_invocation_id()),
    "ConcurrencyControlledError": _control,
    "InvocationConcurrencyWithDifferentArgumentsError": lambda _: (sync("ann"), sync("ann", 2)),
    "InvocationCycleError": lambda _: look().result,
    "TooManyWaitingError": _let_too_many_wait,
    "InvocationCancelledError": _cancel,
    "TransactionError": lambda _: add(1).transaction(),
    "InvocationExpiredError": _expire,
    "TaskTimeoutError": _take_too_long,
    "RecoveriesExhaustedError": _exhaust,
    "TaskFailedError": lambda _: pay().result,
    "ResultTimeoutError": _wait,
    "RetryError": lambda _: fetch(7).result,
    "StoreUnavailableError": _reach_nobody,
    "DataRejectedError": lambda _: _register(queue="a b"),
    "PayloadError": lambda _: app.engine.payloads.texts(["5e" * 32]),
    "CausesLostError": _fire_what_is_lost,
    "EmbeddedServerError": lambda _: from_dsn("embedded://shop"),
    "WorkflowError": lambda _: order.wf.random(),
    "NonDeterminismError": lambda _: order(7).result,
    "SuspensionSwallowedError": lambda _: sleep().result,
    "EventTimeoutError": _wait_in_vain,
    "WorkflowPausedError": _step_while_paused,
    "StepTakenError": _call_where_a_step_stands,
    "RunnerFencedError": lambda _: app.orchestrator.claim(RunnerId("you"), (), 1),
}
