"""What a runner has given back after a claim whose answer was lost."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, cast

import pytest

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.runner.strays import Strays

if TYPE_CHECKING:
    from pynenc_pg.ports import Orchestrator


class _Store:
    """Holds things in the name of a runner, and may be away."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.looks = 0
        self.away = False

    def release_strays(self, runner_id: RunnerId, known: Collection[InvocationId]) -> int:
        assert runner_id == "me"
        if self.away:
            message = "away"
            raise StoreUnavailableError(message)
        self.looks += 1
        strays = self.held - set(known)
        self.held -= strays
        return len(strays)


@pytest.fixture
def store() -> _Store:
    """A store that is there."""
    return _Store()


@pytest.fixture
def time() -> list[float]:
    """The time, to be set."""
    return [100.0]


@pytest.fixture
def strays(store: _Store, time: list[float]) -> Strays:
    """Those of a runner that looks again after 5 s."""
    ours = cast("Orchestrator", store)
    return Strays(ours, RunnerId("me"), again_after=5.0, clock=lambda: time[0])


def test_nothing_is_asked_as_long_as_claims_are_answered(strays: Strays, store: _Store) -> None:
    """It costs nothing where nothing goes wrong."""
    strays.hold([InvocationId("a")])
    strays.give_back()
    strays.let_go([InvocationId("a")])
    strays.give_back()
    assert store.looks == 0


def test_at_once_and_once_more(strays: Strays, store: _Store, time: list[float]) -> None:
    """What comes late is found by the second look; what is known stays."""
    strays.hold([InvocationId("known")])
    store.held = {"known", "stray"}
    strays.claim_failed()
    strays.give_back()
    assert (store.held, store.looks) == ({"known"}, 1)
    store.held.add("late")
    time[0] += 4.9
    strays.give_back()
    assert (store.held, store.looks) == ({"known", "late"}, 1)
    time[0] += 0.2
    strays.give_back()
    strays.give_back()
    assert (store.held, store.looks) == ({"known"}, 2)
    strays.let_go([InvocationId("known")])
    time[0] += 100
    strays.give_back()
    assert store.looks == 2


def test_a_look_that_fails_is_made_again(strays: Strays, store: _Store) -> None:
    """Until the store has answered."""
    store.held, store.away = {"stray"}, True
    strays.claim_failed()
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            strays.give_back()
    store.away = False
    strays.give_back()
    assert (store.held, store.looks) == (set(), 1)


def test_a_new_session_may_be_with_another_server(
    strays: Strays, store: _Store, time: list[float]
) -> None:
    """What it holds there and we have ended goes back: at once, or by the second look."""
    store.held = {"ended"}
    strays.doubt()
    strays.give_back()
    assert (store.held, store.looks) == (set(), 1)
    store.held = {"ended just then"}
    time[0] += 5.1
    strays.give_back()
    strays.give_back()
    assert (store.held, store.looks) == (set(), 2)
