"""The stream that tells pages to look again: who may have it, how long, and how often it speaks."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest

from pynenc_pg.monitor import live, make_site
from pynenc_pg.monitor.passwords import hash_password
from tests.acceptance.workers import wait_for
from tests.monitor.places import configured, serving


@contextmanager
def stream(base: str, cookie: str = "") -> Iterator[http.client.HTTPResponse]:
    """Open it, and have an answer."""
    with closing(http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)) as connection:
        connection.request("GET", "/live", headers={"cookie": cookie})
        yield connection.getresponse()


def spoken(answer: http.client.HTTPResponse, until: bytes) -> None:
    """Read on to a line."""
    while (line := answer.readline()).strip() != until:
        assert line, "the stream has ended"


def test_junk_is_a_hint_and_no_more(database_dsn: str) -> None:
    """Whatever is notified, and however much: the stream says one word, once a second at most."""
    begin = time.monotonic()
    with (
        serving(make_site(configured(database_dsn))) as base,
        stream(base) as answer,
        psycopg.connect(database_dsn, autocommit=True) as stranger,
    ):
        assert answer.readline() == b"retry: 3000\n"
        for _ in range(3):
            stranger.execute(
                "select pg_notify('pynenc', '<script>' || n) from generate_series(1, 2000) n"
            )
        spoken(answer, b"event: changed")
        assert answer.readline() == b"data: .\n"
        stranger.execute("select pg_notify('pynenc', n::text) from generate_series(1, 2000) n")
        spoken(answer, b"event: changed")
        assert time.monotonic() - begin > 0.9


def test_it_ends_with_the_session(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logs out is told nothing more, wherever the stream is open."""
    monkeypatch.setattr(live, "_MOST", 0.2)
    conf = configured(database_dsn, operator_password=hash_password("let me"))
    with serving(make_site(conf)) as base:
        with stream(base) as answer:
            assert answer.status == 401
        cookie, token = _log_in(base)
        with stream(base, cookie) as answer:
            assert answer.readline() == b"retry: 3000\n"
            _post(base, "/logout", {"token": token}, cookie)
            assert b"" in iter(answer.readline, b"never")
        with stream(base, cookie) as answer:
            assert answer.status == 401


def test_so_many_at_most(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused; where one has gone there is room again, and the thread is there."""
    monkeypatch.setattr(live, "_STREAMS", 1)
    site = make_site(configured(database_dsn))
    hints = site.state.site.hints
    with serving(site) as base:
        for _ in range(2):
            with stream(base) as answer, stream(base) as refused:
                assert (answer.status, refused.status) == (200, 503)
                assert hints._thread.is_alive()
            wait_for(lambda: not hints._wanting, lambda: "it is not gone")
        wait_for(lambda: hints._thread is None, lambda: "the thread stays")


def test_it_goes_on_where_the_database_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without hints pages look by themselves, every few seconds."""
    monkeypatch.setattr(live, "_MOST", 0.2)
    away = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"
    with serving(make_site(configured(away))) as base, stream(base) as answer:
        for _ in range(2):
            spoken(answer, b"event: changed")


def _log_in(base: str) -> tuple[str, str]:
    answer = _post(base, "/login", {"password": "let me"})
    cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
    with closing(http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)) as connection:
        connection.request("GET", "/logs", headers={"cookie": cookie})
        page = connection.getresponse().read().decode()
    return cookie, page.partition('name="token" value="')[2].partition('"')[0]


def _post(base: str, path: str, form: dict[str, str], cookie: str = "") -> http.client.HTTPResponse:
    with closing(http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)) as connection:
        connection.request(
            "POST",
            path,
            urlencode(form),
            {
                "origin": base,
                "cookie": cookie,
                "content-type": "application/x-www-form-urlencoded",
            },
        )
        answer = connection.getresponse()
        assert answer.status == 303
        return answer
