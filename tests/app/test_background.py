"""A runner in a thread, for the length of a block."""

from __future__ import annotations

import threading

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.runner.dummy import DummyRunner
from tests.app import tasks


def test_it_works_in_the_block_alone(app: Pynenc) -> None:
    """It is ready at the beginning, gone at the end, and can be had again."""
    for _ in range(2):
        with app.runner.in_background():
            assert app.runner.health().ready
            assert tasks.add(1, 2).result_or_raise(20) == 3
        assert not app.runner.health().ready
        assert "pynenc-runner" not in {thread.name for thread in threading.enumerate()}


def test_an_error_of_the_block_is_raised_and_ends_it(app: Pynenc) -> None:
    """The runner has stopped by then."""
    with pytest.raises(KeyError), app.runner.in_background():
        raise KeyError
    assert app.runner.health().reason == "not registered"


def test_one_that_cannot_begin_raises_at_the_beginning() -> None:
    """The block is not entered, where it would wait for results in vain."""
    app, entered = Pynenc("dummy"), []
    with pytest.raises(ConfigError, match="DummyRunner"), app.runner.in_background():
        entered.append(1)
    assert not entered
    app.close()


class Ends(DummyRunner):
    """Fails when it is told to."""

    def run(self) -> None:
        """Wait."""
        self.told.wait(20)
        raise TimeoutError

    told = threading.Event()


def test_one_that_ends_too_soon_raises_at_the_end() -> None:
    """With what has ended it."""
    app = Pynenc("ends", config_values={"runner_cls": f"{__name__}.Ends"})
    with pytest.raises(TimeoutError), app.runner.in_background():
        Ends.told.set()
    app.close()
