"""Call a task, and let a thread of this very process execute it."""

from tasks import add, app


def main() -> None:
    app.conf.runner_cls = "ThreadRunner"
    with app, app.runner.in_background():
        invocation = add(1, 2)  # registers the call, and returns at once
        print(f"called {invocation.task_id}")
        print(f"1 + 2 = {invocation.result}")  # .result waits for the end
        print(f"it is {invocation.status} now")

        calls = [add(n, n) for n in range(5)]
        print(f"five at once: {[call.result for call in calls]}")


if __name__ == "__main__":
    main()
