"""The site of the documentation, as `make docs` makes it: read from files, by a real browser."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.monitor.visitor import CHROMIUM
from tests.support.blocks import DOCS, ROOT
from tests.unit.test_docs_api import NAMES

if TYPE_CHECKING:
    from playwright.sync_api import Page

SITE: Final = ROOT / "build" / "docs"
built = pytest.mark.skipif(
    not (SITE / "docs" / "index.html").exists(), reason="needs the site: make docs"
)
#: What a page fetches by itself. Links are followed by readers.
_FETCHED: Final = re.compile(
    r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=\"((?:https?:)?//[^\"]+)\"|"
    r"@import\b[^;]*;|url\(\s*[\"']?((?:https?:)?//[^)]+)"
)


@built
def test_no_page_fetches_anything() -> None:
    """Scripts, styles, fonts and pictures lie beside the pages."""
    files = [path for path in SITE.rglob("*") if path.suffix in {".html", ".css"}]
    assert len(files) > 80
    fetching = [
        f"{path.relative_to(SITE)}: {found[0]}"
        for path in files
        if (found := _FETCHED.search(path.read_text(encoding="utf-8")))
    ]
    assert not fetching


@built
def test_every_page_and_every_public_name_is_in_the_site() -> None:
    """A page of Markdown is a page of the site, and a public name has its place."""
    pages = [page.relative_to(ROOT).with_suffix(".html") for page in DOCS.rglob("*.md")]
    assert not [page for page in pages if not (SITE / page).exists()]
    api = "".join(path.read_text() for path in (SITE / "docs/reference/api").glob("*.html"))
    assert not [name for name in NAMES if f'id="{name}"' not in api]


@pytest.fixture
def page() -> Iterator[Page]:
    """A window that may read files alone, and in which nothing may go wrong."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing

    wrong: list[str] = []
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        opened = browser.new_page()
        opened.set_default_timeout(20_000)
        opened.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        opened.on("request", lambda asked: _note(wrong, asked.url))
        yield opened
        browser.close()
    assert not wrong


def _note(wrong: list[str], url: str) -> None:
    if not url.startswith(("file://", "data:")):
        wrong.append(f"asked {url}")


@built
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt install chromium)")
@pytest.mark.skipif(
    importlib.util.find_spec("playwright") is None, reason="needs playwright (the extra dev)"
)
def test_a_search_finds_pages_without_a_server(page: Page) -> None:
    """From the first page to what was searched for, all of it in files."""
    page.goto((SITE / "index.html").as_uri())
    page.wait_for_url("**/docs/index.html")
    page.fill("form.sidebar-search-container input", "visibility timeout")
    page.press("form.sidebar-search-container input", "Enter")
    page.get_by_role("link", name="Move from Celery").last.click()
    page.wait_for_url("**/howto/from-celery.html*")
    page.goto((SITE / "search.html").as_uri() + "?q=parallelize")
    page.locator("#search-results a[href*='api/app.html']").first.wait_for()


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="needs sphinx: make docs")
def test_the_site_is_made_without_a_warning(tmp_path: Path) -> None:
    """A link that leads nowhere, or a public name that is nowhere told of, is a warning."""
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    places = ["--conf-dir", "docs/site", "--doctree-dir", str(tmp_path / "trees")]
    done = subprocess.run(
        [*command, *places, ".", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
