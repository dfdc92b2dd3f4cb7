"""Place an order that goes well, and one that does not."""

from tasks import NotDeliverableError, app, place_order


def main() -> None:
    app.migrate()
    with app, app.runner.in_background():
        print("to Norway:")
        print(f"done: {place_order(1, 'kettle', 39, 'norway').result}")

        print("to Atlantis:")
        invocation = place_order(2, "kettle", 39, "atlantis")
        try:
            invocation.result
        except NotDeliverableError as error:  # the task's own exception
            print(f"undone, because {error}")
        print(f"the order is {invocation.status}")


if __name__ == "__main__":
    main()
