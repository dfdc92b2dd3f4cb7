"""The tasks of the service."""

import os

from pynenc_pg import PynencBuilder

app = (
    PynencBuilder()
    .app_id("example_fastapi")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .build()
)


@app.task
def total(prices: list[int]) -> int:
    return sum(prices)
