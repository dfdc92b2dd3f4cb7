"""Work at its last recovery: one at a time, and nothing of it is kept for too long."""

from __future__ import annotations

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Claimed
from pynenc_pg.runner.suspects import Suspects


def claimed(name: str, recoveries: int, lease: int = 1) -> Claimed:
    """Make one that was claimed."""
    return Claimed(InvocationId(name), "t", "{}", lease, 0, recoveries, None, 0, "{}")


class Clock:
    """Seconds that the test lets pass."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_only_the_last_chance_makes_a_suspect() -> None:
    """What may still be recovered is begun with the others."""
    suspects = Suspects(max_recoveries=3, max_pending=5)
    batch = [claimed("a", 0), claimed("b", 2), claimed("c", 3), claimed("d", 4)]
    assert [one.invocation_id for one in suspects.pick_out(batch)] == ["a", "b"]
    assert len(suspects) == 2
    never = Suspects(max_recoveries=0, max_pending=5)
    assert never.pick_out([claimed("a", 0)])  # or nothing would ever run side by side


def test_one_at_a_time() -> None:
    """The next one begins when the one before is settled, and not for others' ends."""
    suspects = Suspects(max_recoveries=1, max_pending=5)
    suspects.pick_out([claimed("a", 1), claimed("b", 1)])
    first = suspects.next()
    assert first is not None
    assert first.invocation_id == "a"
    assert suspects.next() is None
    assert not suspects.settled({InvocationId("x"), InvocationId("b")})
    assert suspects.settled({InvocationId("a")})
    second = suspects.next()
    assert second is not None
    assert second.invocation_id == "b"
    assert suspects.take_back() == []


def test_who_waits_too_long_is_no_longer_ours() -> None:
    """What was recovered meanwhile is dropped, and a newer claim of it takes its place."""
    clock = Clock()
    suspects = Suspects(max_recoveries=1, max_pending=5, clock=clock)
    suspects.pick_out([claimed("a", 1), claimed("b", 1), claimed("c", 1)])
    suspects.next()
    clock.now = 4.0
    suspects.pick_out([claimed("c", 1, lease=9)])
    clock.now = 6.0
    suspects.settled({InvocationId("a")})
    following = suspects.next()
    assert following is not None
    assert (following.invocation_id, following.lease) == ("c", 9)
    assert len(suspects) == 0
