"""Logs as JSON: an object a line, whatever is given."""

from __future__ import annotations

import io
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from pynenc_pg.domain.arguments import ArgumentPrintMode, Arguments
from pynenc_pg.engine.logs import TaskLogger, configure_logging
from tests.unit.log_lines import ID, as_json, ours, run, theirs

pytestmark = pytest.mark.usefixtures("restored_logging")


def test_json_is_an_object_a_line() -> None:
    """All fields of ours are always there; those of ``extra`` follow under their names."""
    read = as_json()
    before = datetime.now(UTC)
    with run(retries=1):
        ours.warning("runner.dead: %s", "r1", extra={"runner_id": "r1"})
    try:
        1 / 0  # noqa: B018 - it is to fail
    except ZeroDivisionError:
        theirs.exception("Two\nlines", extra={"event": "mail.lost"}, stack_info=True)
    first, second = read()
    assert list(first) == [
        *("timestamp", "level", "logger", "event", "message"),
        *("invocation_id", "task_id", "retries", "exception", "runner_id"),
    ]
    at = datetime.fromisoformat(first.pop("timestamp"))
    assert at.utcoffset() == datetime.now(UTC).utcoffset()
    assert abs((at - before).total_seconds()) < 5
    assert first == {
        "level": "warning",
        "logger": "pynenc_pg.tests",
        "event": "runner.dead",
        "message": "runner.dead: r1",
        "invocation_id": ID,
        "task_id": "shop.tasks.add",
        "retries": 1,
        "exception": None,
        "runner_id": "r1",
    }
    assert (second["event"], second["message"]) == ("mail.lost", "Two\nlines")
    assert (second["invocation_id"], second["task_id"], second["retries"]) == (None, None, None)
    assert second["exception"].startswith("Traceback")
    assert second["exception"].endswith("ZeroDivisionError: division by zero")
    assert "test_json_is_an_object_a_line" in second["stack_info"]


def test_json_carries_whatever_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """What JSON does not know is shown somehow, and nothing takes the place of a field of ours."""

    class Hostile:
        def __str__(self) -> str:
            raise ValueError

        __repr__ = __str__

    cycle: list[object] = []
    cycle.append(cycle)
    # Not for pytest's ears: its report of half a pair could not be sent.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    read = as_json()
    extras: list[dict[str, Any]] = [
        {"odd": float("nan")},
        {"odd": [float("inf")]},
        {"odd": {(1, 2): 3}},
        {"odd": cycle},
        {"odd": Hostile()},
        {"odd": 10**5000},
        {"odd": "\ud800"},
        {"odd": datetime(2026, 1, 1, tzinfo=UTC)},
        {"level": "forged", "timestamp": "forged", "logger": "forged", "exception": "forged"},
        {"invocation_id": {1}, "event": 7},
    ]
    for extra in extras:
        theirs.info("half \ud800 a pair", extra=extra)
    said = read()
    assert len(said) == len(extras)
    assert {record["message"] for record in said} == {r"half \ud800 a pair"}
    assert {record["level"] for record in said} == {"info"}
    assert [record["odd"] for record in said[:4]] == ["nan", "[inf]", "{(1, 2): 3}", said[3]["odd"]]
    assert said[7]["odd"] == "2026-01-01T00:00:00+00:00"
    assert said[8]["extra_level"] == said[8]["extra_timestamp"] == "forged"
    assert (said[8]["logger"], said[8]["exception"]) == ("shop.mail", None)
    assert said[9]["event"] == "7"


@pytest.mark.parametrize("format", ["text", "json"])
def test_arguments_are_printed_by_their_mode(format: Any) -> None:  # noqa: A002
    """In a message or as a field, hidden arguments stay hidden."""
    stream = io.StringIO()
    configure_logging(level="debug", format=format, stream=stream)
    arguments = Arguments({"x": "unseen"}, print_mode=ArgumentPrintMode.HIDDEN)
    theirs.info("called with %s, %r", arguments, arguments, extra={"arguments": arguments})
    theirs.info("called with", extra={"nested": [arguments], "nan": float("nan")})
    assert "<arguments hidden>" in stream.getvalue()
    assert "unseen" not in stream.getvalue()


def test_an_event_is_what_a_message_of_ours_begins_with() -> None:
    """Events come from this library or from ``extra``; a user's sentence is none."""
    read = as_json()
    ours.info("runner.home_failed: it goes on")
    ours.info("sweep.failed: over")
    ours.info("Sentences. Without an event")
    theirs.info("example.org: no answer")
    with run(task_id="pynenc_pg.demo.tasks.parse"):
        TaskLogger("pynenc_pg.demo.tasks.parse").info("example.org: no answer")
    assert [record["event"] for record in read()] == [
        "runner.home_failed",
        "sweep.failed",
        None,
        None,
        None,
    ]
