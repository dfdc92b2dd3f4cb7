"""What the migrating role must be allowed to do, and what it can do without."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pynenc_pg.exceptions import StoreError
from pynenc_pg.postgres import deploy
from tests.migrations.support import ROLES, ask, has_schema, login, run_a_task
from tests.tools.snapshot import of_database

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "deploy.md"


@pytest.fixture
def owner(empty_database_dsn: str, unused_name: str) -> Iterator[str]:
    """An ordinary user of the database, called like the schema; its DSN."""
    with login(empty_database_dsn, unused_name) as dsn:
        yield dsn


def _database(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["dbname"])


def _roles(dsn: str, schema: str) -> set[str]:
    rows = ask(dsn, "select rolname from pg_roles where rolname like %s", f"{schema}\\_%")
    return {row[0].removeprefix(f"{schema}_") for row in rows}


def test_without_the_right_to_create_roles(
    empty_database_dsn: str,
    owner: str,
    unused_name: str,
    fresh: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The schema is made without roles, a notice names each, and the app works for the owner.

    The lines of the snapshot that begin with `grant` give their rights to roles that come later.
    """
    ask(empty_database_dsn, f"grant create on database {_database(owner)} to {unused_name}")
    caplog.set_level(logging.INFO)
    assert deploy.migrate(owner, unused_name).up_to_date
    for role in ROLES:
        assert f"deploy.notice: role {unused_name}_{role} not made" in caplog.text
    assert _roles(empty_database_dsn, unused_name) == set()
    assert " to public;" in of_database(owner, unused_name)
    assert f"to {unused_name}_" not in of_database(owner, unused_name)
    assert run_a_task(owner, unused_name) == 42
    for role in ROLES:
        ask(empty_database_dsn, f"create role {unused_name}_{role} nologin")
    grants = re.findall(r"^grant .*$", fresh, re.MULTILINE)
    ask(owner, "\n".join(grants).replace("pynenc", unused_name))
    assert of_database(owner, unused_name).replace(unused_name, "pynenc") == fresh


def test_roles_an_admin_has_made_are_used(
    empty_database_dsn: str, owner: str, unused_name: str
) -> None:
    """Where roles are there already, they get their rights also from one who cannot make any."""
    ask(empty_database_dsn, f"grant create on database {_database(owner)} to {unused_name}")
    ask(empty_database_dsn, f"create role {unused_name}_worker nologin")
    deploy.migrate(owner, unused_name)
    assert _roles(empty_database_dsn, unused_name) == {"worker"}
    assert f"function {unused_name}.claim(text" in of_database(owner, unused_name)
    other = f"{unused_name}_login"
    with login(empty_database_dsn, other, f"in role {unused_name}_worker") as dsn:
        assert run_a_task(dsn, unused_name) == 42


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_ask_for_the_revision(database_dsn: str, unused_name: str, role: str) -> None:
    """The schema tells those who may not read what is noted; to migrate they are not."""
    found = deploy.status(database_dsn)
    with login(database_dsn, unused_name, f"in role pynenc_{role}") as dsn:
        assert deploy.status(dsn) == found
        with pytest.raises(StoreError, match="for the owner of the schema: connect as the role"):
            deploy.migrate(dsn)


def test_a_role_without_rights_is_told_what_it_needs(database_dsn: str, unused_name: str) -> None:
    """The roles that may ask are named."""
    with (
        login(database_dsn, unused_name) as dsn,
        pytest.raises(StoreError, match=r"permission denied for schema pynenc.*pynenc_worker"),
    ):
        deploy.status(dsn)


def test_in_a_schema_that_an_admin_has_made(
    empty_database_dsn: str, owner: str, unused_name: str
) -> None:
    """No right to create schemas is needed where it is there: up, down and up again work.

    Who may not create one cannot reset, and has lost nothing by trying.
    """
    ask(empty_database_dsn, f"create schema {unused_name} authorization {unused_name}")
    assert not ask(owner, "select has_database_privilege(current_database(), 'create')")[0][0]
    assert deploy.migrate(owner, unused_name).up_to_date
    assert run_a_task(owner, unused_name) == 42
    assert deploy.downgrade(owner, unused_name).current is None
    assert deploy.migrate(owner, unused_name).up_to_date
    assert run_a_task(owner, unused_name) == 42
    with pytest.raises(StoreError, match="permission denied for database"):
        deploy.reset(owner, unused_name)
    assert ask(owner, f"select count(*) from {unused_name}.invocation_outcome") == [(1,)]


def test_without_any_right(owner: str, unused_name: str) -> None:
    """Who may create nothing is told so by the server's own words, and nothing is there."""
    with pytest.raises(StoreError, match="permission denied for database"):
        deploy.migrate(owner, unused_name)
    assert not has_schema(owner, unused_name)


def test_the_sql_for_review_works_in_a_schema_of_an_admin(
    empty_database_dsn: str, owner: str, unused_name: str
) -> None:
    """Also the printed SQL asks for no right to create what is there."""
    ask(empty_database_dsn, f"create schema {unused_name} authorization {unused_name}")
    ask(owner, deploy.sql(unused_name))
    assert deploy.status(owner, unused_name).up_to_date
    assert run_a_task(owner, unused_name) == 42


def _log_in(dsn: str, name: str) -> str:
    """Give a user a password, and return the DSN it connects with."""
    ask(dsn, f"alter role {name} password 'word-of-the-test'")
    given = conninfo_to_dict(dsn) | {"user": name, "password": "word-of-the-test"}
    return make_conninfo("", **given)


def _statements_of_the_page(name: str) -> tuple[str, str]:
    """Return the page's SQL for users and for an admin, with names that nobody else uses."""
    users, admin = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for old, new in (("pynenc", name), ("deployer", f"{name}_deployer"), ("shop_", f"{name}_")):
        users, admin = users.replace(old, new), admin.replace(old, new)
    return users, admin


def test_what_the_page_has_an_admin_prepare(
    empty_database_dsn: str, unused_name: str, fresh: str
) -> None:
    """The statements of docs/howto/deploy.md are enough, and its users can do their part."""
    users, admin = _statements_of_the_page(unused_name)
    names = re.findall(r"create role (\w+) login", users + admin)
    assert names == [f"{unused_name}_{n}" for n in ("web", "worker_1", "deployer")]
    ask(empty_database_dsn, admin)
    try:
        deployer = _log_in(empty_database_dsn, names[2])
        assert deploy.migrate(deployer, unused_name).up_to_date
        assert of_database(deployer, unused_name).replace(unused_name, "pynenc") == fresh
        ask(empty_database_dsn, users)
        assert run_a_task(_log_in(empty_database_dsn, names[1]), unused_name) == 42
        read = f"select * from {unused_name}.outcomes('x', '{{}}')"
        assert ask(_log_in(empty_database_dsn, names[0]), read) == []
    finally:
        for name in names:
            ask(empty_database_dsn, f"drop owned by {name} cascade")
            ask(empty_database_dsn, f"drop role {name}")
