"""What an attempt is asked is raised in it once, however many ways there are for it to hear."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pynenc_pg.engine import stops
from pynenc_pg.engine.stops import ThreadStop
from pynenc_pg.exceptions import InvocationCancelledError, TaskTimeoutError
from pynenc_pg.runner.task_process import INTERRUPT, SignalStop

PATIENCE = 30.0


def spin(seconds: float) -> None:
    """Run instructions, between which an interrupt may come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.fixture
def signalled() -> Iterator[SignalStop]:
    """A stop that heeds the signals of this thread."""
    stop = SignalStop()
    before = signal.signal(INTERRUPT, stop.heed)
    yield stop
    signal.signal(INTERRUPT, before)


def test_a_signal_after_the_look_that_raised_is_too_late(signalled: SignalStop) -> None:
    """The task has heard of it by a call, and cleans up: nothing strikes it there."""
    signalled.error = InvocationCancelledError("one")  # as in ``ask``, before the signal
    with pytest.raises(InvocationCancelledError):
        signalled.check()
    signal.raise_signal(INTERRUPT)
    spin(0.01)


def test_a_signal_before_any_look_raises(signalled: SignalStop) -> None:
    """Once: a second signal for the same says nothing new, what is asked later does."""
    with pytest.raises(InvocationCancelledError):
        signalled.ask(InvocationCancelledError("one"), at_once=True)
    signal.raise_signal(INTERRUPT)
    spin(0.01)
    with pytest.raises(TaskTimeoutError):
        signalled.ask(TaskTimeoutError("two"), at_once=True)


def test_the_look_of_another_thread_leaves_the_signal_alone(signalled: SignalStop) -> None:
    """A thread of the task's own calls the library: it is told, and so is the task."""
    signalled.error = InvocationCancelledError("one")
    with ThreadPoolExecutor(1) as pool, pytest.raises(InvocationCancelledError):
        pool.submit(signalled.check).result(PATIENCE)
    with pytest.raises(InvocationCancelledError):
        signal.raise_signal(INTERRUPT)


def test_an_interrupt_of_a_thread_comes_once() -> None:
    """It was on its way while the thread looked."""
    stop, looking, asked = ThreadStop(), threading.Event(), threading.Event()
    raised: list[str] = []

    def work() -> None:
        stop.enter()
        looking.set()
        asked.wait(PATIENCE)
        try:
            stop.check()
        except InvocationCancelledError:
            raised.append("in the task")
            try:
                spin(0.1)
            except InvocationCancelledError:
                raised.append("while it cleans up")

    thread = threading.Thread(target=work)
    thread.start()
    assert looking.wait(PATIENCE)
    with stops._LOCK:  # as ``ask`` does, and the thread looks in the midst of it
        stop.error = InvocationCancelledError("one")
        asked.set()
        time.sleep(0.05)
        stop._raise(stop.error)
    thread.join(PATIENCE)
    assert raised == ["in the task"]
