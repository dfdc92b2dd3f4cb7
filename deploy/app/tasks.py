"""Tasks to try the images and manifests with: yours come in their place."""

import time

from pynenc_pg import Pynenc

app = Pynenc("shop")


@app.task
def add(x: int, y: int) -> int:
    """Be done at once."""
    return x + y


@app.task
def bake(seconds: float) -> float:
    """Take a while, so that there is something to see, and to stop."""
    time.sleep(seconds)
    return seconds
