"""``python -m benchmarks``: measure, print one table, write ``benchmarks/results/latest.json``."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import report
from benchmarks.about import describe
from benchmarks.contenders import CONTENDERS
from benchmarks.contract import QUICK, Bench, Scale
from benchmarks.rounds import MEASURES, run
from benchmarks.server import embedded


def main(arguments: list[str] | None = None) -> None:
    """Run what was asked for."""
    asked = _parser().parse_args(arguments)
    console = Console()
    found = report.load() if asked.no_run else _measure(asked, console)
    console.print(report.table(found))
    if asked.write_docs:
        report.write_page(found)
        console.print(f"written: {report.PAGE.name}")


def _measure(asked: argparse.Namespace, console: Console) -> report.Report:
    scale = QUICK if asked.quick else Scale()
    if asked.rounds:
        scale = dataclasses.replace(scale, rounds=asked.rounds)
    chosen = [CONTENDERS[name] for name in CONTENDERS if name in asked.contenders]
    with embedded(asked.folder) as server, console.status("") as status:
        about = describe(server, scale, asked.folder)
        rounds = run(Bench(scale, server), chosen, asked.only, status.update)
    found = report.summarise(rounds, about)
    report.save(found)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small round, under a minute")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 5, with --quick 1")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=MEASURES)
    parser.add_argument(
        "--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS)
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where the server's data goes: a real disk (default: the folder for temporary files)",
    )
    parser.add_argument("--write-docs", action="store_true", help="put the figures into the page")
    parser.add_argument("--no-run", action="store_true", help="take those of the last run")
    return parser


if __name__ == "__main__":
    main()
