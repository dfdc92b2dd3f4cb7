"""A real browser clicks through every page and every action, on a shop at work.

Nothing may be wrong on the console, no request may leave the machine, and axe may find nothing
serious. With ``PYNENC_SCREENSHOTS=1`` it writes the pictures of the documentation.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import pytest

from pynenc_pg.monitor import make_site
from pynenc_pg.monitor.server import make_server
from tests.acceptance.workers import wait_for
from tests.monitor import shop_tasks as shop
from tests.monitor.places import Place, configured, opened_shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

    from tests.support.databases import Databases

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM: Final = next((found for name in _NAMES if (found := shutil.which(name))), None)
AXE: Final = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
#: What the documentation shows.
SHOWN: Final = frozenset(
    {"overview", "invocation", "critical-path", "timeline-dark", "why", "phone"}
)
PICTURES: Final = Path(__file__).parents[2] / "docs" / "images"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt install chromium)"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None, reason="needs playwright (the extra dev)"
    ),
]

_SERIOUS: Final = """async () => {
    const found = await axe.run(document, {
        resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
    });
    return found.violations.filter((v) => ["serious", "critical"].includes(v.impact))
        .map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" | ").slice(0, 600)}`);
}"""
_TOO_WIDE: Final = "() => document.documentElement.scrollWidth - window.innerWidth"


@dataclass  # no slots: playwright keeps something on what it calls
class Visitor:
    """One window, and what went wrong in it."""

    page: Page
    base: str
    wrong: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note what stands on the console, and what is asked of whom."""
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", self._asked)

    def go(self, path: str) -> None:
        """Go to a page by its address."""
        found = self.page.goto(self.base + path)
        assert found is not None
        assert found.ok, f"{path}: {found.status}"

    def click(self, text: str, within: str = "main") -> None:
        """Click a link or a button, and come to the page that it leads to."""
        with self.page.expect_navigation():
            self.page.locator(within).get_by_text(text, exact=True).first.click()

    def check(self, name: str = "") -> None:
        """Refuse anything that was wrong, and what axe finds serious; take the picture."""
        where = self.page.url
        assert not self.wrong, f"{where}: {self.wrong}"
        self.page.evaluate(AXE)
        assert self.page.evaluate(_SERIOUS) == [], where
        if name in SHOWN and os.environ.get("PYNENC_SCREENSHOTS"):
            PICTURES.mkdir(exist_ok=True)
            self.page.screenshot(path=PICTURES / f"monitor-{name}.png")

    @property
    def text(self) -> str:
        """What can be read."""
        return self.page.inner_text("main")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.base).netloc:
            self.wrong.append(f"asked {request.url}")


@pytest.fixture(scope="module")
def place(databases: Databases) -> Iterator[Place]:
    """A shop that this module has for itself."""
    with databases.lend() as dsn, opened_shop(dsn) as opened:
        yield opened


@pytest.fixture(scope="module")
def base(place: Place) -> Iterator[str]:
    """The monitor, served as ``pynenc-pg monitor`` serves it."""
    server = make_server(make_site(configured(place.dsn)), port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started, lambda: "the monitor does not start")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def visitor(chromium: Browser, base: str) -> Iterator[Visitor]:
    """A window of a usual size, in the light."""
    yield from _open(chromium, base, width=1280)


def _open(chromium: Browser, base: str, *, width: int, dark: bool = False) -> Iterator[Visitor]:
    context = chromium.new_context(
        viewport={"width": width, "height": 860},
        color_scheme="dark" if dark else "light",
        timezone_id="Europe/Berlin",
    )
    context.set_default_timeout(20_000)
    opened = Visitor(context.new_page(), base)
    opened.watch()
    yield opened
    context.close()


MENU: Final = {
    "Invocations": "invocations",
    "Timeline": "timeline",
    "Time travel": "moment",
    "Queues": "queues",
    "Runners": "runners",
    "Tasks": "tasks",
    "Triggers": "triggers",
    "Events": "events",
    "Workflows": "workflows",
    "Log explorer": "logs",
    "Audit": "audit",
    "Overview": "overview",
}


def test_every_page_of_the_menu(visitor: Visitor) -> None:
    """By clicks from the first one on; each has its heading, and nothing is wrong on it."""
    visitor.go("/")
    for text, name in MENU.items():
        visitor.click(text, within="nav")
        assert visitor.page.inner_text("h1") == text
        visitor.check(name)


def test_pages_below(visitor: Visitor, place: Place) -> None:
    """Invocations of each kind, runs, tasks, runners, triggers: reached by the links to them."""
    visitor.go("/invocations")
    visitor.click(f"…{place.ids['refuse'][-12:]}")
    assert "Traceback" in visitor.text
    visitor.check("invocation")
    visitor.click("Timeline")
    visitor.check()
    for name in ("charge", "held", "press", "approve", "hostile"):
        visitor.go(f"/invocations/{place.ids[name]}")
        visitor.check("why" if name == "press" else "")
    visitor.go("/workflows")
    visitor.click(f"…{place.ids['approve'][-12:]}")
    visitor.check("workflow")
    for menu, text in (("Tasks", "tests.monitor.shop_tasks.charge"), ("Runners", "")):
        visitor.click(menu, within="nav")
        link = visitor.page.locator("main tbody th a", has_text=text).first
        with visitor.page.expect_navigation():
            link.click()
        visitor.check()
    visitor.click("Triggers", within="nav")
    with visitor.page.expect_navigation():
        visitor.page.locator("main tbody th a").first.click()
    visitor.check()
    visitor.go(f"/timeline?root={place.ids['fulfil']}")
    assert "Critical path" in visitor.text
    visitor.check("critical-path")


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


def test_actions(visitor: Visitor, place: Place) -> None:
    """Each with its question, then its outcome, on the page that one comes back to."""
    one = str(shop.charge.options(delay=3600)(30).invocation_id)
    visitor.go(f"/invocations/{one}")
    visitor.click("Cancel…")
    visitor.check("confirm")
    visitor.click("Cancel")
    assert f"cancel {one}: cancelled" in visitor.text
    visitor.click("Run again…")
    visitor.click("Run again")
    assert f"retry {one}: made " in visitor.text
    visitor.go(f"/invocations/{place.ids['charge']}")
    visitor.click("Edit and run again…")
    visitor.check("edit")
    written = {"order": 31, "note": "edited", "password": "***"}
    visitor.page.fill("textarea", json.dumps(written))
    visitor.click("Run")
    assert "run-again-edited" in visitor.text
    for path, begin, end in (
        ("/queues", "pause-queue", "resume-queue"),
        ("/triggers", "pause-trigger", "resume-trigger"),
        ("/workflows", "pause-workflow", "resume-workflow"),
    ):
        subject = ""
        for action in (begin, end):
            visitor.go(path)
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
    visitor.go("/audit")
    assert "bulk-cancel" in visitor.text
    visitor.check("done")


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


def test_in_the_dark(chromium: Browser, base: str, place: Place) -> None:
    """Colours have contrast there, too."""
    if os.environ.get("PYNENC_SCREENSHOTS"):  # something to be seen on them
        calls = [shop.fulfil(number) for number in range(8)] + [shop.refuse(1)]
        wait_for(lambda: all(c.status.is_final() for c in calls), lambda: str(calls))
    for visitor in _open(chromium, base, width=1280, dark=True):
        for path, name in (
            ("/timeline?span=3", "timeline-dark"),
            ("/", ""),
            (f"/invocations/{place.ids['refuse']}", ""),
            (f"/do/cancel?subject={place.ids['later']}", ""),
            ("/invocations?status=failed", ""),
        ):
            visitor.go(path)
            visitor.check(name)


def test_on_a_phone(chromium: Browser, base: str, place: Place) -> None:
    """No page is wider than the screen; the menu opens."""
    for visitor in _open(chromium, base, width=390):
        for path in (
            "/",
            "/invocations",
            "/timeline",
            "/triggers",
            f"/invocations/{place.ids['refuse']}",
            f"/workflows/{place.ids['approve']}",
            f"/tasks/{quote(f'shop.{shop.SCRIPT}', safe='')}",
        ):
            visitor.go(path)
            assert visitor.page.evaluate(_TOO_WIDE) <= 0, path
        visitor.go("/")
        visitor.page.get_by_text("Menu", exact=True).click()
        visitor.check("phone")
        visitor.click("Queues", within="nav")
        assert visitor.page.inner_text("h1") == "Queues"
