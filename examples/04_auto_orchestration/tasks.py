"""A task that calls itself, and waits for the results."""

import os

from pynenc_pg import PynencBuilder

app = (
    PynencBuilder()
    .app_id("example_orchestration")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .thread_runner(2)  # two places are enough for any depth
    .build()
)


@app.task
def fibonacci(n: int) -> int:
    if n <= 1:
        return n
    left, right = fibonacci(n - 1), fibonacci(n - 2)  # both are in the queue
    return left.result + right.result  # paused until they have ended; the place is free meanwhile
