"""In which order queues are asked."""

from __future__ import annotations

from pynenc_pg.conf.config_runner import RunnerConf
from pynenc_pg.runner.turns import Turns


def test_named_queues_keep_their_order() -> None:
    """Unless another order is asked for, whatever was served."""
    turns = Turns(RunnerConf(queues=("b", "a")))
    for _ in range(3):
        assert turns.next() == ["b", "a"]
        turns.served(["b"])


def test_round_robin_asks_first_who_was_served_longest_ago() -> None:
    """Who was served goes to the end; who was not stays where it is."""
    turns = Turns(RunnerConf(queues=("a", "b", "c"), queue_order="round_robin"))
    turns.served(["a", "a"])
    assert turns.next() == ["b", "c", "a"]
    turns.served(["c"])
    assert turns.next() == ["b", "a", "c"]


def test_all_queues_take_turns() -> None:
    """Those that never gave work come before those that did."""
    turns = Turns(RunnerConf())
    assert turns.next() == ["*"]
    turns.served(["x"])
    turns.served(["y"])
    assert turns.next() == ["*", "x", "y"]
    turns.served(["x"])
    assert turns.next() == ["*", "y", "x"]


def test_all_queues_in_order() -> None:
    """By name, which the store sees to."""
    turns = Turns(RunnerConf(queue_order="ordered"))
    turns.served(["x"])
    assert turns.next() == []


def test_at_random() -> None:
    """Each of them comes first at times, and none is left out."""
    turns = Turns(RunnerConf(queues=("a", "b"), queue_order="random"))
    seen = [turns.next() for _ in range(100)]
    assert {order[0] for order in seen} == {"a", "b"}
    assert all(sorted(order) == ["a", "b"] for order in seen)
