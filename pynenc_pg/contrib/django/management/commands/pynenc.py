"""``manage.py pynenc``: every command of ``pynenc-pg``, with Django's tasks imported."""

from __future__ import annotations

from argparse import REMAINDER
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import autodiscover_modules

from pynenc_pg.cli.main import cli
from pynenc_pg.exceptions import PynencError


class Command(BaseCommand):
    """Runs a worker, among other things: ``manage.py pynenc runner start``."""

    help = "pynenc-pg for the app of a backend of TASKS, as in: manage.py pynenc runner start"
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Leave the rest to pynenc-pg."""
        parser.add_argument("--backend", default="default", help="which of TASKS")
        parser.add_argument("rest", nargs=REMAINDER, metavar="command")

    def handle(self, *_: Any, backend: str, rest: list[str], **__: Any) -> None:
        """Run it."""
        where = getattr(settings, "TASKS", {}).get(backend, {}).get("OPTIONS", {}).get("app")
        if not where:
            message = f"TASKS[{backend!r}] names no app in its OPTIONS"
            raise CommandError(message)
        autodiscover_modules("tasks")
        try:
            cli.main(["--app", where, *rest], prog_name="manage.py pynenc", standalone_mode=True)
        except PynencError as error:
            raise CommandError(str(error)) from error
