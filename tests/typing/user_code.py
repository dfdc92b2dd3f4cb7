"""Code as users write it. Checked by type checkers, never run.

Each line that ends in `# error` must be refused, and no other.
"""

from typing import assert_type

from pynenc_pg import InvocationStatus, Pynenc, PynencBuilder, RetryError
from pynenc_pg.invocation.handle import Invocation
from pynenc_pg.task import Task

app = Pynenc("typed", config_values={"max": 1}, config_filepath="pynenc.toml")
built = PynencBuilder().app_id("x").memory().thread_runner(4).serializer_json().build()
assert_type(built, Pynenc)


@app.task
def add(x: int, y: int = 2) -> int:
    add.logger.info("adding")
    assert_type(add.invocation, Invocation[int])
    return x + y


@app.task(max_retries=3, retry_for=(ValueError,), retry_delay=lambda attempt, error: 2.0 * attempt)
def greet(name: str, *, loud: bool = False) -> str:
    if loud:
        raise RetryError("not so loud", delay=1.5)
    return f"hello {name}"


@app.task(retry_for=KeyError, queue="low", priority=-5)
def collect(*numbers: float, **named: list[str]) -> dict[str, float] | None:
    return None


async def main() -> None:
    invocation = await add.acall(1, y=3)
    assert_type(invocation, Invocation[int])
    assert_type(await invocation.async_result(), int)
    assert_type(await invocation.async_result(timeout=2), int)
    await add.acall("1")  # error


# What is known of tasks and their calls.
assert_type(add(1), Invocation[int])
assert_type(add(1, y=2).result, int)
assert_type(greet("ann", loud=True).result_or_raise(timeout=1.0), str)
assert_type(collect(1, 2.5, names=["a"]).result, dict[str, float] | None)
assert_type(add(1).status, InvocationStatus)
assert_type(add(1).num_retries, int)
assert_type(add.func(1, 2), int)
assert_type(add.get_invocation("id").result, int)
any_task: Task[..., object] = greet
covariant: Invocation[int | str] = add(1)
with app as entered:
    assert_type(entered, Pynenc)

# What must be refused.
add("1")  # error
add(1, 2, 3)  # error
add()  # error
add(z=1)  # error
greet("ann", True)  # error
greet(name=1)  # error
collect("1")  # error
collect(named="a")  # error
text: str = add(1).result  # error
add(1).nothing  # error
add.nothing  # error
PynencBuilder().memori()  # error


@app.task(max_retires=1)  # error
def misspelt() -> None: ...


@app.task(max_retries="3")  # error
def mistyped() -> None: ...


@app.task(retry_delay=lambda attempt: 2.0)  # error
def too_few() -> None: ...
