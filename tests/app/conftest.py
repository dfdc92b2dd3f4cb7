"""One app on each store in turn, with a runner in a thread of the test's process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.runner.base import BaseRunner
from pynenc_pg.testing import World, in_memory
from tests.app import tasks, workflow_tasks

Runner = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def tasks_module() -> ModuleType:
    """The module whose app is used; test modules of another one say so."""
    return tasks


@pytest.fixture(params=["memory", "postgres"])
def app(
    request: pytest.FixtureRequest, tasks_module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pynenc]:
    """The app of that module on an empty store."""
    used: Pynenc = tasks_module.app
    dsn = request.getfixturevalue("database_dsn") if request.param == "postgres" else None
    monkeypatch.setattr(used.conf.postgres, "dsn", dsn)
    monkeypatch.setattr(used.conf, "runner_cls", "ThreadRunner")
    tasks_module.seen.clear()
    tasks_module.gate.clear()
    yield used
    tasks_module.gate.set()
    used.close()


@pytest.fixture
def apps(app: Pynenc, tasks_module: ModuleType) -> Iterator[list[Pynenc]]:
    """The app, and four that share its database: each has connections of its own."""
    dsn = app.conf.postgres.dsn
    twins = [] if dsn is None else [tasks_module.twin(dsn) for _ in range(4)]
    yield [app, *twins]
    for each in twins:
        each.close()


@contextmanager
def working(*runners: BaseRunner) -> Iterator[None]:
    """Let runners work for the length of a block."""
    threads = [threading.Thread(target=runner.run) for runner in runners]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for runner in runners:
            runner.stop_runner_loop()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def runner(app: Pynenc) -> Runner:
    """Return what makes a runner work in a thread for the length of a block."""
    return lambda: working(app.runner)


@pytest.fixture
def runner_of() -> Callable[[Pynenc], AbstractContextManager[None]]:
    """Let the runner of an app work for the length of a block."""
    return lambda app: working(app.runner)


@pytest.fixture(params=["usual", pytest.param("other", marks=pytest.mark.long)])
def any_runner(
    request: pytest.FixtureRequest, app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> Runner:
    """Threads over PostgreSQL and a loop over memory; the other way round takes longer."""
    threads = (app.conf.store == "postgres") is (request.param == "usual")
    monkeypatch.setattr(app.conf, "runner_cls", "ThreadRunner" if threads else "AsyncRunner")
    return runner


@pytest.fixture
def world() -> Iterator[World]:
    """The app of the workflows in memory, with nothing done yet."""
    workflow_tasks.seen.clear()
    workflow_tasks.switches.clear()
    workflow_tasks.gate.set()
    with in_memory(workflow_tasks.app) as world:
        yield world
