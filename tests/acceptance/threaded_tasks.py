"""An app whose import starts a thread, as some libraries do."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from pynenc_pg import Pynenc

app = Pynenc("threaded")
_questions: SimpleQueue[tuple[int, SimpleQueue[int]]] = SimpleQueue()


def _answer() -> None:
    while True:
        number, answers = _questions.get()
        answers.put(number + 1)


threading.Thread(target=_answer, daemon=True).start()


@app.task
def ask_thread(number: int) -> int:
    """Ask the thread, which is not there after a fork."""
    answers: SimpleQueue[int] = SimpleQueue()
    _questions.put((number, answers))
    return answers.get(timeout=10)
