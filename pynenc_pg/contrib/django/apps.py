"""What Django is told of us."""

from __future__ import annotations

from django.apps import AppConfig


class PynencConfig(AppConfig):
    """The admin's list, and the command ``pynenc``."""

    name = "pynenc_pg.contrib.django"
    label = "pynenc_pg"
    verbose_name = "pynenc"
    default_auto_field = "django.db.models.BigAutoField"
