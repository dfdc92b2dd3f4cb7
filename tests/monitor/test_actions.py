"""What an operator may do: each with a question before, an effect, and an entry in the audit."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.workers import wait_for
from tests.monitor import shop_tasks as shop
from tests.monitor.places import HOST, Browser, Place, call_by_sql, visiting
from tests.monitor.test_pages import PAGES
from tests.support.sql import connect, register


def entry(place: Place) -> tuple[Any, ...]:
    """Return the latest entry of the audit: action, subject, outcome, who, from where."""
    query = """select action, subject, outcome, who, origin from pynenc.audits
               where app_id = 'shop' order by audit_id desc limit 1"""
    return place.ask(query)[0]


def do(browser: Browser, action: str, subject: str, **form: str) -> str:
    """Ask for it, and say yes."""
    asked = browser.get(f"/do/{action}?subject={quote(subject, safe='')}")
    assert "cannot be done" not in asked
    return browser.post(f"/do/{action}", {"subject": subject, **form})


@pytest.fixture
def viewer(place: Place) -> Iterator[Browser]:
    """Somebody who looks."""
    with visiting(place.dsn, local_role="viewer") as opened:
        yield opened


def test_cancel(browser: Browser, place: Place) -> None:
    """What nobody runs ends; the page that one comes back to says so, and so does the audit."""
    one = str(shop.charge.options(delay=3600)(10).invocation_id)
    assert "Cancel…" in browser.get(f"/invocations/{one}")
    page = do(browser, "cancel", one)
    assert "<strong>cancel</strong>" in page
    assert place.status(one) == "failed"
    assert entry(place) == ("cancel", one, "cancelled", "local (operator)", "127.0.0.1")
    page = browser.get(f"/invocations/{one}")
    assert "Cancel…" not in page
    assert "Done by hand" in page


def test_run_again(browser: Browser, place: Place) -> None:
    """What has ended is called anew, and says what it was made from."""
    one = place.ids["refuse"]
    assert "Run again…" in browser.get(f"/invocations/{one}")
    do(browser, "retry", one)
    action, subject, outcome, *_ = entry(place)
    assert (action, subject) == ("retry", one)
    made = outcome.removeprefix("made ")
    wait_for(lambda: place.status(made) == "failed", lambda: made)
    assert one in browser.get(f"/invocations/{made}")


def test_run_again_with_other_arguments(browser: Browser, place: Place) -> None:
    """What was edited arrives; what was left alone, masked or large, is as it was."""
    one = place.ids["charge"]
    page = browser.get(f"/invocations/{one}/again")
    assert shop.SECRET not in page
    written = {"order": 11, "note": shop.SCRIPT, "password": "***"}
    browser.post(f"/invocations/{one}/again", {"arguments": json.dumps(written)})
    made = entry(place)[2].removeprefix("made ")
    [(arguments,)] = place.ask(
        "select arguments from pynenc.invocations where invocation_id = %s", made
    )
    assert arguments == {"order": 11, "note": shop.SCRIPT, "password": shop.SECRET}
    [(detail,)] = place.ask("select detail from pynenc.audits order by audit_id desc limit 1")
    assert detail == {"changed": {"order": 11}, "kept": ["note", "password"]}
    large = place.ids["large"]
    [(before,)] = place.ask(
        "select arguments->'note' from pynenc.invocations where invocation_id = %s", large
    )
    page = browser.get(f"/invocations/{large}/again")
    text = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert text
    kept = json.loads(text[1].replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">"))
    browser.post(f"/invocations/{large}/again", {"arguments": json.dumps({**kept, "order": 12})})
    made = entry(place)[2].removeprefix("made ")
    [(note,)] = place.ask(
        "select arguments->'note' from pynenc.invocations where invocation_id = %s", made
    )
    assert note == before
    wait_for(lambda: place.status(made) == "success", lambda: made)


def test_edited_arguments_are_plain_json(browser: Browser, place: Place) -> None:
    """A marker that somebody writes is not read as one: no code comes in by this form."""
    one = place.ids["charge"]
    hostile = {"$jsonpickle": '{"py/reduce": [{"py/function": "os.abort"}, {"py/tuple": []}]}'}
    written = {"order": 13, "note": hostile, "password": "***"}
    browser.post(f"/invocations/{one}/again", {"arguments": json.dumps(written)})
    made = entry(place)[2].removeprefix("made ")
    wait_for(lambda: place.status(made) == "success", lambda: made)
    assert shop.app.get_invocation(made).result["note"] == hostile


@pytest.mark.parametrize(
    ("written", "said", "status"),
    [
        ("{", "This is no JSON", 422),
        ("[1]", "This is no JSON object", 422),
        ('{"order": 1, "other": 2}', "unknown other", 422),
        ('{"order": {"password": "***"}}', "order has *** in it", 422),
    ],
)
def test_arguments_that_cannot_be(
    browser: Browser, place: Place, written: str, said: str, status: int
) -> None:
    """They are refused with the reason, and nothing is called."""
    [(before,)] = place.ask("select count(*) from pynenc.invocation")
    page = browser.post(f"/invocations/{place.ids['charge']}/again", {"arguments": written}, status)
    assert said in page
    assert place.ask("select count(*) from pynenc.invocation") == [(before,)]


def test_pause_and_resume_a_queue(browser: Browser, place: Place) -> None:
    """No work is given out of it, until it goes on."""
    do(browser, "pause-queue", "default")
    assert entry(place)[:3] == ("pause-queue", "default", "paused")
    assert 'held">paused' in browser.get("/queues")
    do(browser, "resume-queue", "default")
    assert entry(place)[:3] == ("resume-queue", "default", "goes on")


def test_pause_and_resume_a_trigger(browser: Browser, place: Place) -> None:
    """Nothing of it fires, until it goes on; parked causes can be looked at again."""
    [(trigger,)] = place.ask("select trigger_id from pynenc.triggers where task_id ~ 'tidy'")
    do(browser, "pause-trigger", trigger)
    query = "select paused from pynenc.triggers where trigger_id = %s"
    assert place.ask(query, trigger) == [(True,)]
    assert "Resume…" in browser.get(f"/triggers/{quote(trigger, safe='')}")
    do(browser, "resume-trigger", trigger)
    assert place.ask(query, trigger) == [(False,)]
    do(browser, "retry-causes", trigger)
    assert entry(place)[:3] == ("retry-causes", trigger, "0 causes are looked at again")


def test_pause_and_resume_a_workflow(browser: Browser, place: Place) -> None:
    """It stops at its next step, for a reason; and goes on."""
    one = place.ids["approve"]
    do(browser, "pause-workflow", one, reason="stock-taking")
    assert "Paused" in browser.get(f"/workflows/{one}")
    assert "stock-taking" in browser.get(f"/workflows/{one}")
    assert "stock-taking" in browser.get("/workflows")
    do(browser, "resume-workflow", one)
    assert "stock-taking" not in browser.get(f"/workflows/{one}")
    [(detail,)] = place.ask(
        "select detail from pynenc.audits where action = 'pause-workflow' and subject = %s", one
    )
    assert detail == {"reason": "stock-taking"}


def test_many_at_once(browser: Browser, place: Place) -> None:
    """All that a filter finds, with one entry for some hundred of them."""
    ids = [str(shop.charge.options(delay=3600)(n, note="bulk").invocation_id) for n in range(130)]
    assert "/bulk/cancel?argument=bulk" in browser.get("/invocations?argument=bulk")
    asked = browser.get("/bulk/cancel?argument=bulk")
    assert "Cancel 130 invocations?" in asked
    browser.post("/bulk/cancel", {"filter": "argument=bulk"})
    rows = place.ask(
        """select subject, outcome, detail from pynenc.audits where action = 'bulk-cancel'
           order by audit_id"""
    )
    assert [row[:2] for row in rows] == [
        ("100 invocations", "100 done, 0 refused"),
        ("30 invocations", "30 done, 0 refused"),
    ]
    assert {one for row in rows for one in row[2]["outcomes"]} == set(ids)
    assert {place.status(one) for one in ids} == {"failed"}
    assert "only what has ended" in browser.get("/bulk/retry?argument=bulk&status=retry")


def test_many_more_than_at_once(place: Place) -> None:
    """After the first ones it is asked about the next: none is run again twice."""
    ids = call_by_sql(place.dsn, "tests.monitor.shop_tasks.press", *['{"page": 77}'] * 5)
    narrowed = "argument=page%3D77&status=failed"
    with visiting(place.dsn, bulk_limit=2) as browser:
        for one in ids:
            do(browser, "cancel", one)
        path, asked = f"/bulk/retry?{narrowed}", 0
        while path.startswith("/bulk/"):
            page = browser.get(path)
            hidden = dict(re.findall(r'name="(until|before)" value="([^"]*)"', page))
            form = {"filter": narrowed, **{k: html.unescape(v) for k, v in hidden.items()}}
            said = {"token": browser.token(), **form}
            found = browser.client.post(
                "/bulk/retry", data=said, headers={"origin": HOST}, follow_redirects=False
            )
            path, asked = found.headers["location"], asked + 1
    assert asked == 3
    query = "select retried_from from pynenc.invocation where retried_from = any (%s::uuid[])"
    assert sorted(str(one) for (one,) in place.ask(query, ids)) == sorted(ids)


def test_only_what_can_be_changed_is_looked_for(place: Place) -> None:
    """Others that are newer do not hide it; what is called after the question is left alone."""
    task = "task=tests.monitor.shop_tasks.press"
    with visiting(place.dsn, bulk_limit=5) as browser:
        old = str(shop.press(31).invocation_id)
        for page in range(5):
            do(browser, "cancel", str(shop.press(page).invocation_id))
        asked = browser.get(f"/bulk/cancel?{task}")
        assert old in asked
        [until] = re.findall(r'name="until" value="([^"]+)"', asked)
        new = str(shop.press(34).invocation_id)
        browser.post("/bulk/cancel", {"filter": task, "until": html.unescape(until)})
        assert place.status(old) == "failed"
        assert place.status(new) == "registered"
        do(browser, "cancel", new)


def test_one_that_is_refused_leaves_the_others_alone(browser: Browser, place: Place) -> None:
    """Of those that are run again, one whose task nobody has told of."""
    [made] = call_by_sql(place.dsn, "shop.unknown", '{"page": 2020}')
    other = str(shop.press(2020).invocation_id)
    for one in (made, other):
        do(browser, "cancel", one)
    browser.post("/bulk/retry", {"filter": "argument=page%3D2020&status=failed"})
    action, subject, outcome, *_ = entry(place)
    assert (action, subject) == ("bulk-retry", "2 invocations")
    assert outcome == "1 done, 1 refused"


def test_what_is_not_legal_is_neither_offered_nor_done(browser: Browser, place: Place) -> None:
    """What has ended is not cancelled, what has not is not run again, a queue must be there."""
    ended, live = place.ids["charge"], place.ids["later"]
    assert "Cancel…" not in browser.get(f"/invocations/{ended}")
    assert "Run again…" not in browser.get(f"/invocations/{live}")
    assert "Cancel these…" not in browser.get("/invocations?status=failed")
    assert "Run these again…" not in browser.get("/invocations?status=registered")
    for action, subject, said in (
        ("cancel", ended, "it has ended: success"),
        ("retry", live, "it has not ended: registered"),
        ("retry", "nothing", "there is no such invocation"),
        ("pause-queue", "nowhere", "there is no such queue"),
        ("pause-trigger", "none", "there is no such trigger"),
        ("pause-workflow", ended, "it has ended"),
    ):
        asked = browser.get(f"/do/{action}?subject={subject}")
        assert f"This cannot be done: {said}" in asked
        assert "<form method" not in asked.split("<main")[1]
        assert said in browser.post(f"/do/{action}", {"subject": subject}, 422)
        assert entry(place)[0] == action
        assert entry(place)[2].startswith("refused: ")
    browser.get(f"/invocations/{live}/again", 409)
    browser.get("/do/nothing?subject=x", 404)
    browser.get("/bulk/nothing?task=x", 404)
    browser.get("/bulk/cancel", 400)


def test_other_apps_are_left_alone(browser: Browser, place: Place) -> None:
    """An id of another app in the same database is unknown here, and stays as it is."""
    with connect(place.dsn) as connection:
        [other] = register(connection, app="other")
    browser.get(f"/invocations/{other}", 404)
    for path in PAGES:  # before it is asked for: the audit has what somebody has asked for
        assert other not in browser.get(path)
    assert "They name no invocation" in browser.post("/logs", {"lines": other})
    browser.post("/do/cancel", {"subject": other}, 422)
    assert place.status(other) == "registered"


def test_a_viewer_looks(viewer: Browser, place: Place) -> None:
    """No action is offered, and none is done, however it is asked for."""
    for path in (f"/invocations/{place.ids['later']}", "/queues", "/triggers", "/invocations"):
        page = viewer.get(path)
        assert "/do/" not in page
        assert "/bulk/" not in page
    for path in ("/do/cancel", "/bulk/cancel", f"/invocations/{place.ids['charge']}/again"):
        assert "you are a viewer" in viewer.get(f"{path}?task=x", 403)
        form = {"subject": place.ids["later"], "filter": "task=x", "arguments": "{}"}
        viewer.post(path, form, 403)
    assert place.status("later") == "registered"


def test_the_audit(browser: Browser, place: Place) -> None:
    """Its entries show with who, what and from where; no role can change or remove one."""
    one = str(shop.charge.options(delay=3600)(1, note="audited").invocation_id)
    do(browser, "cancel", one)
    assert "local (operator)" in browser.get("/audit")
    assert "<strong>cancel</strong>" in browser.get(f"/audit?subject={one}")
    for statement in ("update pynenc.audit set who = 'x'", "delete from pynenc.audit"):
        with pytest.raises(Exception, match="its rows are kept as they were written"):
            place.ask(statement)
