"""A process that forks after it has used the app."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pynenc_pg import Pynenc
from tests.acceptance import tasks
from tests.acceptance.workers import workers


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_parent_and_child_both_go_on(app: Pynenc, database_dsn: str, tmp_path: Path) -> None:
    """Calls and results work in a forked child, and in its parent after the child has ended."""
    with workers(database_dsn, tmp_path):
        assert tasks.add(1, 2).result_or_raise(20) == 3
        child = os.fork()
        if child == 0:
            works = False
            try:
                works = tasks.add(3, 4).result_or_raise(20) == 7
            finally:
                os._exit(0 if works else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert tasks.add(5, 6).result_or_raise(20) == 11
