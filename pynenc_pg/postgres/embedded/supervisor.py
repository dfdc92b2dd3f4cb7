"""The process that runs PostgreSQL for as long as somebody holds ``users.lock``.

It is started by file path, detached, as ``python -I -S supervisor.py HOME DATA SOCKETS UID GID
COMMAND...`` (UID and GID are -1 to stay as we are), and imports the standard library only, so
that it is up in a few milliseconds. By the time the first process of that command returns,
``sup.lock`` is held: by this supervisor or by another.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# How often the users' lock is tried; the death of the server is noticed at once.
POLL = 0.1
# A start may fail while a killed server is not quite dead; one that always fails is tried less.
FIRST_RETRY, LAST_RETRY, GROWTH = 0.1, 2.0, 1.05
FAST_STOP, IMMEDIATE_STOP, ORPHAN_STOP = 60.0, 10.0, 30.0
PR_SET_PDEATHSIG = 1


def load_libc() -> Any:
    """Return the C library on Linux, else None."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(ImportError):
            import ctypes  # noqa: PLC0415 - some builds of Python lack it

            return ctypes.CDLL(None)
    return None


# Loaded before any fork: loading takes locks.
LIBC = load_libc()


@dataclass(slots=True)
class Supervisor:
    """Keeps one server running; see the module."""

    home: Path
    data: Path
    sockets: Path
    uid: int
    gid: int
    command: list[str]
    server: subprocess.Popen[bytes] | None = None
    told_to_stop: bool = False
    delay: float = FIRST_RETRY
    next_try: float = 0.0

    def run(self, users: int) -> None:
        """Run the server until nobody holds the lock *users* any more, or until told to stop."""
        wake = self._listen_for_signals()
        try:
            while not self.told_to_stop and not try_lock(users):
                if self.server is None or self.server.poll() is not None:
                    self._start()
                elif time.monotonic() > self.next_try + LAST_RETRY:
                    self.delay = FIRST_RETRY
                if select.select([wake], [], [], POLL)[0]:
                    os.read(wake, 4096)
        finally:
            self._stop()
            stop_orphans(self.data)
        if not self.told_to_stop and self.sockets.parent != self.home:
            # Below /tmp. Without users nobody knows of it; with users the next supervisor does.
            with contextlib.suppress(OSError):
                self.sockets.rmdir()
                self.sockets.parent.rmdir()

    def _listen_for_signals(self) -> int:
        """Have every signal, the death of the server among them, end the wait for the next poll."""
        receive, send = os.pipe()
        os.set_blocking(send, False)
        signal.set_wakeup_fd(send, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._tell_to_stop)
        return receive

    def _tell_to_stop(self, *_: object) -> None:
        self.told_to_stop = True

    def _start(self) -> None:
        if time.monotonic() < self.next_try:
            return
        try:
            stop_orphans(self.data)
            drop_lying_pid_files(self.data, self.sockets)
            self.server = self._launch()
        except (OSError, subprocess.SubprocessError) as error:
            say(f"could not start {self.command[0]}: {error}")
        self.next_try = time.monotonic() + self.delay
        self.delay = min(self.delay * GROWTH, LAST_RETRY)

    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the server as our child, to be stopped by the kernel if we die first."""
        parent, lower = os.getpid(), self.uid >= 0
        return subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            cwd="/",
            user=self.uid if lower else None,
            group=self.gid if lower else None,
            extra_groups=[] if lower else None,
            # Runs after the change of user, which would clear the death signal again. There are
            # no other threads here, whose locks make this dangerous elsewhere.
            preexec_fn=lambda: follow_to_death(parent),  # noqa: PLW1509
        )

    def _stop(self) -> None:
        """Stop the server, gently first. A stop cut short costs a recovery, not data."""
        if self.server is None:
            return
        patience = {signal.SIGINT: FAST_STOP, signal.SIGQUIT: IMMEDIATE_STOP, signal.SIGKILL: None}
        for number, timeout in patience.items():
            self.server.send_signal(number)
            try:
                self.server.wait(timeout)
            except subprocess.TimeoutExpired:
                say(f"the server ignores {number.name}")
            else:
                return


def follow_to_death(parent: int) -> None:
    """In the child: have the kernel send SIGINT (a fast stop) when *parent* dies. Linux only.

    Elsewhere the next supervisor stops what it finds, see `stop_orphans`.
    """
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def stop_orphans(data: Path) -> None:
    """Stop what a killed supervisor or a killed server left behind on *data*.

    A server is stopped, not adopted: only a child's death is noticed, and only a child dies with
    us. The sessions of a killed server end by themselves when idle, but a busy one would go on,
    and no server could start beside it (it is found on Linux only).
    """
    pid = pid_in_file(data / "postmaster.pid")
    deadline = time.monotonic() + ORPHAN_STOP
    while pid and is_server_of(pid, data) and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGINT)
        time.sleep(0.02)
    for orphan in processes_in(data):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{orphan}/cmdline").read_bytes().startswith(b"postgres: "):
                os.kill(orphan, signal.SIGQUIT)


def drop_lying_pid_files(data: Path, sockets: Path) -> None:
    """Remove pid files of a killed server whose number now belongs to some other program.

    After a reboot, and in restarted containers always, numbers come back, and PostgreSQL refuses
    to start while the number is alive. The files also guard against the sessions of a killed
    server, so they go only if no process at all works in the data folder; where that cannot be
    seen (outside Linux), they stay.
    """
    for file in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")):
        pid = pid_in_file(file)
        alive = pid and Path(f"/proc/{pid}").exists()
        if alive and not is_server_of(pid, data) and not processes_in(data):
            say(f"removing {file}: process {pid} is another program")
            file.unlink(missing_ok=True)


def pid_in_file(file: Path) -> int:
    """Return the pid in the first line of *file*, 0 without one."""
    try:
        # Minus marks a server for one user.
        return abs(int(file.read_text().split("\n", 1)[0]))
    except (OSError, ValueError):
        return 0


def is_server_of(pid: int, data: Path) -> bool:
    """Whether process *pid* is a server started on *data*, by its command line."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return words[1:3] == [b"-D", os.fsencode(data)]
        return False
    listing = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=False
    )
    return b"postgres -D " + os.fsencode(data) + b" " in listing.stdout


def processes_in(data: Path) -> list[int]:
    """List the processes whose working folder is *data*, as that of a server's are; Linux only."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink() == data:
                found.append(int(link.parent.name))
    return found


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock if it is free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def say(sentence: str) -> None:
    """Write to the server's log, which is our standard error."""
    sys.stderr.write(f"pynenc_pg supervisor: {sentence}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Become the supervisor of a folder, unless it has one; return in the first process only."""
    home, data, sockets = (Path(argument) for argument in arguments[:3])
    uid, gid = (int(argument) for argument in arguments[3:5])
    # Both files are there: whoever starts us has opened them.
    own = os.open(home / "sup.lock", os.O_RDWR | os.O_NOFOLLOW)
    # The starter is spared a child to wait for: it waits for this process only, and the lock
    # lives on in the fork.
    if not try_lock(own) or os.fork():
        return 0
    users = os.open(home / "users.lock", os.O_RDWR | os.O_NOFOLLOW)
    try:
        Supervisor(home, data, sockets, uid, gid, arguments[5:]).run(users)
    finally:
        # In this order: a newcomer, who waits for the users' lock, must find no supervisor left.
        os.close(own)
        os.close(users)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
