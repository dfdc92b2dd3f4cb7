"""The verbs of workflows over a bare psycopg connection."""

from __future__ import annotations

from pynenc_pg.domain.ids import new_invocation_id
from tests.support.sql import APP, RUNNER, Connection, claim, one, register, retry, start

WOKEN = "select count(*) from workflow_wake"
READY = "select due_at is null from invocation_state where invocation_id = %s"
FOREVER = 100 * 365.25 * 86_400.0
Held = tuple[str, int]


def running(c: Connection) -> Held:
    """Let our runner begin one."""
    register(c)
    [held] = claim(c, limit=1)
    start(c, [held])
    return held


def listen(
    c: Connection, held: Held, path: str = "1", code: str = "paid", runner: str = RUNNER
) -> str | None:
    """Wait for an event; return the one that was there."""
    which, lease = held
    found: str | None = one(
        c,
        "select event_id::text from await_event(%s, %s, %s, %s, %s, %s, null, null, '{}')",
        (APP, runner, which, lease, path, code),
    )
    return found


def emit(c: Connection, code: str = "paid") -> None:
    """Emit one."""
    c.execute("select emit(%s, %s, %s, 'null', 'test')", (APP, new_invocation_id(), code))


def rest(c: Connection, held: Held, reason: str = "event") -> None:
    """Take it off the stack, until it is woken."""
    assert retry(c, [held], reason=reason, delay=FOREVER) == {}


def pause(c: Connection, held: Held, *, paused: bool) -> None:
    """Have its next step refused, or let it go on."""
    assert one(c, "select pause_workflow(%s, %s, '', %s)", (APP, held[0], paused))


def promote(c: Connection) -> int:
    """Make ready what is due or woken."""
    made: int = one(c, "select promoted from promote(%s, 100)", (APP,))
    return made


def call(
    c: Connection, held: Held, path: str = "1", lane: str = "null", runner: str = RUNNER
) -> str:
    """Call a task as a step, in one statement."""
    which, lease = held
    became: str = one(
        c,
        f"""select (record_child(%s, %s, %s, %s, %s, 0, 'a call', 0, '{{}}', register_2(
               %s, 'tests.child', 'children', 0, 0, null, 1, false, %s, 1, '{{}}', 'test', true,
               array[%s]::uuid[], array['call'], array['{{}}'], null, {lane}, false)))[1]::text""",
        (APP, runner, which, lease, path, APP, which, new_invocation_id()),
    )
    return became


def record(c: Connection, held: Held, path: str = "1", kind: str = "random", **facts: str) -> None:
    """Record a step whose value is 1."""
    which, lease = held
    c.execute(
        """select record_step(%s, %s, %s, %s, %s, 0, %s, 'about', '1', 0, '{}', %s, null, 1)""",
        (APP, facts.get("runner", RUNNER), which, lease, path, kind, facts.get("key")),
    )
