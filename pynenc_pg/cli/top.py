"""``pynenc-pg top``: what happens now, again and again."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click

from pynenc_pg.cli.reach import reached
from pynenc_pg.exceptions import ConfigError, StoreUnavailableError
from pynenc_pg.postgres.watching import Snapshot, snapshot

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context

_WIDTH: Final = 180
#: Waits so many seconds for a key, and returns it, or nothing.
Wait = Callable[[float], str]


@click.command()
@click.option(
    "--interval", type=click.FloatRange(0.1), default=2.0, show_default=True, help="Seconds."
)
@click.option(
    "--rows", type=click.IntRange(1, 1000), default=10, show_default=True, help="Of each list."
)
@click.option("--once", is_flag=True, help="Print one picture, and end.")
@click.pass_obj
def top(context: Context, interval: float, rows: int, *, once: bool) -> None:
    """Show rates, queues, runners, what runs longest and what failed lately, as it changes.

    Keys: p stops the picture, and lets it go on; q or Ctrl-C ends. It needs the extra: pip install
    "pynenc_pg[top]".
    """
    rich = _library()
    with reached(context, "work", "app.queues()") as (app, database):

        def look() -> Snapshot:
            return snapshot(database, rows)

        if once or not sys.stdin.isatty():
            rich.console.print(rich.picture(app.conf.app_id, look()))
            return
        with _ends_quietly(), rich.live() as live, _keys() as wait:
            watch(look, partial(rich.picture, app.conf.app_id), live, wait, interval)


def watch(
    look: Callable[[], Snapshot],
    picture: Callable[..., Any],
    live: Any,
    wait: Wait,
    interval: float,
) -> None:
    """Draw until ``q`` is pressed; a database that is away for a while is waited for."""
    before = now = None
    paused = False
    while True:
        if not paused:
            try:
                before, now = now, look()
            except StoreUnavailableError as error:
                live.update(str(error), refresh=True)
        if now is not None:
            live.update(picture(now, before, paused=paused), refresh=True)
        key = wait(interval)
        if key == "q":
            return
        if key == "p":
            paused = not paused


class _Rich:
    """What is needed of the library."""

    def __init__(self) -> None:
        view = import_module("pynenc_pg.cli.top_view")
        # Into a pipe or a file it is as wide as ids and names are, not as a terminal of old.
        width = None if sys.stdout.isatty() else _WIDTH
        self.console = import_module("rich.console").Console(width=width)
        self.picture = view.picture
        self._live = import_module("rich.live").Live

    def live(self) -> Any:
        """Take the whole screen, and give it back at the end."""
        return self._live(console=self.console, screen=True, auto_refresh=False)


def _library() -> _Rich:
    try:
        return _Rich()
    except ImportError as error:
        message = 'top needs the package rich: pip install "pynenc_pg[top]"'
        raise ConfigError(message) from error


@contextmanager
def _ends_quietly() -> Iterator[None]:
    """End by Ctrl-C as by ``q``, and by SIGTERM with the terminal given back."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _keys() -> Iterator[Wait]:
    """Read keys one by one, without showing them; the terminal is as before at the end."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)

    def wait(seconds: float) -> str:
        ready, _, _ = select.select([terminal], [], [], seconds)
        if not ready:
            return ""
        return os.read(terminal, 1).decode(errors="ignore") or "q"  # the terminal is gone

    try:
        yield wait
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
