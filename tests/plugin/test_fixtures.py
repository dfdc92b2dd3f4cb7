"""The pytest plugin, in the hands of a project that is not ours."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Self
from uuid import uuid4

import psycopg
import pytest

from pynenc_pg.testing import servers

pytest_plugins = ["pytester"]

TASKS = """
import os
import threading

from pynenc_pg import Pynenc, RetryError

app = Pynenc("shop")
fired = []

@app.task
def add(x: int, y: int) -> int:
    return x + y

@app.task
def total(numbers: list[int]) -> int:
    return sum(add(number, 0).result for number in numbers)

@app.task(max_retries=1, retry_delay=3600, retry_jitter=False)
def later() -> str:
    if later.invocation.num_retries == 0:
        raise RetryError
    return "done"

@app.task(triggers=app.trigger.on_success(add))
def after_add() -> None:
    fired.append(after_add.invocation.invocation_id)

@app.task
def where() -> tuple[int, str]:
    return os.getpid(), threading.current_thread().name
"""

INI = "[pytest]\npynenc_app = tasks:app\n"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with tasks, whose pytest knows which app it is."""
    pytester.makepyfile(tasks=TASKS)
    pytester.makeini(INI)
    pytester.syspathinsert()
    monkeypatch.delenv(servers.VARIABLE, raising=False)
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run the project's tests in this process, with the plugin once."""
    installed = entry_points(group="pytest11", name="pynenc_pg")
    load = [] if installed else ["-p", "pynenc_pg.testing.plugin"]
    return project.runpytest_inprocess(*load, "-p", "no:cacheprovider", "-Werror", *arguments)


def test_the_entry_point_is_the_plugin() -> None:
    """What is installed names the module, so that pytest finds it by itself."""
    for entry in entry_points(group="pytest11", name="pynenc_pg"):
        assert entry.value == "pynenc_pg.testing.plugin"


def test_memory_and_the_call(project: pytest.Pytester) -> None:
    """Time stands in memory until the test moves it; eager tasks run at their call."""
    project.makepyfile("""
        from datetime import UTC, datetime, timedelta
        import pytest
        import tasks
        from pynenc_pg import InvocationStatus

        NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)

        @pytest.mark.pynenc_now(NOON)
        def test_time(pynenc_world):
            invocation = tasks.later()
            assert pynenc_world.run_until_idle() == 1
            assert invocation.status is InvocationStatus.RETRY
            pynenc_world.advance(3600)
            assert invocation.result == "done"
            assert pynenc_world.now == NOON + timedelta(hours=1)

        def test_the_next_world_is_empty(pynenc_world):
            assert pynenc_world.run_until_idle() == 0
            assert abs(pynenc_world.now - datetime.now(UTC)) < timedelta(minutes=5)

        def test_at_the_call(pynenc_eager):
            assert pynenc_eager is tasks.app
            assert tasks.total([1, 2]).status is InvocationStatus.SUCCESS

        def test_what_comes_after_is_as_before():
            assert not tasks.app.conf.dev_mode_force_sync_tasks
    """)
    run(project).assert_outcomes(passed=4)


def test_a_database_for_each_test(
    project: pytest.Pytester, server_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is migrated, empty, the app's for the length of the test, and gone afterwards."""
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", run_id := uuid4().hex[:8])
    project.makepyfile("""
        import psycopg
        import pytest
        import tasks
        from pynenc_pg import InvocationStatus
        from pynenc_pg.exceptions import ResultTimeoutError

        @pytest.mark.parametrize("n", [1, 2])
        def test_each_is_empty(pynenc_database, n):
            with psycopg.connect(pynenc_database.dsn) as connection:
                count = "select count(*) from pynenc.invocations"
                assert connection.execute(count).fetchone() == (0,)
                with connection.transaction():
                    tasks.add.using(connection)(1, 2)
                    assert pynenc_database.run_until_idle() == 0
                assert connection.execute(count).fetchone() == (1,)
            assert pynenc_database.run_until_idle() == 2  # and what it triggers
            assert len(tasks.fired) == n

        def test_results_run_what_they_need(pynenc_database):
            assert tasks.total([1, 2, 3]).result == 6
            invocation = tasks.later()
            with pytest.raises(ResultTimeoutError, match="when that time has come"):
                invocation.result
            assert invocation.status is InvocationStatus.RETRY

        def test_a_runner(pynenc_database):
            name = tasks.where().result[1]
            with pynenc_database.runner():
                other = tasks.where().result_or_raise(timeout=60)[1]
                assert tasks.total([1, 2, 3]).result_or_raise(timeout=60) == 6
            assert name == "MainThread" != other
            assert tasks.total([4]).result == 4

        def test_only_a_dsn(pynenc_dsn):
            with psycopg.connect(pynenc_dsn) as connection:
                connection.execute("select from pynenc.invocations")

        def test_the_app_is_as_it_was():
            assert tasks.app.conf.store == "memory"
            assert tasks.app.conf.runner_cls is None
    """)
    run(project, f"--pynenc-dsn={server_dsn}").assert_outcomes(passed=6)
    with psycopg.connect(server_dsn) as connection:
        left = "select count(*) from pg_database where datname like %s"
        assert connection.execute(left, (f"pynenc_test_{run_id}%",)).fetchone() == (0,)


@pytest.mark.long  # tests/app/test_tracing.py does it, too
def test_processes_find_the_database(project: pytest.Pytester, server_dsn: str) -> None:
    """A runner with processes of its own executes what the test calls."""
    project.makepyfile("""
        import os
        import tasks

        def test_another_process(pynenc_database):
            with pynenc_database.runner("PersistentProcessRunner"):
                pid, _ = tasks.where().result_or_raise(timeout=60)
            assert pid != os.getpid()
    """)
    run(project, f"--pynenc-dsn={server_dsn}").assert_outcomes(passed=1)


def test_mistakes_are_told(project: pytest.Pytester) -> None:
    """No app, and a marker that says no time."""
    project.makeini("[pytest]\n")
    project.makepyfile("""
        import pytest
        import tasks

        def test_no_app(pynenc_world): ...

        class TestMarker:
            @pytest.fixture
            def pynenc_app(self):
                return tasks.app

            @pytest.mark.pynenc_now("noon")
            def test_no_time(self, pynenc_world): ...
    """)
    result = run(project)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*which app? Set pynenc_app*", "*pynenc_now takes one datetime*"])


def test_the_embedded_server(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no DSN is given and no Docker answers; its folder goes with it."""
    monkeypatch.setattr(servers, "docker_answers", lambda: False)
    project.makepyfile("""
        import os
        from psycopg.conninfo import conninfo_to_dict
        import tasks

        def test_add(pynenc_database):
            assert tasks.add(1, 2).result == 3
            where = conninfo_to_dict(pynenc_database.dsn)["host"]
            assert os.path.isdir(where)
            with open("where", "w") as file:
                file.write(where)
    """)
    run(project).assert_outcomes(passed=1)
    assert not Path((project.path / "where").read_text(encoding="utf-8")).exists()


def test_the_container_comes_before_the_embedded_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DSN comes first, then Docker where it answers."""
    made: list[str] = []

    class Container:
        def __init__(self, image: str, driver: str | None) -> None:
            made.append(image)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *exc: object) -> None:
            made.append("stopped")

        def get_connection_url(self) -> str:
            return "postgresql://in-a-container"

    monkeypatch.setattr(servers, "docker_answers", lambda: True)
    monkeypatch.setattr("testcontainers.postgres.PostgresContainer", Container)
    with servers.server("postgresql://given", "x") as dsn:
        assert (dsn, made) == ("postgresql://given", [])
    with servers.server(None, "x") as dsn:
        assert (dsn, made) == ("postgresql://in-a-container", ["postgres:18"])
    assert made[-1] == "stopped"
