"""The benchmarks run and tell sane numbers. Nothing here asserts speed."""

from __future__ import annotations

import dataclasses
import io
import math
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import cpu, peers, plots, report, workflows
from benchmarks.__main__ import main
from benchmarks.about import describe
from benchmarks.catalogue import ROWS
from benchmarks.clock import Ears, tell
from benchmarks.contenders import CONTENDERS
from benchmarks.contract import TINY, Bench, Contender, Figures
from benchmarks.measure import wait
from benchmarks.peers import PEERS, Peer
from benchmarks.rounds import MEASURES, run
from benchmarks.server import Server

#: What may be nothing of so few calls: processor time in steps of 10 ms, an idle worker's calls,
#: and rows for which there was room.
_MAY_BE_ZERO = {
    "cpu_worker",
    "cpu_server",
    "idle_cpu",
    "idle_statements",
    "disk_queued",
    "disk_finished",
    "crowd_least",
    "crowd_waiting",
}
#: A difference of two rates, which in so short a time says nothing.
_MAY_BE_LESS = {"notify_cost"}
_RATES = {
    "enqueue": {"enqueue_single", "enqueue_bulk"},
    "producers": {"enqueue_threads", "threads_gain", "producers_quiet", "producers_heard"},
    "drain": {"drain_1", "drain_2"},
    "many": {"drain_8", "drain_32", "crowd_share", "crowd_most"},
    "pick_up": {row for row in ROWS if row.startswith(("pick_up", "round_trip"))},
    "idle": set(),
    "storage": {"disk_queued"},
    "snapshot": {"held_rate", "held_claim", "held_slower", "held_recovered"},
}


def _taken() -> list[Any]:
    """Who is measured how: of the two that share their loops, one is enough for most."""
    of_peers = [measure for measure in MEASURES if measure not in ("producers", "many")]
    of_ceiling = ("enqueue", "drain", "pick_up")
    of_raw = ("enqueue", "producers", "pick_up", "storage")
    long = [("worker", measure) for measure in MEASURES] + [("raw", "drain"), ("raw", "many")]
    return [
        *(("ceiling", measure) for measure in of_ceiling),
        *(("raw", measure) for measure in of_raw),
        *(pytest.param(*pair, marks=pytest.mark.long) for pair in long),
        *((peer, measure) for peer in PEERS for measure in of_peers),
    ]


@pytest.fixture(scope="module")
def bench(server_dsn: str) -> Iterator[Bench]:
    """Run everything tiny, on the server of the tests."""
    server = Server(server_dsn)
    # The session that migrated the template goes away a moment after it was closed.
    wait(lambda: _databases_and_sessions(server) == [(server.name, 0)], "the template alone")
    yield Bench(TINY, server)
    server.close()


# What pynenc asks of jsonpickle is not ours to change.
@pytest.mark.filterwarnings("ignore:keys will default:DeprecationWarning")
@pytest.mark.parametrize(("name", "measure"), _taken())
def test_measure_tells_sane_numbers(bench: Bench, name: str, measure: str) -> None:
    """Each measure gives known rows with finite, positive numbers, and leaves nothing behind."""
    contender = _contender(name)
    if not hasattr(contender, measure):
        pytest.skip(f"{name} has no {measure}")
    before = _databases_and_sessions(bench.server)
    figures: Figures = getattr(contender, measure)(bench)
    assert _databases_and_sessions(bench.server) == before
    assert set(figures) <= set(ROWS)
    missing = _RATES[measure] - set(figures)
    assert all(row.startswith("round_trip") or row == "enqueue_bulk" for row in missing)
    assert not missing or name not in CONTENDERS
    assert all(math.isfinite(value) for value in figures.values())
    assert all(figures[row] >= 0 for row in set(figures) - _MAY_BE_LESS)
    assert all(figures[row] > 0 for row in set(figures) - _MAY_BE_LESS - _MAY_BE_ZERO)
    for row in figures:
        if row.endswith("_p50"):
            assert figures[row] <= figures[row.replace("_p50", "_p99")]


def _contender(name: str) -> Contender:
    if name in CONTENDERS:
        return CONTENDERS[name]
    found, left_out = peers.find([name])
    if left_out:
        pytest.skip(left_out[0])
    return found[0]


def test_peer_that_is_not_there_is_left_out_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task queue that is not installed, or whose server is not, costs a line and no more."""
    missing = {
        "one": Peer('"one>=1"', ("no_module_of_this_name",)),
        "other": Peer("other", ("json",), "no-program-of-this-name"),
    }
    monkeypatch.setattr(peers, "PEERS", missing)
    assert peers.find(["one", "other"]) == (
        [],
        [
            'one: not installed: pip install "one>=1"',
            "other: no no-program-of-this-name on the PATH",
        ],
    )


def test_unknown_peer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is no peer is refused before anything runs."""
    with pytest.raises(SystemExit):
        main(["--with", "pgqueuer,resque"])
    assert "'resque' is none of procrastinate" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize("name", ["ours", "dbos"])
def test_steps_of_workflows_are_measured(bench: Bench, name: str) -> None:
    """Each contender tells all of its figures, having called as many steps as it should."""
    if name == "dbos" and peers.PEERS["dbos"].missing():
        pytest.skip(str(peers.PEERS["dbos"].missing()))
    told: list[str] = []
    asked = Namespace(steps=5, at_once=2, rounds=2, peers=name if name == "dbos" else None)
    before = _databases_and_sessions(bench.server)
    workflows.rates(bench.server, asked, told.append)
    assert _databases_and_sessions(bench.server) == before
    figures = [line for line in told if f", {name}: " in line]
    assert len(figures) == (3 if name == "dbos" else 5)
    assert all(line.endswith("of 2)") for line in figures)


@pytest.mark.long
def test_sleeping_workflows_are_measured(bench: Bench) -> None:
    """Some are laid to sleep, calls are drained beside them, and others wake, not too early."""
    told: list[str] = []
    asked = Namespace(asleep=5, calls=20, drains=1, wake=3)
    workflows.sleep(bench.server, asked, told.append)
    assert [line.partition(":")[0].partition(" in ")[0] for line in told] == [
        "5 laid to sleep",
        "drain, none asleep",
        "drain, many asleep",
        "drain, ratio within a round",
        "wake-up",
    ]
    assert "p50 -" not in told[-1]


def test_started_task_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is heard under its own number, in whatever order one asks."""
    ears = Ears()
    for name, value in ears.environment.items():
        monkeypatch.setenv(name, value)
    first, second = ears.number(), ears.number()
    tell(first)
    tell(second)
    assert ears.began(first) <= ears.began(second)
    ears.close()


def test_rounds_interleave() -> None:
    """Contenders alternate within a measure, and begin in turns."""
    told: list[str] = []
    one, other = _Fake("one", 1.0), _Fake("other", 2.0)
    bench = Bench(dataclasses.replace(TINY, rounds=2), server=None)  # type: ignore[arg-type]
    rounds = run(bench, [one, other], ["enqueue", "drain"], told.append)
    assert [line.rpartition(": ")[2] for line in told] == [
        "one, enqueue",
        "other, enqueue",
        "one, drain",
        "other, drain",
        "other, enqueue",
        "one, enqueue",
        "other, drain",
        "one, drain",
    ]
    assert rounds[0]["other"] == {"enqueue_single": 2.0, "drain_1": 2.0}


def test_peer_that_fails_is_forgiven_and_told() -> None:
    """What another task queue fails at is missing and said; an error of ours ends the run."""
    bench = Bench(TINY, server=None)  # type: ignore[arg-type]
    broken, whole = _Broken("broken", 0.0), _Fake("whole", 1.0)
    told: list[str] = []
    rounds = run(bench, [broken, whole], ["enqueue", "drain"], lambda _: None, told.append)
    assert rounds == [
        {"broken": {"drain_1": 0.0}, "whole": {"enqueue_single": 1.0, "drain_1": 1.0}}
    ]
    assert told == ["round 1 of 1: broken, enqueue: OSError('gone')"]
    with pytest.raises(OSError, match="gone"):
        run(bench, [broken], ["enqueue"], lambda _: None)
    with pytest.raises(OSError, match="gone"):
        run(bench, [_Broken("worker", 0.0)], ["enqueue"], lambda _: None, told.append)


def test_ratio_is_the_median_of_the_rounds_ratios() -> None:
    """Only ratios within a round count, since the machine is another one in the next."""
    rounds = [
        {"ceiling": {"drain_1": base}, "worker": {"drain_1": found}, "peer": {"drain_1": 20.0}}
        for base, found in [(100.0, 50.0), (200.0, 120.0), (1000.0, 100.0)]
    ]
    rounds.append({"ceiling": {"drain_1": 1.0}, "worker": {}, "peer": {"drain_1": 1.0}})
    row = report.summarise(rounds, {})["rows"]["drain_1"]
    ratio = row["ceiling"]["ratio"]
    assert (ratio["median"], ratio["min"], ratio["max"]) == pytest.approx((0.5, 0.1, 0.6))
    assert row["peer"]["ratio"]["median"] == pytest.approx(5)
    assert "ratio" not in row["worker"]
    assert row["ceiling"]["samples"] == [100.0, 200.0, 1000.0, 1.0]


def test_report_goes_to_file_terminal_and_page(bench: Bench, tmp_path: Path) -> None:
    """The tables land between the markers, again and again, and the rest of the page stays."""
    about = describe(bench.server, TINY, tmp_path) | {"left_out": ["peer: not installed"]}
    found = report.summarise(
        [{"ceiling": {"drain_1": 1234.0}, "worker": {"drain_1": 617.0}}], about
    )
    report.save(found, tmp_path / "results" / "latest.json")
    found = report.load(tmp_path / "results" / "latest.json")
    page = tmp_path / "page.md"
    page.write_text(f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n")
    report.write_page(found, page)
    first = page.read_text()
    report.write_page(found, page)
    assert page.read_text() == first
    assert first.startswith("above\n")
    assert first.endswith("below\n")
    assert "old" not in first
    assert "](" not in first
    assert "| drain, 1 process, /s | 1,234 | 617 |" in first
    assert "| drain, 1 process | more | 0.5 |" in first
    assert "- left out, peer: not installed" in first
    report.write_page(found, page, plot="performance.svg")
    assert "](performance.svg)" in page.read_text()
    console = Console(width=200, file=io.StringIO())
    with console.capture() as said:
        console.print(report.tables(found))
    assert "617" in said.get()


def test_peers_have_a_table_of_their_own_and_all_have_a_ratio(bench: Bench, tmp_path: Path) -> None:
    """Ours are told with their spread, others beside the worker by medians, ratios with spread."""
    one = {"raw": {"drain_1": 400.0, "drain_8": 7.0}, "worker": {"drain_1": 200.0, "drain_8": 5.0}}
    two = {"raw": {"drain_1": 500.0, "drain_8": 7.0}, "worker": {"drain_1": 200.0, "drain_8": 5.0}}
    rounds = [{**one, "huey": {"drain_1": 20.0}}, {**two, "huey": {"drain_1": 10.0}}]
    about = describe(bench.server, TINY, tmp_path) | {"not_measured": ["idle"]}
    text = report.markdown(report.summarise(rounds, about))
    assert "| drain, 1 process, /s | 450 (400 - 500) | 200 (200 - 200) |" in text
    assert "| drain, 1 process, /s | 200 | 15.0 |" in text
    assert "| drain, 8 processes, /s | 7 (7 - 7) | 5 (5 - 5) |" in text
    assert text.count("drain, 8 processes, /s") == 1
    assert "| drain, 1 process | more | 0.45 (0.4 - 0.5) | 15.0 (10.0 - 20.0) |" in text
    assert "- not measured in this run: idle" in text


def test_share_is_not_compared() -> None:
    """What is a ratio of two figures itself, and may be below nothing, is no denominator."""
    rounds = [{"raw": {"notify_cost": -1.0}, "worker": {"notify_cost": 3.0}}]
    row = report.summarise(rounds, {})["rows"]["notify_cost"]
    assert row["worker"]["median"] == 3
    assert "ratio" not in row["raw"]


def test_plots_are_the_same_bytes_for_the_same_figures(bench: Bench, tmp_path: Path) -> None:
    """Both files are drawn, with every contender, whatever is missing, and without a date."""
    pytest.importorskip("matplotlib")
    rounds = [
        {"worker": {"drain_1": 200.0, "pick_up_p50": 2.0}, "huey": {"drain_1": 20.0}},
        {"worker": {"drain_1": 300.0, "pick_up_p50": 3.0}, "huey": {}},
    ]
    found = report.summarise(rounds, describe(bench.server, TINY, tmp_path))
    first, second = (plots.draw(found, tmp_path / name) for name in ("one", "other"))
    assert [path.name for path in first] == ["performance.svg", "performance.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    drawn = first[0].read_text()
    assert "huey" in drawn
    assert found["about"]["date"] not in drawn


def test_without_matplotlib_the_page_is_written_and_the_plot_is_told_of(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It need not be installed: what is missing is said, with what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    (tmp_path / "page.md").write_text(f"{report.BEGIN}\n{report.END}\n")
    about = describe(bench.server, TINY, tmp_path)
    report.save(report.summarise([{"worker": {"drain_1": 1.0}}], about), tmp_path / "run.json")
    main(["--no-run", "--write-docs", "--json", str(tmp_path / "run.json")])
    assert "drain, 1 process" in (tmp_path / "page.md").read_text()
    assert "pip install" in capsys.readouterr().out
    assert [path.name for path in tmp_path.glob("performance.*")] == []


def test_page_without_markers_is_refused(tmp_path: Path) -> None:
    """A page that has lost its markers is not overwritten."""
    page = tmp_path / "page.md"
    page.write_text("prose\n")
    with pytest.raises(ValueError, match="markers"):
        report.write_page({"about": {}, "contenders": ["ceiling"], "rows": {}}, page)


def test_page_of_the_project_has_its_markers() -> None:
    """The page in docs can be written."""
    text = report.PAGE.read_text(encoding="utf-8")
    assert text.count(report.BEGIN) == text.count(report.END) == 1


def test_no_process_no_answer() -> None:
    """Where a process cannot be seen, nothing is told instead of a zero."""
    assert cpu.of_process(2**30) is None
    assert cpu.of_tree(2**30) is None
    assert cpu.of_tree(None) is None
    assert cpu.parent(2**30) is None


def _databases_and_sessions(server: Server) -> list[tuple[str, int]]:
    # Of clients: autovacuum comes and goes as it likes.
    query = """select d.datname, count(a.pid) from pg_database d
        left join pg_stat_activity a on a.datname = d.datname and a.backend_type = 'client backend'
        where starts_with(d.datname, %s) group by d.datname order by d.datname"""
    return server.admin.execute(query, (server.name,)).fetchall()


class _Fake:
    """A contender that does nothing."""

    def __init__(self, name: str, value: float) -> None:
        self.NAME = name
        self._value = value

    def about(self) -> str:
        return self.NAME

    def enqueue(self, bench: Bench) -> Figures:
        return {"enqueue_single": self._value}

    def drain(self, bench: Bench) -> Figures:
        return {"drain_1": self._value}

    def pick_up(self, bench: Bench) -> Figures:
        return {}

    def idle(self, bench: Bench) -> Figures:
        return {}


class _Broken(_Fake):
    """A contender whose server has gone away."""

    def enqueue(self, bench: Bench) -> Figures:
        message = "gone"
        raise OSError(message)
