"""Tasks of which only so many may begin in a time, or that share the workers fairly."""

from __future__ import annotations

import time

from pynenc_pg import ConcurrencyControlType, Pynenc

app = Pynenc("rated")

#: Which call began when.
began: list[tuple[str, int, float]] = []


@app.task(rate_limit="5/0.4s")
def call_out(number: int) -> int:
    """Begin five times in 0.4 s at most, all calls taken together."""
    began.append(("", number, time.monotonic()))
    return number


@app.task(
    running_concurrency=ConcurrencyControlType.KEYS,
    key_arguments="host",
    max_running=1000,
    rate_limit="3/0.5s",
)
def ask(host: str, number: int) -> int:
    """Begin three times in 0.5 s for each host."""
    began.append((host, number, time.monotonic()))
    return number


@app.task(rate_limit="1/1h", reroute_on_concurrency_control=False)
def now_or_never(number: int) -> int:
    """End unrun beyond the limit."""
    return number


@app.task(running_concurrency="keys", key_arguments="tenant", max_running=1000)
def serve(tenant: str, number: int) -> int:
    """Take its turn with other tenants."""
    began.append((tenant, number, time.monotonic()))
    time.sleep(0.005)
    return number


@app.task(priority=10)
def urgent(number: int) -> int:
    """Go first."""
    began.append(("urgent", number, time.monotonic()))
    return number


@app.task
def ordinary(number: int) -> int:
    """Come as it comes."""
    began.append(("ordinary", number, time.monotonic()))
    return number
