"""An app in the test's process that shares its database with worker processes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psycopg
import pytest

from pynenc_pg import Pynenc
from tests.acceptance import tasks
from tests.acceptance.daemons import MODULE, Daemon, Folder, Start


@pytest.fixture
def app(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``tests.acceptance.tasks``, on a database of its own."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        connection.execute("create table begun (number int, pid int, at timestamptz)")
    yield tasks.app
    tasks.app.close()


@pytest.fixture
def folder(database_dsn: str, tmp_path: Path) -> Iterator[Folder]:
    """A user's folder, and the tables of its tasks."""
    made = Folder(tmp_path, database_dsn)
    made.execute("create table begun (number int); create table gate (open int)")
    yield made
    made.close()


@pytest.fixture
def daemon_tasks(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module in the test's process."""
    monkeypatch.syspath_prepend(folder.path)
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", folder.dsn)
    module = importlib.import_module(MODULE)
    yield module
    module.app.close()
    del sys.modules[MODULE]


@pytest.fixture
def start(folder: Folder) -> Iterator[Start]:
    """Start daemons, which are gone after the test."""
    started: list[Daemon] = []

    def start(*arguments: str, **more: object) -> Daemon:
        started.append(Daemon(folder, *arguments, **more))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for daemon in started:
        daemon.close()
