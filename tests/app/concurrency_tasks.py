"""Tasks that may not run, or not wait, side by side. Each test says on which store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pynenc_pg import ConcurrencyControlType, Pynenc, RetryError

app = Pynenc("controlled")

#: What tasks tell: that they began, and when they began and ended.
seen: list[object] = []
spans: list[tuple[str, float, float]] = []
#: Some wait here; the others are let through.
gate = threading.Event()
passes = threading.Semaphore(0)

T = ConcurrencyControlType


@app.task(registration_concurrency=T.TASK)
def once(number: int = 0) -> int:
    """Be registered once."""
    return number


@app.task(registration_concurrency=T.ARGUMENTS)
def once_each(x: object, y: object = 1, *more: object, **named: object) -> object:
    """Be registered once for arguments."""
    return x


@app.task(registration_concurrency="keys", key_arguments=("user", "kind"))
def once_a_user(user: str, note: str = "", kind: str = "mail") -> str:
    """Be registered once for a user and a kind."""
    return f"{user} {kind} {note}"


@app.task(registration_concurrency=T.KEYS, key_arguments="user", on_diff_non_key_args_raise=True)
def once_strictly(user: str, note: object = None, depth: int = 1) -> object:
    """Be registered once for a user, with one note."""
    return note


def _hold(key: str, number: int) -> int:
    seen.append((key, number))
    assert gate.wait(30)
    return number


@app.task(running_concurrency=T.TASK)
def hold_alone(key: str, number: int) -> int:
    """Run alone."""
    return _hold(key, number)


@app.task(running_concurrency=T.ARGUMENTS)
def hold_each(key: str, number: int) -> int:
    """Run alone among equal ones."""
    return _hold(key, number)


@app.task(running_concurrency=T.KEYS, key_arguments=("key",))
def hold_by_key(key: str, number: int) -> int:
    """Run alone among those of a key."""
    return _hold(key, number)


@app.task(running_concurrency=T.KEYS, key_arguments=("key",), max_running=2)
def hold_by_key_in_pairs(key: str, number: int) -> int:
    """Be two of a key at the most."""
    return _hold(key, number)


@app.task
def hold_freely(key: str, number: int) -> int:
    """Run beside anything."""
    return _hold(key, number)


@app.task(running_concurrency=T.TASK, reroute_on_concurrency_control=False)
def run_now_or_never(number: int) -> int:
    """Not wait for others."""
    return _hold("", number)


@app.task(running_concurrency=T.TASK, max_retries=1)
def leave_the_slot(way: str) -> str:
    """End, or not, in one way or the other."""
    seen.append(way)
    first = leave_the_slot.invocation.num_retries == 0
    match way:
        case "failure":
            raise ValueError(way)
        case "retry" if first:
            raise RetryError
        case "delayed" if first:
            raise RetryError(delay=0.5)
        case "gate" | "cancelled" if first:
            assert gate.wait(30)
            if way == "cancelled":
                raise RetryError
    return way


@app.task(running_concurrency=T.KEYS, key_arguments=("key",), max_running=2)
def take_time(key: str, seconds: float) -> None:
    """Tell from when to when it ran."""
    start = time.monotonic()
    time.sleep(seconds)
    spans.append((key, start, time.monotonic()))


@app.task(running_concurrency=T.TASK)
def pass_one_by_one(number: int) -> int:
    """Wait to be let through."""
    seen.append(number)
    assert passes.acquire(timeout=30)
    return number


@app.task(running_concurrency=T.TASK, registration_concurrency=T.TASK)
def call_itself(times: int) -> int:
    """Call itself so often."""
    if times == 0:
        return 0
    child = call_itself(times - 1)
    return 1 + (child.result if call_itself.invocation != child else 0)


def twin(dsn: str) -> Pynenc:
    """Return another app of the same name and tasks: as in another process, with its own pool."""
    other = Pynenc(
        app.conf.app_id,
        config_values={"postgres": {"dsn": dsn}, "runner_cls": "ThreadRunner"},
    )
    for task in app.tasks.values():
        options = {field: getattr(task.conf, field) for field in task.conf.model_fields_set}
        decorate: Callable[..., object] = other.task(**options)
        decorate(task.func)
    return other
