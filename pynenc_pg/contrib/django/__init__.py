"""Django: a backend for its tasks, a command that runs workers, and the admin's look at both.

Nothing of Django is imported before it is used.
"""

from __future__ import annotations


def setup() -> None:
    """Set Django up, unless it is, or is about to be: for the module that makes the app.

    Processes of a runner import that module first, and nobody has set Django up for them.
    """
    import django  # noqa: PLC0415 - the user's
    from django.apps import apps  # noqa: PLC0415

    if not (apps.ready or apps.loading):
        django.setup()
