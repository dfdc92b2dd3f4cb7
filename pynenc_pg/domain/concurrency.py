"""Concurrency keys: what counts as the same work, and what stands for it in the store."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal


class ConcurrencyControlType(StrEnum):
    """Which invocations of a task count as the same, for registering or for running them."""

    DISABLED = "disabled"  #: none: no limit, and no cost
    TASK = "task"  #: all of the task
    ARGUMENTS = "arguments"  #: those with equal arguments
    KEYS = "keys"  #: those whose ``key_arguments`` are equal


#: Slots of a key that has a rate limit alone.
UNLIMITED: Final = 1_000_000_000
_MOST: Final = 1_000_000
_SHORTEST: Final = 0.05
_LONGEST: Final = 31 * 86_400.0
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LIMIT: Final = re.compile(r"\s*(\d+)\s*/\s*(\d+(?:\.\d+)?)?\s*([smhd])\s*")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``count`` begin in any ``period`` seconds, whenever these are counted from."""

    count: int  #: 1 to 1,000,000
    period: float  #: seconds, 0.05 to 31 days

    @classmethod
    def parse(cls, text: str) -> RateLimit:
        """Read ``COUNT/PERIOD``, where a period is ``s``, ``m``, ``h`` or ``d``, or some of these.

        >>> RateLimit.parse("100/m"), RateLimit.parse("1/0.5s")
        (RateLimit(count=100, period=60.0), RateLimit(count=1, period=0.5))

        Raises:
            ValueError: it is nothing of the kind, or a limit that cannot be kept.
        """
        found = _LIMIT.fullmatch(text)
        if found is None:
            message = "must be COUNT/PERIOD, as '100/m', '5/10s' or '1/0.5h' (s, m, h or d)"
            raise ValueError(message)
        limit = cls(int(found[1]), float(found[2] or 1) * _UNITS[found[3]])
        if not 1 <= limit.count <= _MOST:
            message = f"must allow 1 to {_MOST:,} in a period, not {limit.count:,}"
            raise ValueError(message)
        if not _SHORTEST <= limit.period <= _LONGEST:
            message = f"must have a period of {_SHORTEST:g} s to {_LONGEST / _UNITS['d']:g} d"
            raise ValueError(message)
        return limit

    def __str__(self) -> str:
        """Return it as it is written.

        >>> str(RateLimit(100, 60.0)), str(RateLimit(5, 90.0))
        ('100/m', '5/90s')
        """
        for unit, seconds in _UNITS.items():
            if self.period == seconds:
                return f"{self.count}/{unit}"
        return f"{self.count}/{self.period:g}s"


#: What a key is for. A registration key and a running key never meet.
Purpose = Literal["registration", "running"]


def concurrency_key(
    purpose: Purpose, task_id: str, scope: ConcurrencyControlType, arguments: Mapping[str, str]
) -> str:
    """Return the key that invocations of one scope share: 32 hexadecimal digits.

    ``arguments`` are those that count, each as a text that is equal for equal values. None of them
    can be read from the key, but a value of which there are few can be found by trying.

    >>> concurrency_key("running", "shop.tasks.pay", ConcurrencyControlType.TASK, {})
    '88a6b97bdb6371b34e67d8ac2beeccb2'
    """
    return digest([purpose, task_id, scope, *arguments.items()])


def digest(parts: object) -> str:
    """Return the digest of what JSON can hold: 128 bits, so that no two parts share one."""
    # Not joined: JSON keeps "a" + "bc" apart from "ab" + "c".
    text = json.dumps(parts, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
