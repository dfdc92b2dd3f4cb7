"""The page that lists the faults tells the truth about its tests."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/explanation/faults.md"
#: What is built by now; the rest of the catalogue belongs to what is to come.
WANTED = {*range(1, 21), *range(22, 25), *range(26, 31), 32, *range(34, 41), *range(50, 54)}


def test_every_fault_has_tests_that_exist() -> None:
    """Each row of the table names tests, and there is one of that name in a file of tests."""
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    rows = re.findall(r"^\| (F\d\d|all) \|.*\| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    named = {fault: re.findall(r"`(test_\w+)`", tests) for fault, tests in rows}
    assert {int(fault[1:]) for fault in named if fault != "all"} == WANTED
    assert [fault for fault, tests in named.items() if not tests] == []
    assert {test for tests in named.values() for test in tests} - there == set()


def test_every_test_of_a_fault_is_listed() -> None:
    """Tests that came with the catalogue are named on its page, so that it stays whole."""
    listed = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    files = (
        "blocked_worker",
        "deploys",
        "failover",
        "flapping",
        "full_disks",
        "heartbeats",
        "hints",
        "locks",
        "many_workflows",
        "network",
        "streams",
        "sync_commit",
        "timeouts",
        "triggers",
        "workflows",
    )
    for name in files:
        text = (ROOT / f"tests/faults/test_{name}.py").read_text()
        assert set(re.findall(r"^def (test_\w+)", text, re.MULTILINE)) - listed == set(), name
