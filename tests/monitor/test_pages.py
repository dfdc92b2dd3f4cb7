"""Each page shows what there is, and shows it as text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Final
from urllib.parse import quote

import pytest

from pynenc_pg.monitor.pages import invocation, triggers, workflows
from tests.acceptance.workers import wait_for
from tests.monitor import shop_tasks as shop
from tests.monitor.places import Browser, Place, call_by_sql

PAGES: Final = (
    "/",
    "/invocations",
    "/timeline",
    "/moment",
    "/queues",
    "/runners",
    "/tasks",
    "/triggers",
    "/events",
    "/workflows",
    "/logs",
    "/audit",
)


class _Reader(HTMLParser):
    """Collects what a page would run, load or lead to, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "script" and not (said.get("src") or "").startswith("/static/"):
            self.wrong.append(f"a script: {attrs}")
        if tag == "style" or "style" in said or any(name.startswith("on") for name in said):
            self.wrong.append(f"inline: {tag} {attrs}")
        for name in ("href", "src", "action"):
            if said.get(name) is not None:
                self.links.append(said[name] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> str:
    """Return the text of a page, after a look at what else is in it."""
    found = _Reader(page)
    assert not found.wrong
    others = {link for link in found.links if not link.startswith(("/", "?", "#"))}
    assert all(re.match(r"https?://", link) for link in others), others
    return " ".join(found.text.split())


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_there(browser: Browser, path: str) -> None:
    """It has a title, marks itself in the menu, and holds nothing that would run."""
    page = browser.get(path)
    assert "· shop</title>" in page
    assert f'href="{path}" aria-current="page"' in page
    assert read(page)


def test_the_overview_tells_what_needs_somebody(browser: Browser) -> None:
    """Rates, queues, runners and the latest failure; a queue that is paused is a concern."""
    text = read(browser.get("/"))
    assert "queue press is paused, 2 are ready in it" in text
    assert "ThreadRunner" not in text
    assert "alive" in text
    assert f"ValueError: {shop.ERROR}" in text
    assert "Of the latest" in text


def test_an_invocation(browser: Browser, place: Place) -> None:
    """Arguments, result and history; what is masked is nowhere on it."""
    page = browser.get(f"/invocations/{place.ids['charge']}")
    text = read(page)
    assert shop.SCRIPT in text.replace('\\"', '"')
    assert '"password": "***"' in text
    for status in ("registered", "pending", "running", "success"):
        assert status in text
    assert 'href="https://example.org/receipt"' in page
    assert shop.LINK in text


def test_an_exception(browser: Browser, place: Place) -> None:
    """Type, message and traceback; a link in it leads there if it is http or https alone."""
    page = browser.get(f"/invocations/{place.ids['refuse']}")
    text = read(page)
    assert "ValueError" in text
    assert shop.ERROR in text
    assert "Traceback (most recent call last)" in text
    assert 'href="https://example.org/help"' in page


def test_the_error_of_an_attempt(browser: Browser, place: Place) -> None:
    """What an attempt failed with stands in the history."""
    text = read(browser.get(f"/invocations/{place.ids['stumble']}"))
    assert "ConnectionError: the bank is away" in text


def test_a_family(browser: Browser, place: Place) -> None:
    """What it has called stands below it, and who has called it above."""
    page = browser.get(f"/invocations/{place.ids['fulfil']}")
    assert "tests.monitor.shop_tasks.pack" in read(page)
    tree = page.split('class="tree"')[1]
    [child, _] = re.findall(r'href="/invocations/([0-9a-f-]{36})"', tree)
    assert place.ids["fulfil"] in browser.get(f"/invocations/{child}").split("<h1>")[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("press", "queue press is paused"),
        ("later", "due"),
        ("held", "being executed by runner"),
        ("approve", "event approved"),
    ],
)
def test_why(browser: Browser, place: Place, name: str, said: str) -> None:
    """What has not ended says what it waits for, in the words of ``why``."""
    page = browser.get(f"/invocations/{place.ids[name]}")
    [query] = [place.ask("select message from pynenc.why('shop', %s)", place.ids[name])]
    assert query[0][0].split(" since ")[0].split(" at ")[0] in read(page)
    assert 'class="card why"' in page


def test_a_large_value(browser: Browser, place: Place) -> None:
    """A value that is stored by itself has a page of its own."""
    page = browser.get(f"/invocations/{place.ids['large']}")
    [*_, address] = re.findall(r'href="(/values/[0-9a-f]{64})"', page)
    assert "large large large" in read(browser.get(address))
    assert "no value" in browser.get(f"/values/{'0' * 64}", 404)


def test_the_list_is_narrowed(browser: Browser, place: Place) -> None:
    """By status, task, queue, argument, exception and time; a filter that cannot be is named."""

    def listed(query: str) -> set[str]:
        page = browser.get(f"/invocations?{query}")
        read(page)
        found = set(re.findall(r'class="id" href="/invocations/([0-9a-f-]{36})"', page))
        return {name for name, one in place.ids.items() if one in found}

    assert listed("") == set(place.ids)
    assert listed("status=failed") == {"refuse"}
    assert listed("status=registered&status=running") == {"press", "hostile", "later", "held"}
    assert listed("status=success&status=registered&queue=press") == {"press", "hostile"}
    assert listed("task=tests.monitor.shop_tasks.fulfil") == {"fulfil"}
    assert listed(f"argument={quote(shop.SCRIPT[:20])}") == {"charge"}
    assert listed("error=ALERT(%27error") == {"refuse"}
    assert listed("since=2100-01-01T00:00") == set()
    assert "is no time" in browser.get("/invocations?since=yesterday")
    assert "there is no status gone" in browser.get("/invocations?status=gone")


def test_what_is_masked_is_not_found_by_its_value(browser: Browser, place: Place) -> None:
    """One cannot guess a secret by looking for it, however many have it, and however deep."""
    carried = json.dumps({"Api_Key": shop.SECRET, "plain": "to be seen"})
    calls = [
        {"user": "ann", "password": shop.SECRET},
        {"user": "ann", "login": {"token": {"x": shop.SECRET}, "plain": "to be seen"}},
        {"user": "ann", "carried": {"$jsonpickle": carried}},
        {"user": "ann", "pairs": {"$dict": [["secret", shop.SECRET]]}},
    ]
    call_by_sql(place.dsn, "shop.log_in", *(60 * [json.dumps(call) for call in calls]))
    queries = (shop.SECRET, shop.SECRET[:3], f"password={shop.SECRET}", "to be seen")
    for query in queries:
        page = browser.get(f"/invocations?argument={query}")
        assert "None." in page
        assert 'rel="next"' not in page
    assert 'rel="next"' in browser.get("/invocations?argument=user=ann")


def test_an_argument_is_found_by_its_name_and_value(browser: Browser, place: Place) -> None:
    """Exactly; and what stands only in a name is no value."""
    assert place.ids["refuse"] in browser.get("/invocations?argument=order=3")
    assert "None." in browser.get("/invocations?argument=order=33")
    assert place.ids["charge"] not in browser.get("/invocations?argument=order")


def test_an_id_leads_to_its_page(browser: Browser, place: Place) -> None:
    """Pasted where one looks for arguments; what nobody knows is said to be unknown."""
    page = browser.get(f"/invocations?argument={place.ids['held'].upper()}")
    assert "shop_tasks.held" in page
    assert "no invocation" in browser.get("/invocations/not-an-id", 404)


def test_the_timeline(browser: Browser, place: Place) -> None:
    """Bars across runners, links to what was called; narrowed and zoomed by its address."""
    page = browser.get("/timeline?span=600")
    assert read(page)
    for name in ("charge", "refuse", "held", "press"):
        assert f'<a href="/invocations/{place.ids[name]}" aria-label=' in page
    assert 'class="link' in page
    assert "not begun" in page
    narrowed = browser.get("/timeline?task=tests.monitor.shop_tasks.refuse&span=600")
    assert place.ids["refuse"] in narrowed
    assert place.ids["charge"] not in narrowed
    assert "Nothing was there" in browser.get("/timeline?to=2020-01-01T00:00:00&span=10")
    assert read(browser.get("/timeline?span=nonsense"))


def test_the_critical_path(browser: Browser, place: Place) -> None:
    """Of one invocation: what its end was waiting for."""
    page = browser.get(f"/timeline?root={place.ids['fulfil']}")
    path = page.split("<h2>Critical path</h2>")[1]
    assert place.ids["fulfil"] in path
    assert "shop_tasks.pack" in path
    unknown = place.ids["fulfil"][:-12] + "0" * 12
    assert "no invocation" in browser.get(f"/timeline?root={unknown}", 404)
    assert "no id" in browser.get("/timeline?root=nothing", 404)


def test_time_travel(browser: Browser, place: Place) -> None:
    """At a moment stands what stood there then, not what stands there now."""
    query = """select min(at) filter (where status = 'running'), max(at)
               from pynenc.history('shop', %s)"""
    [(begun, ended)] = place.ask(query, place.ids["fulfil"])
    then = browser.get(f"/moment?at={quote(begun.isoformat())}")
    row = then.split(place.ids["fulfil"])[2].split("</tr>")[0]
    assert 'busy">running' in row
    assert 'good">success' in row
    after = browser.get(f"/moment?at={quote(ended.isoformat())}")
    assert place.ids["fulfil"] not in after
    assert place.ids["later"] in after
    assert "is no time" in browser.get("/moment?at=once")


def test_the_log_explorer(browser: Browser, place: Place) -> None:
    """Lines that were pasted lead to the invocations that they name, and show as text."""
    unknown = "01a21cd6-0000-7000-8000-000000000000"
    lines = f"INFO {place.ids['charge']} {shop.SCRIPT}\nERROR {place.ids['refuse']}\n{unknown}"
    page = browser.post("/logs", {"lines": lines})
    text = read(page)
    assert "2 invocations named" in text
    assert "1 ids are not known here" in text
    assert shop.SCRIPT in text
    assert f'<li class="bad">ERROR <a href="/invocations/{place.ids["refuse"]}">' in page
    assert 'class="gantt"' in page
    assert "They name no invocation" in browser.post("/logs", {"lines": "nothing"})


def test_tasks(browser: Browser) -> None:
    """Parameters, runners and figures of the latest ends; each has a page."""
    text = read(browser.get("/tasks"))
    assert "tests.monitor.shop_tasks.charge(order, note=..., password=...)" in text
    page = browser.get("/tasks/tests.monitor.shop_tasks.refuse")
    assert "1, 100 % failed" in read(page)
    hostile = browser.get(f"/tasks/{quote(f'shop.{shop.SCRIPT}', safe='')}")
    assert shop.SCRIPT in read(hostile)
    assert "no task nothing" in browser.get("/tasks/nothing", 404)


def test_runners(browser: Browser, place: Place) -> None:
    """Who works, and what it holds."""
    [(runner,)] = place.ask("select runner_id from pynenc.runner where app_id = 'shop'")
    assert runner in read(browser.get("/runners"))
    page = browser.get(f"/runners/{quote(runner, safe='')}")
    assert place.ids["held"] in page.split("It holds</h2>")[1].split("Ended here")[0]
    assert place.ids["charge"] in page.split("Ended here lately</h2>")[1]
    assert "no runner" in browser.get("/runners/nobody", 404)


def test_triggers_and_events(browser: Browser, place: Place) -> None:
    """What fires, why, and what it has started; payloads show as text."""
    page = browser.get("/triggers")
    text = read(page)
    assert "event paid" in text
    assert "cron 0 3 * * * UTC" in text
    [(started,)] = place.ask("select invocation_id from pynenc.trigger_runs")
    assert str(started) in page
    [(trigger,)] = place.ask("select trigger_id from pynenc.triggers where task_id ~ 'thank'")
    assert str(started) in browser.get(f"/triggers/{quote(trigger, safe='')}")
    assert f"trigger {trigger}" in read(browser.get(f"/invocations/{started}"))
    events = browser.get("/events?code=paid")
    assert shop.SCRIPT in read(events)
    assert shop.LINK in read(events)
    assert "None." in browser.get("/events?code=other")
    assert "no trigger" in browser.get("/triggers/none", 404)


def test_what_is_long_is_cut_and_said_to_be(
    browser: Browser, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Histories, steps, and what was counted."""
    monkeypatch.setattr(invocation, "_CHANGES", 2)
    page = browser.get(f"/invocations/{place.ids['charge']}")
    assert "there are 2 before them" in page
    monkeypatch.setattr(workflows, "_MOST", 1)
    assert "The first 1 are shown" in browser.get(f"/workflows/{place.ids['approve']}")
    monkeypatch.setattr(triggers, "_MOST", 1)
    assert "1+, " in browser.get("/triggers")


def test_runs_of_workflows_go_on_where_the_last_page_ended(
    browser: Browser, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it was looked for too long."""
    other = str(shop.approve(8).invocation_id)
    query = "select count(*) from pynenc.workflows where awaits_event = 'approved'"
    wait_for(lambda: place.ask(query) == [(2,)], lambda: other)
    monkeypatch.setattr(workflows, "_SHOWN", 1)
    first = browser.get("/workflows")
    assert f'href="/workflows/{other}"' in first
    [more] = re.findall(r'rel="next" href="([^"]+)"', first)
    assert f'href="/workflows/{place.ids["approve"]}"' in browser.get(more.replace("&amp;", "&"))
    monkeypatch.setattr(workflows, "PATIENCE", "-1 s")
    page = browser.get("/workflows?task=nothing")
    assert "None found so far." in page
    [more] = re.findall(r'rel="next" href="([^"]+)"', page)
    assert f"before={other}" in more


def test_workflows(browser: Browser, place: Place) -> None:
    """Runs with their steps and data; secrets in them are masked."""
    text = read(browser.get("/workflows?live=1"))
    assert "shop_tasks.approve" in text
    assert "event approved" in text
    page = browser.get(f"/workflows/{place.ids['approve']}")
    text = read(page)
    for said in ("set_data", "shop_tasks.pack", "customer", shop.SCRIPT, '"api_key": "***"'):
        assert said in text
    assert "has taken no step" in browser.get(f"/workflows/{place.ids['charge']}", 404)


def test_pages_go_on_where_the_last_one_ended(browser: Browser, place: Place) -> None:
    """By a key, not by a number: nothing is shown twice, nothing is left out."""
    seen: list[str] = []
    path = "/invocations?"
    rows = place.ask("select count(*) from pynenc.invocation where app_id = 'shop'")[0][0]
    for _ in range(rows):
        page = browser.get(path)
        seen += re.findall(r'class="id" href="/invocations/([0-9a-f-]{36})"', page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        if more is None:
            break
        path = more[1].replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == rows
