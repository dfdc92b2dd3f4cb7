"""Worker daemons: signals, exit codes, new code under the same pid, options and what they say."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from types import ModuleType

import pytest

from tests.acceptance.daemons import CODE, MODULE, PROGRAM, SCRIPT, Folder, Start
from tests.acceptance.workers import wait_for


def _holding(folder: Folder, daemon_tasks: ModuleType, count: int = 2) -> list[object]:
    """So many calls that run until the gate is open."""
    calls = [daemon_tasks.hold(folder.dsn) for _ in range(count)]
    wait_for(lambda: folder.execute("select count(*) from begun") == [(count,)])
    return calls


def _open_gate(folder: Folder) -> None:
    folder.execute("insert into gate values (1)")


@pytest.mark.parametrize(
    "program",
    # As a module it begins anew in test_sighup_waits_no_longer_than_a_stop, too.
    [pytest.param(PROGRAM, marks=pytest.mark.long, id="module"), pytest.param(SCRIPT, id="script")],
)
def test_sighup_brings_new_code(
    program: tuple[str, ...], folder: Folder, daemon_tasks: ModuleType, start: Start
) -> None:
    """What runs ends with the old code, what comes meets the new one, and the pid stays."""
    daemon = start(program=program)
    assert daemon_tasks.release().result_or_raise(20) == 1
    running = _holding(folder, daemon_tasks)
    folder.write(2)
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("runner.reloading")
    later = daemon_tasks.release()
    _open_gate(folder)
    assert [call.result_or_raise(20) for call in running] == [1, 1]  # type: ignore[attr-defined]
    assert later.result_or_raise(20) == 2
    assert daemon_tasks.release().result_or_raise(20) == 2
    assert folder.execute("select pid from pynenc.runner where dead_at is null") == [
        (daemon.process.pid,)
    ]
    assert daemon.stop() == 0, daemon.log()
    assert len(daemon.events("runner.started")) == 2
    assert len(daemon.events("runner.connections")) == 2


@pytest.mark.parametrize(
    "runner",
    [
        "MultiThreadRunner",
        "PersistentProcessRunner",
        # The same pool of processes, but for how long each of them is used.
        pytest.param("ProcessRunner", marks=pytest.mark.long),
    ],
)
def test_sighup_exchanges_processes(
    runner: str, folder: Folder, daemon_tasks: ModuleType, start: Start
) -> None:
    """Processes with the new code take the place of the former ones; what runs ends as it began.

    What was set aside for want of a task is run by the new ones.
    """

    def later() -> int:
        raise NotImplementedError

    later.__module__, later.__qualname__ = MODULE, "later"
    daemon = start("--runner", runner, "--concurrency", "2")
    assert daemon_tasks.release().result_or_raise(20) == 1
    running = _holding(folder, daemon_tasks, 1)
    call = daemon_tasks.app.task(later)()
    aside = "select count(*) from pynenc.set_aside"
    wait_for(lambda: folder.execute(aside) == [(1,)], daemon.log)
    folder.write_text(CODE.format(release=2) + "\n\n@app.task\ndef later() -> int:\n    return 7\n")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon_tasks.release().result_or_raise(20) == 2, daemon.log)
    assert call.result_or_raise(30) == 7
    assert folder.execute(aside) == [(0,)]
    _open_gate(folder)
    assert [call.result_or_raise(20) for call in running] == [1]  # type: ignore[attr-defined]
    assert daemon.stop() == 0, daemon.log()


@pytest.mark.long
def test_sighup_again_and_again(folder: Folder, daemon_tasks: ModuleType, start: Start) -> None:
    """Signals that come while it begins anew are not the end of it, and SIGTERM still is."""
    daemon = start()
    daemon.wait_for("runner.started")
    enough = time.monotonic() + 2  # through more than one beginning; for ever, it would never end
    while time.monotonic() < enough:
        daemon.signal(signal.SIGHUP)
        assert daemon.process.poll() is None, daemon.log()
        time.sleep(0.001)
    daemon.wait_for("runner.reloading", 2)
    daemon.wait_for("runner.started", 2)
    assert daemon_tasks.release().result_or_raise(20) == 1
    assert daemon.stop() == 0, daemon.log()


def test_sighup_waits_no_longer_than_a_stop(
    folder: Folder, daemon_tasks: ModuleType, start: Start
) -> None:
    """After shutdown_timeout what runs is given back, and runs anew with the new code."""
    daemon = start("--shutdown-timeout", "0.2")
    running = _holding(folder, daemon_tasks)
    folder.write(2)
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("runner.started", 2)
    _open_gate(folder)
    assert [call.result_or_raise(20) for call in running] == [2, 2]  # type: ignore[attr-defined]
    assert daemon.stop() == 0, daemon.log()


@pytest.mark.parametrize(
    "order",
    [(signal.SIGTERM, signal.SIGHUP), (signal.SIGHUP, signal.SIGTERM)],
    ids=["hangup-while-it-stops", "stop-while-it-reloads"],
)
def test_a_stop_wins_over_a_reload(
    order: tuple[signal.Signals, ...], folder: Folder, daemon_tasks: ModuleType, start: Start
) -> None:
    """Whichever comes first, the worker ends when its tasks have, and does not begin anew."""
    daemon = start()
    running = _holding(folder, daemon_tasks)
    for number in order:
        daemon.signal(number)
        if number is order[0] or number is signal.SIGTERM:  # SIGHUP is not answered in a stop
            daemon.wait_for(f"runner.{'stopping' if number is signal.SIGTERM else 'reloading'}")
    _open_gate(folder)
    assert daemon.wait() == 0, daemon.log()
    assert [call.result_or_raise(5) for call in running] == [1, 1]  # type: ignore[attr-defined]
    assert len(daemon.events("runner.started")) == 1


def test_a_second_signal_gives_back_and_says_so(
    folder: Folder, daemon_tasks: ModuleType, start: Start
) -> None:
    """Ctrl-C twice: it does not wait for tasks, and the exit code tells that they did not end."""
    daemon = start()
    running = _holding(folder, daemon_tasks)
    daemon.signal(signal.SIGINT)
    daemon.wait_for("runner.stopping")
    daemon.signal(signal.SIGINT)
    assert daemon.wait(10) == 3, daemon.log()
    assert daemon.events("runner.at_once")
    assert [call.status for call in running] == ["rerouted"] * 2  # type: ignore[attr-defined]


def test_sigterm_before_it_works(folder: Folder, start: Start) -> None:
    """While it still imports it has nothing to end: it ends at once, in good order."""
    folder.write_text("print('importing', flush=True)\nimport time; time.sleep(60)")
    daemon = start()
    wait_for(lambda: "importing" in daemon.log(), daemon.log)
    assert daemon.stop() == 0, daemon.log()


def test_a_closed_terminal_stops(start: Start) -> None:
    """Started by hand, SIGHUP says that the terminal is gone: a worker must not live on unseen."""
    master, slave = pty.openpty()
    daemon = start(stdin=slave)
    daemon.wait_for("runner.started")
    daemon.signal(signal.SIGHUP)
    assert daemon.wait() == 0, daemon.log()
    assert daemon.events("runner.stopping")
    os.close(master)
    os.close(slave)


def test_a_runner_of_ones_own(start: Start) -> None:
    """By dotted path; it takes up new code without a stop, and the rest has defaults."""
    daemon = start("--runner", f"{MODULE}.Own", "--health-port", "0")
    assert daemon.status("/ready") == 200
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("runner.reloaded")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("runner.reloaded", 2)
    assert daemon.stop() == 0, daemon.log()
    assert not daemon.events("runner.reloading")


def test_the_options_are_heard(folder: Folder, start: Start) -> None:
    """Runner, queues and concurrency are those of the command line, and so is the level."""
    daemon = start(
        *("--runner", "AsyncRunner", "--queues", "mail, slow", "--concurrency", "7"),
        *("--log-level", "warning"),
    )
    query = "select runner_cls, queues, concurrency from pynenc.runner where dead_at is null"
    wait_for(lambda: folder.execute(query) != [], daemon.log)
    assert folder.execute(query) == [("AsyncRunner", ["mail", "slow"], 7)]
    assert daemon.stop() == 0
    assert daemon.log() == ""


def test_it_says_how_many_connections_it_takes(
    folder: Folder, daemon_tasks: ModuleType, start: Start
) -> None:
    """At its start, and it takes no more than that."""
    daemon = start("--concurrency", "20", PYNENC__POSTGRES__POOL_SIZE="3")
    assert daemon.wait_for("runner.connections")["connections"] == 5
    [call.result_or_raise(20) for call in [daemon_tasks.release() for _ in range(50)]]
    daemon_tasks.app.close()  # what is left is the daemon's
    query = "select application_name from pg_stat_activity where application_name like 'pynenc%'"
    wait_for(lambda: len(folder.execute(query)) <= 5, daemon.log)
    assert folder.execute(query).count(("pynenc home",)) == 1
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--runner", "ThredRunner"], 1, "pynenc-pg: runner_cls = 'ThredRunner': choose one of"),
        pytest.param(
            *(["--runner", "no.such.Runner"], 1),
            "pynenc-pg: runner_cls = 'no.such.Runner': No module",
            marks=pytest.mark.long,
        ),
        (["--health-host", "192.0.2.1", "--health-port", "0"], 1, "pynenc-pg: no health endpoint"),
        pytest.param(
            *(["--concurrency", "0"], 2),
            "Error: Invalid value for '--concurrency'",
            marks=pytest.mark.long,
        ),
        (["--runer", "ThreadRunner"], 2, "Error: No such option"),
    ],
)
def test_it_cannot_work(arguments: list[str], code: int, said: str, folder: Folder) -> None:
    """The reason is one line, and the exit code tells whose fault it is.

    Of each code one, and what turns out last.
    """
    done = subprocess.run(
        [*PROGRAM, "--app", f"{MODULE}.app", "runner", "start", *arguments],
        cwd=folder.path,
        env=folder.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith(said)
    assert code == 2 or done.stderr.strip() == line


def test_help_tells_the_exit_codes() -> None:
    """And what signals do."""
    done = subprocess.run(
        [*PROGRAM, "runner", "start", "--help"], capture_output=True, text=True, check=True
    )
    for sentence in ("0  all that ran", "1  it could", "2  the command", "3  stopped", "SIGHUP"):
        assert sentence in done.stdout
