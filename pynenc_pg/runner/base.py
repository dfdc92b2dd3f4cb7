"""What every runner offers."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pynenc_pg.runner.health import Health
from pynenc_pg.runner.tally import Tally

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf
    from pynenc_pg.engine.core import Engine


#: Seconds between two looks whether a runner in the background is ready.
_LOOK: Final = 0.005


class BaseRunner(ABC):
    """Takes work from the store and executes it, until it is stopped.

    One of your own must have ``run`` and ``stop_runner_loop``; the rest has a meaning without you.
    """

    #: Invocations that the last ``run`` had begun and not ended: they were handed back at its end.
    gave_back: int = 0
    #: Where attempts are counted; none: nobody asked for it.
    tally: Tally | None = None

    def __init__(self, *, engine: Engine, conf: RunnerConf) -> None:
        """Take the parts; nothing is opened before ``run``."""
        self.engine = engine
        self.conf = conf
        self.tally = Tally() if conf.metrics else None

    @abstractmethod
    def run(self) -> None:
        """Work until ``stop_runner_loop`` is called. May be called again after that."""

    @abstractmethod
    def stop_runner_loop(self) -> None:
        """Stop claiming, let what runs finish in its time, give back the rest. Any thread."""

    def stop_at_once(self) -> None:
        """Stop without waiting for what runs: it is given back. Any thread, also while it stops."""
        self.stop_runner_loop()

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Work in a thread for the length of a block: for scripts, notebooks and tests.

        The block begins when the runner takes work, and knows the triggers. At its end the runner
        is stopped, as by ``stop_runner_loop``.

        >>> with app.runner.in_background():  # doctest: +SKIP
        ...     print(add(1, 2).result)
        3

        Raises:
            BaseException: what has ended the runner before the block did.
        """
        died: list[BaseException] = []

        def work() -> None:
            try:
                self.run()
            except BaseException as error:  # noqa: BLE001 - raised below
                died.append(error)

        thread = threading.Thread(target=work, name="pynenc-runner")
        thread.start()
        try:
            while thread.is_alive() and not self.health().ready:
                thread.join(_LOOK)
            if not died:
                yield
        finally:
            if thread.is_alive():  # a stop of what does not run would be for its next run
                self.stop_runner_loop()
            thread.join()
        if died:
            raise died[0]

    def reload(self) -> bool:
        """Take up new code while it runs, without a stop; False if the process must begin anew.

        Called by another thread than that of ``run``, and returns without waiting for tasks.
        """
        return False

    def health(self) -> Health:
        """Tell how it is, without asking the store. Any thread."""
        return Health(alive=True, ready=True)

    def places(self) -> int:
        """How many invocations may run at once. Any thread."""
        return self.conf.concurrency
