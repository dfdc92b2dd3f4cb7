"""What code for pynenc asks of an app's parts, on both stores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pynenc_pg import InvocationStatus, Pynenc, RetryError
from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import RunnerSpec
from pynenc_pg.exceptions import (
    InvocationCancelledError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
    TaskFailedError,
)
from pynenc_pg.runner.runner_context import RunnerContext
from tests.app import tasks

S = InvocationStatus
ME = RunnerContext("ThreadRunner", RunnerId("any text; 'really'"))
OTHER = RunnerContext("ThreadRunner", RunnerId("another"))


def _claimed(app: Pynenc) -> InvocationId:
    """An invocation that the runner ``ME`` has taken and not begun."""
    for ctx in (ME, OTHER):
        app.orchestrator.register_runner(RunnerSpec(ctx.runner_id, ctx.runner_cls))
    called = tasks.add(1, 2)
    [claimed] = app.orchestrator.claim(ME.runner_id, [], 1)
    assert claimed.invocation_id == called.invocation_id
    return claimed.invocation_id


@pytest.mark.parametrize(
    ("steps", "ends"),
    [
        ([S.RUNNING, S.SUCCESS], S.SUCCESS),
        ([S.RUNNING, S.FAILED], S.FAILED),
        ([S.RUNNING, S.RETRY], S.RETRY),
        ([S.RUNNING, S.KILLED], S.REROUTED),
        ([S.REROUTED], S.REROUTED),
    ],
)
def test_steps_of_the_owner(app: Pynenc, steps: list[S], ends: S) -> None:
    """As the machine has them; what is given back goes on by itself."""
    which = _claimed(app)
    for step in steps:
        app.orchestrator.set_invocation_status(which, step, ME)
    assert app.orchestrator.get_invocation_status(which) is ends
    called = app.get_invocation(which)
    if ends is S.SUCCESS:
        assert called.result is None
    if ends is S.FAILED:
        with pytest.raises(TaskFailedError, match="set to failed by any text; 'really'"):
            called.result_or_raise(5)


def test_steps_that_are_refused(app: Pynenc) -> None:
    """Of others, of nobody, of verbs, and those that there are not; nothing has changed."""
    which = _claimed(app)
    with pytest.raises(InvocationStatusOwnershipError, match="owns it, and not another"):
        app.orchestrator.set_invocation_status(which, S.RUNNING, OTHER)
    with pytest.raises(InvocationStatusTransitionError, match="no step from pending to success"):
        app.orchestrator.set_invocation_status(which, S.SUCCESS, ME)
    with pytest.raises(InvocationStatusTransitionError, match="recover, where a runner has died"):
        app.orchestrator.set_invocation_status(which, S.PENDING_RECOVERY, ME)
    with pytest.raises(InvocationStatusTransitionError, match="claim, which takes the first"):
        app.orchestrator.set_invocation_status(tasks.add(3, 4).invocation_id, S.PENDING, ME)
    unknown = InvocationId("00000000-0000-7000-8000-000000000000")
    with pytest.raises(InvocationNotFoundError):
        app.orchestrator.set_invocation_status(unknown, S.RUNNING, ME)
    with pytest.raises(InvocationNotFoundError):
        app.orchestrator.get_invocation_status(unknown)
    assert [e.status for e in app.get_invocation(which).history] == [S.REGISTERED, S.PENDING]


def test_two_at_once(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has changed since it was looked at is told, and not changed; what is taken is asked."""
    which = _claimed(app)
    backend = app.engine.store.state_backend
    before, lease = backend.get_invocation(which), backend.get_call(which)
    app.orchestrator.set_invocation_status(which, S.REROUTED, ME)
    app.orchestrator.claim(OTHER.runner_id, [], 1)
    with monkeypatch.context() as patched:
        patched.setattr(backend, "get_invocation", lambda _: before)
        patched.setattr(backend, "get_call", lambda _: lease)
        with pytest.raises(InvocationStatusOwnershipError, match="has moved on"):
            app.orchestrator.set_invocation_status(which, S.RUNNING, ME)
        patched.setattr(backend, "get_invocation", lambda _: replace(before, status=S.REROUTED))
        app.orchestrator.set_invocation_status(which, S.FAILED, ME)
    assert app.orchestrator.get_invocation_status(which) is S.PENDING
    assert app.orchestrator.asked_to_stop(OTHER.runner_id) == [which]


def test_failed_by_hand_before_it_is_taken(app: Pynenc) -> None:
    """Is a cancellation: nobody owns it."""
    called = tasks.add(1, 2)
    assert app.broker.count_invocations() == 1
    app.orchestrator.set_invocation_status(called.invocation_id, S.FAILED, ME)
    assert app.broker.count_invocations() == 0
    with pytest.raises(InvocationCancelledError):
        called.result_or_raise(5)


def test_retriable_exceptions() -> None:
    """Those of ``retry_for``, and the one that always is."""
    fetch = Pynenc("memory").task(retry_for=(ConnectionError, RetryError))(_fetch)
    assert fetch.retriable_exceptions == (RetryError, ConnectionError)


def _fetch() -> None:
    """Fail now and then."""
