"""Random lives of equal calls: both stores give the same results to the same calls."""

from __future__ import annotations

import random
from itertools import count
from typing import Any

import pytest

from pynenc_pg.domain.ids import RunnerId, new_invocation_id
from pynenc_pg.domain.records import Batch, Ending, NewInvocation, RunnerSpec
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.pair import Held, Pair
from tests.support.stores import PostgresStore, open_memory_store

_numbers = count()
STEP = 1000.0


class Life:
    """One app in both stores, and dice."""

    def __init__(self, shared: PostgresStore, seed: int) -> None:
        """Begin with a runner."""
        app = f"results-{next(_numbers)}"
        self.dice = random.Random(seed)
        self.pair = Pair(shared.for_app(app), open_memory_store(app))
        self.runner = RunnerId(f"{app}/runner")
        spec = RunnerSpec(self.runner, "Test", lease=1e9)
        self.pair.both(lambda store, _: store.orchestrator.register_runner(spec))
        self.held: list[Held] = []
        self.batches: list[Batch] = []
        self.reused = 0

    def register(self) -> None:
        """Register a few calls, or some of before once more."""
        dice = self.dice
        if self.batches and dice.random() < 0.1:
            batch = dice.choice(self.batches)
        else:
            names = [dice.choice("abc") for _ in range(dice.choice([1, 1, 1, 2, 5, 60]))]
            keyed = dice.random() < 0.3
            calls = [
                NewInvocation(new_invocation_id(), name, "{}", f"key {name}" if keyed else None)
                for name in names
            ]
            facts: dict[str, Any] = {
                "cached": dice.random() < 0.9,
                "cache_ttl": dice.choice([None, None, 0, 1.5 * STEP, 3.5 * STEP]),
                "delay": dice.choice([0, 0, 0, STEP]),
                "key": dice.choice([None, "k", "l"]) if len(names) == 1 else None,
            }
            batch = Batch("tests.task", calls, **facts)
            self.batches.append(batch)
        answers = self.pair.both(lambda store, _: store.orchestrator.register(batch))
        assert isinstance(answers, list), answers
        self.pair.know(one.invocation_id for one in answers)
        self.reused += sum(one.reused for one in answers)

    def end(self) -> None:
        """Take what is ready; end some of what is held, one by one."""
        self.pair.both(lambda store, _: store.orchestrator.promote().count)
        self.held += self.pair.claim(self.runner, [], self.dice.choice([1, 5, 100]), 1) or []
        self.dice.shuffle(self.held)
        kinds = [InvocationStatus.SUCCESS, InvocationStatus.FAILED]
        for _ in range(self.dice.randint(0, len(self.held))):
            held, status = self.held.pop(), self.dice.choice(kinds)

            def finish(store: Any, side: int, h: Held = held, to: Any = status) -> Any:
                hold = h.hold(side)
                ending = Ending(h.invocation_id, hold.lease, to, "1")
                return store.orchestrator.finish(self.runner, [ending])

            self.pair.both(finish)

    def pass_time(self) -> None:
        """Let what has ended be older, and what is scheduled be due."""
        self.pair.postgres.let_pass(STEP)
        self.pair.postgres.age_outcomes(STEP)
        self.pair.memory.let_pass(STEP)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 60))]
)
def test_the_stores_agree_on_results(shared_store: PostgresStore, seed: int) -> None:
    """Whatever is registered, repeated, ended and grows old."""
    life = Life(shared_store, seed)
    for _ in range(120):
        life.dice.choice([life.register, life.register, life.end, life.pass_time])()
        life.pair.look(["default"])
    life.pair.check()
    assert life.reused > 20
