"""A progress bar on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

if TYPE_CHECKING:
    from types import TracebackType

#: Seconds between lines where there is no terminal.
EVERY = 2.0


class Meter:
    """Shows how many of ``total`` are done, and how many a second."""

    def __init__(self, what: str, total: int, console: Console | None = None) -> None:
        """Begin at 0; the clock starts now. Without a console it goes to standard error."""
        console = console or Console(stderr=True)
        self._console = console
        self._total = total
        self._done = 0
        self._began = self._told = time.monotonic()
        self._bar: Progress | None = None
        # With FORCE_COLOR any console is a terminal for rich; a dumb one shows nothing meanwhile.
        if console.is_interactive and _is_terminal(console.file):
            self._bar = Progress(
                TextColumn(what, markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]:,.0f}/s"),
                console=console,
                # Lines for the terminal stand above the bar; a file or a pipe gets its own.
                redirect_stdout=_is_terminal(sys.stdout),
                redirect_stderr=_is_terminal(sys.stderr),
            )
            self._bar.add_task(what, total=total, rate=0.0)

    def add(self, number: int) -> None:
        """So many more are done."""
        self._done += number
        now = time.monotonic()
        rate = self._done / max(now - self._began, 0.001)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, rate=rate)
        elif self._done >= self._total or now - self._told >= EVERY:
            self._told = now
            self._console.print(f"  {self._done:,} of {self._total:,} done, {rate:,.0f}/s")

    def __enter__(self) -> Self:
        """Show it."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave it as it stands."""
        if self._bar is not None:
            self._bar.stop()


def _is_terminal(stream: Any) -> bool:
    """Whether it is one. What stands in for a stream may not know, a closed one does not say."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
