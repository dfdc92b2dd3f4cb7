"""A window of a real browser, which refuses what is wrong and takes the pictures of the docs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM: Final = next((found for name in _NAMES if (found := shutil.which(name))), None)
AXE: Final = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
#: What the documentation shows.
SHOWN: Final = frozenset(
    {"overview", "invocation", "critical-path", "timeline-dark", "why", "phone"}
)
#: A traceback names files: in the pictures not by where they happened to be taken.
_ELSEWHERE: Final = """([from, to]) => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        texts.currentNode.data = texts.currentNode.data.replaceAll(from, to);
    }
}"""
PICTURES: Final = Path(__file__).parents[2] / "docs" / "images"
SCREEN: Final[ViewportSize] = {"width": 1280, "height": 860}
PHONE: Final[ViewportSize] = {"width": 390, "height": 860}
#: By how many pixels a page is wider than what shows it.
TOO_WIDE: Final = "() => document.documentElement.scrollWidth - window.innerWidth"
_ALL: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_VIOLATIONS: Final = """async (rules) => {
    const found = await axe.run(document, { resultTypes: ["violations"], runOnly: rules });
    return found.violations.map(
        (v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" | ").slice(0, 600)}`);
}"""


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

    def begin(self) -> None:
        """Forget what was: cookies, detours, and what went wrong in another test."""
        self.page.unroute_all()
        self.page.goto("about:blank")
        self.page.context.clear_cookies()
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(SCREEN)
        self.wrong.clear()

    def go(self, path: str) -> None:
        """Go to a page by its address."""
        found = self.page.goto(self.base + path)
        assert found is not None
        assert found.ok, f"{path}: {found.status}"

    def click(self, text: str, within: str = "main") -> None:
        """Click a link or a button, and come to the page that it leads to."""
        with self.page.expect_navigation():
            self.page.locator(within).get_by_text(text, exact=True).first.click()

    def check(self, name: str = "", rules: tuple[str, ...] = _ALL) -> None:
        """Refuse anything that was wrong, and what axe finds; take the picture."""
        where = self.page.url
        assert not self.wrong, f"{where}: {self.wrong}"
        self.page.evaluate(AXE)
        found = self.page.evaluate(_VIOLATIONS, list(rules))
        assert found == [], f"{where}: {found}"
        if name in SHOWN and os.environ.get("PYNENC_SCREENSHOTS"):
            PICTURES.mkdir(exist_ok=True)
            self.page.evaluate(_ELSEWHERE, [str(PICTURES.parents[1]), "/srv/shop"])
            self.page.screenshot(path=PICTURES / f"monitor-{name}.png")

    def check_otherwise(self) -> None:
        """Refuse, on the page that was checked, too little contrast in the dark, and a wide one."""
        self.page.emulate_media(color_scheme="dark")
        found = self.page.evaluate(_VIOLATIONS, ["color-contrast"])
        assert found == [], f"{self.page.url} in the dark: {found}"
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(PHONE)
        assert self.page.evaluate(TOO_WIDE) <= 0, f"{self.page.url} on a phone"
        self.page.set_viewport_size(SCREEN)

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


def open_window(chromium: Browser, base: str) -> Iterator[Visitor]:
    """Open one of a usual size, in the light, and close it after."""
    context = chromium.new_context(
        viewport=SCREEN,
        color_scheme="light",
        reduced_motion="reduce",  # colours are looked at, not how they change
        timezone_id="Europe/Berlin",
    )
    context.set_default_timeout(20_000)
    opened = Visitor(context.new_page(), base)
    opened.watch()
    yield opened
    context.close()
