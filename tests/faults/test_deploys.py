"""Workers of two deployments: calls that one of them cannot serve are kept, and not in a hurry."""

from __future__ import annotations

from tests.acceptance.workers import wait_for
from tests.faults.settings import KEEN
from tests.faults.site import Site

NEWER = KEEN | {"FAULTS_NEWER": "1"}


def test_a_task_that_only_a_newer_deployment_knows(site: Site) -> None:
    """An older worker sets it aside, once; the newer one runs it as soon as it comes."""
    older = site.fleet.start(**KEEN)
    calls = site.call("newer", {"number": 1}, {"number": 2})
    wait_for(lambda: _aside(site) == dict.fromkeys(calls, "unknown_task"), older.explain)
    assert site.statuses(calls) == {"retry": 2}
    site.wait_for_success(site.work(20, 0.05))  # they stand in nobody's way
    assert {_offers(site, call) for call in calls} == {1}
    assert "task.unknown" in older.said()
    assert older.stop() == 0
    newer = site.fleet.start(**NEWER)
    site.wait_for_success(calls)
    assert "tasks.freed: 2" in newer.said()
    assert {_offers(site, call) for call in calls} == {2}
    assert _spent(site) == [(0, 0)]
    site.check()


def test_two_deployments_side_by_side(site: Site) -> None:
    """What the older one gets by chance comes back to the newer one, and not in a hot loop."""
    site.fleet.start(**KEEN)
    site.fleet.start(**NEWER)
    calls = site.call("newer", *({"number": n} for n in range(20)))
    site.wait_for_success(calls)
    for call in calls:
        for refusal, gap in enumerate(_gaps(site, call)):
            assert gap >= min(5, 0.25 * 2**refusal) / 2
    assert _aside(site) == {}
    assert _spent(site) == [(0, 0)]
    site.check()


def test_arguments_that_do_not_fit(site: Site) -> None:
    """Calls made for another version of the task wait for it, with the reason; rollbacks, too."""
    now = site.fleet.start(**KEEN)
    calls = site.call("changed", {"number": 1}, {"number": 1, "colour": "red", "size": 2})
    wait_for(lambda: _aside(site) == {calls[1]: "arguments"}, now.explain)
    site.wait_for_success(calls[:1])
    assert site.query("select missing, unknown from pynenc.set_aside") == [([], ["colour", "size"])]
    assert _offers(site, calls[1]) == 1
    assert "task.other_arguments" in now.said()
    assert now.stop() == 0
    newer = site.fleet.start(**NEWER)  # it wants a colour
    later = site.call("changed", {"number": 2})
    wait_for(lambda: _aside(site) == {later[0]: "arguments"}, newer.explain)
    site.wait_for_success(calls[1:])
    assert newer.stop() == 0
    site.fleet.start(**KEEN)
    site.wait_for_success(later)
    assert _spent(site) == [(0, 0)]
    site.check()


def test_a_worker_killed_with_such_a_call(site: Site) -> None:
    """Whatever it had written: another one sets it aside, and nothing is spent but the recovery."""
    doomed = site.fleet.start(**KEEN)
    calls = site.call("newer", *({"number": n} for n in range(40)))
    doomed.kill()
    other = site.fleet.start(**KEEN)
    wait_for(lambda: len(_aside(site)) == 40, other.explain)
    site.fleet.start(**NEWER)
    site.wait_for_success(calls)
    assert {retries for retries, _ in _spent(site)} == {0}
    site.check()


def test_a_type_error_of_the_task_is_its_own(site: Site) -> None:
    """It fails, once, as ever."""
    worker = site.fleet.start(**KEEN)
    [call] = site.call("work", {"number": 1, "seconds": "long"})
    wait_for(lambda: site.statuses([call]) == {"failed": 1}, worker.explain)
    [(value,)] = site.query("select value::text from pynenc.invocation_outcome")
    assert "TypeError" in value
    assert _offers(site, call) == 1


def _offers(site: Site, call: str) -> int:
    """How often somebody claimed it."""
    return site.history(call).count("pending")


def _gaps(site: Site, call: str) -> list[float]:
    """Seconds from each claim to the next."""
    rows = site.query(
        """select extract(epoch from at - lag(at) over (order by at))::float8
           from pynenc.invocation_history where invocation_id = %s and status = 'pending'
           order by at""",
        call,
    )
    return [gap for (gap,) in rows[1:]]


def _aside(site: Site) -> dict[str, str]:
    """What is set aside, and why."""
    return dict(site.query("select invocation_id::text, cause from pynenc.set_aside"))


def _spent(site: Site) -> list[tuple[int, int]]:
    """Retries and recoveries of those that have ended."""
    return site.query("select distinct retries, recoveries from pynenc.invocation_outcome")
