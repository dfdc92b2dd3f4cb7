"""What people see of triggers, and events that are emitted in SQL."""

from __future__ import annotations

import json

import psycopg
import pytest

from tests.support.plain_sql import refusal
from tests.support.sql import (
    APP,
    Connection,
    claim,
    finish,
    one,
    register,
    register_runner,
    register_tasks,
    start,
)
from tests.support.trigger_sql import STARTED, emit, fire, settle, take, tell, watched


def rows(c: Connection, query: str) -> list[tuple[object, ...]]:
    """Read all rows."""
    return c.execute(query.encode()).fetchall()


def test_triggers(c: Connection) -> None:
    """Each with its conditions and what stands behind it; what has gone is not shown."""
    told = watched(cron=True)
    told["definition"] = {"conditions": [{"kind": "event", "event_code": "paid"}]}
    tell(c, told, watched("gone"))
    for _ in range(4):
        emit(c)
    settle(c, take(c, limit=1), "park")
    settle(c, take(c, limit=1), "yes")
    fire(c, take(c, limit=1))
    c.execute("select pause_trigger(%s, 't', true)", (APP,))
    tell(c, told)
    query = """select app_id, trigger_id, task_id, paused, conditions, next_at, due, waiting,
                      parked, fired, last_fired > now() - interval '1 minute' from triggers"""
    conditions = told["definition"]["conditions"]
    assert rows(c, query) == [
        (APP, "t", STARTED, True, conditions, None, 1, 1, 1, 1, True),
    ]


def test_runs(c: Connection) -> None:
    """Causes, what was started and where it stands; or why nothing was."""
    tell(c, watched())
    events = [emit(c) for _ in range(3)]
    became = fire(c, take(c, limit=2))
    tell(c)
    query = (
        "select causes->0->>'source_id', invocation_id, status, reason, task_id from trigger_runs "
    )
    assert rows(c, query + "order by run_id") == [
        (events[0], became[0], "registered", None, STARTED),
        (events[1], became[1], "registered", None, STARTED),
        (events[2], None, None, "removed", STARTED),
    ]
    held = claim(c)
    start(c, held)
    finish(c, held[:1])
    assert {row[2] for row in rows(c, query)} == {"success", "running", None}


def test_parked_causes(c: Connection) -> None:
    """With what failed, and what it was about."""
    tell(c, watched(), watched("u", what="registered", about="tests.task"))
    event, [which] = emit(c), register(c)
    for trigger in ("t", "u"):
        [(cause, attempt)] = take(c, trigger)
        c.execute(
            "select settle_causes(%s, %s, %s, '{park}', '{0}', '{ZeroDivisionError}')",
            (APP, [cause], [attempt]),
        )
    query = (
        "select trigger_id, task_id, source_id, status, code, attempts, error from parked_causes"
    )
    assert sorted(rows(c, query)) == [
        ("t", STARTED, event, None, "paid", 1, "ZeroDivisionError"),
        ("u", STARTED, which, "registered", None, 1, "ZeroDivisionError"),
    ]


def test_events(c: Connection) -> None:
    """As they were emitted."""
    event = emit(c, payload='{"order":  7}')
    query = "select event_id, code, payload::text, emitted_by from events"
    assert rows(c, query) == [(event, "paid", '{"order":  7}', "test")]


def test_an_event_from_sql(c: Connection) -> None:
    """The app need not be said where there is one; its payload arrives as it was given."""
    tell(c, watched())
    event = one(c, "select emit_event('paid', '{\"$ref\": 7}')")
    one(c, "select emit_event('paid')")
    one(c, "select emit_event('paid', null, app => 'another')")
    found = "select payload::text, emitted_by, app_id from event order by emitted_at"
    assert rows(c, found) == [
        ('{"$$ref":7}', "sql", APP),
        ("{}", "sql", APP),
        ("null", "sql", "another"),
    ]
    assert len(take(c)) == 2
    assert one(c, "select event_id from event order by emitted_at limit 1") == event


def test_which_app_is_meant(c: Connection) -> None:
    """Where it cannot be known it is asked for."""

    def refused() -> psycopg.Error:
        error = refusal(c, lambda: one(c, "select emit_event('paid')"))
        assert error is not None
        assert error.sqlstate == "PN020"
        return error

    assert "no runner has told of its app" in str(refused())
    register_tasks(c, "tests.task")
    one(c, "select emit_event('paid')")
    register_runner(c, "another", app="another")
    register_tasks(c, "tests.task", runner="another", app="another")
    assert "several apps: another, test" in str(refused())


@pytest.mark.parametrize("code", ["null", "''", "' paid'", "E'a\\nb'", "repeat('x', 256)"])
def test_a_code_that_cannot_be(c: Connection, code: str) -> None:
    """The message shows it, and what it may be."""
    error = refusal(c, lambda: one(c, f"select emit_event({code}, app => 'a')"))
    assert error is not None
    assert error.sqlstate == "PN025"


def test_an_event_in_a_transaction_that_does_not_fit(c: Connection) -> None:
    """As every verb, it needs READ COMMITTED."""
    c.execute("set default_transaction_isolation = 'repeatable read'")
    with pytest.raises(psycopg.ProgrammingError) as caught:
        c.execute("select emit_event('paid', app => 'a')")
    assert caught.value.sqlstate == "PN008"


def test_a_trigger_of_ones_own(c: Connection) -> None:
    """An order that is paid is an event, with the commit of its row."""
    tell(c, watched(about="order.paid"))
    c.execute(
        """create table public.orders (id int primary key, paid boolean not null default false);
           create function public.tell_of_payment() returns trigger language plpgsql as $$
           begin
               perform pynenc.emit_event('order.paid', json_build_object('order', new.id));
               return new;
           end $$;
           create trigger tell_of_payment after update of paid on public.orders
           for each row when (new.paid and not old.paid) execute function public.tell_of_payment();
           insert into public.orders values (7), (8)"""
    )
    c.execute("update public.orders set paid = true where id = 7")
    with c.transaction(force_rollback=True):
        c.execute("update public.orders set paid = true where id = 8")
    [(payload,)] = rows(c, "select payload::text from events")
    assert json.loads(str(payload)) == {"order": 7}
    assert len(take(c)) == 1


def test_house_keeping(c: Connection) -> None:
    """Old firings and events go, but for events that somebody has not looked at yet."""
    tell(c, watched())
    emit(c)
    fire(c, take(c))
    needed = emit(c)
    emit(c, code="other")
    c.execute("update event set emitted_at = emitted_at - interval '8 days'")
    c.execute("update trigger_run set fired_at = fired_at - interval '8 days'")
    fresh = emit(c, code="other")
    one(c, "select maintain(%s)", (APP,))
    assert {row[0] for row in rows(c, "select event_id from event")} == {needed, fresh}
    assert rows(c, "select 1 from trigger_run") == []
    assert rows(c, "select count(*) from trigger_cause") == [(1,)]


def test_what_was_on_its_way_for_longer_than_its_trigger_is_kept(c: Connection) -> None:
    """Nothing stays for ever."""
    tell(c, watched())
    emit(c)
    tell(c)
    c.execute("update trigger_definition set removed_at = removed_at - interval '8 days'")
    c.execute(
        """insert into trigger_cause (app_id, trigger_id, condition_id, at)
           values (%s, 'nobody knows it', 'c', now())""",
        (APP,),
    )
    one(c, "select maintain(%s)", (APP,))
    assert rows(
        c, "select (select count(*) from trigger_cause), (select count(*) from trigger_definition)"
    ) == [(0, 0)]
