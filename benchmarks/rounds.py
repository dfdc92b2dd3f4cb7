"""Who is measured when: everything once per round, neighbours in time, so that ratios count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.contenders import CONTENDERS
from benchmarks.contract import Bench, Contender, Figures

#: What is measured, if a contender has it:
MEASURES: Final = (
    "enqueue",  # how fast no-op calls are accepted, with nobody working
    "producers",  # the same from many threads, coroutines and processes
    "drain",  # how fast processes that are up work off a full queue, and at what cost
    "many",  # the same with more processes than cores
    "pick_up",  # how long one call waits for an idle process, and for its result
    "idle",  # what a process costs that has nothing to do
    "storage",  # what a call takes on the disk
    "snapshot",  # how work goes on while somebody holds a snapshot open
)

#: One for each round: contender -> row -> value.
Round = Mapping[str, Figures]


def run(
    bench: Bench,
    contenders: Sequence[Contender],
    measures: Sequence[str] = MEASURES,
    tell: Callable[[str], None] = print,
    forgive: Callable[[str], None] | None = None,
) -> list[Round]:
    """Run all rounds. In every other one the contenders take turns the other way round.

    ``forgive`` is told what a contender that is not ours failed at: its figures are missing then,
    and the rest goes on. Without it an error ends the run, as one of ours does.
    """
    rounds: list[Round] = []
    for number in range(bench.scale.rounds):
        found: dict[str, Figures] = {contender.NAME: {} for contender in contenders}
        for measure in measures:
            for contender in contenders if number % 2 == 0 else reversed(contenders):
                take = getattr(contender, measure, None)
                if take is None:
                    continue
                what = f"round {number + 1} of {bench.scale.rounds}: {contender.NAME}, {measure}"
                tell(what)
                try:
                    found[contender.NAME].update(take(bench))
                except Exception as error:
                    if forgive is None or contender.NAME in CONTENDERS:
                        raise
                    forgive(f"{what}: {error!r}")
        rounds.append(found)
    return rounds
