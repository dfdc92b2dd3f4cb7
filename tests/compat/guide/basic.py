import time

from pynenc import Pynenc

app = Pynenc()


@app.task
def add(x: int, y: int) -> int:
    add.logger.info(f"{add.task_id=} {x} + {y}")
    return x + y


@app.task
def sleep(x: int) -> int:
    time.sleep(x)
    return x
