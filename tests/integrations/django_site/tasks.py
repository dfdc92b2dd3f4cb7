"""Tasks as Django has them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model

if TYPE_CHECKING:
    from django_tasks import TaskContext, task
else:
    try:
        from django.tasks import TaskContext, task
    except ModuleNotFoundError:
        from django_tasks import TaskContext, task


@task
def add(x: int, y: int = 10) -> int:
    """Add."""
    return x + y


@task(queue_name="mail", priority=5)
def fail(word: str) -> None:
    """Fail."""
    raise ValueError(word)


@task(takes_context=True)
def attempt(context: TaskContext, note: str) -> list[Any]:
    """Tell what is known of the attempt."""
    return [context.task_result.id, context.attempt, note]


@task
async def double(x: int) -> int:
    """Do it as a coroutine."""
    return 2 * x


@task
def users() -> tuple[int, int]:
    """Ask the database by a model, in whichever process this is."""
    return os.getpid(), get_user_model().objects.count()


@task
def uncarriable() -> object:
    """Return what JSON does not have."""
    return object()
