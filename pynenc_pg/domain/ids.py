"""Ids: UUIDv7 for invocations, readable text for runners and listeners."""

from __future__ import annotations

import os
import socket
from typing import NewType
from uuid import UUID

import uuid_utils

InvocationId = NewType("InvocationId", str)  # a UUIDv7 in its canonical text form
RunnerId = NewType("RunnerId", str)  # any text


def new_invocation_id(clock_offset: float = 0.0) -> InvocationId:
    """Make an id whose time part is this machine's clock plus ``clock_offset`` seconds.

    The offset to the database's clock is measured at connect, so that ids fall into the
    partition the database expects even where this machine's clock is wrong.
    """
    made = uuid_utils.uuid7()
    if not clock_offset:
        return InvocationId(str(made))
    # Shifted, not made of another time: so they, too, grow from one to the next.
    return InvocationId(str(UUID(int=made.int + (round(clock_offset * 1000) << 80))))


def new_runner_id(kind: str) -> RunnerId:
    """Make a runner id that says where it runs: ``ThreadRunner@host:pid:xxxxxxxx``."""
    return RunnerId(f"{kind}@{socket.gethostname()}:{os.getpid()}:{uuid_utils.uuid4().hex[:8]}")


def id_time(invocation_id: InvocationId) -> float:
    """Return when an id was made, by the clock of whoever made it: seconds since 1970."""
    return int(invocation_id.replace("-", "")[:12], 16) / 1000
