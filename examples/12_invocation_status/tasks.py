"""Tasks that end well, that try again, that take their process along, and one that cheats."""

import os

from pynenc_pg import PynencBuilder, RetryError

app = (
    PynencBuilder()
    .app_id("example_status")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .persistent_process_runner(1)  # one process, which is used again
    .build()
)


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task(max_retries=1)
def second_time_lucky() -> str:
    if second_time_lucky.invocation.num_retries == 0:
        raise RetryError("not yet")
    return "done"


@app.task
def crash_once() -> str:
    statuses = [entry.status.value for entry in crash_once.invocation.history]
    if "running_recovery" not in statuses:
        os._exit(1)  # as a segfault would, or the kernel's memory killer
    return "survived"


@app.task
def cheat(invocation_id: str) -> None:
    """Change a status by hand, as the owner of the tables might in psql."""
    with cheat.invocation.transaction() as connection:
        connection.execute(
            "update pynenc.invocation_state set status = 'running' where invocation_id = %s",
            [invocation_id],
        )
