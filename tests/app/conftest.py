"""One app on each store in turn, with a runner in a thread of the test's process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from pynenc_pg import Pynenc
from tests.app import tasks

Runner = Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=["memory", "postgres"])
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``tests.app.tasks`` on an empty store."""
    dsn = request.getfixturevalue("database_dsn") if request.param == "postgres" else None
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", dsn)
    monkeypatch.setattr(tasks.app.conf, "runner_cls", "ThreadRunner")
    tasks.seen.clear()
    tasks.gate.clear()
    yield tasks.app
    tasks.gate.set()
    tasks.app.close()


@pytest.fixture
def runner(app: Pynenc) -> Runner:
    """Return what makes a runner work in a thread for the length of a block."""

    @contextmanager
    def running() -> Iterator[None]:
        thread = threading.Thread(target=app.runner.run)
        thread.start()
        try:
            yield
        finally:
            app.runner.stop_runner_loop()
            thread.join(30)
            assert not thread.is_alive()

    return running
