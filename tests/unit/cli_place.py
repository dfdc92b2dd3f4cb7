"""A folder that makes one app, on a database, for tests of commands."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import Claimed, Ending, RunnerSpec
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.serializer import JsonSerializer
from pynenc_pg.serializer.failure import encode_exception

ME: Final = RunnerId("me")
TASKS: Final = """
from pynenc_pg import Pynenc
app = Pynenc('shop', config_values={'serializer_cls': 'JsonSerializer'})
@app.task(queue='mail')
def send(order: int, to: str = 'ann') -> int: return order
@app.task
def sort(rows: list) -> list: return rows
"""


def place(name: str, dsn: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Write the tasks into a module of that name, import it, forget it at the end."""
    (folder / f"{name}.py").write_text(TASKS)
    patch.chdir(folder)
    patch.setattr(sys, "path", [str(folder), *sys.path])
    patch.delenv("PYNENC_APP", raising=False)
    patch.setenv("PYNENC__POSTGRES__DSN", dsn)
    importlib.invalidate_caches()
    module = importlib.import_module(name)
    yield module
    module.app.close()
    sys.modules.pop(name, None)


def work(app: Pynenc, *queues: str, places: int = 9, runner: RunnerId = ME) -> None:
    """Register a runner that tells what it knows."""
    app.orchestrator.register_runner(RunnerSpec(runner, "Test", queues, places, "here", 1, 3600))
    app.orchestrator.register_tasks(runner, app.engine.known.tasks())


def begin(app: Pynenc, limit: int = 100, runner: RunnerId = ME) -> list[Claimed]:
    """Take what is ready, and begin it."""
    return app.orchestrator.claim(runner, [], limit, begin_below=1)


def finish(app: Pynenc, held: Claimed, value: str = "7") -> None:
    """Let it succeed."""
    ending = Ending(held.invocation_id, held.lease, InvocationStatus.SUCCESS, value)
    app.orchestrator.finish(ME, [ending])


def fail(app: Pynenc, held: Claimed, error: Exception) -> None:
    """Let it fail."""
    value = encode_exception(error, JsonSerializer())
    ending = Ending(held.invocation_id, held.lease, InvocationStatus.FAILED, value)
    app.orchestrator.finish(ME, [ending])


def nobody() -> InvocationId:
    """Return an id that nobody has."""
    return InvocationId("01900000-0000-7000-8000-000000000000")
