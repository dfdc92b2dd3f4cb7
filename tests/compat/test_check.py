"""``pynenc-pg compat check``: what it finds, what it leaves alone, how it says so."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
import textwrap
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from pynenc_pg.cli.main import cli
from pynenc_pg.compat import Finding, check
from pynenc_pg.compat.finding import PAGE, Topic
from pynenc_pg.testing import in_memory

GUIDE: Final = Path(__file__).with_name("guide")
ROOT: Final = Path(__file__).parents[2]


def found(folder: Path, name: str, text: str) -> list[Finding]:
    """Write a file and return what is said of the folder."""
    (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")
    return check([folder])


def told(folder: Path, text: str, name: str = "tasks.py") -> list[str]:
    """Return what is to be written instead."""
    return [one.instead for one in found(folder, name, text)]


@pytest.fixture
def guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The usage guide's cases, as a project of pynenc."""
    target = tmp_path / "project"
    shutil.copytree(GUIDE, target, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(target)
    yield target
    for name in {path.stem for path in target.glob("*.py")}:
        sys.modules.pop(name, None)


def test_the_guide(guide: Path) -> None:
    """Of its modules nothing but imports must change, and one thing differs."""
    of_modules = [one for one in check([guide]) if one.path.endswith(".py")]
    assert {one.found.split()[0] for one in of_modules if one.must_change} == {"from"}
    [other] = [one for one in of_modules if not one.must_change]
    assert (Path(other.path).name, other.line) == ("concurrency.py", 11)
    assert str(other.severity) == "differs"
    of_file = {one.line: one.instead for one in check([guide / "pyproject.toml"])}
    assert sorted(of_file) == [4, 8, 9, 10, 15]
    assert of_file[15] == "write postgres.dsn"


def test_the_guide_runs_once_it_is_changed(guide: Path) -> None:
    """What the check says of imports is all there is to do: the modules work then."""
    for one in check([guide]):
        if one.must_change and one.path.endswith(".py"):
            path = Path(one.path)
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            lines[one.line - 1] = f"{one.instead}\n"
            path.write_text("".join(lines), encoding="utf-8")
    (guide / "pyproject.toml").unlink()
    assert not any(one.must_change for one in check([guide]))
    calls: list[tuple[str, Callable[[Any], Any], object]] = [
        ("orchestration", lambda m: m.fibonacci(5), 5),
        ("custom", lambda m: m.echo("a"), "a"),
        ("concurrency", lambda m: m.one_at_a_time(0.5), 0.5),
        ("triggered", lambda m: m.source(1), "did 1"),
    ]
    for name, call, expected in calls:
        module: Any = importlib.import_module(name)
        with in_memory(module.app) as world:
            invocation = call(module)
            world.run_until_idle()
            assert invocation.result == expected
    suite = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module("in_tests"))
    assert suite.run(unittest.TestResult()).wasSuccessful()


def test_nothing_is_executed(tmp_path: Path) -> None:
    """Not even a module that would be imported by another."""
    text = (
        f"import pathlib\nfrom pynenc import Pynenc\npathlib.Path({str(tmp_path / 'x')!r}).touch()"
    )
    assert told(tmp_path, text) == ["from pynenc_pg import Pynenc"]
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        (
            "from pynenc import Pynenc as P, Task",
            "from pynenc_pg import Pynenc as P; from pynenc_pg.task import Task",
        ),
        ("import pynenc", "import pynenc_pg as pynenc"),
        ("import pynenc.builder", "import pynenc_pg.builder"),
        ("from pynenc.invocation import status", "from pynenc_pg.invocation import status"),
        (
            "from pynenc.invocation import DistributedInvocation",
            "from pynenc_pg.invocation.handle import Invocation as DistributedInvocation",
        ),
        (
            "from pynenc.orchestrator import MemOrchestrator",
            "nothing to import: stores are chosen by name",
        ),
        ("from pynenc_redis.broker import RedisBroker", "no plugin: set postgres.dsn"),
        (
            "path = 'pynenc.serializer.json_serializer.JsonSerializer'",
            "'pynenc_pg.serializer.JsonSerializer'",
        ),
        ("import pynenc as p\np.exceptions.StateBackendError", "pynenc_pg.exceptions.StoreError"),
    ],
)
def test_names(tmp_path: Path, text: str, instead: str) -> None:
    """Of each kind of import, and of names in text."""
    assert told(tmp_path, text)[-1].startswith(instead)


_APP: Final = (
    "from pynenc_pg import Pynenc, PynencBuilder\n"
    "from pynenc_pg.trigger import TriggerBuilder\n"
    "app = Pynenc()\n"
)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("Pynenc({'app_id': 'x'})", "Pynenc(config_values={'app_id': 'x'}); first is the app_id"),
        ("Pynenc(config_values={'log_format': 'json'})", "write logging_format"),
        (
            "Pynenc(config_values={'client_data_store': {'min_size_to_cache': 1}})",
            "client_data_store.min_size_to_cache = 1: must be",
        ),
        ("app.conf.broker_cls = 'SQLiteBroker'", "PgBroker, or leave it out and set postgres.dsn"),
        ("app.conf.runner_cls = 'ExternalRunner'", "one of AsyncRunner"),
        ("setattr(app.conf, 'cached_status_time', 0)", "leave it out: a status is read"),
        ("app.runner = 1", 'app.conf.runner_cls = "ThreadRunner"'),
        ("app.orchestrator.get_invocation_retries(i)", "app.get_invocation(id).num_retries"),
        ("app.orchestrator.anything_else(i)", "components have other methods"),
        ("print(task.task_id.module)", "task.task_id is the text 'module.function'"),
        ("invocation.call.arguments", "invocation.arguments"),
        ("PynencBuilder().redis(url='x')", "postgres(dsn), which puts"),
        ("PynencBuilder().memory().sqlite()", 'postgres("embedded")'),
        ("PynencBuilder().trigger_task_modules(['a'])", ".trigger_task_modules(*['a'])"),
        ("b = PynencBuilder().memory()\nb.mem_trigger(60)", "mem_trigger()"),
        ("PynencBuilder().logging(fmt='json')", "write format=..."),
        (
            "PynencBuilder().custom_config(max_pending_seconds=3)",
            "write runner.max_pending_seconds",
        ),
        ("@app.task(parallel_batch_size=0)\ndef f(): ...", "1 or more"),
        ("TriggerBuilder().on_event('x', lambda p: True)", "a function of a module"),
        ("app.trigger.on_event('x', lambda p: True)", "a function of a module"),
        ("TriggerBuilder().on_cron('* * * * *').with_arguments({})", "with_args_static"),
        ("os.environ['PYNENC__LOG_FORMAT'] = 'json'", "write PYNENC__LOGGING_FORMAT"),
        ("monkeypatch.setenv('PYNENC__RUNNER_CLS', 'ExternalRunner')", "one of AsyncRunner"),
    ],
)
def test_code(tmp_path: Path, text: str, instead: str) -> None:
    """Of each rule one case, before the imports are changed and after."""
    for app in (_APP, _APP.replace("pynenc_pg", "pynenc")):
        said = [one for one in told(tmp_path, app + text) if not one.startswith("from ")]
        assert [one[: len(instead)] for one in said] == [instead]


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("from pynenc_pg import Pynenc, Task", ["from pynenc_pg.task import Task"]),
        ("from pynenc_pg.util.files import load_file", ["it was an internal of pynenc"]),
        ("from pynenc_pg.orchestrator import MemOrchestrator", ["nothing to import"]),
        ("import pynenc_pg as p\np.exceptions.TaskError", ["pynenc_pg.exceptions.PynencError"]),
        ("import pynenc_pg\npynenc_pg.exceptions.StoreError", []),
        ("import pynenc_pg.postgres.deploy as d\nd.migrate('')", []),
        ("from pynenc_pg.runner.base import BaseRunner", []),
        ("from pynenc_pg.trigger import CatchUp", []),
        ("from pynenc_pg.runner import thread", []),
    ],
)
def test_imports_of_which_only_the_package_was_exchanged(
    tmp_path: Path, text: str, instead: list[str]
) -> None:
    """They are found, too; what is right is left alone."""
    assert [one[: len(want)] for one, want in zip(told(tmp_path, text), instead, strict=True)] == (
        instead
    )


def test_an_app_of_another_module(tmp_path: Path) -> None:
    """Its name is known in all of the project; another library's app of that name is not ours."""
    (tmp_path / "app.py").write_text(
        "import pynenc_pg\nfrom pynenc import Pynenc\napp = Pynenc()\n"
    )
    assert "app.get_invocation(id).num_retries" in told(
        tmp_path, "from app import app\napp.orchestrator.get_invocation_retries(1)"
    )
    celery = "from celery import Celery\napp = Celery()\napp.orchestrator.get_invocation_retries(1)"
    assert "app.get_invocation(id).num_retries" not in told(tmp_path, celery)


@pytest.mark.parametrize(
    ("name", "text", "line", "instead"),
    [
        ("requirements-dev.txt", "pytest\npynenc==0.1.1", 2, "pynenc_pg"),
        ("requirements.txt", "pynenc-mongodb>=0.1", 1, "leave it out: PostgreSQL is built in"),
        ("pyproject.toml", "[tool.poetry.dependencies]\npynenc = '^0.1'", 2, "pynenc_pg"),
        (
            "pyproject.toml",
            "[tool.pynenc.sqlite]\nsqlite_db_path='x'",
            2,
            "write postgres.dsn ('embedded'",
        ),
        ("pyproject.toml", "[tool.pynenc]\nlogging_level = 'loud'", 2, "logging_level = 'loud': "),
        ("pyproject.toml", "[tool.pynenc.task.'m.f']\nparallel_batch_size = 0", 2, "1 or more"),
        (
            "pynenc.yaml",
            "app_id: a\nthreadrunner:\n  max_threads: 3",
            3,
            "write runner.concurrency",
        ),
        ("conf.json", '{"runner_cls": "Runner",\n "nothing": 1}', 2, "there is no such setting"),
        (".env", "A=1\nPYNENC__REDIS_URL=redis://x", 2, "write PYNENC__POSTGRES__DSN"),
        (
            ".env.prod",
            "PYNENC__CONFIGRUNNER__MIN_PARALLEL_SLOTS=3",
            1,
            "write PYNENC__RUNNER__CONCURRENCY",
        ),
        (
            "Dockerfile",
            'CMD ["pynenc", "--app", "a", "runner", "start"]',
            1,
            'CMD ["pynenc-pg", "--app"',
        ),
        ("start.sh", "exec pynenc --app=a.app runner start", 1, "exec pynenc-pg --app=a.app"),
        ("compose.yaml", "services:\n  r:\n    image: redis:7", 3, "tasks need no redis"),
    ],
)
def test_files(tmp_path: Path, name: str, text: str, line: int, instead: str) -> None:
    """Of each kind of file one case, with its line."""
    last = found(tmp_path, name, text)[-1]
    assert (last.line, last.instead[: len(instead)]) == (line, instead)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tasks.py", _APP + "@app.task(max_retries=3)\ndef f(): ...\nf().result\napp.purge()"),
        ("tasks.py", "import notpynenc, pynencish\nx = 'pynenc rocks'\nself.call.arguments"),
        ("tasks.py", "app.runner = 1\napp.orchestrator.purge()"),
        ("requirements.txt", "pynenc_pg[monitor]>=0.1\npynenc-pg\nmy-pynenc"),
        (
            "pyproject.toml",
            "[tool.pynenc.postgres]\ndsn = 'embedded'\n[tool.pynenc.runner]\npoll = 3",
        ),
        ("any.yaml", "redis_host: x\nmin_threads: 3"),
        (
            ".env",
            "# PYNENC__REDIS_HOST=x\nPYNENC__RUNNER_CLS=ThreadRunner\nPYNENC__POSTGRES__DSN=x",
        ),
        (".env", "PYNENC__CONFIGTASK__M#F__MAX_RETRIES=3\nPYNENC__FILEPATH=c.yaml"),
        ("start.sh", "pynenc-pg --app a runner start"),
        ("broken.toml", "= ="),
    ],
)
def test_what_is_left_alone(tmp_path: Path, name: str, text: str) -> None:
    """Nothing is said of what is right, or of others."""
    assert found(tmp_path, name, text) == []


def test_files_that_are_no_work_of_hands(tmp_path: Path) -> None:
    """Environments, hidden folders and links are not read; what is no Python is named."""
    for name in (".venv", "site-packages", ".git"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("import pynenc")
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "env" / "a.py").write_text("import pynenc")
    (tmp_path / "link").symlink_to(tmp_path / "env")
    assert check([tmp_path]) == []
    [one] = found(tmp_path, "old.py", "print 'import pynenc'")
    assert (one.line, one.must_change) == (1, False)
    assert one.found.startswith("no Python that can be read: ")


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["compat", "check", *arguments])
    return result.exit_code, result.output


def test_the_command(tmp_path: Path) -> None:
    """1 while something must be changed, 0 after; machines get a list of objects."""
    tasks = tmp_path / "tasks.py"
    tasks.write_text("from pynenc import Pynenc\n")
    code, output = _run(str(tmp_path))
    assert code == 1
    assert output.splitlines() == [
        f"{tasks}:1: must change: from pynenc import Pynenc",
        "    from pynenc_pg import Pynenc  [docs/howto/from-pynenc.md#imports]",
        "1 must change, 0 differs, 0 note",
    ]
    code, output = _run("--json", str(tasks))
    assert code == 1
    assert json.loads(output) == [
        {
            "path": str(tasks), "line": 1, "found": "from pynenc import Pynenc",
            "instead": "from pynenc_pg import Pynenc", "severity": "must change",
            "page": "docs/howto/from-pynenc.md#imports",
        }
    ]  # fmt: skip
    tasks.write_text("from pynenc_pg import Pynenc\n")
    assert _run(str(tmp_path)) == (0, "0 must change, 0 differs, 0 note\n")
    assert _run(str(tmp_path / "nowhere"))[0] == 2


def test_the_example_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its project gives its output; after its changes nothing is left to be changed."""
    page = (ROOT / "docs/howto/from-pynenc.md").read_text(encoding="utf-8")
    files = re.findall(
        r"^```(?:python|toml)\n# ([\w./]+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL
    )
    [output] = re.findall(
        r"^```console\n\$ pynenc-pg compat check \.\n(.*?)^```", page, re.MULTILINE | re.DOTALL
    )
    before, after = files[:2], files[2:]
    assert {name for name, _ in before} == {name for name, _ in after}
    monkeypatch.chdir(tmp_path)
    for name, text in before:
        Path(name).write_text(f"# {name}\n{text}", encoding="utf-8")
    assert _run(".") == (1, output)
    for name, text in after:
        Path(name).write_text(f"# {name}\n{text}", encoding="utf-8")
    assert _run(".") == (0, "0 must change, 0 differs, 0 note\n")


def test_every_heading_that_is_named_is_there() -> None:
    """Each finding leads to a heading of the page."""
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
        for head in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }
    assert set(map(str, Topic)) <= headings
