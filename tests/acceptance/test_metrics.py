"""``/metrics`` of worker processes, with and without children."""

from __future__ import annotations

import re
import subprocess
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.daemons import MODULE, PROGRAM, Daemon, Folder, Start
from tests.acceptance.workers import wait_for

TASK = f"{MODULE}.release"


def value(daemon: Daemon, sample: str, **labels: str) -> float:
    """Return one value; 0 if it is not there."""
    status, headers, body = daemon.ask("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    for family in text_string_to_metric_families(body.decode()):
        for one in family.samples:
            if one.name == sample and labels.items() <= one.labels.items():
                return one.value
    return 0.0


@pytest.mark.parametrize(
    "runner",
    [
        pytest.param("ThreadRunner", marks=pytest.mark.long),
        "PersistentProcessRunner",
        "MultiThreadRunner",
    ],
)
def test_a_worker_tells_what_it_has_done(folder: Folder, start: Start, runner: str) -> None:
    """Also what its children have done: they are not asked by themselves."""
    daemon = start("--health-port", "0", "--metrics", "--runner", runner, "--concurrency", "2")
    wait_for(lambda: daemon.status("/ready") == 200, daemon.log)
    folder.execute(f"select pynenc.enqueue('{TASK}') from generate_series(1, 20)")
    wait_for(
        lambda: value(daemon, "pynenc_runner_attempts_total", task=TASK, outcome="success") == 20,
        daemon.log,
    )
    assert value(daemon, "pynenc_runner_execution_seconds_count", task=TASK) == 20
    assert value(daemon, "pynenc_runner_pickup_seconds_count", queue="default") == 20
    assert value(daemon, "pynenc_runner_ready") == 1
    assert value(daemon, "pynenc_runner_places") >= 2
    assert value(daemon, "process_start_time_seconds") > 0
    assert daemon.stop() == 0, daemon.log()


def test_where_they_are_answered_must_be_said(folder: Folder) -> None:
    """Metrics without a port are a mistake."""
    done = subprocess.run(
        [*PROGRAM, "--app", f"{MODULE}.app", "runner", "start", "--metrics"],
        cwd=folder.path, env=folder.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "give --health-port" in done.stderr


def test_the_database_is_served_until_sigterm(folder: Folder) -> None:
    """Of all apps in it, asked once however many ask."""
    process = subprocess.Popen(
        [*PROGRAM, "metrics", "serve", "--port", "0", "--every", "3600"],
        cwd=folder.path, env=folder.environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        [port] = re.findall(r"metrics\.listening: 127\.0\.0\.1 port (\d+)", line)
        for _ in range(2):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                assert "pynenc_database_up 1.0" in answer.read().decode()
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
