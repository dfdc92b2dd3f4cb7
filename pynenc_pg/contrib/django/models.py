"""Invocations as a model that only reads: of the view, which is the stable way to look at them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

from pynenc_pg.invocation.status import InvocationStatus

_SCHEMA = getattr(settings, "PYNENC_SCHEMA", "pynenc")


class _Json(models.JSONField):
    """A column of the type json, which the driver has read already."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        """Leave it as it is."""
        return value


class Invocation(models.Model):
    """One call: live or finished."""

    invocation_id = models.UUIDField(primary_key=True)
    app_id = models.TextField()
    task_id = models.TextField()
    queue = models.TextField()
    status = models.TextField(choices=[(one.value, one.value) for one in InvocationStatus])
    reason = models.TextField(null=True)
    runner_id = models.TextField(null=True)
    arguments = _Json()
    result = _Json(null=True)
    priority = models.FloatField()
    retries = models.IntegerField()
    recoveries = models.IntegerField()
    parent_id = models.UUIDField(null=True)
    depth = models.IntegerField()
    due_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    registered_at = models.DateTimeField()
    status_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        """Django makes no table of it."""

        managed = False
        # Quoted by Django as "schema"."invocations": it knows of no schemas.
        db_table = f'{_SCHEMA}"."invocations'
        ordering = ("-invocation_id",)  # by time: it is a UUIDv7

    def __str__(self) -> str:
        """Name the task and what has become of the call."""
        return f"{self.task_id} ({self.status})"
