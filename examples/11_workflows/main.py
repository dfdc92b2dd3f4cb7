"""Run a workflow whose first attempt fails, and look at what was written down."""

from tasks import app, process_order_workflow


def main() -> None:
    app.migrate()
    with app, app.runner.in_background():
        invocation = process_order_workflow("A7")
        result = invocation.result
        print(f"order {result['order_id']}: {result['payment_status']}")
        print(f"it took {len(invocation.attempts)} attempts")

        run = app.get_workflow(invocation.invocation_id)
        for step in run.steps():
            print(f"  step {step.path}: {step.kind.value}")
        first_number = f"TRK-A7-{int(run.steps()[0].value * 100000):05d}"
        print(f"same number at both attempts: {result['tracking_number'] == first_number}")
        print(f"data of the workflow: {sorted(run.data())}")

        audit = result["audit"]
        print(
            f"the audit is a workflow of its own: {audit['workflow_id'] != result['workflow_id']}"
        )
        print(f"and knows where it comes from: {audit['parent'] == result['workflow_id']}")


if __name__ == "__main__":
    main()
