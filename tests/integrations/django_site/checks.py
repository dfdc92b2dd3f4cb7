"""Run by ``test_django`` in a process of its own: Django is set up once in each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from pynenc_pg.contrib.django.backend import PynencBackend
from pynenc_pg.contrib.django.framework import (
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_enqueued,
    task_finished,
    task_started,
)
from pynenc_pg.testing import DatabaseWorld, eager, in_memory, on_postgres
from tests.integrations.django_site import tasks
from tests.integrations.django_site.queue import app

S = TaskResultStatus


@pytest.fixture
def world() -> Iterator[DatabaseWorld]:
    """The app at work in the database of the site."""
    with on_postgres(app, os.environ["PYNENC__POSTGRES__DSN"]) as world:
        app.purge()
        yield world


def test_a_call_is_part_of_the_transaction(world: DatabaseWorld) -> None:
    """What is rolled back was never called; nothing waits for a commit hook."""
    with transaction.atomic():
        lost = tasks.add.enqueue(1)
        transaction.set_rollback(True)
    with pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(lost.id)
    with transaction.atomic():
        result = tasks.add.enqueue(1, y=2)
        assert world.run_until_idle() == 0
    assert (result.status, result.args, result.kwargs) == (S.READY, [1], {"y": 2})
    assert result.enqueued_at is not None
    assert world.run_until_idle() == 1
    result.refresh()
    assert (result.status, result.return_value) == (S.SUCCESSFUL, 3)
    assert result.finished_at >= result.started_at >= result.enqueued_at
    assert tasks.add.get_result(result.id).kwargs == {"x": 1, "y": 2}


def test_options_of_django_are_ours(world: DatabaseWorld) -> None:
    """Queue, priority and the time from which it may run."""
    later = tasks.fail.using(run_after=timezone.now() + timedelta(hours=1)).enqueue("x")
    record = app.state_backend.get_invocation(later.id)
    assert (record.queue, record.due_at is not None) == ("mail", True)
    assert app.state_backend.get_call(later.id).priority == 5
    other = tasks.add.using(queue_name="side", priority=-7).enqueue(1)
    assert app.state_backend.get_invocation(other.id).queue == "side"
    assert app.state_backend.get_call(other.id).priority == -7
    assert world.run_until_idle() == 1


def test_errors_come_back(world: DatabaseWorld) -> None:
    """With the class and the traceback of the worker."""
    result = tasks.fail.enqueue("broken")
    world.run_until_idle()
    result.refresh()
    assert result.status == S.FAILED
    [error] = result.errors
    assert error.exception_class is ValueError
    assert "in fail" in error.traceback
    assert "broken" in error.traceback
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value
    unable = tasks.uncarriable.enqueue()
    world.run_until_idle()
    unable.refresh()
    assert unable.errors[0].exception_class is TypeError


def test_context_and_coroutines(world: DatabaseWorld) -> None:
    """A task that takes the context is told of its attempt."""
    result, other = tasks.attempt.enqueue("hello"), tasks.double.enqueue(4)
    assert world.run_until_idle() == 2
    result.refresh()
    other.refresh()
    assert result.return_value == [result.id, 1, "hello"]
    assert other.return_value == 8


def test_signals(world: DatabaseWorld) -> None:
    """Sent by who enqueues, and by who executes."""
    heard: list[tuple[str, str, Any]] = []
    receivers = {
        name: lambda name=name, **said: heard.append(
            (name, said["task_result"].id, said["task_result"].status)
        )
        for name in ("enqueued", "started", "finished")
    }
    signals = {"enqueued": task_enqueued, "started": task_started, "finished": task_finished}
    for name, signal in signals.items():
        signal.connect(receivers[name])
    try:
        good, bad = tasks.add.enqueue(1), tasks.fail.enqueue("x")
        world.run_until_idle()
    finally:
        for name, signal in signals.items():
            signal.disconnect(receivers[name])
    for result, end in ((good, S.SUCCESSFUL), (bad, S.FAILED)):
        assert [(name, status) for name, which, status in heard if which == result.id] == [
            ("enqueued", S.READY),
            ("started", S.RUNNING),
            ("finished", end),
        ]


def test_without_a_database() -> None:
    """Executed at the call, or in memory: for tests of a site."""
    with eager(app):
        result = tasks.add.enqueue(1, 2)
        assert (result.status, result.return_value) == (S.SUCCESSFUL, 3)
    with in_memory(app) as world:
        result = tasks.add.enqueue(3)
        assert world.run_until_idle() == 1
        result.refresh()
        assert result.return_value == 13


def test_what_is_no_task_of_django(world: DatabaseWorld) -> None:
    """An id of nobody, and no id at all."""
    for which in (str(uuid4()), "x"):
        with pytest.raises(TaskResultDoesNotExist):
            tasks.add.get_backend().get_result(which)


@pytest.mark.parametrize(
    ("options", "said"), [({}, "names no app"), ({"app": "nowhere:app"}, "there is no app")]
)
def test_where_the_app_is_must_be_said(options: dict[str, str], said: str) -> None:
    """Told when Django is set up."""
    with pytest.raises(ImproperlyConfigured, match=said):
        PynencBackend("default", {"OPTIONS": options})


def test_the_admin_lists_invocations(world: DatabaseWorld) -> None:
    """Found by status, id and task, and nothing can be changed."""
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser("ann", password="x")  # noqa: S106
    client = Client()
    assert client.login(username="ann", password="x")  # noqa: S106
    good, bad = tasks.add.enqueue(1), tasks.fail.enqueue("<b>broken</b>")
    world.run_until_idle()
    place = "/admin/pynenc_pg/invocation/"

    def shown(query: str = "") -> str:
        answer = client.get(place + query)
        assert answer.status_code == 200
        return str(answer.content.decode())

    assert good.id in shown()
    assert bad.id in shown()
    assert good.id not in shown("?status__exact=failed")
    assert bad.id in shown("?status__exact=failed")
    assert good.id in shown(f"?q={good.id}")
    assert bad.id not in shown(f"?q={good.id}")
    assert bad.id in shown(f"?q={tasks.fail.module_path}")
    page = shown(f"{bad.id}/change/")
    assert "&lt;b&gt;broken" in page
    assert "<b>broken" not in page
    assert 'name="_save"' not in page
    assert client.post(f"{place}{bad.id}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"{place}add/").status_code == 403
