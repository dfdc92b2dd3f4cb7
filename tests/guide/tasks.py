"""The tasks of the guide's use cases 1, 5 and 6, as they stand there."""

from pynenc_pg import Pynenc

app = Pynenc()


@app.task
def add(x: int, y: int) -> int:
    """Return the sum."""
    add.logger.info(f"{add.task_id=} Adding {x} + {y}")
    return x + y
