"""A key whose slots are all taken is shut to claims, and open again with the first free one."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.plain_sql import status_of
from tests.support.races import together
from tests.support.sql import (
    APP,
    RUNNER,
    Connection,
    claim,
    connect,
    crash,
    finish,
    one,
    register,
    register_runner,
    release,
    retry,
    start,
)

Held = list[tuple[str, int]]
#: As open_lanes has it; the column says the same of every lane at every commit.
WRONG = """select count(*) from pynenc.lane l where l.open <> (
    l.impatient or l.slots > (select count(*) from pynenc.slot x where x.lane = l.lane_id))"""


def is_open(c: Connection, key: str = "k") -> bool:
    """Whether claims look there."""
    return bool(one(c, "select open from lane where key = %s", (key,)))


@pytest.mark.parametrize(
    "end",
    [
        finish,
        release,
        crash,
        lambda c, held: retry(c, held, delay=60),
        lambda c, _: c.execute("select unregister_runner(%s, %s)", (APP, RUNNER)),
    ],
    ids=["finish", "release", "crash", "retry", "unregister_runner"],
)
def test_whatever_frees_a_slot_opens_it(
    c: Connection, end: Callable[[Connection, Held], object]
) -> None:
    """Shut by the claim of the last slot, whichever verb gives one back."""
    register(c, 3, lanes=["k"] * 3, slots=2)
    assert is_open(c)
    held = claim(c)
    assert len(held) == 2
    assert not is_open(c)
    start(c, held)
    end(c, held[:1])
    assert is_open(c)
    assert one(c, WRONG) == 0


def test_more_slots_open_it_and_fewer_shut_it(c: Connection) -> None:
    """The newest call says how many there are."""
    register(c, 2, lanes=["k"] * 2, slots=1)
    assert len(claim(c)) == 1
    assert not is_open(c)
    register(c, 1, lanes=["k"], slots=2)
    assert is_open(c)
    assert len(claim(c)) == 1
    register(c, 1, lanes=["k"], slots=3)
    assert is_open(c)
    register(c, 1, lanes=["k"], slots=1)
    assert not is_open(c)
    assert claim(c) == []


def test_calls_that_must_not_wait_keep_it_open(c: Connection) -> None:
    """They come after its last slot was taken, and the next claim ends them."""
    register(c, 1, lanes=["k"], slots=1)
    assert len(claim(c)) == 1
    assert not is_open(c)
    [late] = register(c, 1, lanes=["k"], slots=1, must_not_wait=True)
    assert is_open(c)
    assert claim(c) == []
    assert status_of(c, late) == "concurrency_controlled_final"
    assert is_open(c)  # for the next one


def test_under_any_search_path(c: Connection) -> None:
    """The trigger finds its tables, as the verbs do."""
    register(c, 2, lanes=["k"] * 2, slots=1)
    held = claim(c)
    c.execute("set search_path = pg_catalog")
    release(c, held)
    c.execute("set search_path = pynenc, public")
    assert is_open(c)


def test_it_says_the_truth_at_every_moment(
    c: Connection, database_dsn: str, pool: ThreadPoolExecutor
) -> None:
    """While claims, ends, retries, releases and calls that change the slots go on at once."""
    register(c, 200, lanes=[f"k{n % 7}" for n in range(200)], slots=2)

    def work(runner: str) -> int:
        chance, done = random.Random(runner), 0
        with connect(database_dsn) as own:
            register_runner(own, runner)
            while one(own, "select exists (select from invocation_state)"):
                held = claim(own, runner, chance.randint(1, 6))
                start(own, held, runner)
                for one_held in held:
                    verb = chance.choice([finish, finish, release, retry])
                    verb(own, [one_held], runner)
                    done += verb is finish
        return done

    def change() -> int:
        chance, wrong = random.Random(1), 0
        with connect(database_dsn) as own:
            for _ in range(150):
                key = f"k{chance.randrange(7)}"
                register(own, 1, lanes=[key], slots=chance.randint(1, 3))
                wrong += one(own, WRONG)
        return wrong

    wrong, *_ = together(pool, change, *[lambda r=f"w{n}": work(r) for n in range(3)])
    assert wrong == 0
    assert one(c, WRONG) == 0
    assert one(c, "select count(*) from lane") == 0
