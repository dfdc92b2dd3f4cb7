"""compose.yaml: its form, its rules, and what its services do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from pynenc_pg.conf.load import load
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.monitor import passwords
from pynenc_pg.monitor.settings import read_settings
from tests.acceptance.workers import wait_for
from tests.deploy.image import ROOT, Image, services, with_other_port
from tests.deploy.running import place

OURS: Final = ("migrate", "worker", "monitor")
IMAGE: Final = Image.of(ROOT / "Dockerfile")


def _seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text[:-1])


def test_it_is_a_compose_file() -> None:
    """By the schema of the Compose specification, which check-jsonschema carries."""
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [str(program), "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_up_alone_is_for_development() -> None:
    """Without a profile there is PostgreSQL alone, where the head of the file says."""
    found = services({})
    assert [name for name, one in found.items() if "profiles" not in one] == ["postgres"]
    head = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert "postgresql://pynenc:pynenc@localhost:5432/pynenc" in head
    given = found["postgres"]["environment"]
    assert set(given.values()) == {"pynenc"}
    assert found["postgres"]["ports"] == ["127.0.0.1:5432:5432"]


def test_services_are_closed() -> None:
    """Nothing writes to its image, is without limits, or is reached from outside."""
    found = services({})
    for name in OURS:
        one = found[name]
        assert one["build"] == "."
        assert (one["read_only"], one["cap_drop"], one["tmpfs"]) == (True, ["ALL"], ["/tmp"])  # noqa: S108
        assert one["security_opt"] == ["no-new-privileges:true"]
    for one in found.values():
        assert {"cpus", "memory"} <= set(one["deploy"]["resources"]["limits"])
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", []))
        assert one["restart"] == (
            "no" if "migrate" in one.get("command", [""])[-1] else "unless-stopped"
        )


def test_workers_have_the_time_they_need() -> None:
    """A stop takes as long as tasks may go on; what starts waits for what it needs."""
    found = services({})
    worker = found["worker"]
    conf = load(environment={k: v for k, v in worker["environment"].items() if "RUNNER" in k})
    assert _seconds(worker["stop_grace_period"]) > conf.runner.shutdown_timeout
    assert worker["deploy"]["replicas"] == 2
    for name in ("worker", "monitor"):
        assert found[name]["depends_on"] == {
            "postgres": {"condition": "service_healthy"},
            "migrate": {"condition": "service_completed_successfully"},
        }


def test_without_a_password_there_is_no_monitor() -> None:
    """Its port is of the whole container, so it refuses, and says why."""
    service = services({})["monitor"]
    ours = {k: v for k, v in service["environment"].items() if k.startswith("PYNENC__")}
    conf = load(environment=ours)
    conf.monitor.host = service["command"][service["command"].index("--host") + 1]
    with pytest.raises(ConfigError, match="password"):
        read_settings(conf)


@pytest.mark.long
def test_what_its_services_do(empty_database_dsn: str, tmp_path: Path) -> None:
    """Migrated, both workers healthy, a task done, the monitor behind its login, and a good end.

    The very commands and variables; only ports are others: processes share those of a machine.
    Short: the containers of Kubernetes (test_kubernetes.py), which are nearly the same.
    """
    names = ("MIGRATE_DSN", "WORKER_DSN", "MONITOR_DSN")
    variables = dict.fromkeys(names, empty_database_dsn)
    variables["MONITOR_PASSWORD_HASH"] = passwords.hash_password("right")
    found = services(variables)
    with place(IMAGE, tmp_path) as there:
        there.run(found["migrate"]["command"], found["migrate"]["environment"])
        moved = [with_other_port(found[name]) for name in ("worker", "worker", "monitor")]
        started = [there.start(one["command"], one["environment"]) for one, _ in moved]
        for running, (one, _) in zip(started, moved, strict=True):
            check = partial(there.succeeds, one["healthcheck"]["test"][1:], one["environment"])
            wait_for(check, running.said)
        called = "from tasks import add; print(add(1, 2).result_or_raise(timeout=30))"
        said = there.run(["python", "-c", called], found["worker"]["environment"])
        assert said.endswith("\n3\n")
        started[-1].wait_for_answer(moved[-1][1], "/", 303)
        for running in started:
            running.terminate()
        assert [running.wait() for running in started] == [0, 0, 0], started[-1].said()


@pytest.mark.skipif(shutil.which("docker") is None, reason="needs docker")
def test_docker_reads_it() -> None:
    """Where Compose is installed, it says the same."""
    known = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if known.returncode:
        pytest.skip("needs docker compose")
    command = ["docker", "compose", "--profile", "all", "config", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
