"""``pynenc-pg monitor``, as one starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from pynenc_pg.cli.main import cli
from pynenc_pg.exceptions import ConfigError
from tests.monitor import shop_tasks as shop

ROOT = Path(__file__).parents[2]
APP = "tests.monitor.shop_tasks:app"


def test_it_serves_until_it_is_told_to_stop(database_dsn: str) -> None:
    """It says where, answers there, and ends when it is asked to, with a stream open."""
    command = [sys.executable, "-m", "pynenc_pg", "--app", APP, "monitor", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYNENC__POSTGRES__DSN": database_dsn, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = re.fullmatch(r"monitor of 'shop': (http://\S+)\n", process.stdout.readline())
            assert said
            with urllib.request.urlopen(said[1] + "queues", timeout=30) as page:  # noqa: S310
                assert b"<h1>Queues</h1>" in page.read()
            with urllib.request.urlopen(said[1] + "live", timeout=30) as stream:  # noqa: S310
                assert stream.readline() == b"retry: 3000\n"
                process.send_signal(signal.SIGTERM)
                process.wait(30)
        finally:
            process.kill()
    assert process.returncode == 0


def test_an_address_that_is_taken(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says which setting it is."""
    monkeypatch.setattr(shop.app.conf.postgres, "dsn", database_dsn)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(shop.app.conf.monitor, "port", port)
        done = CliRunner().invoke(cli, ["--app", APP, "monitor"])
    assert isinstance(done.exception, ConfigError)
    assert f"monitor.port = {port}: Address already in use" in str(done.exception)


def test_without_a_database() -> None:
    """What each process keeps in its own memory cannot be looked at from here."""
    done = CliRunner().invoke(cli, ["--app", APP, "monitor"])
    assert isinstance(done.exception, ConfigError)
    assert "keeps everything in the memory of each process" in str(done.exception)
