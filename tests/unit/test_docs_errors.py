"""The page on errors: its tables are complete, and each error reads as they show it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

import psycopg
import pytest

from pynenc_pg import Pynenc, RetryError, exceptions
from pynenc_pg.conf.config_runner import RunnerConf
from pynenc_pg.domain.causes import Firing
from pynenc_pg.domain.ids import InvocationId, RunnerId, new_invocation_id
from pynenc_pg.domain.records import Batch, Hold, NewInvocation, RecoveryPolicy, RunnerSpec
from pynenc_pg.domain.runner_context import RunnerContext
from pynenc_pg.domain.workflows import Author, Child, NewStep, StepKind
from pynenc_pg.exceptions import PynencError
from pynenc_pg.postgres import database, errors
from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.postgres.embedded.dsn import from_dsn
from pynenc_pg.postgres.orchestrator import PgOrchestrator
from pynenc_pg.runner.threads import Threads
from pynenc_pg.testing import World, in_memory
from pynenc_pg.trigger import TriggerBuilder
from pynenc_pg.trigger.callables import CallableRef
from tests.app.conftest import working

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
ROW: Final = re.compile(
    r"^\| `(\w+Error)`(?: \[`(\w+)`\])? \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE
)
ROWS: Final = {
    name: (built_in, when, like.strip("`"), way_out)
    for name, built_in, when, like, way_out in ROW.findall(
        (DOCS / "reference/errors.md").read_text(encoding="utf-8")
    )
}
CLASSES: Final = {
    name: found
    for name, found in vars(exceptions).items()
    if inspect.isclass(found) and issubclass(found, PynencError)
}
ROOTS: Final = {"PynencError", "InvocationError"}
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


def test_every_error_has_a_row() -> None:
    """A class without a row, and a row without a class, are mistakes; so is a wrong second base."""
    assert set(ROWS) == set(CLASSES)
    for name, (built_in, when, like, way_out) in ROWS.items():
        bases = {base.__name__ for base in CLASSES[name].__mro__ if base.__module__ == "builtins"}
        expected = bases - {"Exception", "BaseException", "object", "LookupError", "OSError"}
        assert expected == ({built_in} if built_in else set()), name
        assert (like == "—") is (name in ROOTS)
        assert when
        assert way_out


@pytest.fixture
def world() -> Iterator[World]:
    """The app in memory, with a runner registered."""
    with in_memory(app, now=datetime(2030, 1, 1, tzinfo=UTC)) as made:
        app.orchestrator.register_runner(RunnerSpec(ME, "ThreadRunner", lease=10))
        yield made


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


def _as_documented(message: str) -> str:
    shorter = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "01a2…", message)
    shorter = shorter.replace("5e" * 32, "5e5e…")
    shorter = re.sub(r"within 0 s", "within 10 s", shorter).replace("runner you", "runner me")
    return shorter.replace(__name__, "shop.tasks")


def _check(name: str, raised: BaseException) -> None:
    """Compare what was raised with its row; an example that ends in … shows the beginning."""
    assert type(raised) is CLASSES[name]
    example, message = ROWS[name][2], _as_documented(str(raised))
    if example.endswith("…"):
        assert message.startswith(example[:-1])
    else:
        assert message == example


@pytest.mark.parametrize("name", IN_MEMORY)
def test_examples_of_errors_read_like_that(name: str, world: World) -> None:
    """What the page shows is what is really raised."""
    with pytest.raises(PynencError) as caught:
        IN_MEMORY[name](world)
    _check(name, caught.value)


def _typed(dsn: str, statement: str, level: psycopg.IsolationLevel | None = None) -> None:
    """Run what somebody types; the guard's refusals become ours, as everywhere."""
    with psycopg.connect(dsn) as session, errors.translated():
        session.isolation_level = level
        session.execute(statement.encode())


def _leave_revision(pg: PgDatabase) -> None:
    _typed(pg.dsn, "update pynenc.invocation_state set rev = 7, previous_status = status")


def _skip_a_step(pg: PgDatabase) -> None:
    _typed(pg.dsn, "update pynenc.invocation_state set status = 'running'")


def _take_what_is_owned(pg: PgDatabase) -> None:
    PgOrchestrator(pg).claim(ME, (), 1)
    step = "set status = 'running', previous_status = status"
    _typed(pg.dsn, f"update pynenc.invocation_state {step}")


def _lose_connection(pg: PgDatabase) -> None:
    pg.call("select pg_terminate_backend(pg_backend_pid())", repeatable=False)


def _isolate(pg: PgDatabase) -> None:
    cancel = "select pynenc.cancel('shop', '01a21200-0000-7000-8000-000000000000', 'me')"
    _typed(pg.dsn, cancel, psycopg.IsolationLevel.SERIALIZABLE)


def _want_a_key_that_is_held(pg: PgDatabase) -> None:
    new = NewInvocation(new_invocation_id(), "call", "{}", registration_key="k")
    other = NewInvocation(new_invocation_id(), "call", "{}", registration_key="k")
    with psycopg.connect(pg.dsn) as mine, psycopg.connect(pg.dsn) as yours:
        PgOrchestrator(pg).register_within(mine, Batch("shop.tasks.sync", [new]))
        yours.execute("set lock_timeout = '100ms'")
        PgOrchestrator(pg).register_within(yours, Batch("shop.tasks.sync", [other]))


def _read_what_nobody_signed(pg: PgDatabase) -> None:
    values = {"serializer_signing_key": "k" * 40, "postgres": {"dsn": pg.dsn}}
    with Pynenc("shop", config_values=values) as signing:
        signing.task(add.func)
        query = "select invocation_id::text from pynenc.invocation limit 1"
        [[which]] = pg.call(query)
        _ = signing.engine.arguments(which)


def _drop_schema(pg: PgDatabase) -> None:
    _typed(pg.dsn, "drop schema pynenc cascade")
    PgOrchestrator(pg).purge()


#: The same on PostgreSQL, where a runner is registered and one invocation waits.
ON_POSTGRES: Final[dict[str, Callable[[PgDatabase], object]]] = {
    "InvocationStatusError": _leave_revision,
    "InvocationStatusTransitionError": _skip_a_step,
    "InvocationStatusOwnershipError": _take_what_is_owned,
    "StoreError": lambda pg: PgOrchestrator(pg).register_runner(RunnerSpec(ME, "ThreadRunner")),
    "SignatureError": _read_what_nobody_signed,
    "RegistrationKeyHeldError": _want_a_key_that_is_held,
    "OutcomeUnknownError": _lose_connection,
    "IsolationLevelError": _isolate,
    "SchemaVersionError": _drop_schema,
}


@pytest.mark.parametrize("name", ON_POSTGRES)
def test_examples_of_the_databases_errors_read_like_that(name: str, database_dsn: str) -> None:
    """The same for what PostgreSQL refuses."""
    pg = PgDatabase(database_dsn, app_id="shop", schema="pynenc", pool_size=1)
    try:
        new = NewInvocation(new_invocation_id(), "call", "{}")
        PgOrchestrator(pg).register(Batch("shop.tasks.add", [new]))
        PgOrchestrator(pg).register_runner(RunnerSpec(ME, "ThreadRunner"))
        with pytest.raises(PynencError) as caught:
            ON_POSTGRES[name](pg)
    finally:
        pg.close()
    _check(name, caught.value)


def test_every_example_was_raised() -> None:
    """No row stays untried."""
    assert set(IN_MEMORY) | set(ON_POSTGRES) | ROOTS == set(CLASSES)
