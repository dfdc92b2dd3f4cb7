"""The runner of code that only enqueues."""

from __future__ import annotations

from pynenc_pg.exceptions import ConfigError
from pynenc_pg.runner.base import BaseRunner


class DummyRunner(BaseRunner):
    """Runs nothing."""

    def run(self) -> None:
        """Refuse, and say what to set."""
        message = (
            "runner_cls is DummyRunner, which runs nothing: configure PostgreSQL "
            "(PYNENC__POSTGRES__DSN), or set runner_cls = 'ThreadRunner' to run what this very "
            "process keeps in memory"
        )
        raise ConfigError(message)

    def stop_runner_loop(self) -> None:
        """Nothing runs."""
