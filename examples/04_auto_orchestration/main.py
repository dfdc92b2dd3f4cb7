"""Compute Fibonacci numbers with tasks that wait for tasks."""

from pynenc_pg import InvocationStatus

from tasks import app, fibonacci


def main() -> None:
    app.migrate()
    with app, app.runner.in_background():
        print([fibonacci(n).result for n in range(6)])
        invocation = fibonacci(6)
        print(f"fibonacci(6) = {invocation.result}")

        statuses = [entry.status for entry in invocation.history]
        print(f"began as {statuses[0]}, ended as {statuses[-1]}")
        print(f"it was paused on the way: {InvocationStatus.PAUSED in statuses}")


if __name__ == "__main__":
    main()
