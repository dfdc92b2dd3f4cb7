"""The task of the guide's use case 4, as it stands there."""

from pynenc_pg import Pynenc

app = Pynenc()


@app.task
def fibonacci(n: int) -> int:
    """Return the n-th Fibonacci number."""
    fibonacci.logger.info(f"Calculating fibonacci({n})")
    if n <= 1:
        return n
    else:  # noqa: RET505 - as in the guide
        return fibonacci(n - 1).result + fibonacci(n - 2).result
