"""Runners: who is there, and who is believed alive. The caller holds the lock."""

from __future__ import annotations

from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.domain.records import Heartbeat, RunnerSpec
from pynenc_pg.exceptions import RunnerFencedError, StoreError
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.rows import Runner


def register_runner(database: MemDatabase, spec: RunnerSpec) -> None:
    """Announce a runner.

    Raises:
        StoreError: its id is in use.
    """
    if spec.runner_id in database.runners:
        message = f"runner {spec.runner_id} is registered already: each has an id of its own"
        raise StoreError(message)
    database.serials += 1
    now = database.clock()
    runner = database.runners[spec.runner_id] = Runner(spec, database.serials, now)
    runner.renew(now)
    database.tell("runner")


def live_runner(database: MemDatabase, runner_id: RunnerId) -> Runner:
    """Return a runner that may have work.

    Raises:
        RunnerFencedError: it is not registered, or was declared dead.
    """
    runner = database.runners.get(runner_id)
    if runner is None or runner.dead:
        message = (
            f"runner {runner_id} is not registered, or was declared dead. Its work was given to "
            "others; start a new runner"
        )
        raise RunnerFencedError(message)
    return runner


def heartbeat(database: MemDatabase, runner_id: RunnerId) -> Heartbeat:
    """Renew the runner's lease."""
    now = database.clock()
    others = [r for i, r in database.runners.items() if i != runner_id]
    runner = database.runners.get(runner_id)
    if runner is None or runner.dead:
        return Heartbeat(alive=False, others=bool(others))
    runner.renew(now)
    older = [r for r in others if not r.dead and r.lease_until >= now]
    position = sum(r.serial < runner.serial for r in older)
    return Heartbeat(alive=True, position=position, others=bool(others))
