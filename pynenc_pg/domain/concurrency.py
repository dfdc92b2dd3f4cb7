"""Concurrency keys: what counts as the same work, and what stands for it in the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal


class ConcurrencyControlType(StrEnum):
    """Which invocations of a task count as the same, for registering or for running them."""

    DISABLED = "disabled"  # none
    TASK = "task"  # all of the task
    ARGUMENTS = "arguments"  # those with equal arguments
    KEYS = "keys"  # those whose ``key_arguments`` are equal


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
