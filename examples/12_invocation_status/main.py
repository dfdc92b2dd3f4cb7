"""Follow invocations from status to status, and try to change one by hand."""

from typing import Any

import psycopg
from pynenc_pg import InvocationStatus
from pynenc_pg.invocation.handle import Invocation

from tasks import add, app, cheat, crash_once, second_time_lucky


def show(invocation: Invocation[Any]) -> None:
    print(f"{invocation.task_id} = {invocation.result!r}")
    for entry in invocation.history:
        owner = "owned by a runner" if entry.status.is_owned() else ""
        print(f"  {entry.status:<17} {owner}".rstrip())


def main() -> None:
    app.migrate()
    with app, app.runner.in_background():
        show(add(1, 2))
        show(second_time_lucky())
        show(crash_once())  # its process dies, and another one is given the work

        later = add.options(delay=3600)(3, 4)
        print(f"{later.status}: may be claimed is {later.status.is_available_for_run()}")
        try:
            cheat(later.invocation_id).result
        except psycopg.Error as error:
            print(f"typed by hand: {str(error).splitlines()[0].partition(': ')[2]}")
        later.cancel()
        print(f"cancelled: {later.status}, final is {later.status.is_final()}")
        print(f"final are {', '.join(sorted(InvocationStatus.get_final_statuses()))}")


if __name__ == "__main__":
    main()
