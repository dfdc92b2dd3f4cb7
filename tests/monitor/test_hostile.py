"""What a hostile or a clumsy visitor may write into addresses and forms: an answer, no mistake."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import quote

import psycopg
import pytest

from pynenc_pg.monitor import database
from pynenc_pg.monitor.pages import ROUTES
from pynenc_pg.monitor.passwords import hash_password
from pynenc_pg.postgres import deploy
from tests.monitor import shop_tasks as shop
from tests.monitor.places import HOST, Browser, Place, visiting

#: Texts that are none of a database, numbers and times that are none of this world.
WORDS: Final = (
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "a%3Fb%23c%25",
    "..%2f..%2fetc%2fpasswd",
    "%27%3B+drop+table+pynenc.audit%3B--",
    "%25s%25(x)s{schema}{{307*307}}",
    "x" * 1500,
    "9" * 1500,
    "%C2%B2",
    "nan",
    "-inf",
    "1e999",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01T00:00:00%2B99:00",
    "[]",
)
#: Those that have broken something, or stand for the others of their sort: no text of a database,
#: no text at all, a template, too long, no number, no time.
HARD: Final = (WORDS[0], WORDS[2], WORDS[6], WORDS[7], "1e999", WORDS[14])
_NAMES: Final = (
    *("status", "task", "queue", "argument", "error", "since", "until", "before", "done", "to"),
    *("span", "root", "at", "code", "live", "subject", "next"),
)


@pytest.mark.parametrize(
    "word", [pytest.param(w, marks=[] if w in HARD else pytest.mark.long) for w in WORDS]
)
def test_every_address_is_answered(browser: Browser, word: str) -> None:
    """Whatever stands in it: a page, or a refusal; never a mistake, always with the policy."""
    everything = "&".join(f"{name}={word}" for name in _NAMES)
    for method, path, _ in ROUTES:
        if method != "GET":
            continue
        for name in ("invocation_id", "runner_id:path", "task_id:path", "trigger_id:path", "name"):
            path = path.replace(f"{{{name}}}", word)  # noqa: PLW2901
        for action in ("cancel", "pause-queue") if "{action}" in path else ("",):
            asked = path.replace("{action}", action)
            found = browser.client.get(f"{asked}?{everything}", follow_redirects=False)
            assert found.status_code in {200, 303, 400, 404, 422}, f"{asked}: {found.text[:300]}"
            assert "default-src 'none'" in found.headers["content-security-policy"]
            assert "94249" not in found.text
            assert not found.headers.get("location", "/").startswith(("//", "http"))


@pytest.mark.parametrize(
    "word", ["\0", "\ud800", "x" * 3000, "\r\nset-cookie: a=b", "{0.__class__}"]
)
def test_every_form_is_answered(browser: Browser, place: Place, word: str) -> None:
    """Nothing is done by what is no subject, no arguments and no filter."""
    token = browser.token()
    for method, path, _ in ROUTES:
        if method != "POST" or path == "/logout":
            continue
        for action in ("cancel", "retry", "pause-queue", "pause-trigger", "pause-workflow"):
            where = path.format(invocation_id=place.ids["charge"], action=action)
            form = dict.fromkeys(("subject", "reason", "filter", "until", "arguments"), word)
            said = {"token": token, "lines": word, "password": word, "next": word, **form}
            body = "&".join(f"{k}={quote(v, errors='surrogatepass')}" for k, v in said.items())
            found = browser.client.post(
                where,
                content=body,
                headers={"origin": HOST, "content-type": "application/x-www-form-urlencoded"},
                follow_redirects=False,
            )
            assert found.status_code in {200, 303, 400, 404, 422}, f"{where}: {found.text[:300]}"
            assert "set-cookie" not in found.headers


@pytest.mark.parametrize(
    "written",
    ['{"order": NaN}', '{"order": Infinity}', '{"order": ' + "[" * 900 + "]" * 900 + "}",
     '{"order": ' + "[" * 200 + "]" * 200 + "}", '{"order": ' + "9" * 5000 + "}",
     '{"order": "\\ud800"}', '{"order": "\\u0000"}'],
)  # fmt: skip
def test_arguments_that_no_database_takes(browser: Browser, place: Place, written: str) -> None:
    """They are refused with a reason, or arrive as they were written."""
    address = f"/invocations/{place.ids['charge']}/again"
    token = browser.token()
    found = browser.client.post(
        address,
        data={"token": token, "arguments": written},
        headers={"origin": HOST},
    )
    assert found.status_code in {200, 422}
    assert "mistake of the monitor" not in found.text


def test_values_and_ids_are_looked_up_by_what_they_are(browser: Browser, place: Place) -> None:
    """A name that is no hash names no value; an id in capitals is the same one."""
    assert "no value" in browser.get("/values/xyz", 404)
    page = browser.get(f"/invocations/{place.ids['fulfil'].upper()}")
    assert f'href="/timeline?root={place.ids["fulfil"]}"' in page


def test_a_page_asks_for_itself_again_by_its_own_address(browser: Browser) -> None:
    """Also where a name has letters that mean something in an address."""
    name = "shop.what?#100%"
    with_id = quote(name, safe="")
    page = browser.get(f"/invocations?task={with_id}")
    assert f'hx-get="/invocations?task={with_id}"' in page
    [runner] = [f"/triggers/{quote('a?b', safe='')}"]
    assert "no trigger a?b" in browser.get(runner, 404)


def test_forms_have_an_end(browser: Browser, place: Place) -> None:
    """What one of ours cannot be is not read; of a login, which anybody may send, still less."""
    kind = {"origin": HOST, "content-type": "application/x-www-form-urlencoded"}
    for body, status in ((b"a=" + b"x" * 5_000_000, 413), (b"a=1&" * 1000, 400), (b"a=%ff", 400)):
        assert browser.client.post("/logs", content=body, headers=kind).status_code == status
    with visiting(place.dsn, operator_password=hash_password("let me")) as door:
        found = door.client.post("/login", content=b"password=" + b"x" * 20_000, headers=kind)
        assert found.status_code == 413


def test_a_table_that_is_locked_stops_its_own_page_alone(
    browser: Browser, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said after a while; the others are there as ever."""
    monkeypatch.setattr(database, "_STATEMENT", "300ms")
    with psycopg.connect(place.dsn) as other:
        other.execute("lock table pynenc.audit in access exclusive mode")
        assert "not in time" in browser.get("/audit", 503)
        browser.get("/queues")
        browser.get("/invocations")


@pytest.mark.parametrize("revision", [None, "pynenc_0001"])
def test_a_schema_of_another_version_is_said_to_be_one(
    empty_database_dsn: str, revision: str | None
) -> None:
    """One that is older, or none at all: what to do, and no mistake."""
    if revision is not None:
        deploy.migrate(empty_database_dsn, revision=revision)
    with visiting(empty_database_dsn) as browser:
        for path in ("/", "/invocations", "/timeline", "/triggers", "/audit?done=1"):
            assert "pynenc-pg db migrate" in browser.get(path, 422)


def test_what_the_form_of_arguments_shows_by_signs(browser: Browser, place: Place) -> None:
    """A sign that stands for a large value never arrives as its own words; true is not 1."""
    address = f"/invocations/{place.ids['large']}/again"
    page = browser.get(address)
    [sign] = {part.partition("&gt;")[0] for part in page.split("&lt;large value ")[1:]}
    form = {"arguments": json.dumps({"order": [f"<large value {sign}>"]})}
    assert "leave it alone" in browser.post(address, form, 422)
    one = str(shop.charge(1, note="one").invocation_id)
    shop.app.get_invocation(one).result  # noqa: B018 - waits
    browser.post(f"/invocations/{one}/again", {"arguments": '{"order": true, "note": "one"}'})
    [(detail,)] = place.ask("select detail from pynenc.audits order by audit_id desc limit 1")
    assert detail["changed"] == {"order": True}
