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
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM: Final = next((found for name in _NAMES if (found := shutil.which(name))), None)
AXE: Final = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
#: What the documentation shows.
SHOWN: Final = frozenset(
    {"overview", "invocation", "critical-path", "timeline-dark", "why", "phone"}
)
PICTURES: Final = Path(__file__).parents[2] / "docs" / "images"
_VIOLATIONS: Final = """async () => {
    const found = await axe.run(document, {
        resultTypes: ["violations"],
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
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
        """Refuse anything that was wrong, and what axe finds; take the picture."""
        where = self.page.url
        assert not self.wrong, f"{where}: {self.wrong}"
        self.page.evaluate(AXE)
        found = self.page.evaluate(_VIOLATIONS)
        assert found == [], f"{where}: {found}"
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


def open_window(
    chromium: Browser, base: str, *, width: int, dark: bool = False
) -> Iterator[Visitor]:
    """Open one, and close it after."""
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
