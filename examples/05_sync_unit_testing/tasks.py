"""What is tested: one task, and one that calls it."""

from pynenc_pg import Pynenc, RetryError

app = Pynenc("example_sync")


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def total(numbers: list[int]) -> int:
    result = 0
    for number in numbers:
        result = add(result, number).result
    return result


@app.task(max_retries=2, retry_delay=60)
def fetch(page: int) -> str:
    if fetch.invocation.num_retries < 2:
        raise RetryError(f"page {page} is not there yet")
    return f"page {page}"
