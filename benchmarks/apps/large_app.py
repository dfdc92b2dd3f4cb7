"""Tasks with a large value."""

from __future__ import annotations

import base64
import hashlib

from pynenc_pg import Pynenc

app = Pynenc("large", config_values={"client_data_store": {"warn_threshold": 0}})


def text(size: int) -> str:
    """Return so many characters, which compress as those of an array of numbers do."""
    return base64.b64encode(hashlib.shake_128(b"large").digest(size * 3 // 4)).decode()


@app.task
def measure(data: str, number: int = 0) -> int:
    """Return a number that says that all of it is here."""
    return len(data) + number


@app.task
def make(size: int) -> str:
    """Return a text of that size."""
    return text(size)
