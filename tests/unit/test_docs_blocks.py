"""Every block of code in every page for users: who executes it, or why nobody does.

What is new and in nobody's hands fails here: add the page to the tests that execute pages, or to
`ELSEWHERE` with its test, or to `NOT_RUN` with the reason.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from pynenc_pg import Pynenc
from pynenc_pg.cli.main import cli
from pynenc_pg.conf.load import load
from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.domain.records import RunnerSpec
from pynenc_pg.postgres import deploy
from pynenc_pg.runner.runner_context import RunnerContext
from tests.support.blocks import DOCS, ROOT, Block, all_blocks, arguments_of, blocks_of
from tests.unit import page_tasks

BLOCKS: Final = all_blocks()
TUTORIAL: Final = "docs/tutorial/"
#: Which test executes the Python of a page. It names the page.
ELSEWHERE: Final = {
    "README.md": "tests/unit/test_docs.py",
    "docs/howto/cache-results.md": "tests/unit/test_docs.py",
    "docs/howto/call-and-wait.md": "tests/unit/test_docs.py",
    "docs/howto/concurrency.md": "tests/unit/test_docs.py",
    "docs/howto/configure.md": "tests/unit/test_docs_blocks.py",
    "docs/howto/deploy.md": "tests/unit/test_docs_blocks.py",
    "docs/howto/fastapi.md": "tests/unit/test_docs.py",
    "docs/howto/flask.md": "tests/unit/test_docs.py",
    "docs/howto/from-celery.md": "tests/unit/test_docs.py",
    "docs/howto/from-procrastinate.md": "tests/unit/test_docs.py",
    "docs/howto/from-pynenc.md": "tests/compat/test_check.py",
    "docs/howto/hooks.md": "tests/unit/test_docs.py",
    "docs/howto/large-arguments.md": "tests/unit/test_docs.py",
    "docs/howto/logging.md": "tests/unit/test_logs_docs.py",
    "docs/howto/parallelize.md": "tests/unit/test_docs.py",
    "docs/howto/queues.md": "tests/unit/test_docs.py",
    "docs/howto/retries.md": "tests/unit/test_docs.py",
    "docs/howto/runners.md": "tests/unit/test_docs_blocks.py",
    "docs/howto/schedule.md": "tests/unit/test_docs.py",
    "docs/howto/serializers.md": "tests/unit/test_docs_blocks.py",
    "docs/howto/sql.md": "tests/unit/test_docs_blocks.py",
    "docs/howto/test-your-tasks.md": "tests/unit/test_docs.py",
    "docs/howto/time-limits.md": "tests/unit/test_docs.py",
    "docs/howto/tracing.md": "tests/unit/test_docs.py",
    "docs/howto/transactions.md": "tests/transactions/test_sessions.py",
    "docs/howto/triggers.md": "tests/unit/test_docs.py",
    "docs/howto/workflows.md": "tests/unit/test_docs.py",
    "docs/reference/names-of-pynenc.md": "tests/unit/test_docs_blocks.py",
    "docs/reference/triggers.md": "tests/unit/test_docs.py",
}
#: Python, SQL and other languages that nobody executes as they stand: by page and language.
NOT_RUN: Final = {
    ("docs/explanation/embedded.md", "python"): "starts a server in the user's own data folder; "
    "tests/postgres/test_embedded.py does it in others",
    ("docs/howto/django.md", "python"): "parts of files; tests/integrations/test_django.py has the "
    "whole project",
    ("docs/howto/sql.md", "go"): "another language; its statement is among those of the page",
    ("docs/howto/deploy.md", "sql"): "makes roles and the schema itself; executed, with names of "
    "its own, by tests/migrations/test_rights.py",
    ("docs/howto/docker.md", "dockerfile"): "there is no Docker where these tests run",
    ("docs/howto/runners.md", "py"): "what the block does is in tests/app/test_background.py",
    ("docs/howto/triggers.md", "py"): "executed by tests/transactions/test_using_events.py",
    ("docs/howto/from-celery.md", "py"): "another project's, which is not installed here",
    ("docs/howto/from-procrastinate.md", "py"): "another project's, which is not installed here",
}
#: Languages in which nothing is executed: what was printed, and drawings.
SHOWN: Final = {"", "text", "mermaid"}
#: Commands of pages that are not ours.
CONSOLES: Final = {"console", "bash", "sh"}


def _of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def _failing(blocks: list[Block], check: object) -> list[str]:
    assert callable(check)
    wrong = []
    for block in blocks:
        try:
            check(block)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a page
            wrong.append(f"{block.page}: {error!r} in\n{block.text}")
    return wrong


def test_every_language_is_in_somebodys_hands() -> None:
    """A block in a language that no test knows is executed by nobody."""
    known = {"python", "py", "sql", "toml", "yaml", "json", "ini"} | SHOWN | CONSOLES
    unknown = {(b.page, b.language) for b in BLOCKS if b.language not in known}
    assert not unknown - set(NOT_RUN)


def test_every_block_of_python_is_executed() -> None:
    """By the test that stands here, which names the page; or there is a reason."""
    pages = {block.page for block in _of("python") if not block.page.startswith(TUTORIAL)}
    excused = {page for page, language in NOT_RUN if language == "python"}
    known = {page: test for page, test in ELSEWHERE.items() if (ROOT / page).exists()}
    assert pages | excused == set(known) | excused
    for page, test in known.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8"), (page, test)


def test_reasons_are_about_something() -> None:
    """No reason outlives its block; and what it leads to is there."""
    for (page, language), reason in NOT_RUN.items():
        if not (ROOT / page).exists():
            continue
        assert any(b.page == page and b.language == language for b in BLOCKS), (page, language)
        for named in re.findall(r"tests/\S+\.py", reason):
            assert (ROOT / named).exists(), named
    assert not {(b.page, b.language) for b in _of("py")} - set(NOT_RUN)


def test_python_that_is_not_executed_compiles() -> None:
    """Where another project would be needed."""
    blocks = [b for b in _of("py", "python") if (b.page, b.language) in NOT_RUN]
    assert not _failing(blocks, lambda b: compile(b.text, b.page, "exec"))


def test_configuration_is_accepted(tmp_path: Path) -> None:
    """Each TOML is read as a configuration: keys, values, names."""

    def check(block: Block) -> None:
        text = re.sub(r'"(?:requests|smtplib)\.\w+"', '"TimeoutError"', block.text)
        text = re.sub(r'"\w+…"', f'"{"k" * 40}"', text)  # of a key, its beginning
        assert tomllib.loads(text)
        if "[tool.pynenc" not in text or "RedisOrchestrator" in text:  # of others
            return
        (tmp_path / "given.toml").write_text(text, encoding="utf-8")
        load(filepath=tmp_path / "given.toml", environment={})

    assert not _failing(_of("toml"), check)


def test_other_files_parse() -> None:
    """YAML, JSON and units."""
    assert not _failing(_of("yaml"), lambda b: [*yaml.safe_load_all(b.text)])
    assert not _failing(_of("json"), lambda b: json.loads(b.text))

    def read(block: Block) -> None:
        parser = ConfigParser(interpolation=None, strict=False, comment_prefixes=("#", ";"))
        parser.read_string(block.text)

    assert not _failing(_of("ini"), read)


def _parse(arguments: list[str]) -> None:
    """Let click read a command line: names of commands and options, and types of values."""
    command: click.Command = cli
    context = cli.make_context("pynenc-pg", [*arguments], resilient_parsing=False)
    while isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, inner, rest = command.resolve_command(context, rest)
        assert inner is not None
        command, context = inner, inner.make_context(name, rest, parent=context)


def _typed(block: Block) -> Iterator[str]:
    if block.language == "console":
        yield from (command for command, _ in block.commands())
    else:
        yield from block.text.splitlines()


def test_every_command_line_is_one() -> None:
    """Each `pynenc-pg` of a page has commands and options that there are; each `make`, a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    def check(block: Block) -> None:
        for line in _typed(block):
            command = re.sub(r"\s#\s.*", "", line)
            for arguments in arguments_of(command):
                with suppress(click.exceptions.Exit):  # --help
                    _parse([word.replace("path/to/project", ".") for word in arguments])
            for arguments in arguments_of(command, "make"):
                assert not arguments or arguments[0] in targets or "=" in arguments[0], arguments

    assert not _failing(_of(*CONSOLES), check)


@pytest.fixture
def prepared(database_dsn: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A database in which the tasks, tables and users of the pages are known."""
    with Pynenc("shop", config_values={"postgres": {"dsn": database_dsn}}) as app:
        runner = RunnerId("page")
        app.orchestrator.register_runner(RunnerSpec(runner, "Test", (), 1, "here", 1, 3600))
        page_tasks.define(app)
        app.orchestrator.register_tasks(runner, app.engine.known.tasks())
    with psycopg.connect(make_conninfo(database_dsn)) as session:
        session.execute("create table orders (id bigint, paid boolean); set local role none")
        for name in page_tasks.USERS:
            session.execute(f"create role {name}".encode())
        yield session
        session.rollback()


def test_statements_are_executed(prepared: psycopg.Connection[tuple[object, ...]]) -> None:
    """Every SQL of every page, in a transaction that is rolled back."""
    [[ended]] = prepared.execute(
        "select pynenc.enqueue('shop.tasks.ship', '{\"order\": 8}', app => 'shop')"
    ).fetchall()
    prepared.execute("select pynenc.cancel(%s)", [ended])

    def check(block: Block) -> None:
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(ended), block.text)
        with prepared.transaction(force_rollback=True):
            for name in page_tasks.USERS:
                if f"create role {name}" in text:
                    prepared.execute(f"drop role {name}".encode())
            prepared.execute(text.encode())

    blocks = [b for b in _of("sql") if (b.page, b.language) not in NOT_RUN]
    assert len(blocks) > 8
    assert not _failing(blocks, check)


def _execute(text: str, names: dict[str, object]) -> None:
    exec(compile(text, "page", "exec", dont_inherit=True), names)  # noqa: S102 - our own page


def _python_of(page: str) -> list[str]:
    return [b.text for b in blocks_of(DOCS / page) if b.language == "python"]


def test_examples_of_deploy_run(database_dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The page howto/deploy.md migrates from code."""
    [text] = _python_of("howto/deploy.md")
    _execute(text.replace("postgresql://deployer@db.example.org/shop", database_dsn), {})
    found = deploy.status(database_dsn)
    assert capsys.readouterr().out == f"{found.current} True\n"


def test_examples_of_configure_run() -> None:
    """The blocks of howto/configure.md that set an app up for tests do that."""
    _, at_the_call, in_a_thread = _python_of("howto/configure.md")
    names: dict[str, object] = {"__name__": "configure"}
    tasks = page_tasks.as_module("tasks")
    try:
        _execute(at_the_call, names)
        _execute(in_a_thread, names)
        assert tasks.app.runner is not None
    finally:
        page_tasks.forget("tasks")


def test_examples_of_runners_run() -> None:
    """The task of howto/runners.md knows who executes it."""
    [text] = _python_of("howto/runners.md")
    names: dict[str, object] = {"app": Pynenc("shop"), "__name__": "page"}
    _execute(text, names)
    names["current_runner_context"] = lambda: RunnerContext(
        "AsyncRunner", RunnerId("me"), "web-3", 7
    )
    where = names["where"]
    assert callable(where)
    assert where.func() == "AsyncRunner me on web-3, process 7"  # type: ignore[attr-defined]


def test_examples_of_names_run(capsys: pytest.CaptureFixture[str]) -> None:
    """The state machine of reference/names-of-pynenc.md, without a store."""
    [text] = _python_of("reference/names-of-pynenc.md")
    _execute(text, {})
    assert capsys.readouterr().out == "pending runner 1\n"


def test_examples_of_sql_run() -> None:
    """The task of howto/sql.md calls the one with the key."""
    [text] = _python_of("howto/sql.md")
    called: list[str] = []
    names: dict[str, object] = {"app": Pynenc("shop"), "__name__": "page", "sync": called.append}
    _execute(text, names)
    task = names["sync_from_sql"]
    assert callable(task)
    task.func("ann")  # type: ignore[attr-defined]
    assert called == ["ann"]


def test_examples_of_serializers_run(tmp_path: Path) -> None:
    """The classes of howto/serializers.md carry their values there and back."""
    *_, strict, typed, money, encrypted = ["", *_python_of("howto/serializers.md")]
    names: dict[str, object] = {"__name__": "page"}
    with page_tasks.fernet():
        for text in (strict, typed, money, encrypted):
            (tmp_path / "key").write_bytes(b"key")
            _execute(text.replace("/run/secrets/queue-key", str(tmp_path / "key")), names)
        page_tasks.check_serializers(names)
