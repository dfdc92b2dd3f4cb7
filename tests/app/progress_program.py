"""A program that shows the progress of a group, for tests that look at what it writes where."""

from __future__ import annotations

import sys
import threading
import time

from pynenc_pg import Pynenc

app = Pynenc("progress")


@app.task
def say(n: int, seconds: float) -> int:
    """Tell of it on standard output; fail for every tenth."""
    sys.stdout.write(f"said {n}\n")  # in one piece: other threads write, too
    time.sleep(seconds)
    if n % 10 == 9:
        raise LookupError(n)
    return n


def main(count: int, seconds: float) -> None:
    """Run so many calls in this process, and show how far they are."""
    app.conf.runner_cls = "ThreadRunner"
    worker = threading.Thread(target=app.runner.run, daemon=True)
    group = say.parallelize([(n, seconds) for n in range(count)])
    worker.start()
    group.progress()
    sys.stdout.write("all have ended\n")
    app.runner.stop_runner_loop()
    worker.join(20)
    app.close()
