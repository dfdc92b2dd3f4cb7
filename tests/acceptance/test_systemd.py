"""What systemd hears of a worker, at the other end of a real socket."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.acceptance.daemons import MODULE, Daemon, Folder, Manager, Start, import_first
from tests.support.stopwatch import Stopwatch


@pytest.fixture
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    """A service manager that listens."""
    made = Manager(tmp_path_factory.mktemp("run") / "notify")
    yield made
    made.socket.close()


def _start(start: Start, manager: Manager, *arguments: str, watchdog: float = 2.0) -> Daemon:
    return start(
        *arguments, NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC=str(int(watchdog * 1e6))
    )


def test_ready_reload_stop(folder: Folder, manager: Manager, start: Start) -> None:
    """READY when it works, RELOADING with the time of that and READY again, STOPPING.

    The watchdog is fed twice in the time that systemd waits for it; the status tells how it is.
    """
    daemon = _start(start, manager, watchdog=0.4)
    manager.hear_until("READY")
    manager.hear_until("STATUS", "ready; 0 running, 0 waiting for others")
    manager.hear_until("WATCHDOG")
    began, watch = time.monotonic(), Stopwatch()
    for _ in range(10):
        manager.hear_until("WATCHDOG")
    assert time.monotonic() - began > 1.5
    assert watch.seconds < 4
    assert folder.execute("select count(*) from pynenc.runner where dead_at is null") == [(1,)]
    before = time.monotonic_ns() // 1000
    daemon.signal(signal.SIGHUP)
    said = manager.hear_until("RELOADING")
    assert before <= int(said["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert said["STATUS"] == "taking up new code"
    manager.hear_until("READY")
    daemon.signal(signal.SIGTERM)
    manager.hear_until("STOPPING")
    assert daemon.wait() == 0, daemon.log()
    wanted = ["READY", "RELOADING", "READY", "STOPPING"]
    assert manager.said("READY", "RELOADING", "STOPPING") == wanted


def test_not_ready_without_a_database(folder: Folder, manager: Manager, start: Start) -> None:
    """It says what it waits for, and its life: an outage is no reason to restart it."""
    folder.dsn = "host=127.0.0.1 port=1 dbname=nowhere"
    daemon = _start(start, manager, watchdog=0.4)
    manager.hear_until("STATUS", "not registered; 0 running, 0 waiting for others")
    daemon.wait_for("runner.waits", 2)
    manager.hear_until("WATCHDOG")
    assert daemon.stop() == 0, daemon.log()
    assert not manager.said("READY")


def test_a_reload_without_a_stop(manager: Manager, start: Start) -> None:
    """A runner that takes up new code by itself is ready again at once."""
    daemon = _start(start, manager, "--runner", f"{MODULE}.Own")
    manager.hear_until("READY")
    daemon.signal(signal.SIGHUP)
    manager.hear_until("RELOADING")
    manager.hear_until("READY")
    assert daemon.stop() == 0, daemon.log()


def test_the_library_is_missing(
    manager: Manager, start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One line names what to install, and it works without."""
    other = tmp_path_factory.mktemp("without")
    (other / "systemd_watchdog.py").write_text("raise ImportError", encoding="utf-8")
    daemon = start(NOTIFY_SOCKET=str(manager.path), PYTHONPATH=import_first(other))
    [said] = [daemon.wait_for("systemd.missing")]
    assert 'pip install "pynenc_pg[systemd]"' in said["message"]
    daemon.wait_for("runner.started")
    assert daemon.stop() == 0, daemon.log()
    assert len(daemon.events("systemd.missing")) == 1


def test_a_manager_that_is_gone(manager: Manager, start: Start) -> None:
    """A worker goes on when nobody hears it any more."""
    daemon = _start(start, manager, watchdog=0.4)
    manager.hear_until("READY")
    manager.socket.close()
    manager.path.unlink()
    daemon.wait_for("systemd.failed")
    assert daemon.stop() == 0, daemon.log()
