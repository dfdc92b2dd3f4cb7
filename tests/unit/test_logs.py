"""Records carry the ids of what runs; text and JSON show them, whatever else they contain."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
import logging
import re
import threading
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue
from typing import Any

import pytest

from pynenc_pg.engine.logs import IdsFilter, TaskLogger, configure_logging, ids, is_configured
from pynenc_pg.exceptions import ConfigError
from tests.unit.log_lines import ID, LINE, as_json, ours, records, run, text, theirs

pytestmark = pytest.mark.usefixtures("restored_logging")

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
