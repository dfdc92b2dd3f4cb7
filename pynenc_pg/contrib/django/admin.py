"""The list of invocations in the admin. Nothing can be changed there."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from pynenc_pg.contrib.django.models import Invocation

#: So many are counted, at most: who looks further back filters.
MOST: Final = 10_000


class _Bounded(Paginator):
    """Does not count millions to draw a list."""

    @cached_property
    def count(self) -> int:
        """How many there are, up to ``MOST``."""
        return min(int(self.object_list[: MOST + 1].count()), MOST)


@admin.register(Invocation)
class InvocationAdmin(admin.ModelAdmin):
    """Newest first, by status and queue; found by id, or by the full name of the task."""

    list_display = ("invocation_id", "task_id", "queue", "status", "retries", "registered_at")
    list_filter = ("status",)
    search_fields = ("task_id",)
    search_help_text = "an id, or the full name of a task"
    paginator = _Bounded
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 200
    ordering = ("-invocation_id",)
    sortable_by = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Invocation], search_term: str
    ) -> tuple[QuerySet[Invocation], bool]:
        """Look for what an index can find."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(invocation_id=UUID(term)), False
        except ValueError:
            return queryset.filter(task_id=term), False

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Tasks are called in code."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The database would refuse it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The database would refuse it."""
        return False
