"""Tasks that a runner in the test's own process executes. Each test says on which store."""

from __future__ import annotations

import threading
from typing import NoReturn

from pynenc_pg import Pynenc, RetryError

app = Pynenc("in-process")

#: What tasks were told, and a gate that some of them wait at.
seen: list[object] = []
gate = threading.Event()


class Refused(Exception):  # noqa: N818 - as a user names things
    """An error of the user's own, with two arguments."""

    def __init__(self, code: int, why: str) -> None:
        """Keep both."""
        super().__init__(code, why)
        self.code = code


class Awkward(Exception):  # noqa: N818 - as a user names things
    """An error whose constructor takes something else than its args."""

    def __init__(self, *, code: int) -> None:
        """Say it in a sentence."""
        super().__init__(f"the code was {code}")


@app.task
def add(x: int, y: int = 10) -> int:
    """Return the sum."""
    return x + y


@app.task
def anything(*args: object, last: object = None, **kwargs: object) -> list[object]:
    """Return what came in."""
    return [list(args), last, kwargs]


@app.task
def positional(a: int, /, b: int, *, c: int) -> list[int]:
    """Return all three."""
    return [a, b, c]


@app.task
def refuse(code: int) -> NoReturn:
    """Raise the user's own error."""
    raise Refused(code, "no")


@app.task
async def refuse_later(code: int) -> NoReturn:
    """Raise it from a coroutine."""
    raise Refused(code, "no")


@app.task
def be_awkward() -> NoReturn:
    """Raise an error that cannot be built from its args."""
    raise Awkward(code=7)


@app.task
def be_hidden() -> NoReturn:
    """Raise an error of a class that nobody finds."""

    class Hidden(Exception):  # noqa: N818
        pass

    message = "nobody can import this"
    raise Hidden(message)


@app.task
def leave() -> NoReturn:
    """Ask the interpreter to end."""
    raise SystemExit(3)


@app.task(max_retries=2)
def try_hard(succeed_at: int) -> int:
    """Ask to be tried again until the given attempt; return how many retries it took."""
    retries = try_hard.invocation.num_retries
    seen.append(retries)
    if retries < succeed_at:
        message = f"attempt {retries}"
        raise RetryError(message)
    return retries


@app.task(max_retries=1)
def tell_fence() -> None:
    """Tell the number of this claim, twice."""
    seen.append(tell_fence.invocation.fence)
    if tell_fence.invocation.num_retries == 0:
        raise RetryError


@app.task(max_retries=1, retry_for=(KeyError,))
def try_for_key_errors(kind: str) -> None:
    """Raise one error or the other."""
    seen.append(kind)
    raise KeyError(kind) if kind == "key" else ValueError(kind)


@app.task
def wait_at_the_gate(number: int) -> int:
    """Tell that it began, and wait."""
    seen.append(number)
    assert gate.wait(30)
    return number


@app.task
def call_another() -> str:
    """Call a task from within a task; return the child's id."""
    return add(1).invocation_id


@app.task
def unreadable() -> object:
    """Return what nobody can carry."""
    return (number for number in range(3))


@app.task(queue="side", priority=5)
def on_the_side() -> str:
    """Stand in a queue of its own."""
    return "side"


@app.task(max_retries=3, retry_delay=0.2, retry_backoff=1.0, retry_jitter=False, retry_for=KeyError)
def fail_slowly(attempts: int) -> int:
    """Fail so often, then return how many retries it took."""
    retries = fail_slowly.invocation.num_retries
    if retries < attempts:
        message = f"attempt {retries}"
        raise KeyError(message)
    return retries


def double(attempt: int, error: BaseException) -> float:
    """Tell what it was asked, and decide on no delay."""
    seen.append((attempt, type(error)))
    return 0.0


@app.task(max_retries=2, retry_delay=double)
def ask_for_delay() -> None:
    """Never succeed."""
    raise RetryError


@app.task(max_retries=2, retry_delay=lambda attempt, error: error)  # type: ignore[arg-type, return-value]
def ask_in_vain() -> None:
    """Have a callable that does not return seconds."""
    raise RetryError


@app.task(max_retries=1)
def fail_always() -> NoReturn:
    """Ask to be tried again, whichever attempt it is."""
    raise RetryError


@app.task(max_retries=1)
def come_back_later(delay: float) -> str:
    """Say for itself when to try again."""
    if come_back_later.invocation.num_retries == 0:
        raise RetryError(delay=delay)
    return "done"


@app.task
def add_by_children(numbers: list[int]) -> int:
    """Wait for one child after the other."""
    return sum(add(number, 0).result for number in numbers)


@app.task
def tell_thread(number: int) -> int:
    """Return which thread executes it."""
    return threading.get_ident()


@app.task
def again_and_again() -> None:
    """Call itself."""
    again_and_again()


@app.task
def echo(value: object) -> object:
    """Return what came in, by the app's serializer (jsonpickle)."""
    return value


@app.task(serializer_cls="JsonSerializer")
def echo_json(value: object) -> object:
    """Return what came in, as strict JSON."""
    return value


@app.task(serializer_cls="PickleSerializer")
def echo_pickle(value: object) -> object:
    """Return what came in, by pickle."""
    return value


@app.task
def complain(message: str) -> None:
    """Raise an error that says it."""
    raise Refused(1, message)
