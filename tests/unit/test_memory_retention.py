"""In memory, too, what has ended goes: by itself, each at its time."""

from __future__ import annotations

import pytest

from pynenc_pg.exceptions import InvocationNotFoundError
from tests.contract.driver import Driver
from tests.support.stores import open_memory_store

DAY = 86_400.0


def test_it_goes_after_a_week_and_its_history_after_a_month() -> None:
    """With its key and what it would serve; what is live stays, and what its caller may ask for."""
    memory = open_memory_store("shop")
    store = Driver(memory)
    [old] = store.register(key="k")
    store.finish(store.begin())
    store.register()
    [caller] = store.begin()
    child = store.child(caller)
    store.finish(store.begin())
    store.let_pass(7 * DAY + 60)
    assert list(store.orchestrator.maintain()) == ["dropped 1 finished invocations"]
    with pytest.raises(InvocationNotFoundError):
        store.get(old)
    assert store.state_backend.get_outcomes([old, child]).keys() == {child}
    assert store.state_backend.get_history(old)
    assert not memory.database.call_keys
    store.finish([caller])
    assert list(store.orchestrator.maintain()) == ["dropped 1 finished invocations"]
    store.let_pass(24 * DAY)
    store.orchestrator.maintain()
    with pytest.raises(InvocationNotFoundError):
        store.state_backend.get_history(old)
