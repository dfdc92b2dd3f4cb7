"""Another app with a task of the same shape."""

from __future__ import annotations

from pynenc_pg import Pynenc

app = Pynenc("another")


@app.task
def add(x: int, y: int) -> int:
    """Return the sum."""
    return x + y
