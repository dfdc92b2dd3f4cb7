"""The units of deploy/systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from pynenc_pg.conf.config_runner import RunnerConf
from pynenc_pg.runner.daemon import ExitCode
from tests.deploy.image import ROOT

UNITS: Final = sorted((ROOT / "deploy/systemd").glob("*.service"))
PROGRAM: Final = "/srv/pynenc-pg/.venv/bin/pynenc-pg"


def _settings(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def installed(tmp_path: Path) -> list[Path]:
    """The units, with a program that is there."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return sorted(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_them(installed: list[Path]) -> None:
    """It knows every setting, and has nothing to say to them."""
    command = ["systemd-analyze", "verify", "--man=no", *map(str, installed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_what_no_service_of_ours_needs_is_taken_away(unit: Path) -> None:
    """No root, no new rights, no writing but where it is told to."""
    found = _settings(unit)
    assert found["User"] == ["pynenc"]
    assert (found["NoNewPrivileges"], found["CapabilityBoundingSet"]) == (["yes"], [""])
    assert (found["ProtectSystem"], found["ProtectHome"]) == (["strict"], ["yes"])
    assert found["ExecStart"][0].startswith(f"{PROGRAM} ")


def test_a_worker_is_waited_for() -> None:
    """It has the time for its start and its stop, its codes are known, and its silence ends it."""
    found = _settings(ROOT / "deploy/systemd/pynenc-pg@.service")
    assert found["Type"] == ["notify"]
    assert found["SuccessExitStatus"] == [str(ExitCode.GAVE_BACK.value)]
    assert float(found["TimeoutStopSec"][0]) > RunnerConf().shutdown_timeout
    assert float(found["WatchdogSec"][0]) > 0
    assert found["TimeoutStartSec"] == ["infinity"]
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
