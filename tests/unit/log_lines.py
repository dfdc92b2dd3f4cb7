"""What tests of logging have in common: something that runs, and what is written meanwhile."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.engine.context import Running, running
from pynenc_pg.engine.logs import configure_logging
from pynenc_pg.engine.stops import Stop

ID = "0197f3c2-1c5e-7a3b-8e21-5d3f9d0c6a1f"


LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ +")


ours = logging.getLogger("pynenc_pg.tests")


theirs = logging.getLogger("shop.mail")


@contextmanager
def run(
    invocation_id: str = ID, task_id: str = "shop.tasks.add", retries: int = 0
) -> Iterator[None]:
    """Be an invocation for the length of a block."""
    token = running.set(Running(InvocationId(invocation_id), task_id, 0, retries, 1, Stop()))
    try:
        yield
    finally:
        running.reset(token)


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
