"""Workers of two deployments: calls that one of them cannot serve are kept, and not in a hurry."""

from __future__ import annotations

import json

from tests.acceptance.workers import wait_for
from tests.faults.settings import KEEN
from tests.faults.site import Site

#: Seconds before a call of an unknown task is offered again (30, without this).
AGAIN = 0.6
OLDER = KEEN | {"FAULTS_PATCH": json.dumps({"pynenc_pg.engine.execute.UNKNOWN_TASK_DELAY": AGAIN})}


def test_a_task_that_only_a_newer_deployment_knows(site: Site) -> None:
    """An older worker sets it aside for a while, each time; a newer one runs it in the end."""
    older = site.fleet.start(**OLDER)
    calls = site.call("newer", {"number": 1}, {"number": 2})
    wait_for(lambda: _offers(site, calls[0]) >= 3, older.explain)
    site.wait_for_success(site.work(3, 0))  # it stands in nobody's way
    assert "task.unknown" in older.said()
    site.fleet.start(**OLDER, FAULTS_NEWER="1")
    assert older.stop() == 0
    site.wait_for_success(calls)
    for call in calls:
        pauses = site.query(
            """select at - lag(at) over (order by rev) >= make_interval(secs => %s)
               from pynenc.invocation_history where invocation_id = %s and status = 'pending'
               order by rev""",
            AGAIN,
            call,
        )
        assert {waited for (waited,) in pauses[1:]} == {True}
    spent = "select distinct retries, recoveries from pynenc.invocation_outcome"
    assert site.query(spent) == [(0, 0)]
    site.check()


def test_by_default_an_unknown_task_is_offered_twice_a_minute(site: Site) -> None:
    """It is claimed once, and waits as RETRY with its reason for half a minute."""
    worker = site.fleet.start(**KEEN)
    [call] = site.call("newer", {"number": 1})
    wait_for(lambda: site.statuses([call]) == {"retry": 1}, worker.explain)
    query = """select reason, extract(epoch from due_at - status_at)::int
               from pynenc.invocation_state where invocation_id = %s"""
    assert site.query(query, call) == [("snoozed", 30)]
    site.wait_for_success(site.work(20, 0.05))
    assert _offers(site, call) == 1
    assert site.query("select pynenc.cancel('faults', %s, 'test')", call) == [("cancelled",)]
    site.check()


def test_arguments_that_do_not_fit(site: Site) -> None:
    """A call made for another version of the task fails once, and says what does not fit."""
    worker = site.fleet.start(**KEEN)
    calls = site.call("work", {"number": 1}, {"number": 1, "seconds": 0, "colour": "red"})
    wait_for(lambda: site.statuses(calls) == {"failed": 2}, worker.explain)
    for call, wrong in zip(calls, ("seconds", "colour"), strict=True):
        said = "select value::text from pynenc.invocation_outcome where invocation_id = %s"
        ((value,),) = site.query(said, call)
        assert "TypeError" in value
        assert wrong in value
        assert _offers(site, call) == 1
    site.check()


def _offers(site: Site, call: str) -> int:
    """How often somebody claimed it."""
    return site.history(call).count("pending")
