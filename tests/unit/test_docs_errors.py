"""The page on errors: its tables are complete, and each error reads as they show it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg
import pytest

from pynenc_pg import Pynenc, exceptions
from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.domain.records import Batch, NewInvocation, RunnerSpec
from pynenc_pg.exceptions import PynencError
from pynenc_pg.postgres import errors
from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.postgres.orchestrator import PgOrchestrator
from pynenc_pg.testing import World, in_memory
from tests.unit import error_examples
from tests.unit.error_examples import IN_MEMORY, ME, add, app

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


def _as_documented(message: str) -> str:
    shorter = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "01a2…", message)
    shorter = shorter.replace("5e" * 32, "5e5e…")
    shorter = re.sub(r"within 0 s", "within 10 s", shorter).replace("runner you", "runner me")
    return shorter.replace(error_examples.__name__, "shop.tasks")


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
