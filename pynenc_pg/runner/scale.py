"""How many processes a runner should have. Decides; the runner does."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING

from pynenc_pg.exceptions import ConfigError

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf


class Scale:
    """Between ``min_processes`` and ``max_processes``: grows with what is ready, shrinks late."""

    def __init__(self, conf: RunnerConf) -> None:
        """Begin with the least.

        Raises:
            ConfigError: the least is more than the most.
        """
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self._least = conf.min_processes
        self._most = conf.max_processes or max(cores or 1, self._least)
        self._threads = conf.concurrency
        self._patience = conf.idle_process_timeout
        self.wanted = self._least
        if self._most < self._least:
            message = (
                f"runner.min_processes = {self._least} is more than runner.max_processes = "
                f"{self._most}"
            )
            raise ConfigError(message)

    @property
    def is_fixed(self) -> bool:
        """Whether there is nothing to decide."""
        return self._least == self._most

    def grow(self, processes: int, *, ready: int, busy: int) -> bool:
        """Want more, if what is ready does not fit what there is; twice as many at most."""
        free = processes * self._threads - busy
        missing = math.ceil((ready - max(0, free)) / self._threads)
        wanted = min(self._most, processes + missing, 2 * processes)
        if processes < self.wanted or wanted <= self.wanted:
            return False  # some are still coming
        self.wanted = wanted
        return True

    def shrink(self, processes: int) -> bool:
        """Want one less, if that leaves enough."""
        if not self._least < processes == self.wanted:
            return False
        self.wanted -= 1
        return True

    def is_idle(self, since: float) -> bool:
        """Whether a process without work since then has waited long enough."""
        return time.monotonic() - since >= self._patience
