"""Records carry the ids of what runs; text and JSON show them, whatever else they contain."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import contextvars
import io
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

import pynenc_pg
from pynenc_pg.domain.arguments import ArgumentPrintMode, Arguments
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.engine.context import Running, running
from pynenc_pg.engine.logs import IdsFilter, TaskLogger, configure_logging, ids, is_configured
from pynenc_pg.exceptions import ConfigError

PACKAGE = Path(pynenc_pg.__file__).parent
HOWTO = PACKAGE.parent / "docs" / "howto" / "logging.md"
PAGE = PACKAGE.parent / "docs" / "reference" / "log-events.md"
ID = "0197f3c2-1c5e-7a3b-8e21-5d3f9d0c6a1f"
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ +")

ours = logging.getLogger("pynenc_pg.tests")
theirs = logging.getLogger("shop.mail")


@contextmanager
def run(
    invocation_id: str = ID, task_id: str = "shop.tasks.add", retries: int = 0
) -> Iterator[None]:
    """Be an invocation for the length of a block."""
    token = running.set(Running(InvocationId(invocation_id), task_id, 0, retries, 1))
    try:
        yield
    finally:
        running.reset(token)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave logging as it was found."""
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("psycopg", "alembic"))]
    levels, handlers = [logger.level for logger in loggers], root.handlers[:]
    yield
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def text(level: str = "debug", *, colors: bool | None = None) -> io.StringIO:
    """Log as text from now on; return where it goes."""
    stream = io.StringIO()
    configure_logging(level=level, format="text", colors=colors, stream=stream)
    return stream


def as_json() -> Callable[[], list[dict[str, Any]]]:
    """Log as JSON from now on; return what reads it, and accepts nothing that is no JSON."""
    stream = io.StringIO()
    configure_logging(level="debug", format="json", stream=stream)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return lambda: [
        json.loads(line, parse_constant=refuse) for line in stream.getvalue().split("\n")[:-1]
    ]


def records(stream: io.StringIO) -> list[str]:
    """Return the lines that begin a record, without time and level; the others are indented."""
    lines = stream.getvalue().split("\n")
    assert lines.pop() == ""
    first = [line for line in lines if not line.startswith("    ")]
    assert all(LINE.match(line) for line in first), first
    return [LINE.sub("", line) for line in first]


# --- ids on records ---------------------------------------------------------------------------


def test_ids_say_what_runs_here() -> None:
    """Inside a run all three are known; outside, the task alone, if there is one."""
    assert ids() == {"invocation_id": None, "task_id": None, "retries": None}
    assert ids("shop.tasks.add")["task_id"] == "shop.tasks.add"
    with run(retries=2):
        assert ids("shop.tasks.other") == {
            "invocation_id": ID,
            "task_id": "shop.tasks.add",
            "retries": 2,
        }


def test_a_task_logger_needs_no_set_up(caplog: pytest.LogCaptureFixture) -> None:
    """Its records carry the ids with handlers that know nothing of us, and name their caller."""
    logger = TaskLogger("shop.tasks.add")
    caplog.set_level("DEBUG")
    logger.info("Adding %d + %d", 1, 2)
    with run(retries=1):
        logger.info("Adding", extra={"user": "ann"})
        try:
            1 / 0  # noqa: B018 - it is to fail
        except ZeroDivisionError:
            logger.exception("Failed")
    outside, inside, failed = (vars(record) for record in caplog.records)
    assert {record.name for record in caplog.records} == {"shop.tasks.add"}
    assert (outside["invocation_id"], outside["task_id"], outside["retries"]) == (
        None,
        "shop.tasks.add",
        None,
    )
    assert outside["message"] == "Adding 1 + 2"
    for record in (inside, failed):
        assert (record["invocation_id"], record["retries"]) == (ID, 1)
    assert inside["user"] == "ann"
    assert inside["funcName"] == "test_a_task_logger_needs_no_set_up"
    assert failed["exc_info"][0] is ZeroDivisionError


def test_the_ids_are_those_of_what_runs_not_of_whose_logger_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A task that uses the logger of another one is still the one that runs."""
    with run(task_id="shop.tasks.sleep"):
        TaskLogger("shop.tasks.add").warning("Sleeping")
    [record] = caplog.records
    assert (record.name, vars(record)["task_id"]) == ("shop.tasks.add", "shop.tasks.sleep")


def test_what_the_caller_gives_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    """A record about another invocation says so."""
    with run():
        TaskLogger("shop.tasks.add").warning("Child", extra={"invocation_id": "another"})
    assert vars(caplog.records[0])["invocation_id"] == "another"


def test_the_filter_gives_ids_to_every_logger() -> None:
    """On a handler it completes records of any logger, so that format strings may name the ids."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(IdsFilter(missing="-"))
    handler.setFormatter(logging.Formatter("%(invocation_id)s %(task_id)s %(retries)s %(message)s"))
    theirs.addHandler(handler)
    try:
        theirs.warning("outside")
        with run(retries=3):
            logging.getLogger("shop.mail.smtp").warning("inside")
            theirs.warning("about another", extra={"invocation_id": "another"})
    finally:
        theirs.removeHandler(handler)
    assert stream.getvalue().splitlines() == [
        "- - - outside",
        f"{ID} shop.tasks.add 3 inside",
        "another shop.tasks.add 3 about another",
    ]


def test_the_filter_works_before_a_queue() -> None:
    """On a queue's handler it sees the thread that logs; the thread behind keeps what it said."""
    stream = io.StringIO()
    queue: SimpleQueue[Any] = SimpleQueue()
    before, behind = QueueHandler(queue), logging.StreamHandler(stream)
    before.addFilter(IdsFilter())
    behind.addFilter(IdsFilter())
    behind.setFormatter(logging.Formatter("%(invocation_id)s %(message)s"))
    listener = QueueListener(queue, behind)
    listener.start()
    theirs.addHandler(before)
    try:
        with run():
            theirs.warning("inside")
    finally:
        theirs.removeHandler(before)
        listener.stop()
    assert stream.getvalue() == f"{ID} inside\n"


def test_threads_and_coroutines_do_not_meet() -> None:
    """Each thread, each asyncio task and each copied context logs its own ids."""
    read = as_json()
    logger = TaskLogger("shop.tasks.add")
    together = threading.Barrier(4)

    def in_thread(name: str) -> None:
        with run(name):
            for _ in range(20):
                together.wait(10)
                logger.info(name)

    async def in_coroutine(name: str) -> None:
        with run(name):
            for _ in range(20):
                await asyncio.sleep(0)
                logger.info(name)
            await asyncio.to_thread(theirs.info, name)  # copies the context

    async def both() -> None:
        await asyncio.gather(*(in_coroutine(f"coroutine-{n}") for n in range(4)))

    threads = [threading.Thread(target=in_thread, args=(f"thread-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    asyncio.run(both())
    for thread in threads:
        thread.join(20)
    with run("copied"):
        context = contextvars.copy_context()
        plain = threading.Thread(target=logger.info, args=(None,))
        plain.start()
        plain.join()
    with run("another"):
        context.run(logger.info, "copied")
    said = [record for record in read() if record["logger"] != "asyncio"]
    assert len(said) == 4 * 20 + 4 * 21 + 2
    for record in said:
        expected = None if record["message"] == "None" else record["message"]
        assert record["invocation_id"] == expected, record


# --- text -------------------------------------------------------------------------------------


def test_text_is_a_line_with_time_level_ids_event_and_message() -> None:
    """What a person needs stands on one line; other people's loggers are named."""
    stream = text()
    ours.info("runner.started: %s", "ThreadRunner@host")
    theirs.warning("no answer")
    with run(retries=2):
        TaskLogger("shop.tasks.add").info("Adding 1 + 2")
        theirs.error("no answer", extra={"event": "mail.lost"})
    with run():
        logging.getLogger("pynenc_pg.engine").info("invocation.failed: ValueError")
    assert records(stream) == [
        "runner.started: ThreadRunner@host",
        "shop.mail: no answer",
        "add[9d0c6a1f#2] Adding 1 + 2",
        "add[9d0c6a1f#2] mail.lost: no answer",
        "add[9d0c6a1f] invocation.failed: ValueError",
    ]
    assert [line.split()[2] for line in stream.getvalue().splitlines()] == [
        "INFO",
        "WARNING",
        "INFO",
        "ERROR",
        "INFO",
    ]


def test_no_value_can_forge_a_line() -> None:
    """Line breaks in messages, ids, names and exceptions never begin a record."""
    forged = "x\n2026-01-01 00:00:00.000 INFO     forged\r\x85\u2028\x1b[2J"
    stream = text()
    with run(invocation_id=forged, task_id=forged):
        ours.info("task.unknown: %s", forged)
        logging.getLogger(forged).info(forged, extra={"event": forged})
        logging.getLogger(forged).info("hello")
        try:
            raise ValueError(forged) from KeyError(forged)  # noqa: TRY301
        except ValueError:
            TaskLogger("shop.tasks.add").exception("Failed\n%s", forged, stack_info=True)
    assert len(records(stream)) == 4
    assert not re.search("[\x00-\x09\x0b-\x1f\x85\u2028]", stream.getvalue())
    assert "    ValueError: x\n    2026-01-01 00:00:00.000 INFO     forged\\r" in stream.getvalue()
    assert "    Stack (most recent call last):\n" in stream.getvalue()


def test_a_call_that_does_not_fit_is_logged_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wrong arguments of a log call cost neither the line nor the format, and are not shown."""

    class Hostile:
        def __str__(self) -> str:
            raise ValueError("secret")  # noqa: EM101

    logging.getLogger().handlers.clear()  # those of pytest refuse such a call
    stream = text()
    theirs.info("%d of %d", "secret")
    theirs.info("%s", Hostile())
    theirs.info(Hostile())
    read = as_json()
    theirs.info("%d of %d", "secret")
    theirs.info({"kind": "mapping", "message": "of fields"})
    first, second, third = records(stream)
    assert re.fullmatch(
        r"shop\.mail: '%d of %d' \(cannot be filled in, logged at test_logs\.py:\d+\)", first
    )
    assert second.startswith("shop.mail: '%s' (cannot")
    assert third.startswith("shop.mail: <")
    assert [record["message"][:12] for record in read()] == ["'%d of %d' (", "of fields"]
    assert read()[1]["kind"] == "mapping"
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A stream that people look at."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


@pytest.mark.parametrize(
    ("colors", "terminal", "environment", "colored"),
    [
        (None, True, {}, True),
        (None, False, {}, False),
        (None, True, {"TERM": "dumb"}, False),
        (None, True, {"NO_COLOR": "1"}, False),
        (None, True, {"NO_COLOR": ""}, True),
        (True, False, {}, True),
        (True, True, {"NO_COLOR": "1"}, False),
        (False, True, {}, False),
    ],
)
def test_colours_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch,
    *,
    colors: bool | None,
    terminal: bool,
    environment: dict[str, str],
    colored: bool,
) -> None:
    """On a terminal unless told otherwise; NO_COLOR is stronger than anything."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if terminal else io.StringIO()
    configure_logging(level="info", format="text", colors=colors, stream=stream)
    with run():
        ours.warning("runner.dead: %s", "r1")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert LINE.sub("", plain) == "add[9d0c6a1f] runner.dead: r1\n"
    assert (plain != stream.getvalue()) is colored
    if colored:
        assert "\x1b[33mWARNING \x1b[0m" in stream.getvalue()


# --- JSON -------------------------------------------------------------------------------------


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


# --- set-up -----------------------------------------------------------------------------------


def test_configuring_again_replaces_ours_and_leaves_others() -> None:
    """One handler of ours at any time; those of somebody else stay."""
    root = logging.getLogger()
    other = logging.NullHandler()
    root.addHandler(other)
    first, second = text("info"), text("warning")
    theirs.info("too quiet")
    theirs.warning("loud enough")
    assert first.getvalue() == ""
    assert records(second) == ["shop.mail: loud enough"]
    assert other in root.handlers


def test_a_set_up_of_the_users_own_counts() -> None:
    """Once ours is replaced, that is known, so that it is not put back."""
    logging.getLogger().handlers.clear()
    assert not is_configured()
    text()
    assert is_configured()
    logging.basicConfig(force=True, handlers=[logging.NullHandler()])
    assert not is_configured()


def test_levels_are_names_in_any_case() -> None:
    """The level holds for all loggers but those of the driver and the migrations."""
    stream = text("DEBUG")
    theirs.debug("seen")
    logging.getLogger("psycopg.pool").warning("not seen")
    logging.getLogger("alembic.runtime").info("not seen")
    logging.getLogger("psycopg.pool").error("broken")
    assert records(stream) == ["shop.mail: seen", "psycopg.pool: broken"]


@pytest.mark.parametrize("wrong", ["loud", "", "notset", "10"])
def test_a_wrong_level_is_refused(wrong: str) -> None:
    """The error names what was given and what may be."""
    with pytest.raises(ConfigError, match=f"logging_level = '{wrong}': choose debug, info"):
        configure_logging(level=wrong, format="text")


def test_a_wrong_format_is_refused() -> None:
    """So does that of a format, and nothing is set up by halves."""
    before = logging.getLogger().handlers[:]
    with pytest.raises(ConfigError, match="logging_format = 'xml': choose text or json"):
        configure_logging(level="info", format="xml")  # type: ignore[arg-type]
    assert logging.getLogger().handlers == before


def test_the_stream_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output belongs to what a command answers; a replaced stderr is followed."""
    configure_logging(level="info", format="text")
    theirs.info("hello")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("shop.mail: hello\n")
    other = io.StringIO()
    with contextlib.redirect_stderr(other):
        theirs.info("there")
    assert records(other) == ["shop.mail: there"]
    theirs.info("here")
    assert capsys.readouterr().err.endswith("shop.mail: here\n")


# --- the documents ---------------------------------------------------------------------------


def test_the_examples_of_the_guide_run(capsys: pytest.CaptureFixture[str]) -> None:
    """What the how-to page tells to write works as it stands, and does what it says."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", HOWTO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    task, event, set_up, dictionary = blocks
    assert "Adding {x} + {y}" in task  # runs in the tests of the usage guide
    exec(set_up)  # noqa: S102 - it is ours
    exec(event)  # noqa: S102
    said = json.loads(capsys.readouterr().err)
    assert (said["event"], said["message"], said["order"]) == ("order.paid", "Order 7 is paid", 7)
    exec(dictionary)  # noqa: S102
    theirs.warning("outside")
    with run():
        theirs.warning("inside")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith(" WARNING [-] outside")
    assert lines[1].endswith(f" WARNING [{ID}] inside")


# --- the list of events -----------------------------------------------------------------------

LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
NAME = re.compile(r"[a-z_*]+(\.[a-z_*]+)+(?=[:,\s]|$)")


def logged() -> Iterator[tuple[str, str]]:
    """Find what the library logs: the place, and the beginning of the message."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "noise.py":  # says what others tell it
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner, verb = ast.unparse(node.func.value).rpartition(".")[2], node.func.attr
            if (owner in {"logger", "_logger"} and verb in LEVELS) or (
                owner == "_noise" and verb == "warn"
            ):
                message = node.args[1 if verb == "log" else 0]
                place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                yield place, _constant(message)


def _constant(node: ast.expr) -> str:
    """Return the text of a message; ``*`` stands for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value).replace("%s", "*")
    assert isinstance(node, ast.JoinedStr), ast.unparse(node)
    return "".join(str(p.value) if isinstance(p, ast.Constant) else "*" for p in node.values)


def test_every_log_call_begins_with_an_event() -> None:
    """Messages are events: a stable name of words and dots, then a short sentence."""
    nameless = [f"{place}: {message}" for place, message in logged() if not NAME.match(message)]
    assert nameless == []


def test_the_page_lists_exactly_the_events_that_are_logged() -> None:
    """No event without a row, no row without an event."""
    rows = re.findall(r"^\| `([a-z_.]+)` \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == len(set(rows))
    found = {match[0] for _, message in logged() if (match := NAME.match(message))}
    patterns = [re.compile(name.replace(".", r"\.").replace("*", "[a-z_]+")) for name in found]
    assert len(found) > 20
    unknown = [row for row in rows if not any(pattern.fullmatch(row) for pattern in patterns)]
    missing = [p.pattern for p in patterns if not any(p.fullmatch(row) for row in rows)]
    assert (missing, unknown) == ([], [])
