"""``dsn = "embedded:///folder"``: app, worker and command line share a server of ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pynenc_pg import Pynenc
from tests.acceptance import tasks
from tests.acceptance.workers import ROOT, Worker


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the server's own user may enter, also where the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="pynenc-pg-dsn-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_app_worker_and_command_line_share_a_server(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DSN alone is set: the server comes by itself, and all three meet on it."""
    dsn = f"embedded://{home}"
    migrated = subprocess.run(
        [sys.executable, "-m", "pynenc_pg", "db", "--dsn", dsn, "migrate"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "up to date" in migrated.stdout
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", dsn)
    app: Pynenc = tasks.app
    try:
        early = tasks.add(1, 2)
        worker = Worker(dsn, tmp_path / "worker.log")
        try:
            assert early.result_or_raise(30) == 3, worker.explain()
            assert tasks.add(3, 4).result_or_raise(30) == 7
        finally:
            assert worker.stop() == 0, worker.explain()
    finally:
        app.close()
