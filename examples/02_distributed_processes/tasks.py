"""The tasks. The worker process imports this module, and so does the script that calls."""

import os
import time
from pathlib import Path

from pynenc_pg import Pynenc

# Without a path, Pynenc() reads the pyproject.toml of the folder in which a program is started.
app = Pynenc(config_filepath=Path(__file__).with_name("pyproject.toml"))


@app.task
def add(x: int, y: int) -> int:
    add.logger.info("adding %d + %d", x, y)
    return x + y


@app.task
def sleep(seconds: float) -> int:
    """Sleep, and tell the number of the process that did it."""
    time.sleep(seconds)
    return os.getpid()
