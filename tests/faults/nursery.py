"""Brings up worker processes in milliseconds: everything is imported once, then forked.

Each line on standard input, JSON with ``log``, ``environment`` and ``arguments``, becomes one
process that goes through ``pynenc-pg --app tests.faults.tasks:app runner start``. Standard output
tells ``started PID`` and ``ended PID CODE``. With the end of its input it kills them all.
``FAULTS_NETWORK`` in its environment names the network a process is to live in (see ``network``).
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import select
import signal
import sys
from typing import Any

# Loaded for the children; the app itself reads the environment, so each child imports it.
import pynenc_pg.postgres.database
import pynenc_pg.postgres.listener
import pynenc_pg.postgres.orchestrator
import pynenc_pg.postgres.state_backend
import pynenc_pg.runner.thread  # noqa: F401
from pynenc_pg.cli.main import main


def nurse() -> dict[str, Any] | None:
    """Fork a process for each order; in the child, return the order."""
    receive, send = os.pipe()
    os.set_blocking(send, False)
    signal.set_wakeup_fd(send, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: set[int] = set()
    orders = b""
    while True:
        ready, _, _ = select.select([0, receive], [], [])
        if receive in ready:
            os.read(receive, 4096)
            _reap(children)
        if 0 in ready:
            more = os.read(0, 65536)
            if not more:
                break
            *lines, orders = (orders + more).split(b"\n")
            for line in lines:
                if not (pid := os.fork()):
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    os.close(receive)
                    os.close(send)
                    return dict(json.loads(line))
                children.add(pid)
                _say(f"started {pid}")
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    return None


def _reap(children: set[int]) -> None:
    for pid in list(children):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            children.discard(pid)
            _say(f"ended {pid} {os.waitstatus_to_exitcode(status)}")


def _say(sentence: str) -> None:
    os.write(1, f"{sentence}\n".encode())


def _move_to(network: str) -> None:
    entry = os.open(network, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(entry, 0):
        raise OSError(ctypes.get_errno(), network)
    os.close(entry)


def work(order: dict[str, Any]) -> None:
    """Be the worker."""
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(null)
    os.close(log)
    os.environ.update(order["environment"])
    if network := os.environ.get("FAULTS_NETWORK"):
        _move_to(network)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    sys.argv = [
        *("pynenc-pg", "--app", "tests.faults.tasks:app", "runner", "start"),
        *order["arguments"],
    ]
    main()


if __name__ == "__main__":
    if found := nurse():
        work(found)
