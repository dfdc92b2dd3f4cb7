"""What random lives are made of: queues, calls and their facts, choices among what there is."""

from __future__ import annotations

from typing import Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle

from pynenc_pg.domain.concurrency import RateLimit

#: Seconds: time passes in such steps, and some things are far away.
STEP: Final = 1000.0
FAR: Final = 50 * STEP

Keys = tuple[str | None, str | None]
T = TypeVar("T")

queues = st.sampled_from(["one", "one", "two", "three"])
runners = st.sampled_from([1, 1, 1, 1, 2, 2, 3])
delays = st.sampled_from([0, 0, STEP, FAR])
errors = st.sampled_from([None, '{"type": "ValueError"}', "{"])
picks = st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True)
below = st.sampled_from([1, 3, 3])
some_queues: st.SearchStrategy[list[str]] = st.one_of(
    st.just([]), st.just([]), st.lists(queues, unique=True, max_size=3)
)
calls = st.lists(
    st.tuples(st.sampled_from([None, None, "p", "q"]), st.sampled_from([None, "x", "x", "y"])),
    min_size=2,
    max_size=6,
)
facts = st.fixed_dictionaries(
    {
        "queue": queues,
        "priority": st.sampled_from([0, 0, 0, 1, -1]) | st.integers(-100, 100),
        "delay": st.sampled_from([0, 0, 0, 0, 0, STEP, FAR]),
        "expires_in": st.sampled_from([None, None, None, None, STEP, FAR]),
        "slots": st.sampled_from([1, 1, 2, 3]),
        "rate_limit": st.sampled_from(
            [None, None, None, RateLimit(1, STEP * 1.5), RateLimit(3, STEP * 2.5)]
        ),
        "must_not_wait": st.sampled_from([False, False, False, True]),
    }
)


def some_of(bundle: Bundle[T]) -> st.SearchStrategy[list[T]]:
    """Some of a bundle, each once: what a batch says of an id it names twice has its own tests."""
    return st.lists(bundle, min_size=1, max_size=3, unique=True)


def old_of(bundle: Bundle[T]) -> st.SearchStrategy[T | None]:
    """Mostly nothing, at times one of a bundle."""
    return st.one_of(st.none(), st.none(), st.none(), bundle)
