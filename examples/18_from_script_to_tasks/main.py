"""The script as it is now: the calls are the same, but tasks do the work, in four parts."""

from tasks import app, count_primes, describe


def main() -> None:
    app.migrate()
    with app, app.runner.in_background():  # or: pynenc-pg --app tasks.app runner start
        found = count_primes(0, 5_000)
        print(describe(found))
        print(f"the task itself is there, too: {describe.task(7).result}")


if __name__ == "__main__":
    main()
