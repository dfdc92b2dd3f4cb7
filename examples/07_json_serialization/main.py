"""Send an object to a task and get one back; look at what stands in the database meanwhile."""

from typing import Any

from pynenc_pg import JsonSerializable

from tasks import Money, app, calculate_total


def main() -> None:
    app.migrate()
    with app, app.runner.in_background():
        price = Money(2.5, "EUR")
        print(f"Money follows the protocol: {isinstance(price, JsonSerializable)}")

        invocation = calculate_total(price, quantity=4)
        print(f"total: {invocation.result}")
        record = app.state_backend.get_invocation(invocation.invocation_id)
        print(f"the row has: {record.arguments}")

        unknown: Any = {2.5}
        try:
            calculate_total(unknown, quantity=4)
        except TypeError as error:  # at the call: nothing was written
            print(f"refused: {str(error).partition(';')[0]}")


if __name__ == "__main__":
    main()
