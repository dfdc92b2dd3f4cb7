"""Where and when the figures were taken. Nothing here names the machine or its folders."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.children import ROOT
from benchmarks.contract import Scale
from benchmarks.server import Server, sync_milliseconds


def describe(server: Server, scale: Scale, folder: Path) -> dict[str, Any]:
    """Collect what a figure means nothing without."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "rounds": scale.rounds,
        "scale": {name: getattr(scale, name) for name in Scale.__slots__},
        "revision": _revision(),
        "cpus": os.cpu_count(),
        "processor": _processor(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "postgresql": server.setting("server_version").split()[0],
        "fsync": server.setting("fsync"),
        "sync_ms": sync_milliseconds(folder),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=10
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
