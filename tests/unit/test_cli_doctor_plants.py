"""``pynenc-pg doctor`` finds each planted problem, says how bad it is, and finds no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from click.testing import CliRunner

from pynenc_pg.cli.checks import CHECKS, server, storage
from pynenc_pg.cli.main import cli
from pynenc_pg.domain.ids import RunnerId
from tests.unit.cli_place import begin, finish, place, work

#: The server of the tests is one to be thrown away.
DURABLE: Final = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
Connection = psycopg.Connection[tuple[Any, ...]]


class Ward:
    """An app with a live runner, its database, and what the server is said to be set to."""

    def __init__(self, tasks: Any, c: Connection, patch: pytest.MonkeyPatch) -> None:
        """Nothing is wrong."""
        self.tasks, self.app, self.c, self.patch = tasks, tasks.app, c, patch
        self.settings = dict(DURABLE)
        read = server.read_settings
        patch.setattr(server, "read_settings", lambda patient: read(patient) | self.settings)
        work(self.app)

    def run(self, *statements: str) -> None:
        """Write past the guard."""
        with self.c.transaction():
            self.c.execute("set local session_replication_role = replica")
            for statement in statements:
                self.c.execute(statement.encode())

    def keep_day(self, days: int) -> None:
        """Have the partition of history of a day so long ago."""
        table = "'invocation_history'"
        self.c.execute(
            f"""set search_path = pynenc;
                select make_partition({table}, partition_name({table}, d), d)
                from date_trunc('day', clock_timestamp() - interval '{days} days', 'UTC') d;
                reset search_path""".encode()
        )

    def findings(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        """Ask the doctor: the exit code, and what was found."""
        done = CliRunner().invoke(cli, ["doctor", "--json", *arguments])
        assert done.exception is None or done.exit_code, done.exception
        return done.exit_code, json.loads(done.output)["findings"]


@pytest.fixture
def ward(database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    """A database that nothing is wrong with."""
    with psycopg.connect(database_dsn, autocommit=True) as c:
        for module in place("ward_tasks", database_dsn, tmp_path, monkeypatch):
            yield Ward(module, c, monkeypatch)


Plant = Callable[[Ward], Any]
#: By check: what is planted, and how bad it is.
PLANTS: Final[dict[str, tuple[str, Plant]]] = {}


def plant(check: str, level: str) -> Callable[[Plant], Plant]:
    """Note what is planted for a check."""

    def note(function: Plant) -> Plant:
        PLANTS[check] = (level, contextmanager(function))
        return function

    return note


@plant("schema", "problem")
def _old_schema(ward: Ward) -> Iterator[None]:
    ward.c.execute("update pynenc.alembic_version set version_num = 'pynenc_0001'")
    yield


@plant("invariants", "problem")
def _lost(ward: Ward) -> Iterator[None]:
    which = ward.tasks.send(1).invocation_id
    ward.run(f"delete from pynenc.invocation_state where invocation_id = '{which}'",
             f"delete from pynenc.invocation_history where invocation_id = '{which}'")  # fmt: skip
    yield


@plant("guard", "problem")
def _unguarded(ward: Ward) -> Iterator[None]:
    ward.c.execute("alter table pynenc.invocation_state disable trigger user")
    yield


@plant("indexes", "problem")
def _invalid(ward: Ward) -> Iterator[None]:
    ward.c.execute(
        """update pg_index set indisvalid = false
           where indexrelid = 'pynenc.runner_app_idx'::regclass"""
    )
    yield


@plant("partitions", "warning")
def _few_days(ward: Ward) -> Iterator[None]:
    names = ward.c.execute(
        """select inhrelid::regclass::text from pg_inherits
           where inhparent = 'pynenc.invocation_history'::regclass order by 1 desc limit 12"""
    ).fetchall()
    for (name,) in names:
        ward.c.execute(f"drop table {name}".encode())
    yield


@plant("queued", "problem")
def _unknown(ward: Ward) -> Iterator[None]:
    ward.tasks.send(1)
    ward.c.execute("delete from pynenc.runner_task")
    yield


@plant("dead_runners", "warning")
def _dead(ward: Ward) -> Iterator[None]:
    other = RunnerId("other")
    work(ward.app, runner=other)
    ward.tasks.send(1)
    begin(ward.app, runner=other)
    ward.c.execute(
        """update pynenc.runner set lease_until = clock_timestamp() - interval '1 second'
           where runner_id = 'other'"""
    )
    yield


@plant("paused_queues", "note")
def _paused(ward: Ward) -> Iterator[None]:
    ward.tasks.send(1)
    ward.app.pause_queue("mail")
    yield


@plant("parked_causes", "warning")
def _parked(ward: Ward) -> Iterator[None]:
    ward.c.execute(
        """insert into pynenc.trigger_definition
               (app_id, trigger_id, task_id, definition, version, pairs, within, told_at)
           values ('shop', 't', 'ward_tasks.send', '{}', '', false, 0, now());
           insert into pynenc.trigger_cause
               (app_id, trigger_id, condition_id, at, state, error)
           values ('shop', 't', 'c', now(), 'parked', 'KeyError')"""
    )
    yield


@plant("settings", "problem")
def _no_fsync(ward: Ward) -> Iterator[None]:
    ward.settings["fsync"] = "off"
    yield


@plant("connections", "warning")
def _too_few(ward: Ward) -> Iterator[None]:
    ward.settings |= {"max_connections": "5", "superuser_reserved_connections": "3"}
    yield


@plant("clock", "warning")
def _skewed(ward: Ward) -> Iterator[None]:
    ward.patch.setattr(type(ward.app.state_backend), "clock_offset", lambda _: -7.5)
    yield


@plant("sessions", "warning")
def _long(ward: Ward) -> Iterator[None]:
    ward.patch.setattr(server, "LONG", 0.0)
    with psycopg.connect(ward.app.conf.postgres.dsn) as other:
        other.execute("select 1")
        yield


@plant("replication", "warning")
def _unread(ward: Ward) -> Iterator[None]:
    # It is of the whole server: what it keeps is too little for other tests to notice.
    ward.patch.setattr(server, "KEPT_WAL", 0)
    name = f"doctor_test_{ward.c.info.backend_pid}"
    ward.c.execute("select pg_create_physical_replication_slot(%s, true)", (name,))
    try:
        yield
    finally:
        ward.c.execute("select pg_drop_replication_slot(%s)", (name,))


@plant("dead_rows", "warning")
def _bloated(ward: Ward) -> Iterator[None]:
    ward.patch.setattr(storage, "DEAD", 20)
    ward.app.pause_queue(
        "mail",
    )
    ward.app.resume_queue("mail")
    with ward.c.transaction():
        for _ in range(50):
            ward.c.execute("update pynenc.queue set paused = paused")
    ward.c.execute("select pg_stat_force_next_flush()")
    ward.c.execute("select 1")
    yield


@plant("retention", "warning")
def _old(ward: Ward) -> Iterator[None]:
    ward.keep_day(40)  # history is kept for 30
    yield


@plant("rights", "warning")
def _public(ward: Ward) -> Iterator[None]:
    ward.c.execute("grant select on pynenc.payload to public")
    yield


@plant("unsigned", "note")
def _trusting(ward: Ward) -> Iterator[None]:
    ward.app.conf.serializer_cls = "PickleSerializer"
    yield


#: A check that tells what it has found by other names.
_SAID: Final = {"queued": "unknown_tasks"}


def test_nothing_is_found_where_nothing_is_wrong(ward: Ward) -> None:
    """With work that waits, runs, has ended: exit code 0."""
    ward.tasks.send.parallelize([(n,) for n in range(5)])
    held = begin(ward.app, 2)
    finish(ward.app, held[0])
    assert ward.findings() == (0, [])
    assert ward.findings("--all") == (0, [])


@pytest.mark.parametrize("check", [*PLANTS])
def test_a_planted_problem_is_found(ward: Ward, check: str) -> None:
    """By its check and no other; with its level, and the exit code that goes with that."""
    level, planted = PLANTS[check]
    with planted(ward):
        code, found = ward.findings()
    assert {one["check"] for one in found} == {_SAID.get(check, check)}, found
    assert {one["level"] for one in found} == {level}, found
    assert code == (3 if level == "problem" else 0)


def test_every_check_has_its_plant() -> None:
    """What is set aside is planted in ``test_cli_doctor``."""
    assert set(CHECKS) - set(PLANTS) == {"set_aside"}


def test_one_check_alone(ward: Ward) -> None:
    """Others are not made; in words it says how many were."""
    ward.settings["fsync"] = "off"
    assert ward.findings("--check", "clock", "--check", "guard") == (0, [])
    done = CliRunner().invoke(cli, ["doctor", "--check", "clock"])
    assert done.output == "nothing found in 1 check\n"
    done = CliRunner().invoke(cli, ["doctor", "--check", "settings"])
    assert done.output.startswith("settings\n  problem: fsync is off: a crash of the machine")


def test_rows_are_named(ward: Ward) -> None:
    """For machines as a list, a few of each rule."""
    ids = [ward.tasks.send(n).invocation_id for n in range(7)]
    ward.run("delete from pynenc.invocation_state", "delete from pynenc.invocation_history")
    _, found = ward.findings("--check", "invariants")
    by_rule = {one["message"].partition(":")[0]: one["rows"] for one in found}
    lost = by_rule["I1, neither live nor ended"]
    assert len(lost) == 5
    assert {row[0] for row in lost} <= set(ids)
    assert {row[1] for row in lost} == {"ward_tasks.send"}


def test_what_cannot_be_looked_at_is_said(ward: Ward) -> None:
    """A check that fails is a warning, and the others are made."""
    ward.c.execute("drop function pynenc.broken(text, timestamptz, integer)")
    code, [found] = ward.findings()
    assert (code, found["check"], found["level"]) == (0, "invariants", "warning")
    assert found["message"].startswith("this could not be looked at: ")


def test_a_newer_schema_is_a_warning(ward: Ward) -> None:
    """The code is what must be updated."""
    ward.c.execute("update pynenc.alembic_version set version_num = 'pynenc_9999'")
    code, [found] = ward.findings()
    assert (code, found["check"], found["level"]) == (0, "schema", "warning")


def test_what_is_not_late_is_not_told_of(ward: Ward) -> None:
    """Partitions go as a whole, once an hour: the last of them may stand a while longer."""
    for days, found in ((31, 0), (33, 0), (35, 1)):
        ward.keep_day(days)
        code, told = ward.findings("--check", "retention")
        assert (code, len(told)) == (0, found), days
    assert told[0]["rows"] == [["invocation_history"]]
    ward.app.conf.retention.history = 40 * 86_400
    assert ward.findings("--check", "retention") == (0, [])
    # Who maintains drops it.
    ward.app.conf.retention.history = 30 * 86_400
    ward.app.orchestrator.maintain()
    assert ward.findings("--check", "retention") == (0, [])


def test_a_slot_that_keeps_little_is_no_finding(ward: Ward) -> None:
    """Its reader may come back in a moment."""
    name = f"doctor_little_{ward.c.info.backend_pid}"
    ward.c.execute("select pg_create_physical_replication_slot(%s, true)", (name,))
    try:
        assert ward.findings("--check", "replication") == (0, [])
    finally:
        ward.c.execute("select pg_drop_replication_slot(%s)", (name,))


def test_there_is_no_schema(ward: Ward) -> None:
    """That is told, once, and nothing else."""
    ward.c.execute("drop schema pynenc cascade")
    code, [found] = ward.findings()
    assert (code, found["check"], found["level"]) == (3, "schema", "problem")
    assert "pynenc-pg db migrate" in found["message"]
