"""A process that executes tasks, without its runner."""

from __future__ import annotations

import socket

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.runner.child import Link
from pynenc_pg.runner.task_process import TaskProcess


def test_one_that_is_up_after_its_runner_has_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends without a traceback, whichever of its threads notices first."""
    monkeypatch.setattr(TaskProcess, "_listen", lambda _: None)  # that one kills the process
    ours, theirs = socket.socketpair()
    theirs.close()
    with Pynenc("late") as app:
        TaskProcess(app).run(Link(ours.detach()))
