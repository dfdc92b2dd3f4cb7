"""What an invocation was called with beside its arguments."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.exceptions import InvocationNotFoundError
from tests.contract.driver import Driver


def test_live_and_ended(store: Driver) -> None:
    """It stays as it was written; what is nobody's retry, and who owns it, says so."""
    [which] = store.register(priority=-3, options='{"timeout": 1.5}')
    leases = []
    for _ in range(2):
        *call, lease = astuple(store.state_backend.get_call(which))
        assert call == [-3, '{"timeout": 1.5}', None]
        begun = store.begin()
        leases += [lease, store.state_backend.get_call(which).lease]
        store.finish(begun)
    assert leases[0] is leases[2] is leases[3] is None
    assert isinstance(leases[1], int)


def test_a_retry_knows_what_it_was_made_from(store: Driver) -> None:
    """With and without a registration key: what became another call is that one, and no retry."""
    first, key_of_another = store.register(), "r"
    store.finish(store.begin())
    [again] = store.register(retried_from=first[0])
    assert store.state_backend.get_call(again).retried_from == first[0]
    [held] = store.accept(keys=[key_of_another])
    [reused] = store.accept(keys=[key_of_another], retried_from=first[0])
    assert (reused.invocation_id, reused.reused) == (held.invocation_id, True)
    assert store.state_backend.get_call(held.invocation_id).retried_from is None


def test_a_retry_that_is_repeated_is_one(store: Driver) -> None:
    """Whoever heard no answer registers the same id again."""
    [first] = store.register()
    store.finish(store.begin())
    ids = [new_invocation_id()]
    assert store.accept(ids=ids, retried_from=first) == store.accept(ids=ids, retried_from=first)
    assert store.state_backend.count_ready() == 1


def test_what_nobody_knows(store: Driver) -> None:
    """Of another app, of nobody, or no id at all."""
    [theirs] = store.other_app().register()
    for which in (theirs, new_invocation_id(), InvocationId("x")):
        with pytest.raises(InvocationNotFoundError, match=which):
            store.state_backend.get_call(which)
