"""In memory, too, the figures of a queue are those of its rows."""

from __future__ import annotations

import pytest

from tests.contract.driver import Driver
from tests.support.stores import open_memory_store


def test_how_long_the_oldest_is_ready() -> None:
    """Not from the call: of one with a delay from its time on, whatever is taken first."""
    store = Driver(open_memory_store("shop"))

    def oldest() -> float | None:
        [found] = store.state_backend.get_queues()
        return found.oldest_ready

    store.register(delay=600)
    store.let_pass(700)
    store.orchestrator.promote()
    assert oldest() == pytest.approx(100, abs=1)
    store.register(priority=50)
    store.let_pass(300)
    assert oldest() == pytest.approx(400, abs=1)
    store.begin(2)
    assert oldest() is None
    store.register(priority=-100)
    assert oldest() == pytest.approx(0, abs=1)
