"""Roles do their whole work with no right on any table, and can do no harm past it."""

from __future__ import annotations

import json

import psycopg
import pytest
from psycopg import sql

from tests.support.plain_sql import gaps, history, refusal, run, status_of
from tests.support.roles import DENIED, acting_as, logged_in
from tests.support.sql import (
    RUNNER,
    cancel,
    claim,
    connect,
    finish,
    heartbeat,
    one,
    recover,
    register,
    register_runner,
    release,
    retry,
    start,
)
from tests.support.trigger_sql import STARTED, emit, fire, pair, settle, take, tell, watched
from tests.support.wait_sql import watch


def test_every_verb_works_for_a_worker_without_table_rights(database_dsn: str) -> None:
    """A real login role with nothing but `worker` goes through every verb it is granted."""
    with logged_in(database_dsn, "worker") as c:
        app = "worker's"
        assert run(c, "select from invocation_state") == DENIED
        register_runner(c, app=app, lock=True)
        assert heartbeat(c, app=app) == (True, 0, False)
        ids = register(c, 4, app=app, lanes=["a", "a", None, "b"], slots=1, expires_in=60)
        [keyed] = register(c, app=app, keys=["k"])
        assert register(c, app=app, keys=["k"]) == [keyed]
        assert one(c, "select count_ready(%s, null)", (app,)) == 5
        held = claim(c, app=app)
        assert {i for i, _ in held} == {ids[0], ids[2], ids[3], keyed}
        assert status_of(c, ids[1], app) == "concurrency_controlled"
        assert start(c, held, app=app) == {}
        assert watch(c, ids, app=app) == []
        assert finish(c, held[:1], app=app) == {}
        assert release(c, held[1:2], app=app) == {}
        assert retry(c, held[2:3], app=app, error='"oops"', delay=0.0001) == {}
        assert cancel(c, held[3][0], app=app) == "requested"
        assert retry(c, held[3:], app=app) == {}
        assert one(c, "select promoted from promote(%s, 10)", (app,)) == 1
        assert one(c, "select expire(%s, 10)", (app,)) == 0
        assert recover(c, app=app)[:3] == (0, 0, [])
        assert one(c, "select cardinality(maintain(%s)) >= 0", (app,))
        rows = c.execute("select status from outcomes(%s, %s::uuid[])", (app, [*ids, keyed]))
        assert sorted(row[0] for row in rows) == ["failed", "success"]
        entries = c.execute("select status from history(%s, %s)", (app, ids[0])).fetchall()
        assert entries[0] == ("registered",)
        c.execute("select unregister_runner(%s, %s)", (app, RUNNER))
    with connect(database_dsn) as owner:
        assert gaps(owner) == []


def test_triggers_work_for_roles_without_table_rights(database_dsn: str) -> None:
    """A producer emits, a worker does all that a trigger needs, an operator looks after it."""
    app = "reacting"
    with logged_in(database_dsn, "worker") as worker:
        tell(worker, watched(), watched("ends", what="registered", about=STARTED), app=app)
        with logged_in(database_dsn, "producer") as producer:
            emit(producer, app=app)
            producer.execute("select emit_event('paid', '{}', %s)", (app,))
            assert run(producer, "select take_causes('a', 'r', '{}', '{}', 1, 1)") == DENIED
            assert run(producer, f"select pause_trigger('{app}', 't', true)") == DENIED
        causes = take(worker, app=app)
        assert one(worker, "select next_cause(%s)", (app,)) > 0
        assert settle(worker, causes[:1], "park", app=app) == 1
        assert len(fire(worker, causes[1:], app=app)) == 1
        assert settle(worker, take(worker, "ends", app=app), "yes", app=app) == 1
        waiting = one(worker, "select cause_id from waiting_causes(%s, 'ends', 10)", (app,))
        assert pair(worker, [[waiting]], "ends", app=app)
        assert worker.execute("select * from schedules(%s)", (app,)).fetchall() == []
        assert not one(worker, "select tick(%s, 't', 'c', now(), '{}', now(), now())", (app,))
    with logged_in(database_dsn, "operator") as operator:
        assert one(operator, "select error is null from parked_causes where app_id = %s", (app,))
        assert one(operator, "select retry_causes(%s, 't')", (app,)) == 1
        assert one(operator, "select pause_trigger(%s, 't', true)", (app,))
    with logged_in(database_dsn, "observer") as observer:
        assert one(observer, "select paused from triggers_of(%s) where trigger_id = 't'", (app,))
        assert one(observer, "select trigger_id from fired(%s, null, 10)", (app,)) == "t"
        assert (
            one(observer, "select status from trigger_runs where app_id = %s", (app,))
            == "registered"
        )
        assert one(observer, "select count(*) from events where app_id = %s", (app,)) == 2
        assert run(observer, "select emit_event('paid')") == DENIED


def test_producer_and_operator_can_do_their_work(database_dsn: str) -> None:
    """A producer registers, waits and reads; an operator pauses, cancels and purges."""
    app = "shop"
    with logged_in(database_dsn, "producer") as producer:
        ids = register(producer, 2, app=app, lanes=["a", "b"], slots=1)
        assert watch(producer, ids, app=app) == []
        assert status_of(producer, ids[0], app) == "registered"
        assert run(producer, f"select * from claim('{app}', 'x', '{{}}', 1, false)") == DENIED
        assert run(producer, f"select purge('{app}')") == DENIED
    with logged_in(database_dsn, "operator") as operator:
        operator.execute("select pause_queue(%s, 'default', true)", (app,))
        assert cancel(operator, ids[0], app=app) == "cancelled"
        assert one(operator, "select ready from queue_depth where app_id = %s", (app,)) == 1
        assert one(operator, "select purge(%s)", (app,)) == 2


@pytest.mark.parametrize("role", ["producer", "worker"])
def test_no_verb_can_be_talked_past_the_guard(database_dsn: str, role: str) -> None:
    """A role that writes itself the pass of purge still leaves a history without gaps."""
    app = f"pass of {role}"
    with connect(database_dsn) as c:
        register_runner(c, app=app)
        with c.transaction():
            c.execute(sql.SQL("set local role {}").format(sql.Identifier(f"pynenc_{role}")))
            c.execute("select set_config('pynenc.purge', pg_current_xact_id()::text, false)")
            [invocation_id] = register(c, app=app)
            assert cancel(c, invocation_id, app=app) == "cancelled"
        assert history(c, invocation_id) == [(0, "registered"), (1, "failed")]


def test_hints_cannot_do_harm(database_dsn: str) -> None:
    """Anybody may send hints: junk on the channel leaves every verb and row as it was."""
    with logged_in(database_dsn, "observer") as stranger, connect(database_dsn) as c:
        app = "hints"
        register_runner(c, app=app)
        c.execute("listen pynenc")
        [invocation_id] = register(c, app=app)
        for junk in ("", "{", '{"app": null}', '{"app": "hints", "kind": "cancel", "more": 1}'):
            stranger.execute("select pg_notify('pynenc', %s)", (junk,))
        held = claim(c, app=app)
        assert start(c, held, app=app) == {}
        assert finish(c, held, app=app) == {}
        assert status_of(c, invocation_id, app) == "success"


def test_a_listener_that_cannot_be_notified_is_refused(database_dsn: str) -> None:
    """A channel name PostgreSQL would not take never stands in the way of somebody's end."""
    app = "listeners"
    with connect(database_dsn) as c:
        register_runner(c, app=app)
        ids = register(c, app=app)
        with acting_as(c, "producer"):
            for listener in ("", "x" * 64):
                error = refusal(c, lambda name=listener: watch(c, ids, name, app=app))
                assert isinstance(error, psycopg.errors.CheckViolation)
        watch(c, ids, "x" * 63, app=app)
        held = claim(c, app=app)
        start(c, held, app=app)
        assert finish(c, held, app=app) == {}


def test_notifications_carry_only_ids(database_dsn: str) -> None:
    """What goes over a channel that anybody may hear is ids, kinds and times, never a value."""
    app = "ears"
    with connect(database_dsn) as c, connect(database_dsn) as ear:
        ear.execute("listen pynenc; listen ends")
        register_runner(c, app=app)
        ids = register(c, app=app, own_connection=False)
        watch(c, ids, app=app)
        held = claim(c, app=app)
        start(c, held, app=app)
        cancel(c, ids[0], app=app)
        finish(c, held, app=app, value='"secret"')
        heard = [(n.channel, json.loads(n.payload)) for n in ear.notifies(timeout=0.5)]
    kinds = [said["kind"] for channel, said in heard if channel == "pynenc"]
    assert {"runner", "work", "cancel"} <= set(kinds)
    assert ("ends", ids) in heard
    assert "secret" not in str(heard)
