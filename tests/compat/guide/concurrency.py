from pynenc import ConcurrencyControlType, Pynenc

app = Pynenc()


@app.task(registration_concurrency=ConcurrencyControlType.TASK)
def own_id() -> str:
    return own_id.invocation.invocation_id


@app.task(running_concurrency=ConcurrencyControlType.TASK)
def one_at_a_time(seconds: float) -> float:
    return seconds


@app.task(running_concurrency=ConcurrencyControlType.DISABLED)
def as_many_as_there_are(seconds: float) -> float:
    return seconds
