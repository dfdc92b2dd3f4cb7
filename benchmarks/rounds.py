"""Who is measured when: everything once per round, neighbours in time, so that ratios count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.contenders import CONTENDERS
from benchmarks.contract import Bench, Contender, Figures

MEASURES: Final = ("enqueue", "drain", "pick_up", "idle")

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
                what = f"round {number + 1} of {bench.scale.rounds}: {contender.NAME}, {measure}"
                tell(what)
                try:
                    found[contender.NAME].update(getattr(contender, measure)(bench))
                except Exception as error:
                    if forgive is None or contender.NAME in CONTENDERS:
                        raise
                    forgive(f"{what}: {error!r}")
        rounds.append(found)
    return rounds
