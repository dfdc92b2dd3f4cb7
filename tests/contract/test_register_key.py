"""A call with a key is made once, whatever has become of it."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.domain.records import CancelAnswer
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver


@pytest.mark.parametrize(
    "state", ["ready", "scheduled", "running", "success", "failed", "cancelled"]
)
def test_the_first_call_with_a_key_counts(store: Driver, state: str) -> None:
    """Later ones become it in whatever state it is; the id of the first is no reuse."""
    [first] = store.accept(key="order-17", delay=60 if state == "scheduled" else 0)
    if state in {"running", "success", "failed"}:
        begun = store.begin()
        if state != "running":
            store.finish(begun, status=InvocationStatus(state))
    if state == "cancelled":
        assert store.orchestrator.cancel(first.invocation_id) is CancelAnswer.CANCELLED
    [second] = store.accept(key="order-17")
    assert (first.reused, second.reused) == (False, True)
    assert second.invocation_id == first.invocation_id
    assert len(store.claim()) == (1 if state == "ready" else 0)


def test_the_same_id_again_is_the_same_call(store: Driver) -> None:
    """Whoever repeats a call that was not answered gets what the first one would have got."""
    ids = [new_invocation_id()]
    assert store.accept(ids=ids, key="k") == store.accept(ids=ids, key="k")


def test_other_keys_are_other_calls(store: Driver) -> None:
    """Keys are of a task and of an app."""
    ids = {store.accept(key=key)[0].invocation_id for key in ("a", "b", "A")}
    ids.add(store.accept()[0].invocation_id)
    ids.add(store.other_app().accept(key="a")[0].invocation_id)
    assert len(ids) == 5


def test_a_key_and_a_registration_key(store: Driver) -> None:
    """A call that becomes another one has that one as its own from then on."""
    [waiting] = store.accept(keys=["r"])
    [joined] = store.accept(keys=["r"], key="k")
    assert joined.invocation_id == waiting.invocation_id
    store.finish(store.begin(), status=InvocationStatus.SUCCESS)
    [again] = store.accept(keys=["r"], key="k")
    assert again.invocation_id == waiting.invocation_id


def test_purging_frees_the_keys(store: Driver) -> None:
    """What is not there any more is called anew."""
    [first] = store.accept(key="k")
    store.orchestrator.purge()
    [second] = store.accept(key="k")
    assert second.invocation_id != first.invocation_id
    assert not second.reused
