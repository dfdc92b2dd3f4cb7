"""Spans of calls and attempts, on both stores: the context goes with the call."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

import psycopg
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.util import types

from pynenc_pg import Pynenc
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Claimed
from pynenc_pg.engine import tracing
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.testing import eager, in_memory, on_postgres
from tests.app import traced_tasks as tasks
from tests.app.conftest import Runner


class _Switch(sampling.Sampler):
    """Samples roots, unless it is switched off."""

    on = True

    def should_sample(  # noqa: PLR0917 - as the SDK has it
        self,
        parent_context: context.Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: types.Attributes = None,
        links: Sequence[trace.Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> sampling.SamplingResult:
        """As a sampler of the user's own would."""
        decision = sampling.Decision.RECORD_AND_SAMPLE if self.on else sampling.Decision.DROP
        return sampling.SamplingResult(decision, attributes)

    def get_description(self) -> str:
        """Name it."""
        return "switch"


EXPORTER = InMemorySpanExporter()
SWITCH = _Switch()
Spans = list[ReadableSpan]


@pytest.fixture(scope="session", autouse=True)
def provider() -> Iterator[TracerProvider]:
    """The process's own, which can be set once: spans of other tests are never asked for."""
    made = TracerProvider(sampler=sampling.ParentBased(SWITCH), shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(EXPORTER))
    trace.set_tracer_provider(made)
    yield made
    made.shutdown()


@pytest.fixture
def tasks_module() -> ModuleType:
    """Those of this module."""
    return tasks


@pytest.fixture(autouse=True)
def nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without spans."""
    EXPORTER.clear()
    monkeypatch.setattr(SWITCH, "on", True)
    tasks.seen.clear()


def spans(name: str) -> Spans:
    """Return those of that name, as they began."""
    found = [one for one in EXPORTER.get_finished_spans() if one.name.endswith(name)]
    return sorted(found, key=lambda one: one.start_time or 0)


def ids(span: ReadableSpan) -> list[str]:
    """Return trace, span and parent."""
    own, parent = span.get_span_context(), span.parent
    assert own is not None
    return [
        f"{own.trace_id:032x}",
        f"{own.span_id:016x}",
        f"{parent.span_id:016x}" if parent is not None else "",
    ]


def test_an_attempt_is_below_its_call(app: Pynenc, any_runner: Runner) -> None:
    """In another thread, with what is known of it."""
    with trace.get_tracer("mine").start_as_current_span("request"):
        invocation = tasks.where()
    with any_runner():
        told = invocation.result
    [request], [call], [run] = (
        spans("request"),
        spans("call tests.app.traced_tasks.where"),
        spans("run tests.app.traced_tasks.where"),
    )
    assert told == ids(run)
    assert ids(call)[2] == ids(request)[1]
    assert ids(run)[2] == ids(call)[1]
    assert {ids(one)[0] for one in (request, call, run)} == {told[0]}
    assert (call.kind, run.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    for span in (call, run):
        assert span.attributes is not None
        assert span.attributes["messaging.system"] == "pynenc"
        assert span.attributes["messaging.destination.name"] == "default"
        assert span.attributes["messaging.message.id"] == invocation.invocation_id
        assert span.attributes["pynenc.task"] == tasks.where.task_id
        assert span.status.status_code is not StatusCode.ERROR
    assert run.attributes is not None
    assert run.attributes["pynenc.attempt"] == 1
    assert "Runner@" in str(run.attributes["pynenc.runner_id"])


def test_children_are_below_the_attempt_that_called(app: Pynenc, any_runner: Runner) -> None:
    """Of tasks, of workflows, of coroutines."""
    with any_runner():
        (trace_id, own, _), (its, _, parent) = tasks.ask_another().result
        assert its == trace_id
        (flow, _, _), (child, _, _) = tasks.flow().result
        assert flow == child != trace_id
        told = tasks.where_async().result
    [call] = [one for one in spans("call tests.app.traced_tasks.where") if ids(one)[1] == parent]
    assert ids(call)[2] == own
    assert told == ids(spans("run tests.app.traced_tasks.where_async")[0])


def test_retries_are_below_the_same_call(app: Pynenc, any_runner: Runner) -> None:
    """Each with its number; the one that failed says how."""
    with any_runner():
        last = tasks.try_twice().result
    first, second = spans("run tests.app.traced_tasks.try_twice")
    assert last == ids(second)
    assert ids(first)[::2] == ids(second)[::2]
    assert first.attributes is not None
    assert second.attributes is not None
    assert [one["pynenc.attempt"] for one in (first.attributes, second.attributes)] == [1, 2]
    assert first.status.status_code is StatusCode.ERROR
    assert [event.name for event in first.events] == ["exception"]
    assert second.status.status_code is StatusCode.UNSET


def test_exceptions_are_recorded(app: Pynenc, any_runner: Runner) -> None:
    """With type and message; what a task puts off has not failed."""
    with any_runner():
        with pytest.raises(ValueError, match="broken"):
            _ = tasks.fail("broken").result
        last = tasks.snooze_once().result
    [failed] = spans("run tests.app.traced_tasks.fail")
    [event] = failed.events
    assert event.attributes is not None
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "broken"
    assert failed.status.description == "ValueError"
    put_off, again = spans("run tests.app.traced_tasks.snooze_once")
    assert put_off.attributes is not None
    assert put_off.attributes["pynenc.put_off"] == "snooze"
    assert put_off.status.status_code is StatusCode.UNSET
    assert last == ids(again)


def test_what_is_not_sampled_is_not_sampled_anywhere(app: Pynenc, any_runner: Runner) -> None:
    """The caller decides, also for the worker."""
    SWITCH.on = False
    invocation = tasks.where()
    SWITCH.on = True
    with any_runner():
        _ = invocation.result
        assert tasks.where().result
    assert len(spans("run tests.app.traced_tasks.where")) == 1


def test_many_calls_are_one_span(app: Pynenc, any_runner: Runner) -> None:
    """All attempts are below it; baggage comes along."""
    token = context.attach(baggage.set_baggage("customer", "7"))
    try:
        group = tasks.where.parallelize([()] * 5)
        customer = tasks.customer()
    finally:
        context.detach(token)
    with any_runner():
        parents = {parent for _, _, parent in group.results}
        assert customer.result == "7"
    [call] = spans("call tests.app.traced_tasks.where")
    assert call.attributes is not None
    assert call.attributes["messaging.batch.message_count"] == 5
    assert parents == {ids(call)[1]}


def test_options_of_the_call_are_kept(app: Pynenc) -> None:
    """The context stands beside them; nothing else is written."""
    invocation = tasks.where.options(max_retries=3)()
    said = app.state_backend.get_call(invocation.invocation_id).options
    [call] = spans("call tests.app.traced_tasks.where")
    trace_id, span_id, _ = ids(call)
    own = call.get_span_context()
    assert own is not None
    parent = f"00-{trace_id}-{span_id}-{int(own.trace_flags):02x}"
    assert said == f'{{"max_retries": 3, "trace": {{"traceparent": "{parent}"}}}}'


def test_calls_of_a_coroutine(app: Pynenc, any_runner: Runner) -> None:
    """Made in another thread for it, in its context."""

    async def request() -> str:
        with trace.get_tracer("mine").start_as_current_span("request") as span:
            invocation = await tasks.where.acall()
            assert (await invocation.async_result())[0] == (
                f"{span.get_span_context().trace_id:032x}"
            )
        return "done"

    with any_runner():
        assert asyncio.run(request()) == "done"


def test_calls_in_the_caller_s_transaction(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Synchronous and awaited sessions alike; and those from SQL begin a trace."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)

    async def call() -> str:
        connection = await psycopg.AsyncConnection.connect(database_dsn)
        async with connection:
            return (await tasks.where.using(connection)()).invocation_id

    which = asyncio.run(call())
    with psycopg.connect(database_dsn) as connection:
        other = tasks.where.using(connection)().invocation_id
    calls = {one.attributes and one.attributes["messaging.message.id"] for one in spans("where")}
    assert calls == {which, other}
    tasks.app.close()


def test_executed_at_the_call_it_is_the_same(app: Pynenc) -> None:
    """Synchronous mode, and a world of a test."""
    with eager(tasks.app):
        (trace_id, _, _), (its, _, _) = tasks.ask_another().result
        assert its == trace_id
    with in_memory(tasks.app):
        told = tasks.where().result
    assert told == ids(spans("run tests.app.traced_tasks.where")[-1])


def test_it_can_be_switched_off(
    app: Pynenc, any_runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then there are no spans and nothing is written."""
    monkeypatch.setattr(app.conf, "tracing", False)
    with any_runner():
        invocation = tasks.where()
        assert invocation.result[0] == "0" * 32
    assert app.state_backend.get_call(invocation.invocation_id).options == "{}"
    assert not EXPORTER.get_finished_spans()


def test_processes_go_on_with_the_trace(database_dsn: str) -> None:
    """Children get it with the invocation. Without a provider of their own they record nothing."""
    with on_postgres(tasks.app, database_dsn) as world:
        invocation = tasks.where()
        with world.runner("PersistentProcessRunner"):
            trace_id, _, _ = invocation.result_or_raise(timeout=60)
    [call] = spans("call tests.app.traced_tasks.where")
    assert trace_id == ids(call)[0]


@pytest.mark.parametrize("said", ['{"trace": 5}', '{"trace": {"traceparent": 1}}', "[]"])
def test_what_was_written_by_hand_is_no_context(said: str) -> None:
    """Whoever calls from SQL may write anything there; it begins a trace then."""
    claimed = Claimed(InvocationId("0"), "t", "{}", 1, 0, 0, None, 0, said)
    with tracing._sent(claimed):
        assert not trace.get_current_span().get_span_context().is_valid


PROGRAM = """
import sys
from pynenc_pg.testing import in_memory
from tests.app import tasks
with in_memory(tasks.app):
    assert tasks.add(1, 2).result == 3
assert not [name for name in sys.modules if name.startswith(("opentelemetry", "prometheus"))]
"""


def test_nothing_is_imported_unless_asked() -> None:
    """Neither for spans nor for metrics."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_the_package_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, with the way out."""
    monkeypatch.delitem(sys.modules, "pynenc_pg.engine.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    other = Pynenc("untraced", config_values={"tracing": True})
    with pytest.raises(ConfigError, match=r"pip install 'pynenc_pg\[otel\]'"):
        _ = other.engine
