"""What is tested. In production the environment names a database; the tests do without."""

from pynenc_pg import Pynenc, RetryError

app = Pynenc("example_mem")


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task(max_retries=1, retry_delay=3600, retry_jitter=False)
def fetch(page: int) -> str:
    if fetch.invocation.num_retries == 0:
        raise RetryError(f"page {page} is not there yet")
    return f"page {page}"
