"""The guide's use case 2, with PostgreSQL: three files in a folder, and a worker process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

FILES = Path(__file__).parents[1] / "guide" / "basic_postgres"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The user's folder."""
    return Path(shutil.copytree(FILES, tmp_path / "basic_postgres"))


def environment(**more: str) -> dict[str, str]:
    """A user's environment, without what the tests' own may say."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PYNENC_")} | more


def test_a_script_and_a_worker_process(folder: Path, database_dsn: str) -> None:
    """The script prints what a worker in another process has computed, four at a time."""
    env = environment(PYNENC__POSTGRES__DSN=database_dsn)
    log = folder / "worker.log"
    with log.open("wb") as file:
        worker = subprocess.Popen(
            [sys.executable, "-m", "pynenc_pg", "--app", "tasks.app", "runner", "start"],
            cwd=folder,
            env=env,
            stdout=file,
            stderr=file,
        )
    try:
        done = subprocess.run(
            [sys.executable, "main.py"],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0, log.read_text()
    assert done.stdout.splitlines() == ["add: 3", "slept: [1, 1, 1, 1]", "in parallel: True"], (
        done.stderr + log.read_text()
    )
    said = log.read_text()
    assert "add.task_id='tasks.add' Adding 1 + 2" in said
    assert said.count("Done sleeping for 1 seconds") == 4
    with psycopg.connect(database_dsn) as connection:
        rows = connection.execute("select app_id, status from pynenc.invocations").fetchall()
    assert rows == [("app_basic_postgres_example", "success")] * 5


def test_development_mode_needs_no_worker_and_no_database(folder: Path) -> None:
    """With synchronous mode set by environment the same script runs alone."""
    done = subprocess.run(
        [sys.executable, "main.py"],
        cwd=folder,
        env=environment(
            PYNENC__DEV_MODE_FORCE_SYNC_TASKS="true", PYNENC__POSTGRES__DSN="host=/nowhere"
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["add: 3", "slept: [1, 1, 1, 1]", "in parallel: False"], (
        done.stderr
    )


def test_the_worker_says_what_is_missing(folder: Path) -> None:
    """A wrong key in the file is one line that names it, its source and what is meant."""
    project = folder / "pyproject.toml"
    project.write_text(project.read_text().replace("broker_cls", "brokr_cls"))
    done = subprocess.run(
        [sys.executable, "-m", "pynenc_pg", "--app", "tasks.app", "runner", "start"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    [line] = done.stderr.strip().splitlines()
    assert "brokr_cls" in line
    assert "pyproject.toml" in line
    assert "broker_cls" in line.replace("brokr_cls", "")
