"""Processes that are measured: started, watched and ended by id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
_END_WITHIN: Final = 40.0
_OURS: Final = ("PYNENC__", "BENCH_")

Child = subprocess.Popen[str]


@contextmanager
def children(
    environment: Mapping[str, str], arguments: Sequence[str], count: int = 1, *, talk: bool = False
) -> Iterator[list[Child]]:
    """Run ``python`` with these arguments ``count`` times; SIGTERM at the end.

    Args:
        environment: Added to this process's own, from which settings of task queues are removed.
            libpq's ``PGAPPNAME`` is the number of the process.
        arguments: What follows ``python``; ``{number}`` is the number of the process.
        count: How many processes.
        talk: Use ``tell`` and ``hear``; otherwise what they print is only kept for an error.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    with ExitStack() as stack:
        started = []
        for number in range(count):
            own = {**inherited, **environment, "PGAPPNAME": f"bench-{number}"}
            named = [argument.replace("{number}", str(number)) for argument in arguments]
            started.append(stack.enter_context(_child(own, named, talk=talk)))
        yield started


def tell(child: Child, word: str) -> None:
    """Say a word to a child."""
    assert child.stdin is not None  # noqa: S101 - children() made it so
    child.stdin.write(f"{word}\n")
    child.stdin.flush()


def hear(child: Child, word: str) -> str:
    """Wait until a child says a word, and return what else it says in that line.

    Raises:
        RuntimeError: it said something else, or ended.
    """
    assert child.stdout is not None  # noqa: S101 - children() made it so
    said, _, more = child.stdout.readline().strip().partition(" ")
    if said != word:
        message = f"the process said {said!r} instead of {word!r} (exit code {child.poll()})"
        raise RuntimeError(message)
    return more


def say(word: str) -> None:
    """In a child: say a word."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def work_when_told(work: Callable[[], object]) -> None:
    """In a child: say ``ready``, wait for a word, work, say when that was done, and wait again."""
    say("ready")
    sys.stdin.readline()
    work()
    say(f"done {time.time()}")
    sys.stdin.readline()


def let(started: Sequence[Child]) -> float:
    """Tell children that said ``ready`` to work; return when."""
    began = time.time()
    for child in started:
        tell(child, "go")
    return began


def last_done(started: Sequence[Child]) -> float:
    """Wait until all have worked, and return when the last was done."""
    return max([float(hear(child, "done")) for child in started])


@contextmanager
def _child(
    environment: Mapping[str, str], arguments: Sequence[str], *, talk: bool
) -> Iterator[Child]:
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talk else log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            yield child
        except BaseException as error:
            log.seek(0)
            error.add_note(f"{' '.join(arguments)} said:\n{log.read()[-4000:]}")
            raise
        finally:
            _end(child)


def _end(child: Child) -> None:
    child.terminate()
    try:
        child.communicate(timeout=_END_WITHIN)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
    # It leads a session of its own, so this reaches what it started and left behind, and no more.
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
