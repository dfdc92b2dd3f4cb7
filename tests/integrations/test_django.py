"""Django's tasks, admin and command, with the real Django, in processes of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import psycopg

from tests.acceptance.daemons import import_first
from tests.acceptance.workers import wait_for

SITE: Final = "tests.integrations.django_site"
CHECKS: Final = Path(__file__).parent / "django_site" / "checks.py"
MANAGE: Final = (
    "from django.core.management import execute_from_command_line as run; import sys; run"
)
ENQUEUE: Final = f"""
import django; django.setup()
from {SITE} import tasks
print(tasks.users.enqueue().id)
"""


def environment(dsn: str) -> dict[str, str]:
    """What a process of the site gets."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("PYNENC_", "PYTEST_"))}
    return {
        **ours,
        "PYNENC__POSTGRES__DSN": dsn,
        "DJANGO_SETTINGS_MODULE": f"{SITE}.settings",
        "PYTHONPATH": import_first(Path.cwd()),
    }


def test_the_backend_and_the_admin(database_dsn: str) -> None:
    """Every check of the site passes."""
    # Django is set up before anything of the site is imported, as its own test runner does it.
    options = ["-q", "-W", "default", "-p", "no:cacheprovider", "--noconftest", str(CHECKS)]
    program = f"import django, pytest; django.setup(); raise SystemExit(pytest.main({options!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(database_dsn), capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip
    tests = len(re.findall(r"^def test_", CHECKS.read_text(encoding="utf-8"), re.MULTILINE))
    assert f"{tests + 1} passed" in done.stdout, done.stdout + done.stderr  # one has two cases


def test_a_worker_is_started_by_manage_py(database_dsn: str) -> None:
    """It knows the tasks of all of Django's apps, and its processes have Django set up."""
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        connection.execute("create table auth_user (id int)")
        command = ["manage.py", "pynenc", "runner", "start", "--runner", "PersistentProcessRunner"]
        worker = subprocess.Popen(
            [sys.executable, "-c", f"{MANAGE}({command!r})"],
            env=environment(database_dsn), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            called = subprocess.run(
                [sys.executable, "-c", ENQUEUE],
                env=environment(database_dsn), capture_output=True, text=True, check=True,
            )  # fmt: skip
            which = called.stdout.strip()
            rows: list[tuple[object, ...]] = []

            def ended() -> bool:
                rows[:] = connection.execute(
                    "select status::text, result from pynenc.invocations "
                    "where invocation_id = %s and finished_at is not null",
                    (which,),
                ).fetchall()
                return bool(rows)

            wait_for(ended, timeout=90)
            status, result = rows[0]
            assert (status, isinstance(result, list) and result[1]) == ("success", 0), result
            assert isinstance(result, list)
            assert result[0] != worker.pid
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0
        finally:
            worker.kill()
            worker.communicate()
