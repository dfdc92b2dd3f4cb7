"""Apps as the guide writes them, on each store in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from pynenc_pg import Pynenc

Serve = Callable[[Pynenc], AbstractContextManager[None]]


@pytest.fixture(params=["memory", "postgres"])
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Return what gives an app the store, and a runner in a thread for the length of a block."""
    dsn = request.getfixturevalue("database_dsn") if request.param == "postgres" else None
    with ExitStack() as put_back, pytest.MonkeyPatch.context() as patch:

        @contextmanager
        def served(app: Pynenc) -> Iterator[None]:
            patch.setattr(app.conf.postgres, "dsn", dsn)
            patch.setattr(app.conf, "runner_cls", "ThreadRunner")
            put_back.callback(app.close)
            thread = threading.Thread(target=app.runner.run)
            thread.start()
            try:
                yield
            finally:
                app.runner.stop_runner_loop()
                thread.join(30)
                assert not thread.is_alive()

        yield served
