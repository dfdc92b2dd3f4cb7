"""``pynenc-pg invocations``, ``runners`` and ``why``: what they show and do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pynenc_pg.cli.main import cli
from pynenc_pg.domain.ids import RunnerId, new_invocation_id
from pynenc_pg.domain.records import Batch, NewInvocation
from pynenc_pg.exceptions import ConfigError, InvocationNotFoundError, StoreError
from tests.unit.cli_place import ME, begin, fail, finish, nobody, place, work

Run = Callable[..., Result]
#: Clears the screen, sets the title, turns the text round, ends a line.
EVIL = "\x1b[2J\x1b]0;owned\x07\u202e\x9b31m\r\nfine"


@pytest.fixture
def tasks(database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of tasks, with a runner that nobody runs."""
    for module in place("invocation_tasks", database_dsn, tmp_path, monkeypatch):
        work(module.app)
        yield module


@pytest.fixture
def run(tasks: Any) -> Run:
    """Run a command."""
    assert tasks.app
    return lambda *arguments: CliRunner().invoke(cli, [*arguments])


def listed(run: Run, *arguments: str) -> list[str]:
    """List the ids that fit."""
    done = run("invocations", "list", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return [one["invocation_id"] for one in json.loads(done.output)]


def ids(*invocations: Any) -> list[str]:
    """Return their ids, the latest first."""
    return [invocation.invocation_id for invocation in reversed(invocations)]


def test_each_filter(run: Run, tasks: Any) -> None:
    """Alone, and several together; what fits none of them is left out."""
    assert run("invocations").output == "no such invocations\n"
    first, second = tasks.send(1, "ann"), tasks.send(2, to="bob")
    fine, bad = begin(tasks.app, 2)
    finish(tasks.app, fine)
    fail(tasks.app, bad, ValueError("no such Größe"))
    third = tasks.sort([3])
    assert listed(run) == ids(first, second, third)
    for arguments, found in (
        (("--task", "invocation_tasks.sort"), (third,)),
        (("--queue", "mail"), (first, second)),
        (("--status", "success"), (first,)),
        (("--status", "live"), (third,)),
        (("--status", "ended"), (first, second)),
        (("--status", "failed", "--status", "registered"), (second, third)),
        (("--argument", "order=2"), (second,)),
        (("--argument", "to=ann"), (first,)),
        (("--argument", "to=ann", "--argument", "order=2"), ()),
        (("--runner", ME), (first, second)),
        (("--error", "no such größe"), (second,)),
        (("--error", '"such'), ()),
        (("--since", "1h"), (first, second, third)),
        (("--until", "1h"), ()),
        (("--since", "2h", "--until", "2999-01-01"), (first, second, third)),
        (("--workflow", first.invocation_id), (first,)),
        (("--parent", first.invocation_id), ()),
    ):
        assert listed(run, *arguments) == ids(*found), arguments


def test_pages_follow_on_each_other(run: Run, tasks: Any) -> None:
    """The last line says how to go on; no page has what another one has."""
    tasks.send.parallelize([(n,) for n in range(5)])
    everything = listed(run)
    pages = [listed(run, "--limit", "2")]
    while pages[-1]:
        pages.append(listed(run, "--limit", "2", "--after", pages[-1][-1]))
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert [which for page in pages for which in page] == everything
    last = run("invocations", "list", "--limit", "2").output
    assert last.endswith(f"more, perhaps: --after {everything[1]}\n")


def test_a_search_that_finds_nothing_soon_goes_on(run: Run, tasks: Any) -> None:
    """However many do not fit, they are looked through part by part."""
    first = tasks.sort([0])
    tasks.send.parallelize([(n,) for n in range(300)])
    assert listed(run, "--limit", "1", "--task", first.task_id) == ids(first)


def test_children_are_found_and_drawn(run: Run, tasks: Any) -> None:
    """By their parent; a tree is indented, and begins at the root if that is asked."""
    parent = tasks.sort([1])
    child, grandchild = new_invocation_id(), new_invocation_id()
    for which, above in ((child, parent.invocation_id), (grandchild, child)):
        new = NewInvocation(which, "a call", "{}")
        tasks.app.orchestrator.register(Batch("invocation_tasks.sort", [new], parent_id=above))
    assert listed(run, "--parent", parent.invocation_id) == [child]
    _, *lines = run("invocations", "tree", parent.invocation_id).output.splitlines()
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4]
    below = json.loads(run("invocations", "tree", child, "--json").output)
    assert [one["invocation_id"] for one in below] == [child, grandchild]
    rooted = json.loads(run("invocations", "tree", grandchild, "--root", "--json").output)
    assert [one["level"] for one in rooted] == [0, 1, 2]


def test_show_and_history(run: Run, tasks: Any) -> None:
    """Arguments, result, exception with its traceback, every change, and why it rests."""
    good, bad, waiting = tasks.send(1), tasks.send(2), tasks.send(3)
    held = begin(tasks.app, 2)
    finish(tasks.app, held[0], "[1, 2]")
    fail(tasks.app, held[1], KeyError("gone"))
    said = run("invocations", "show", good.invocation_id).output
    assert said.startswith(f"invocation_tasks.send, invocation {good.invocation_id}\n")
    assert "  arguments: order=1" in said
    assert "  result: [1, 2]" in said
    said = json.loads(run("invocations", "show", bad.invocation_id, "--json").output)
    assert (said["status"], said["error"], said["result"]) == ("failed", "KeyError: 'gone'", None)
    assert said["traceback"].startswith("KeyError")
    assert [entry["status"] for entry in said["history"]][-2:] == ["running", "failed"]
    assert "  why: it is ready" in run("invocations", "show", waiting.invocation_id).output
    entries = json.loads(run("invocations", "history", good.invocation_id, "--json").output)
    assert [one["status"] for one in entries] == ["registered", "pending", "running", "success"]
    header, *lines = run("invocations", "history", good.invocation_id).output.splitlines()
    assert (header.split()[:2], len(lines)) == (["rev", "status"], 4)


def test_values_are_hidden_where_the_app_says_so(run: Run, tasks: Any) -> None:
    """Arguments, results and what exceptions say."""
    tasks.app.conf.argument_print_mode = "hidden"
    which = tasks.send(4711)
    fail(tasks.app, begin(tasks.app)[0], ValueError("card 4711"))
    for command in (("list",), ("show", which.invocation_id), ("history", which.invocation_id)):
        for how in ((), ("--json",)):
            done = run("invocations", *command, *how)
            assert done.exit_code == 0
            assert "4711" not in done.output.replace(which.invocation_id, "")
            assert "ValueError" in done.output


def test_cancel_and_retry(run: Run, tasks: Any) -> None:
    """Each id is told of; one that cannot be does not keep the others from it."""
    first, second = tasks.send(1), tasks.send(2)
    done = run("invocations", "cancel", first.invocation_id, nobody())
    assert done.exit_code == 3
    assert f"{first.invocation_id}: cancelled\n" in done.output
    assert f"{nobody()}: unknown\n" in done.output
    done = run("invocations", "retry", first.invocation_id, "--json")
    assert done.exit_code == 0
    [answer] = json.loads(done.output)
    assert tasks.app.get_invocation(answer["new_id"]).retried_from == first.invocation_id
    done = run("invocations", "retry", second.invocation_id)
    assert done.exit_code == 3
    assert f"{second.invocation_id}: refused" in done.output
    assert run("invocations", "cancel", second.invocation_id).exit_code == 0
    assert run("invocations", "cancel").exit_code == 2


def test_runners(run: Run, tasks: Any) -> None:
    """Who works, filtered; one with what it holds."""
    work(tasks.app, "mail", runner=RunnerId("other"))
    which = tasks.send(1)
    begin(tasks.app)
    header, *lines = run("runners").output.splitlines()
    assert header.split()[0] == "runner"
    assert [line.split()[0] for line in lines] == ["me", "other"]
    for arguments, found in (
        (("--queue", "default"), ["me"]),
        (("--queue", "mail"), ["me", "other"]),
        (("--health", "alive"), ["me", "other"]),
        (("--health", "dead"), []),
        (("--host", "elsewhere"), []),
    ):
        said = json.loads(run("runners", "list", "--json", *arguments).output)
        assert [one["runner_id"] for one in said] == found, arguments
    shown = json.loads(run("runners", "show", "me", "--json").output)
    assert (shown["holds"], shown["invocations"][0]["invocation_id"]) == (1, which.invocation_id)
    assert which.invocation_id in run("runners", "show", "me").output
    assert run("runners", "show", "other").output.endswith("holds nothing\n")
    assert isinstance(run("runners", "show", "nobody").exception, StoreError)


def test_why(run: Run, tasks: Any) -> None:
    """A sentence for each reason; the exit code tells what waits from what is over."""
    which = tasks.send(1)
    done = run("why", which.invocation_id)
    assert (done.exit_code, done.output) == (
        3,
        "it is ready: a runner that serves its queue, mail, takes it at its next look\n",
    )
    tasks.app.pause_queue("mail")
    done = run("why", which.invocation_id, "--json")
    assert json.loads(done.output) == [
        {
            "code": "queue_paused",
            "message": "its queue, mail, is paused",
            "facts": {"queue": "mail"},
        }
    ]
    tasks.app.resume_queue("mail")
    begin(tasks.app)
    assert run("why", which.invocation_id).exit_code == 0
    assert run("why", nobody()).exit_code == 4
    assert run("why", "no id").exit_code == 4


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_a_terminal_is_not_told_what_to_do(run: Run, tasks: Any, how: tuple[str, ...]) -> None:
    """Whatever arguments, errors, results or names of runners have in them."""
    work(tasks.app, runner=RunnerId(f"runner {EVIL}"))
    which, other = tasks.send(1, to=EVIL), tasks.sort([EVIL])
    first, second = begin(tasks.app)
    fail(tasks.app, first, ValueError(EVIL))
    finish(tasks.app, second, json.dumps([EVIL], ensure_ascii=False))
    tasks.app.conf.argument_print_mode = "full"
    for command in (
        ("invocations", "list"),
        ("invocations", "show", which.invocation_id),
        ("invocations", "show", other.invocation_id),
        ("invocations", "history", which.invocation_id),
        ("invocations", "tree", which.invocation_id),
        ("runners", "list"),
        ("runners", "show", f"runner {EVIL}"),
        ("why", which.invocation_id),
    ):
        done = run(*command, *how)
        assert done.exit_code == 0, done.output
        assert [c for c in done.output if c != "\n" and not c.isprintable()] == [], command


def test_what_cannot_be(run: Run, tasks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such id, no such status, no time, no pair; memory."""
    for command in ("show", "history", "tree"):
        assert isinstance(run("invocations", command, nobody()).exception, InvocationNotFoundError)
    for arguments in (
        ("--status", "lost"),
        ("--since", "yesterday"),
        ("--argument", "order"),
        ("--limit", "0"),
    ):
        assert run("invocations", "list", *arguments).exit_code == 2
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", None)
    assert isinstance(run("invocations").exception, ConfigError)
