"""A real browser clicks through every page and every action, on a shop at work.

Nothing may be wrong on the console, no request may leave the machine, and axe may find nothing.
With ``PYNENC_SCREENSHOTS=1`` it writes the pictures of the documentation.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.routing import compile_path

from pynenc_pg.monitor import make_site
from pynenc_pg.monitor.pages import ROUTES
from pynenc_pg.monitor.passwords import hash_password
from tests.acceptance.workers import wait_for
from tests.monitor import shop_tasks as shop
from tests.monitor.places import Place, configured, serving
from tests.monitor.visitor import CHROMIUM, PHONE, TOO_WIDE, Visitor, open_window

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt install chromium)"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None, reason="needs playwright (the extra dev)"
    ),
]

_COUNT_SWAPS: Final = """() => {
    window.swaps = 0;
    document.body.addEventListener("htmx:after:swap", () => { window.swaps += 1; });
}"""
_HIDE: Final = """() => {
    Object.defineProperty(document, "hidden", { value: %s, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def site(place: Place) -> Starlette:
    """The monitor."""
    return make_site(configured(place.dsn))


@pytest.fixture(scope="module")
def base(site: Starlette) -> Iterator[str]:
    """Where it is served, as ``pynenc-pg monitor`` serves it."""
    with serving(site) as address:
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def window(chromium: Browser, base: str) -> Iterator[Visitor]:
    """A window of a usual size, in the light: one for all, since each is a process of its own."""
    yield from open_window(chromium, base)


@pytest.fixture
def visitor(window: Visitor) -> Visitor:
    """That window, as if it was new."""
    window.begin()
    return window


MENU: Final = (
    *("Invocations", "Timeline", "Time travel", "Queues", "Runners", "Tasks", "Triggers"),
    *("Events", "Workflows", "Log explorer", "Audit", "Overview"),
)
#: The pages with tables, forms, figures and drawings: the others are made of the same parts.
VARIED: Final = {"Invocations", "Timeline", "Triggers", "Overview"}
_LINKS: Final = """() => [...document.querySelectorAll('a[href^="/"]')]
    .map((link) => link.getAttribute("href"))"""


def kind(address: str) -> str:
    """Return the path that a page has among the routes."""
    path = urlsplit(address).path
    return next(
        route
        for method, route, _ in ROUTES
        if method == "GET" and compile_path(route)[0].match(path)
    )


def test_every_page(visitor: Visitor, place: Place) -> None:
    """The menu leads to each by a click, and links to one of each kind: nothing is wrong on it.

    Nor is it in the dark, or on the screen of a phone, where that can differ.
    """
    first = [f"/invocations/{place.ids['large']}", "/invocations?status=failed"]
    left, seen = first.copy(), {"/login"}
    visitor.go("/")
    for text in MENU:
        visitor.click(text, within="nav")
        assert visitor.page.inner_text("h1") == text
        seen.add(kind(visitor.page.url))
        visitor.check("overview" if text == "Overview" else "")
        if text in VARIED:
            visitor.check_otherwise()
        left += visitor.page.evaluate(_LINKS)
    while left:
        address = left.pop(0)
        if address in first:
            first.remove(address)
        elif kind(address) in seen:
            continue
        seen.add(kind(address))
        visitor.go(address)
        visitor.check()
        if "status=failed" in address:
            visitor.check_otherwise()
        left += visitor.page.evaluate(_LINKS)
    assert seen == {route for method, route, _ in ROUTES if method == "GET"}


def test_of_each_kind(visitor: Visitor, place: Place) -> None:
    """Invocations that failed, run, wait, or have a hostile name; a critical path; no such page."""
    visitor.go("/invocations")
    visitor.click(f"…{place.ids['refuse'][-12:]}")
    assert "Traceback" in visitor.text
    visitor.check("invocation")
    visitor.check_otherwise()
    visitor.click("Timeline")
    visitor.check()
    for name in ("charge", "held", "press", "approve", "hostile"):
        visitor.go(f"/invocations/{place.ids[name]}")
        visitor.check("why" if name == "press" else "")
    visitor.go(f"/timeline?root={place.ids['fulfil']}")
    assert "Critical path" in visitor.text
    visitor.check("critical-path")


def test_a_page_that_is_not_there(visitor: Visitor) -> None:
    """It says so, and leads on."""
    found = visitor.page.goto(f"{visitor.base}/invocations/nothing")
    assert found is not None
    assert found.status == 404
    visitor.wrong.clear()  # that it is not there stands on the console, too
    visitor.check()
    visitor.click("Overview")


def test_logging_in_and_out(chromium: Browser, place: Place) -> None:
    """With the wrong password, with the right one, and away."""
    conf = configured(place.dsn, operator_password=hash_password("let me"))
    with serving(make_site(conf)) as base:
        for visitor in open_window(chromium, base):
            visitor.go("/queues")
            visitor.check()
            visitor.page.fill('input[name="password"]', "let")
            visitor.click("Log in")
            assert "This is not the password." in visitor.text
            visitor.wrong.clear()  # the console tells of 403
            visitor.check()
            visitor.page.fill('input[name="who"]', "ann")
            visitor.page.fill('input[name="password"]', "let me")
            visitor.click("Log in")
            assert visitor.page.inner_text("h1") == "Queues"
            assert "ann · operator" in visitor.page.inner_text("nav")
            visitor.click("Log out", within="nav")
            assert visitor.page.locator('input[name="password"]').is_visible()


def test_zoom_by_dragging(visitor: Visitor) -> None:
    """A part of the timeline that is dragged across fills the next one."""
    visitor.go("/timeline?span=600")
    visitor.page.wait_for_function("() => window.htmx !== undefined")
    box = visitor.page.locator("svg.gantt").bounding_box()
    assert box is not None
    y = box["y"] + 6
    with visitor.page.expect_navigation():
        visitor.page.mouse.move(box["x"] + box["width"] * 0.5, y)
        visitor.page.mouse.down()
        visitor.page.mouse.move(box["x"] + box["width"] * 0.9, y, steps=4)
        visitor.page.mouse.up()
    [span] = re.findall(r"span=([0-9.]+)", visitor.page.url)
    assert 200 < float(span) < 400
    visitor.click("Zoom in")
    visitor.click("← Earlier")
    visitor.check()


#: As if a function of the user had failed on a cause, time and again.
_PARK: Final = """
insert into pynenc.trigger_cause (app_id, trigger_id, condition_id, source_id, at, state, attempts,
                                  error)
select r.app_id, r.trigger_id, r.causes->0->>'condition_id', e.event_id, now(), 'parked', 3,
       'ValueError: no'
from pynenc.trigger_run r, pynenc.event e where e.code = 'paid' and r.trigger_id ~ 'thank' limit 1
returning cause_id"""


def test_actions(visitor: Visitor, place: Place) -> None:
    """Each with its question, then its outcome, on the page that one comes back to."""
    one = str(shop.charge.options(delay=3600)(30).invocation_id)
    visitor.go(f"/invocations/{one}")
    visitor.click("Cancel…")
    visitor.check("confirm")
    visitor.click("Cancel")
    assert f"cancel {one}: cancelled" in visitor.text
    visitor.click("Run again…")
    with visitor.page.expect_navigation():
        visitor.page.locator("form button", has_text="Run again").dblclick()
    assert f"retry {one}: made " in visitor.text
    query = "select count(*) from pynenc.invocation where retried_from = %s"
    assert place.ask(query, one) == [(1,)]  # a second click is none
    visitor.go(f"/invocations/{place.ids['charge']}")
    visitor.click("Edit and run again…")
    visitor.check("edit")
    written = {"order": 31, "note": "edited", "password": "***"}
    visitor.page.fill("textarea", json.dumps(written))
    visitor.click("Run")
    assert "run-again-edited" in visitor.text
    place.ask(_PARK)
    visitor.go("/triggers")
    with visitor.page.expect_navigation():
        visitor.page.locator("main tbody th a", has_text="thank").click()
    visitor.check()
    visitor.click("Look at parked causes again…")
    visitor.click("Look at parked causes again")
    assert "1 causes are looked at again" in visitor.text


@pytest.mark.parametrize(
    "what",
    ["queue", *(pytest.param(each, marks=pytest.mark.long) for each in ("trigger", "workflow"))],
)
def test_pausing(visitor: Visitor, what: str) -> None:
    """From the list, and back again; all three are the same page with another word."""
    subject = ""
    for action in (f"pause-{what}", f"resume-{what}"):
        visitor.go(f"/{what}s")
        link = visitor.page.locator(f'main a[href^="/do/{action}?{subject}"]').first
        subject = subject or urlsplit(link.get_attribute("href") or "").query
        with visitor.page.expect_navigation():
            link.click()
        visitor.click(visitor.page.inner_text("h1").rstrip("?"), within="form")
        assert action in visitor.page.inner_text("p.done")
    visitor.check()


def test_many_at_once(visitor: Visitor) -> None:
    """Narrowed, asked, done."""
    for number in range(3):
        shop.charge.options(delay=3600)(number, note="many at once")
    visitor.go("/invocations")
    visitor.page.fill('input[name="argument"]', "many at once")
    visitor.page.locator('input[value="registered"]').check()
    visitor.click("Find")
    visitor.click("Cancel these…")
    assert "Cancel 3 invocations?" in visitor.text
    visitor.check("bulk")
    visitor.click("Cancel 3")
    assert "bulk-cancel 3 invocations: 3 done, 0 refused" in visitor.text
    visitor.page.locator('input[value="registered"]').uncheck()
    visitor.page.locator('input[value="failed"]').check()
    visitor.click("Find")
    visitor.click("Run these again…")
    visitor.check()
    visitor.click("Run again 3")
    assert "bulk-retry 3 invocations: 3 done, 0 refused" in visitor.text
    visitor.go("/audit")
    assert "bulk-cancel" in visitor.text


def test_the_log_explorer(visitor: Visitor, place: Place) -> None:
    """Lines are pasted, their invocations and a timeline come."""
    visitor.go("/logs")
    visitor.page.fill(
        "textarea",
        f"12:00:01 INFO task.started {place.ids['fulfil']}\n"
        f"12:00:02 ERROR task.failed {place.ids['refuse']}",
    )
    visitor.click("Explore")
    assert "2 invocations named" in visitor.text
    visitor.check("explored")


def test_pages_follow_what_happens(visitor: Visitor) -> None:
    """By server-sent events, without a reload; what somebody has typed stays."""
    visitor.go("/invocations")
    visitor.page.evaluate("() => { window.stays = true; }")
    visitor.page.fill('input[name="task"]', "being written")
    made = str(shop.charge(40, note="live").invocation_id)
    visitor.page.locator(f'a[href="/invocations/{made}"]').wait_for()
    assert visitor.page.evaluate("() => window.stays === true")
    assert visitor.page.input_value('input[name="task"]') == "being written"
    visitor.check()


def test_what_was_opened_stays_open(visitor: Visitor, place: Place) -> None:
    """And what has the focus keeps it, when the page brings itself up to date."""
    visitor.go(f"/tasks/{shop.charge.task_id}")
    visitor.page.locator("details summary").click()
    visitor.page.locator("main .head a").first.focus()
    visitor.page.evaluate(_COUNT_SWAPS)
    shop.charge(41, note="swap")
    visitor.page.wait_for_function("() => window.swaps >= 2")
    assert visitor.page.locator("details[open]").count() == 1
    assert visitor.page.evaluate("() => document.activeElement.closest('.head') !== null")


def test_a_page_that_cannot_follow_says_so(visitor: Visitor) -> None:
    """It keeps what it has shown, and goes on when it can."""
    visitor.go("/queues")
    note = visitor.page.locator("[data-stale]")
    assert not note.is_visible()
    visitor.page.route("**/queues", lambda route: route.fulfill(status=503, body="away"))
    note.wait_for(state="visible")
    assert "default" in visitor.page.inner_text("main table")
    visitor.page.unroute("**/queues")
    note.wait_for(state="hidden")


def test_a_page_that_nobody_looks_at_does_not_follow(visitor: Visitor, site: Starlette) -> None:
    """Its connection is needed elsewhere: a browser has few to one host."""
    wanting = site.state.site.hints._wanting
    visitor.go("/queues")
    wait_for(lambda: len(wanting) == 1, lambda: str(wanting))
    visitor.page.evaluate(_HIDE % "true")
    wait_for(lambda: not wanting, lambda: str(wanting))
    visitor.page.evaluate(_HIDE % "false")
    wait_for(lambda: bool(wanting), lambda: str(wanting))


def test_by_keyboard(visitor: Visitor) -> None:
    """The first key leads past the menu, and what has the focus shows it."""
    visitor.go("/queues")
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("() => document.activeElement.className") == "skip"
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.press("Tab")
    outline = "() => getComputedStyle(document.activeElement).outlineStyle"
    assert visitor.page.evaluate("() => document.activeElement.closest('main') !== null")
    assert visitor.page.evaluate(outline) != "none"


def test_in_the_dark(visitor: Visitor, place: Place) -> None:
    """Colours have contrast there, too, where they are of another sort than on most pages."""
    if os.environ.get("PYNENC_SCREENSHOTS"):  # something to be seen on them
        calls = [shop.fulfil(number) for number in range(8)] + [shop.refuse(1)]
        wait_for(lambda: all(c.status.is_final() for c in calls), lambda: str(calls))
    visitor.page.emulate_media(color_scheme="dark")
    for path, name in (
        ("/timeline?span=3", "timeline-dark"),
        (f"/do/cancel?subject={place.ids['later']}", ""),
    ):
        visitor.go(path)
        visitor.check(name, rules=("color-contrast",))


def test_on_a_phone(visitor: Visitor, place: Place) -> None:
    """What is long or hostile makes no page wider than the screen; the menu opens."""
    visitor.page.set_viewport_size(PHONE)
    for path in (
        f"/workflows/{place.ids['approve']}",
        f"/tasks/{quote(f'shop.{shop.SCRIPT}', safe='')}",
        "/",
    ):
        visitor.go(path)
        assert visitor.page.evaluate(TOO_WIDE) <= 0, path
    visitor.check("phone")
    visitor.page.get_by_text("Menu", exact=True).click()
    visitor.check()
    visitor.click("Queues", within="nav")
    assert visitor.page.inner_text("h1") == "Queues"
