"""The same functions. Those that shall run elsewhere got a line above them."""

import os
from typing import Any

from pynenc_pg import PynencBuilder

app = (
    PynencBuilder()
    .app_id("example_script")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .build()
)


def is_prime(number: int) -> bool:
    return number > 1 and all(number % n for n in range(2, int(number**0.5) + 1))


def in_four(arguments: dict[str, Any]) -> list[tuple[int, int]]:
    """Make four calls of one: of its arguments, those of the parts."""
    first, last = arguments["first"], arguments["last"]
    step = (last - first + 3) // 4
    return [(start, min(start + step, last)) for start in range(first, last, step)]


# A call waits and returns the result, as that of any function: nothing changes for the callers.
@app.direct_task(parallel_func=in_four, aggregate_func=sum)
def count_primes(first: int, last: int) -> int:
    return sum(map(is_prime, range(first, last)))


@app.direct_task
def describe(count: int) -> str:
    return f"{count} primes below 5,000"
