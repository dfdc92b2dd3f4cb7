"""Runs scripts as ``python script`` does, in forks of an interpreter that has imported the package.

Importing takes longer than most examples. Reads an order in JSON a line, and answers each with the
exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
from typing import Any

#: What the examples import, and what an app imports at its first use. No thread runs after that.
MODULES = (
    "pynenc_pg.testing",
    "pynenc_pg.postgres.client_data_store",
    "pynenc_pg.postgres.database",
    "pynenc_pg.postgres.embedded",
    "pynenc_pg.postgres.listener",
    "pynenc_pg.postgres.migration",
    "pynenc_pg.postgres.orchestrator",
    "pynenc_pg.postgres.own_transaction",
    "pynenc_pg.postgres.state_backend",
    "pynenc_pg.postgres.trigger",
    "pynenc_pg.postgres.workflows",
)


def main() -> None:
    """Serve until the orders end."""
    for name in MODULES:
        importlib.import_module(name)
    answers = os.dup(1)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.close(answers)
            _run(json.loads(line))
            return  # the interpreter ends as after any script
        _, status = os.waitpid(pid, 0)
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))


def _run(order: dict[str, Any]) -> None:
    for number, name in enumerate(("/dev/null", order["output"], order["errors"])):
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    script, *arguments = order["arguments"]
    if script == "-m":
        sys.path[0], sys.argv = order["folder"], arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0], sys.argv = order["folder"], [script, *arguments]
        runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
