"""Start a worker as a program of its own, call tasks from here, and stop it."""

import subprocess
import sys
from pathlib import Path

from tasks import add, app, sleep

# In another terminal, or on another machine: pynenc-pg --app tasks.app runner start
WORKER = [sys.executable, "-m", "pynenc_pg", "--app", "tasks.app", "runner", "start"]


def main() -> None:
    app.migrate()  # or, as a step of your deployment: pynenc-pg --app tasks.app db migrate
    worker = subprocess.Popen(WORKER, cwd=Path(__file__).parent)
    try:
        print(f"1 + 2 = {add(1, 2).result}")

        calls = sleep.parallelize([(0.1,)] * 4)  # one round trip for all of them
        processes = set(calls.results)
        print(f"four calls slept in {len(processes)} processes")
        print(f"one of them is the worker's own: {worker.pid in processes}")
    finally:
        worker.terminate()  # SIGTERM: it lets what runs finish
        worker.wait()
        app.close()
    print(f"the worker has ended with exit code {worker.returncode}")


if __name__ == "__main__":
    main()
