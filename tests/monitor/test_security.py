"""F50 to F53: forged forms, missing sessions, other hosts, and secrets in the open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pynenc_pg.cli.main import cli
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.monitor import database, make_site
from pynenc_pg.monitor.identity import Attempts, Role, Sessions
from pynenc_pg.monitor.passwords import fits, hash_password
from pynenc_pg.monitor.settings import read_settings
from tests.monitor import shop_tasks as shop
from tests.monitor.places import HOST, Browser, Place, configured, visiting
from tests.monitor.test_pages import PAGES

OPERATOR = hash_password("let me act")
VIEWER = hash_password("let me look")


@pytest.fixture
def door(place: Place) -> Iterator[Browser]:
    """Somebody at a monitor that wants a password."""
    with visiting(place.dsn, operator_password=OPERATOR, viewer_password=VIEWER) as opened:
        yield opened


def test_a_forged_form_is_refused(place: Place) -> None:
    """Without the session's token, with another session's, or from another site."""
    form = {"subject": place.ids["later"]}
    with visiting(place.dsn) as victim, visiting(place.dsn) as attacker:
        token = victim.token()
        for forged in ("", "0" * 64, attacker.token()):
            assert "not of this session" in victim.post("/do/cancel", form, 403, token=forged)
        for origin in ("https://evil.example", "null", "http://127.0.0.1:9999", ""):
            found = victim.client.post(
                "/do/cancel", data={"token": token, **form}, headers={"origin": origin}
            )
            assert found.status_code == 403, origin
            assert "from another site" in found.text
        none = victim.client.post("/do/cancel", data={"token": token, **form})
        assert none.status_code == 403
        page = victim.client.post(
            "/do/cancel",
            content="token=x",
            headers={"origin": HOST, "content-type": "text/plain"},
        )
        assert page.status_code == 415
        assert place.status("later") == "registered"


def test_without_a_session_nothing_is_done(place: Place) -> None:
    """A form whose cookie is missing, made up, or of a monitor that was restarted."""
    form = {"subject": place.ids["later"]}
    with visiting(place.dsn) as first:
        token, cookies = first.token(), dict(first.client.cookies)
    with visiting(place.dsn) as second:
        for name, value in {**cookies, "pynenc_monitor_8765": "e30.0"}.items():
            second.client.cookies.clear()
            assert "no session" in second.post("/do/cancel", form, 403, token=token)
            second.client.cookies.set(name, value)
            assert "no session" in second.post("/do/cancel", form, 403, token=token)
    assert place.status("later") == "registered"


def test_a_password_is_wanted(door: Browser, place: Place) -> None:
    """Before it nothing is shown, and no stream or form is taken; wrong ones are counted."""
    for path in (*PAGES, f"/invocations/{place.ids['charge']}"):
        found = door.client.get(path, follow_redirects=False)
        assert (found.status_code, found.headers["location"][:12]) == (303, "/login?next=")
        assert "charge" not in found.text
    assert door.client.get("/live").status_code == 401
    assert door.client.post("/do/cancel", headers={"origin": HOST}).status_code == 401
    assert "not the password" in _log_in(door, "let me", 403)
    page = _log_in(door, "let me look")
    assert "viewer" in page
    assert "Cancel…" not in door.get(f"/invocations/{place.ids['later']}")
    door.post("/logout", {})
    page = _log_in(door, "let me act", who="ann")
    assert "ann · operator" in page
    assert "Cancel…" in door.get(f"/invocations/{place.ids['later']}")


def test_a_session_that_was_ended_is_over(door: Browser) -> None:
    """Also where its cookie has been copied to."""
    _log_in(door, "let me look")
    stolen = dict(door.client.cookies)
    door.post("/logout", {})
    door.client.cookies.update(stolen)
    assert door.client.get("/", follow_redirects=False).status_code == 303


def test_passwords_are_not_tried_one_after_the_other(door: Browser) -> None:
    """After ten that were wrong that address waits, with the right one too."""
    _log_in(door, "let me act")  # which does not count
    for _ in range(10):
        _log_in(door, "guess", 403)
    assert "wait a minute" in _log_in(door, "let me act", 429)


def test_whoever_tries_passwords_does_not_lock_out_others() -> None:
    """Each address has its own ten; from all together come no more than a hundred in a minute."""
    now = [0.0]
    attempts = Attempts(clock=lambda: now[0])
    assert [attempts.begin("a") for _ in range(11)] == [True] * 10 + [False]
    assert attempts.begin("b")
    attempts.forgive("b")
    assert [attempts.begin(f"c{n}") for n in range(91)] == [True] * 90 + [False]
    now[0] += 61
    assert attempts.begin("a")
    attempts.forgive("a")
    attempts.forgive("a")


def test_a_login_leads_nowhere_else(door: Browser) -> None:
    """The page that one wanted is one of ours."""
    for there in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:1"):
        found = door.client.post(
            "/login",
            data={"password": "let me look", "next": there},
            headers={"origin": HOST},
            follow_redirects=False,
        )
        assert found.headers["location"] == "/", there


def _log_in(door: Browser, password: str, status: int = 200, who: str = "") -> str:
    return door.post("/login", {"password": password, "who": who}, status, token="")


def test_a_proxy_says_who_somebody_is(place: Place) -> None:
    """From its address alone; who is no operator looks."""
    said: dict[str, Any] = {
        "proxy_user_header": "X-Forwarded-User",
        "trusted_proxies": ["10.0.0.0/8"],
        "operators": ["ann"],
    }
    with visiting(place.dsn, client=("10.1.2.3", 1), **said) as proxy:
        page = proxy.get("/queues", headers={"x-forwarded-user": "ann"})
        assert "ann · operator" in page
        assert "/do/pause-queue" in page
        other = proxy.get("/queues", headers={"x-forwarded-user": "bob"})
        assert "bob · viewer" in other
        assert "/do/" not in other
        assert "has not said who you are" in proxy.get("/queues", 401)
    with visiting(place.dsn, client=("192.168.0.9", 1), **said) as stranger:
        refused = stranger.get("/queues", 403, {"x-forwarded-user": "ann"})
        assert "not trusted" in refused


def test_a_proxy_that_adds_its_header_instead_of_replacing_it(place: Place) -> None:
    """What a browser has sent under that name is never taken for what the proxy says."""
    said: dict[str, Any] = {"proxy_user_header": "X-User", "trusted_proxies": ["127.0.0.1"]}
    with visiting(place.dsn, operators=["ann"], **said) as proxy:
        found = proxy.client.get("/queues", headers=[("x-user", "ann"), ("x-user", "bob")])
        assert (found.status_code, "came twice" in found.text) == (403, True)


def test_a_form_from_the_same_name_without_https(place: Place) -> None:
    """Where people come by https, what was sent without it is from somebody in between."""
    with visiting(place.dsn, https=True, base_url="https://127.0.0.1:8765") as browser:
        form = {"token": browser.token(), "lines": "x"}
        for scheme, status in (("http", 403), ("https", 200)):
            origin = {"origin": f"{scheme}://127.0.0.1:8765"}
            assert browser.client.post("/logs", data=form, headers=origin).status_code == status


def test_somebody_elses_cookie_is_of_no_use_behind_a_proxy(place: Place) -> None:
    """Who the proxy says counts, not whose session the browser brings."""
    said: dict[str, Any] = {
        "proxy_user_header": "X-User",
        "trusted_proxies": ["127.0.0.1"],
        "operators": ["ann"],
    }
    with visiting(place.dsn, **said) as browser:
        browser.get("/", headers={"x-user": "ann"})
        found = browser.client.post(
            "/do/cancel",
            data={"token": "x", "subject": place.ids["later"]},
            headers={"origin": HOST, "x-user": "bob"},
        )
        assert found.status_code == 403
        assert "bob · viewer" in browser.get("/", headers={"x-user": "bob"})


def test_other_host_names_are_refused(browser: Browser, place: Place) -> None:
    """A page elsewhere whose name leads here sees nothing."""
    two = [("host", "127.0.0.1:8765"), ("host", "evil.example")]
    assert browser.client.get("/", headers=two).status_code == 400
    for host in ("evil.example", "evil.example:8765", "127.0.0.1.evil.example:8765", ""):
        found = browser.client.get("/", headers={"host": host})
        assert found.status_code == 400, host
        assert "charge" not in found.text
    name = "tasks.example.org"
    with visiting(place.dsn, base_url=f"http://{name}", allowed_hosts=[name]) as named:
        named.get("/")


def test_other_addresses_need_a_way_to_log_in() -> None:
    """Refused at start, with the way out; half of a proxy is none."""
    dsn = "postgresql://nobody@127.0.0.1:1/none"
    for host in ("0.0.0.0", "::", "192.168.1.7", "tasks.example.org"):  # noqa: S104
        with pytest.raises(ConfigError, match="nobody would have to say who they are"):
            make_site(configured(dsn, host=host))
        assert read_settings(configured(dsn, host=host, operator_password=OPERATOR)).by_password
    with pytest.raises(ConfigError, match="belong together"):
        make_site(configured(dsn, proxy_user_header="X-User"))
    with pytest.raises(ConfigError, match="belong together"):
        make_site(configured(dsn, trusted_proxies=["10.0.0.1"]))
    for host in ("127.0.0.1", "::1", "localhost"):
        assert not read_settings(configured(dsn, host=host)).by_password


def test_headers(browser: Browser) -> None:
    """Every answer, also a refusal or a file, forbids scripts and styles that are not ours."""
    for path, host in (
        ("/", None),
        ("/nothing", None),
        ("/", "evil"),
        ("/static/monitor.css", None),
    ):
        headers = browser.client.get(path, headers={"host": host} if host else {}).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    found = browser.client.get("/")
    assert found.headers["cache-control"] == "no-store"
    assert browser.client.request("DELETE", "/").status_code == 405
    for path in ("/static/../site.py", "/static/%2e%2e/site.py", "/static/"):
        assert browser.client.get(path).status_code == 404


def test_the_cookie(place: Place) -> None:
    """Scripts do not see it, other sites do not send it; behind https it goes no other way."""
    with visiting(place.dsn, https=True) as browser:
        cookie = browser.client.get("/").headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= {
        part.strip() for part in cookie.split(";")
    }
    assert cookie.startswith("__Host-pynenc_monitor_8765=")


def test_secrets_are_on_no_page(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The password of the DSN, the signing key, hashes and masked arguments: in no output."""
    role, word = "monitor_of_the_tests", "dsn-password-of-the-tests"
    key = "signing-key-of-the-tests-" + "k" * 20
    caplog.set_level("DEBUG")
    with psycopg.connect(place.dsn, autocommit=True) as owner:
        owner.execute(f"drop role if exists {role}")
        owner.execute(
            f"create role {role} login password '{word}' in role pynenc_observer, pynenc_operator"
        )
        try:
            dsn = make_conninfo(
                "", **{**conninfo_to_dict(place.dsn), "user": role, "password": word}
            )
            conf = configured(dsn, operator_password=OPERATOR)
            conf.serializer_signing_key = (key,)
            seen = _all_pages(conf, place)
        finally:
            owner.execute(f"drop role {role}")
    for secret in (shop.SECRET, word, key, OPERATOR, OPERATOR.rpartition("$")[2]):
        assert secret not in seen
        assert secret not in caplog.text
    assert "signs its calls" in seen


def _all_pages(conf: object, place: Place) -> str:
    from starlette.testclient import TestClient  # noqa: PLC0415

    with TestClient(make_site(conf), base_url=HOST) as client:  # type: ignore[arg-type]
        door = Browser(client)
        _log_in(door, "let me act")
        for path in PAGES:
            door.get(path)
        for one in place.ids.values():
            door.get(f"/invocations/{one}")
            door.get(f"/timeline?root={one}")
        door.get(f"/workflows/{place.ids['approve']}")
        for path in ("/nothing", "/invocations/nothing", "/do/nothing"):
            door.get(path, 404)
        door.get(f"/invocations/{place.ids['charge']}/again", 409)
        door.post("/do/retry", {"subject": place.ids["charge"]}, 422)
        return "\n".join([*door.pages.values(), str(dict(client.get("/").headers))])


def test_a_database_that_is_away_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, without the DSN, and with 503."""
    monkeypatch.setattr(database, "_PATIENCE", 0.2)
    dsn = "postgresql://me:hidden-word@127.0.0.1:1/none?connect_timeout=1"
    with visiting(dsn) as browser:
        page = browser.get("/queues?done=1", 503)
    assert "The database does not answer" in page
    assert "hidden-word" not in page


def test_the_roles_of_the_database_are_taken(place: Place) -> None:
    """It looks as the observer, in a transaction that writes nothing, and acts as the operator."""
    site = make_site(configured(place.dsn)).state.site
    try:
        with site.database.looking() as reads:
            row = reads.one("select current_user::text as who, "
                            "current_setting('transaction_read_only') as only")  # fmt: skip
        assert row == {"who": "pynenc_observer", "only": "on"}
        with site.database.acting() as reads:
            assert reads.one("select current_user::text as who") == {"who": "pynenc_operator"}
    finally:
        site.database.close()


def test_sessions_end() -> None:
    """After their time; a cookie that was changed is none."""
    now = [1000.0]
    sessions = Sessions(60, clock=lambda: now[0])
    cookie = sessions.cookie(sessions.begin("ann", Role.VIEWER, "password"))
    read = sessions.read(cookie)
    assert read is not None
    assert (read.who, read.may_act) == ("ann", False)
    for changed in (cookie[:-1], cookie + "0", "x" + cookie, "", ".", "é.é", None):
        assert sessions.read(changed) is None
    assert Sessions(60).read(cookie) is None
    now[0] += 61
    assert sessions.read(cookie) is None


def test_a_hash_that_cannot_be_used_is_refused_at_start() -> None:
    """Not at the first login."""
    for costs in ("16383$8$1", "1073741824$8$1", "16384$0$1"):
        hashed = OPERATOR.replace("16384$8$1", costs)
        with pytest.raises(ConfigError, match="cannot be used"):
            make_site(configured("postgresql:///x", operator_password=hashed))


def test_hashes_of_passwords() -> None:
    """The command makes one that fits; one that is none is refused, and not shown."""
    made = CliRunner().invoke(cli, ["monitor", "--hash-password"], input="open sesame\n")
    assert made.exit_code == 0
    assert fits("open sesame", made.output.strip())
    assert not fits("open sesam", made.output.strip())
    with pytest.raises(ConfigError, match="--hash-password makes one") as refused:
        configured("postgresql:///x").monitor.operator_password = "open sesame"  # noqa: S105
    assert "open sesame" not in str(refused.value)
    assert CliRunner().invoke(cli, ["monitor", "--hash-password"], input="\n").exit_code == 2
