"""Workflows, and what they call; see ``tasks``."""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pynenc_pg import RetryError
from pynenc_pg.exceptions import PynencError
from tests.faults.bodies import diary, recorded, visited
from tests.faults.tasks import app

#: Whether this is the newer one of two deployments.
NEWER: Final = "FAULTS_NEWER" in os.environ
#: Seconds that a journey rests: so long that it goes on later.
REST: Final = 1.5


@app.task(queue="errands")
def errand(word: str, number: int) -> str:
    """Leave a row for each execution; served by those that serve its queue."""
    with recorded():
        visited(f"errand {number}", word)
    return f"{word} {number}"


def look_around(word: str) -> str:
    """Leave a row, and return something else each time."""
    visited("step", word)
    return uuid.uuid4().hex


@app.task
def journey(word: str) -> dict[str, Any]:
    """Do one of each."""
    wf = journey.wf
    with diary(word) as saw:
        saw("random", wf.random())
        saw("uuid", wf.uuid())
        saw("utc_now", wf.utc_now().isoformat())
        wf.set_data("word", word)
        saw("data", wf.get_data("word"))
        saw("step", wf.step(look_around, word))
        errands = [wf.execute_task(errand, word, number) for number in range(3)]
        saw("children", [each.invocation_id for each in errands])
        saw("errand 0", errands[0].result)
        wf.sleep(REST)
        saw("event", wf.wait_for_event("arrived", {"word": word}))
        saw("patched", wf.patched("souvenirs"))
        saw("errands", [each.result for each in errands])
        return saw.values


@app.task
async def ajourney(word: str) -> dict[str, Any]:
    """Do the same as a coroutine."""
    awf = ajourney.awf
    with diary(word) as saw:
        saw("random", await awf.random())
        saw("uuid", await awf.uuid())
        saw("utc_now", (await awf.utc_now()).isoformat())
        await awf.set_data("word", word)
        saw("data", await awf.get_data("word"))
        saw("step", await awf.step(look_around, word))
        errands = [await awf.execute_task(errand, word, number) for number in range(3)]
        saw("children", [each.invocation_id for each in errands])
        saw("errand 0", await errands[0].async_result())
        await awf.sleep(REST)
        saw("event", await awf.wait_for_event("arrived", {"word": word}))
        saw("patched", await awf.patched("souvenirs"))
        saw("errands", [await each.async_result() for each in errands])
        return saw.values


@app.task(max_retries=1)
def one_of_many(word: str) -> dict[str, Any]:
    """Do what others do at the same time, and once more."""
    wf = one_of_many.wf
    with diary(word) as saw:
        saw("random", [wf.random() for _ in range(3)])
        saw("uuid", wf.uuid())
        wf.set_data("word", word)
        errands = [wf.execute_task(errand, word, number) for number in range(2)]
        saw("data", wf.get_data("word"))
        saw("errands", [each.result for each in errands])
        saw("last", wf.random())
        if not one_of_many.invocation.num_retries:
            raise RetryError
        return saw.values


def look_when_open(word: str, gate: str) -> int:
    """Go on until this process may go on; return which it is."""
    visited("step", word)
    while not Path(f"{gate}-{os.getpid()}").exists():
        time.sleep(0.01)
    return os.getpid()


@app.task
def held(word: str, gate: str) -> dict[str, Any]:
    """Stay in a step for a while, and call a task after it."""
    wf = held.wf
    with diary(word) as saw:
        saw("random", wf.random())
        try:
            saw("step", wf.step(look_when_open, word, gate))
        except PynencError as error:
            visited(type(error).__name__, word)
            raise
        saw("errand", wf.execute_task(errand, word, 0).result)
        return saw.values


@app.task
def nap(word: str, until: str) -> dict[str, Any]:
    """Sleep until a time."""
    with diary(word) as saw:
        saw("random", nap.wf.random())
        nap.wf.sleep(until=datetime.fromisoformat(until))
        return saw.values


@app.task
def sleeper(until: str) -> float:
    """Sleep until a time, and write nothing down: there are many of these."""
    number = sleeper.wf.random()
    sleeper.wf.sleep(until=datetime.fromisoformat(until))
    return number


@app.task
def nothing(number: int) -> int:
    """Be done at once."""
    return number


@app.task
def letter(word: str) -> dict[str, Any]:
    """Wait for an event."""
    with diary(word) as saw:
        saw("random", letter.wf.random())
        saw("letter", letter.wf.wait_for_event("letter", {"word": word}))
        return saw.values


@app.task
def rest(word: str) -> dict[str, Any]:
    """Pause."""
    with diary(word) as saw:
        saw("random", rest.wf.random())
        rest.wf.pause("tired")
        saw("last", rest.wf.random())
        return saw.values


@app.task
def careless(word: str) -> dict[str, Any]:
    """Begin with something else in the newer deployment, without a word."""
    with diary(word) as saw:
        saw("first", careless.wf.uuid() if NEWER else careless.wf.random())
        careless.wf.sleep(REST)
        return saw.values


if NEWER:

    @app.task
    def careful(word: str) -> dict[str, Any]:
        """Ask before it goes the newer way: where an older run was, and where none has been."""
        wf = careful.wf
        with diary(word) as saw:
            saw("first", wf.uuid() if wf.patched("uuid first") else wf.random())
            wf.sleep(REST)
            if wf.patched("an errand"):
                saw("errand", wf.execute_task(errand, word, 0).result)
            saw("last", wf.uuid())
            return saw.values

else:

    @app.task
    def careful(word: str) -> dict[str, Any]:
        """Go the older way."""
        wf = careful.wf
        with diary(word) as saw:
            saw("first", wf.random())
            wf.sleep(REST)
            saw("last", wf.uuid())
            return saw.values
