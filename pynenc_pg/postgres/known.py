"""What runners tell of their tasks, as JSON for the functions that keep it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pynenc_pg.domain.known import KnownTask
from pynenc_pg.domain.records import Aside


def told(tasks: Sequence[KnownTask]) -> str:
    """Write down what a runner knows."""
    return json.dumps(
        [
            {
                "task_id": task.task_id,
                "fingerprint": task.fingerprint,
                "parameters": [
                    {"name": p.name, "kind": p.kind, "required": p.required}
                    | ({} if p.default is None else {"default": p.default})
                    for p in task.parameters
                ],
                "options": json.loads(task.options),
            }
            for task in tasks
        ]
    )


def reasons(asides: Sequence[Aside]) -> list[str]:
    """Write down, for each, why it could not be taken."""
    return [
        json.dumps({"cause": a.cause, "missing": a.missing, "unknown": a.unknown}) for a in asides
    ]
