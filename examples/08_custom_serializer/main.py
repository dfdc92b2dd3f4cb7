"""Call a task with a decimal and a date, carried by a serializer of this folder."""

from datetime import date
from decimal import Decimal

from tasks import app, invoice


def main() -> None:
    app.migrate()
    with app, app.runner.in_background():
        invocation = invoice(Decimal("19.90"), date(2030, 1, 31))
        for name, value in invocation.result.items():
            print(f"{name}: {value!r}")
        record = app.state_backend.get_invocation(invocation.invocation_id)
        print(f"the row has: {record.arguments}")


if __name__ == "__main__":
    main()
