"""Queues through the app: paused for every runner, until they go on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import pytest
from psycopg.conninfo import make_conninfo

from pynenc_pg import InvocationStatus, Pynenc, wiring
from pynenc_pg.exceptions import DataRejectedError, StoreError
from tests.app import tasks
from tests.app.conftest import Runner, working
from tests.app.test_thread_runner import wait_for

Use = Callable[[Pynenc, str], None]


def test_no_runner_takes_of_a_paused_queue(app: Pynenc) -> None:
    """Two runners finish everything else and leave it alone; it goes on when it is resumed."""
    app.pause_queue("side")
    waiting = [tasks.on_the_side() for _ in range(20)]
    with working(*[wiring.build_runner(app.conf, app.engine) for _ in range(2)]):
        others = [tasks.add(n) for n in range(20)]
        assert [one.result_or_raise(20) for one in others] == [n + 10 for n in range(20)]
        assert {one.status for one in waiting} == {InvocationStatus.REGISTERED}
        app.resume_queue("side")
        assert {one.result_or_raise(20) for one in waiting} == {"side"}
    assert [(one.name, one.paused, one.ready) for one in app.queues()] == [
        ("default", False, 0),
        ("side", False, 0),
    ]


def test_what_runs_goes_on(app: Pynenc, runner: Runner) -> None:
    """A pause ends nothing: what was begun is seen as running, and gets its result."""
    with runner():
        running = tasks.wait_at_the_gate(1)
        wait_for(lambda: tasks.seen == [1])
        app.pause_queue("default")
        later = tasks.add(1, 2)
        [queue] = app.queues()
        assert (queue.paused, queue.running, queue.ready) == (True, 1, 1)
        tasks.gate.set()
        assert running.result_or_raise(20) == 1
    assert later.status is InvocationStatus.REGISTERED


def test_a_queue_nobody_has_used_may_be_paused(app: Pynenc) -> None:
    """Its first call waits; to pause or resume it twice changes nothing."""
    assert app.queues() == []
    for _ in range(2):
        app.pause_queue("side")
    [queue] = app.queues()
    assert (queue.name, queue.paused, queue.ready) == ("side", True, 0)
    tasks.on_the_side()
    assert [one.ready for one in app.queues()] == [1]
    for _ in range(2):
        app.resume_queue("side")
    assert [one.paused for one in app.queues()] == [False]


@pytest.mark.parametrize("app", ["postgres"], indirect=True)
def test_a_pause_outlives_the_app(app: Pynenc, runner: Runner) -> None:
    """It is the database's: closed and opened again, and in another app object, it holds."""
    app.pause_queue("side")
    waiting = tasks.on_the_side()
    app.close()
    with Pynenc(app.conf.app_id, config_values={"postgres": {"dsn": app.conf.postgres.dsn}}) as it:
        assert [(one.name, one.paused, one.ready) for one in it.queues()] == [("side", True, 1)]
    with runner():
        assert tasks.add(1, 2).result_or_raise(20) == 3
        assert waiting.status is InvocationStatus.REGISTERED
        app.resume_queue("side")
        assert waiting.result_or_raise(20) == "side"


@pytest.mark.parametrize("use", [Pynenc.pause_queue, Pynenc.resume_queue])
def test_a_name_no_queue_can_have_is_refused(app: Pynenc, use: Use) -> None:
    """By the rule of the task option; the error names the value and what is allowed."""
    allowed = "the name of a queue has letters, digits, '_', '.' and '-' only"
    for name in ("", "a b", "mail\n", "*"):
        with pytest.raises(DataRejectedError) as refused:
            use(app, name)
        assert str(refused.value) == f"queue = {name!r}: {allowed}"
    with pytest.raises(DataRejectedError, match="queue = 7: must be a string"):
        use(app, 7)  # type: ignore[arg-type]
    assert app.queues() == []


@pytest.mark.parametrize(
    ("role", "may_look", "may_pause"),
    [
        ("producer", False, False),
        ("worker", False, False),
        ("observer", True, False),
        ("operator", True, True),
    ],
)
def test_it_is_a_matter_for_operators(
    database_dsn: str, role: str, *, may_look: bool, may_pause: bool
) -> None:
    """Observers may look; who may not is told which role may."""
    dsn = make_conninfo(database_dsn, options=f"-c role=pynenc_{role}")
    with Pynenc("shop", config_values={"postgres": {"dsn": dsn}}) as app:
        for use, may in ((app.queues, may_look), (partial(app.pause_queue, "mail"), may_pause)):
            with nullcontext() if may else pytest.raises(StoreError, match="pynenc_operator"):
                use()
