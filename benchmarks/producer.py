"""``python -m benchmarks.producer COUNT``: calls the task that does nothing, when it is told to."""

from __future__ import annotations

import sys

from benchmarks import tasks
from benchmarks.children import work_when_told

if __name__ == "__main__":
    tasks.nothing()
    work_when_told(lambda: [tasks.nothing() for _ in range(int(sys.argv[1]))])
    tasks.app.close()
