"""With arguments hidden, nothing of them is in any log, however much is logged."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.engine.logs import IdsFilter, configure_logging
from pynenc_pg.postgres import deploy
from tests.acceptance import log_tasks
from tests.acceptance.workers import ROOT, Worker

#: In everything that is not to be seen; long and odd, so that nothing contains it by chance.
UNSEEN = "unseen-7f3a9c"
PASSWORD = f"{UNSEEN}-password"


def argument(kind: str) -> str:
    """Return a secret that also tries to break out of a line, and of a JSON document."""
    return f'{UNSEEN}-{kind}\n"}}\x1b[2J'


def call_everything() -> list[str]:
    """Make every kind of call and wait for its end; return the ids of the invocations."""
    tasks = log_tasks
    calls: list[tuple[Any, object]] = [
        (tasks.echo, argument("echo")),
        (tasks.fail, ValueError),
        (tasks.fail_once, argument("once")),
        (tasks.return_a_lock, TypeError),
        (tasks.be_unspeakable, BaseException),
        (tasks.leave, SystemExit),
    ]
    made = [
        task(argument("once" if task is tasks.fail_once else task.func.__name__))
        for task, _ in calls
    ]
    for invocation, (_, expected) in zip(made, calls, strict=True):
        if isinstance(expected, type):
            with pytest.raises(expected):
                invocation.result_or_raise(30)
            assert invocation.status is InvocationStatus.FAILED
        else:
            assert invocation.result_or_raise(30) == expected
    refused: Any = tasks.echo
    with pytest.raises(TypeError, match="argument 'secret' of type dict cannot be carried"):
        refused({argument("key"): threading.Lock()})
    with pytest.raises(TypeError):
        refused(argument("one"), argument("too many"))
    assert made[2].num_retries == 1
    return [invocation.invocation_id for invocation in made]


class Everything(logging.Handler):
    """Keeps whatever a formatter could get out of a record."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.addFilter(IdsFilter())
        self.said: list[str] = []
        self.of: set[str | None] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record, its fields and its traceback."""
        self.of.add(getattr(record, "invocation_id", None))
        self.said.append(logging.Formatter().format(record))
        self.said.append(repr(vars(record)))


@contextmanager
def eavesdropping() -> Iterator[Callable[[], str]]:
    """Listen to all loggers of this process, at all levels; yield what tells what was said."""
    everything, streams = Everything(), [io.StringIO(), io.StringIO()]
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in log_tasks.LOGGERS}
    handlers = root.handlers[:]
    formatted = []
    for stream, style in zip(streams, ("text", "json"), strict=True):
        configure_logging(level="debug", format=style, stream=stream)  # type: ignore[arg-type]
        formatted.append(root.handlers.pop())  # the next one would replace it
    log_tasks.log_everything()
    root.handlers[:] = [*handlers, everything, *formatted]
    try:
        yield lambda: "\n".join([*everything.said, *(s.getvalue() for s in streams)])
    finally:
        root.handlers[:] = handlers
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def working(app: Pynenc) -> Iterator[None]:
    """Have a runner in a thread of this process."""
    thread = threading.Thread(target=app.runner.run)
    thread.start()
    try:
        yield
    finally:
        app.runner.stop_runner_loop()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def dsn(database_dsn: str) -> str:
    """A DSN with a password; where the server asks for one it is left as it is."""
    given = conninfo_to_dict(database_dsn).get("password")
    return database_dsn if given else make_conninfo(database_dsn, password=PASSWORD)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of the tasks, with arguments hidden."""
    monkeypatch.setattr(log_tasks.app.conf, "argument_print_mode", "hidden")
    monkeypatch.setattr(log_tasks.app.conf, "runner_cls", "ThreadRunner")
    yield log_tasks.app
    log_tasks.app.close()


@pytest.mark.parametrize("store", ["memory", "postgres"])
def test_nothing_leaks_in_process(
    app: Pynenc,
    store: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Calls, ends, retries and refusals, of caller and runner: no line has any of it."""
    if store == "postgres":
        monkeypatch.setattr(app.conf.postgres, "dsn", request.getfixturevalue("dsn"))
    with eavesdropping() as said:
        with working(app):
            made = call_everything()
        app.close()
        text = said()
    assert UNSEEN not in text
    assert UNSEEN not in "".join(capfd.readouterr())
    assert "invocation.failed" in text
    assert "invocation.retry" in text
    assert "called with <arguments hidden>" in text
    assert all(invocation_id in text for invocation_id in made)


def test_nothing_leaks_from_coroutines(app: Pynenc) -> None:
    """The event loop in debug mode tells what it runs, but not with what."""

    async def call() -> str:
        return await asyncio.to_thread(log_tasks.echo(argument("echo")).result_or_raise, 30)

    with eavesdropping() as said, working(app):
        assert asyncio.run(call(), debug=True) == argument("echo")
    assert UNSEEN not in said()


def test_the_test_would_see_it(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """With everything shown, the same tasks and the same ears find what is sought."""
    monkeypatch.setattr(app.conf, "argument_print_mode", "full")
    with eavesdropping() as said, working(app):
        log_tasks.echo(UNSEEN).result_or_raise(30)
    assert f"called with secret='{UNSEEN}'" in said()


def test_migrating_does_not_tell_the_password(empty_database_dsn: str) -> None:
    """Alembic and SQLAlchemy at level debug do not show the password of the DSN."""
    dsn = make_conninfo(empty_database_dsn, password=PASSWORD)
    if conninfo_to_dict(empty_database_dsn).get("password"):
        pytest.skip("this server asks for a password, so it has to be the right one")
    with eavesdropping() as said:
        deploy.migrate(dsn)
        deploy.status(dsn)
        deploy.downgrade(dsn)
    assert UNSEEN not in said()


def test_a_server_that_is_away_does_not_tell_the_password() -> None:
    """Neither the error nor the log of a failed connection shows it."""
    dsn = f"postgresql://ann:{PASSWORD}@127.0.0.1:1/shop"
    with eavesdropping() as said, pytest.raises(Exception, match=r"127\.0\.0\.1") as caught:
        deploy.status(dsn)
    assert UNSEEN not in str(caught.value)
    assert UNSEEN not in said()


class LoggingWorker(Worker):
    """A worker process of our tasks that says all it can."""

    def __init__(self, dsn: str, log: Path, **environment: str) -> None:
        self.log = log
        command = [sys.executable, "-m", "pynenc_pg", "--app", "tests.acceptance.log_tasks:app"]
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [*command, "-v", "runner", "start"],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYNENC__POSTGRES__DSN": dsn,
                    "PYNENC__ARGUMENT_PRINT_MODE": "hidden",
                    "LOG_EVERYTHING": "1",
                    **environment,
                },
                stdout=file,
                stderr=subprocess.STDOUT,
            )


@contextmanager
def worker(dsn: str, log: Path, **environment: str) -> Iterator[LoggingWorker]:
    """Start one, wait until it is up, and end it."""
    started = LoggingWorker(dsn, log, **environment)
    try:
        started.wait_until_up(dsn)
        yield started
    finally:
        started.stop()


def test_nothing_leaks_from_a_worker_process(
    app: Pynenc, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its log nor that of its caller shows anything; what fails is there all the same."""
    monkeypatch.setattr(app.conf.postgres, "dsn", dsn)
    with eavesdropping() as said, worker(dsn, tmp_path / "worker.log") as started:
        call_everything()
        assert started.stop() == 0, started.explain()
    log = started.log.read_text()
    assert UNSEEN not in log
    assert UNSEEN not in said()
    assert log.count("invocation.failed") >= 3
    assert "runner.started" in log
    assert "invocation.retry" in log


def test_a_worker_speaks_json_if_its_app_says_so(
    app: Pynenc, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line is an object; those about an invocation, whoever logs them, have its ids."""
    monkeypatch.setattr(app.conf.postgres, "dsn", dsn)
    with worker(dsn, tmp_path / "worker.log", PYNENC__LOGGING_FORMAT="json") as started:
        made = call_everything()
        assert started.stop() == 0, started.explain()
    log = started.log.read_text()
    assert UNSEEN not in log
    said = [json.loads(line) for line in log.splitlines()]
    events = {
        event: [r for r in said if r["event"] == event] for event in {r["event"] for r in said}
    }
    [called] = events["shop.called"]
    assert called["arguments"] == "<arguments hidden>"
    assert (called["logger"], called["invocation_id"]) == ("shop", made[0])
    assert called["task_id"] == "tests.acceptance.log_tasks.echo"
    assert {record["invocation_id"] for record in events["invocation.failed"]} <= set(made)
    assert [record["retries"] for record in events["invocation.retry"]] == [0]
    assert events["runner.started"][0]["runner_id"].startswith("ThreadRunner@")
