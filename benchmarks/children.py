"""Processes that are measured: started, watched and ended by id."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
_END_WITHIN: Final = 40.0

Child = subprocess.Popen[str]


@contextmanager
def children(dsn: str, arguments: Sequence[str], count: int = 1) -> Iterator[list[Child]]:
    """Run ``python`` with these arguments ``count`` times on a database; SIGTERM at the end."""
    with ExitStack() as stack:
        yield [stack.enter_context(_child(dsn, arguments)) for _ in range(count)]


def tell(child: Child, word: str) -> None:
    """Say a word to a child."""
    assert child.stdin is not None  # noqa: S101 - children() made it so
    child.stdin.write(f"{word}\n")
    child.stdin.flush()


def hear(child: Child, word: str) -> None:
    """Wait until a child says a word.

    Raises:
        RuntimeError: it said something else, or ended.
    """
    assert child.stdout is not None  # noqa: S101 - children() made it so
    said = child.stdout.readline().strip()
    if said != word:
        message = f"the process said {said!r} instead of {word!r} (exit code {child.poll()})"
        raise RuntimeError(message)


@contextmanager
def _child(dsn: str, arguments: Sequence[str]) -> Iterator[Child]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYNENC__")}
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**environment, "PYNENC__POSTGRES__DSN": dsn},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
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
