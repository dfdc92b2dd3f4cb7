"""``pynenc-pg doctor``: what it finds, how it says so, and that it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pynenc_pg.cli.checks import CHECKS, server
from pynenc_pg.cli.main import cli
from pynenc_pg.domain.records import Aside, Cause, Hold
from pynenc_pg.exceptions import ConfigError
from tests.unit.cli_place import ME, place
from tests.unit.cli_place import work as tell

Run = Callable[..., Result]
#: The server of the tests is one to be thrown away.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


@pytest.fixture
def tasks(database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A folder that makes one app, on a database, whose server is one that is meant to last."""
    read = server.read_settings
    monkeypatch.setattr(server, "read_settings", lambda patient: read(patient) | DURABLE)
    yield from place("doctor_tasks", database_dsn, tmp_path, monkeypatch)


@pytest.fixture
def run(tasks: Any) -> Run:
    """Run the command."""
    assert tasks.app
    return lambda *arguments: CliRunner().invoke(cli, ["doctor", *arguments])


def work(tasks: Any, *queues: str) -> None:
    """Register a runner that tells what it knows."""
    tell(tasks.app, *queues)


def test_nothing_is_wrong(run: Run, tasks: Any) -> None:
    """Work that somebody can take is no finding."""
    work(tasks)
    tasks.send(1)
    done = run()
    assert (done.exit_code, done.output) == (0, f"nothing found in {len(CHECKS)} checks\n")
    assert json.loads(run("--json").output) == {"app": "shop", "findings": []}


def test_a_task_that_nobody_knows(run: Run, tasks: Any) -> None:
    """Queued work without a live runner that has the task is a problem, counted by task."""
    tasks.send.parallelize([(1,), (2,)])
    done = run()
    assert done.exit_code == 3
    assert done.output == (
        "unknown_tasks\n"
        "  problem: doctor_tasks.send: 2 calls in queue mail, and no live runner knows the task: "
        "start one that does\n"
    )
    work(tasks)
    assert run().exit_code == 0


def test_a_queue_that_nobody_serves(run: Run, tasks: Any) -> None:
    """A runner of other queues is no help."""
    work(tasks, "default")
    tasks.send(1)
    [found] = json.loads(run("--json").output)["findings"]
    assert (found["check"], found["queue"], found["calls"]) == ("unserved", "mail", 1)


def test_arguments_that_do_not_fit(run: Run, tasks: Any) -> None:
    """Calls of another version are told of before a runner meets them."""
    which = tasks.send(1)
    work(tasks)
    with psycopg.connect(tasks.app.conf.postgres.dsn) as connection:
        # As a deploy with another parameter would tell it.
        connection.execute(
            """update pynenc.task set parameters =
               '[{"name": "parcel", "kind": "named", "required": true}]' where task_id = %s""",
            (which.task_id,),
        )
    done = run()
    assert done.exit_code == 3
    assert "takes other arguments: missing parcel, unknown order" in done.output
    assert done.output.startswith("other_arguments\n")


def test_what_is_set_aside(run: Run, tasks: Any) -> None:
    """With its reason, and once: it is not among the queued."""
    work(tasks)
    tasks.send(1)
    [held] = tasks.app.orchestrator.claim(ME, [], 1)
    tasks.app.orchestrator.start(ME, [Hold(held.invocation_id, held.lease)])
    aside = Aside(held.invocation_id, held.lease, Cause.ARGUMENTS, ("parcel",), ("order",))
    tasks.app.orchestrator.set_aside(ME, [aside])
    done = run("--json")
    assert done.exit_code == 3
    assert json.loads(done.output)["findings"] == [
        {
            "check": "set_aside",
            "level": "problem",
            "message": "doctor_tasks.send: 1 call in queue mail, the task as it is now takes other "
            "arguments: missing parcel unknown order",
            "task_id": "doctor_tasks.send",
            "queue": "mail",
            "calls": 1,
            "rows": [],
        }
    ]


def test_serializers_that_run_what_they_read(run: Run, tasks: Any) -> None:
    """A note, which is no problem."""
    tasks.app.conf.serializer_cls = "JsonPickleSerializer"
    done = run("--check", "unsigned")
    assert done.exit_code == 0
    assert done.output.startswith("unsigned\n  note: the app has the serializer JsonPickle")


def test_it_changes_nothing(run: Run, tasks: Any, database_dsn: str) -> None:
    """It works where nothing can be written."""
    tasks.send(1)
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"alter database {name} set default_transaction_read_only = on".encode())
        assert run().exit_code == 3
        connection.execute(f"alter database {name} reset default_transaction_read_only".encode())


def test_what_is_in_memory_cannot_be_seen(
    run: Run, tasks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process has its own."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", None)
    assert isinstance(run().exception, ConfigError)
