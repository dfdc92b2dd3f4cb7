from pynenc import Pynenc

app = Pynenc()


@app.task
def fibonacci(n: int) -> int:
    if n < 2:
        return n
    return fibonacci(n - 1).result + fibonacci(n - 2).result
