"""What every runner offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf
    from pynenc_pg.engine.core import Engine


class BaseRunner(ABC):
    """Takes work from the store and executes it, until it is stopped."""

    def __init__(self, *, engine: Engine, conf: RunnerConf) -> None:
        """Take the parts; nothing is opened before ``run``."""
        self.engine = engine
        self.conf = conf

    @abstractmethod
    def run(self) -> None:
        """Work until ``stop_runner_loop`` is called. May be called again after that."""

    @abstractmethod
    def stop_runner_loop(self) -> None:
        """Stop claiming, let what runs finish in its time, give back the rest. Any thread."""
