"""The app and its task. Tasks live in a module of their own, never in the script that you start."""

from pynenc_pg import Pynenc

app = Pynenc("example_basic")  # nothing is configured: everything stays in memory


@app.task
def add(x: int, y: int) -> int:
    add.logger.info("adding %d + %d", x, y)  # the line carries the id of the invocation
    return x + y
