"""Call each task three times, and look what becomes of the calls."""

from itertools import pairwise

from tasks import Slept, app, own_id, shared_id, sleep_alone, sleep_beside_others


def overlap(naps: list[Slept]) -> bool:
    return any(later.start < earlier.end for earlier, later in pairwise(sorted(naps)))


def main() -> None:
    app.migrate()
    with app:
        free = [own_id() for _ in range(3)]  # nobody runs them yet
        once = [shared_id() for _ in range(3)]
        print("three calls, before any of them has begun:")
        print(f"  registration DISABLED: {len(set(free))} invocations")
        print(f"  registration TASK:     {len(set(once))} invocation")

        with app.runner.in_background():
            print(f"  it ran once for all three: {len({call.result for call in once})} result")

            naps = [sleep_beside_others(0.2) for _ in range(3)]
            print("three that sleep:")
            print(f"  running DISABLED: overlap is {overlap([nap.result for nap in naps])}")
            naps = [sleep_alone(0.05) for _ in range(3)]
            print(f"  running TASK:     overlap is {overlap([nap.result for nap in naps])}")


if __name__ == "__main__":
    main()
