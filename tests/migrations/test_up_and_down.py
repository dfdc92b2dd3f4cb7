"""Up, down and up again: what a migration makes, what it leaves alone, what it refuses."""

from __future__ import annotations

import pytest

from pynenc_pg.exceptions import ConfigError, SchemaVersionError, StoreError
from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.migrating import check_server
from tests.migrations.support import ask, has_schema, run_a_task, what_lies_in
from tests.tools.snapshot import of_database


def test_down_and_up_again(empty_database_dsn: str, fresh: str) -> None:
    """After a downgrade only Alembic's table is left; the next upgrade gives the same and works."""
    deploy.migrate(empty_database_dsn)
    assert run_a_task(empty_database_dsn, "pynenc") == 42
    found = deploy.downgrade(empty_database_dsn)
    assert (found.current, found.up_to_date) == (None, False)
    assert what_lies_in(empty_database_dsn) == {"relation alembic_version"}
    assert ask(empty_database_dsn, "select from pynenc.alembic_version") == []
    assert deploy.migrate(empty_database_dsn).up_to_date
    assert of_database(empty_database_dsn) == fresh
    assert ask(empty_database_dsn, "select from pynenc.invocation") == []
    assert run_a_task(empty_database_dsn, "pynenc") == 42
    ask(empty_database_dsn, "drop view pynenc.queue_depth")
    deploy.downgrade(empty_database_dsn)  # also of a schema that somebody has damaged
    assert what_lies_in(empty_database_dsn) == {"relation alembic_version"}


def test_down_leaves_what_is_not_ours(database_dsn: str) -> None:
    """A table, a view and a function that others put into the schema outlive a downgrade."""
    before = what_lies_in(database_dsn)
    ask(
        database_dsn,
        """create table pynenc.theirs (n int);
           insert into pynenc.theirs values (7);
           create view pynenc.their_view as select n + 1 as n from pynenc.theirs;
           create function pynenc.their_function() returns int language sql return 9;
           create type pynenc.their_type as enum ('a');
           create function pynenc.their_trigger() returns trigger language plpgsql as
               $$ begin return new; end $$;
           create trigger theirs before insert on pynenc.theirs
               for each row execute function pynenc.their_trigger()""",
    )
    added = what_lies_in(database_dsn) - before
    assert len(added) == 5
    deploy.downgrade(database_dsn)
    assert what_lies_in(database_dsn) == {"relation alembic_version", *added}
    assert ask(database_dsn, "select n, pynenc.their_function() from pynenc.their_view") == [(8, 9)]
    assert deploy.migrate(database_dsn).up_to_date
    assert what_lies_in(database_dsn) == before | added


def test_down_is_refused_while_others_need_ours(database_dsn: str, fresh: str) -> None:
    """A report built on one of our views keeps it: an error, and nothing has changed."""
    ask(database_dsn, "create view public.report as select count(*) from pynenc.invocations")
    with pytest.raises(StoreError, match=r"view report depends on view pynenc\.invocations"):
        deploy.downgrade(database_dsn)
    assert of_database(database_dsn) == fresh
    assert ask(database_dsn, "select * from public.report") == [(0,)]
    assert deploy.status(database_dsn).up_to_date


def test_migrating_again_changes_nothing(database_dsn: str) -> None:
    """A second migrate keeps every object as it was, by oid and transaction."""
    query = """select 'c', oid, xmin::text from pg_class where relnamespace = 'pynenc'::regnamespace
               union all
               select 'p', oid, xmin::text from pg_proc where pronamespace = 'pynenc'::regnamespace
               union all
               select 'v', 0, version_num || xmin::text from pynenc.alembic_version"""
    before = sorted(ask(database_dsn, query))
    assert deploy.migrate(database_dsn).up_to_date
    assert sorted(ask(database_dsn, query)) == before


def test_reset_empties_and_rebuilds(database_dsn: str, fresh: str) -> None:
    """Rows, strangers and damage are gone after a reset; the schema is as new."""
    assert run_a_task(database_dsn, "pynenc") == 42
    ask(database_dsn, "create table pynenc.theirs (); drop view pynenc.queue_depth")
    assert deploy.reset(database_dsn).up_to_date
    assert of_database(database_dsn) == fresh
    assert ask(database_dsn, "select from pynenc.invocation") == []


def test_status_of_an_empty_database_makes_nothing(empty_database_dsn: str) -> None:
    """Asking for the status creates neither the schema nor Alembic's table."""
    found = deploy.status(empty_database_dsn)
    assert (found.current, found.up_to_date, found.newer) == (None, False, False)
    assert not has_schema(empty_database_dsn)


def test_a_schema_of_a_later_version_is_left_alone(database_dsn: str, fresh: str) -> None:
    """Code that was rolled back by a release finds the schema newer: no error, and no change."""
    ask(database_dsn, "update pynenc.alembic_version set version_num = 'pynenc_9999'")
    for found in (deploy.status(database_dsn), deploy.migrate(database_dsn)):
        assert (found.current, found.newer, found.up_to_date) == ("pynenc_9999", True, True)
    with pytest.raises(SchemaVersionError, match="downgrade with the version that brought it"):
        deploy.downgrade(database_dsn)
    assert of_database(database_dsn) == fresh


def test_a_revision_that_nobody_knows_is_refused(database_dsn: str) -> None:
    """An unknown revision, asked for or found in the database, is named in one line."""
    with pytest.raises(ConfigError, match="no_such_revision") as asked:
        deploy.migrate(database_dsn, revision="no_such_revision")
    ask(database_dsn, "update pynenc.alembic_version set version_num = 'abcdef'")
    with pytest.raises(ConfigError, match="abcdef") as found:
        deploy.migrate(database_dsn)
    assert not deploy.status(database_dsn).up_to_date
    assert "\n" not in f"{asked.value}{found.value}"


def test_a_failing_migration_leaves_nothing(empty_database_dsn: str, fresh: str) -> None:
    """Where a statement in the middle fails, not even the schema is there."""
    ask(
        empty_database_dsn,
        """create function refuse() returns event_trigger language plpgsql as
               $$ begin raise exception 'no views here'; end $$;
           create event trigger refuse on ddl_command_start when tag in ('CREATE VIEW')
               execute function refuse()""",
    )
    with pytest.raises(StoreError, match="no views here"):
        deploy.migrate(empty_database_dsn)
    assert not has_schema(empty_database_dsn)
    ask(empty_database_dsn, "drop event trigger refuse")
    deploy.migrate(empty_database_dsn)
    assert of_database(empty_database_dsn) == fresh


def test_a_failing_reset_loses_nothing(database_dsn: str, fresh: str) -> None:
    """Dropping and rebuilding is one transaction: if the second fails, the first did not happen."""
    assert run_a_task(database_dsn, "pynenc") == 42
    ask(
        database_dsn,
        """create function refuse() returns event_trigger language plpgsql as
               $$ begin raise exception 'no views here'; end $$;
           create event trigger refuse on ddl_command_start when tag in ('CREATE VIEW')
               execute function refuse()""",
    )
    with pytest.raises(StoreError, match="no views here"):
        deploy.reset(database_dsn)
    assert of_database(database_dsn) == fresh
    assert ask(database_dsn, "select count(*) from pynenc.invocation_outcome") == [(1,)]


@pytest.mark.parametrize("number", [90624, 140019, 149999])
def test_an_old_server_is_refused(number: int) -> None:
    """Before 15 a server is refused, with both versions named."""
    with pytest.raises(ConfigError, match=rf"PostgreSQL {number // 10000},.* needs 15 or newer"):
        check_server(number)
    check_server(150000)
    check_server(180006)


def test_every_command_asks_for_the_version(
    empty_database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is too old is left untouched by every function that would connect."""
    monkeypatch.setattr("pynenc_pg.postgres.migrating.MIN_SERVER", 99)
    for command in (deploy.migrate, deploy.downgrade, deploy.reset, deploy.status):
        with pytest.raises(ConfigError, match="needs 99 or newer"):
            command(empty_database_dsn)
    assert not has_schema(empty_database_dsn)


BAD_NAMES = (
    "",
    "Pynenc",
    "1st",
    "a-b",
    "a b",
    'a"b',
    "a'; drop table x",
    "\xe4",
    "a.b",
    "a" * 49,
    "a\n",
)


def test_a_bad_schema_name_is_refused(empty_database_dsn: str) -> None:
    """A name that would need quoting is refused by each command before anything is run."""
    before = ask(empty_database_dsn, "select nspname from pg_namespace order by 1")
    for name in BAD_NAMES:
        for command in (deploy.migrate, deploy.downgrade, deploy.reset, deploy.status):
            with pytest.raises(ConfigError, match="lower-case letters, digits and underscores"):
                command(empty_database_dsn, name)
        with pytest.raises(ConfigError, match="lower-case letters, digits and underscores"):
            deploy.sql(name)
    assert ask(empty_database_dsn, "select nspname from pg_namespace order by 1") == before
