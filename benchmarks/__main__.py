"""``python -m benchmarks``: measure, print tables, write ``benchmarks/results/latest.json``."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import peers, plots, report
from benchmarks.about import describe
from benchmarks.contenders import CONTENDERS
from benchmarks.contract import QUICK, Bench, Scale
from benchmarks.peers import PEERS
from benchmarks.rounds import MEASURES, run
from benchmarks.server import embedded

_WIDE: Final = 170


def main(arguments: list[str] | None = None) -> None:
    """Run what was asked for."""
    asked = _parser().parse_args(arguments)
    # In a file there is room for all columns.
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    found = report.load(asked.json) if asked.no_run else _measure(asked, console)
    console.print(report.tables(found), highlight=False)
    if asked.write_docs:
        drawn = _draw(found, report.PAGE.parent, console)
        report.write_page(found, report.PAGE, plot=drawn[0].name if drawn else None)
        console.print(f"written: {report.PAGE.name}")
    if asked.plots:
        _draw(found, asked.plots, console)


def _draw(found: report.Report, folder: Path, console: Console) -> list[Path]:
    try:
        drawn = plots.draw(found, folder)
    except ModuleNotFoundError:
        console.print(plots.MISSING, highlight=False)
        return []
    console.print(f"written: {', '.join(path.name for path in drawn)}")
    return drawn


def _measure(asked: argparse.Namespace, console: Console) -> report.Report:
    # Otherwise what was started would outlive this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    scale = QUICK if asked.quick else Scale()
    if asked.rounds:
        scale = dataclasses.replace(scale, rounds=asked.rounds)
    others, left_out = peers.find(asked.peers)
    chosen = [CONTENDERS[name] for name in CONTENDERS if name in asked.contenders] + others
    with embedded(asked.folder) as server, console.status("") as status:
        about = describe(server, scale, asked.folder)
        bench = Bench(scale, server, asked.folder)
        rounds = run(bench, chosen, asked.only, status.update, left_out.append)
    about["contenders"] = {contender.NAME: contender.about() for contender in chosen}
    about["left_out"] = left_out
    about["not_measured"] = [measure for measure in MEASURES if measure not in asked.only]
    found = report.summarise(rounds, about)
    report.save(found, asked.json)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small round")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 5, with --quick 1")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=MEASURES)
    parser.add_argument(
        "--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS)
    )
    parser.add_argument(
        "--with",
        dest="peers",
        type=_peers,
        default=(),
        metavar="NAME,...",
        help=f"other task queues beside them: all, or some of {', '.join(PEERS)}",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where the servers' data goes: a real disk (default: the folder for temporary files)",
    )
    parser.add_argument(
        "--json", type=Path, default=report.RESULTS, help="where the figures go, and come from"
    )
    parser.add_argument("--write-docs", action="store_true", help="put the figures into the page")
    parser.add_argument(
        "--plots", type=Path, metavar="FOLDER", help="draw them there (needs matplotlib)"
    )
    parser.add_argument("--no-run", action="store_true", help="take those of the last run")
    return parser


def _peers(names: str) -> list[str]:
    asked = list(PEERS) if names == "all" else names.split(",")
    unknown = [name for name in asked if name not in PEERS]
    if unknown:
        message = f"{unknown[0]!r} is none of {', '.join(PEERS)}, all"
        raise argparse.ArgumentTypeError(message)
    return asked


if __name__ == "__main__":
    main()
