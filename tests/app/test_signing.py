"""With a signing key nothing in a row is believed, let alone run, unless it is signed."""

from __future__ import annotations

import base64
import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.conf.show import shown_settings
from pynenc_pg.exceptions import ConfigError, SignatureError
from pynenc_pg.invocation.handle import Invocation
from tests.app import signed_tasks as tasks
from tests.app.conftest import Runner
from tests.app.test_thread_runner import wait_for

VALUES = [
    1,
    "text",
    None,
    [1, {"a": 2}],
    {"$odd": 1},
    {},
    {"$value": 3},
    {1, 2},
    b"bytes",
    "x" * 5000,
]


@pytest.fixture
def tasks_module() -> ModuleType:
    """An app that signs."""
    return tasks


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_values_come_back_and_stand_readable(app: Pynenc, runner: Runner, value: Any) -> None:
    """Arguments and results of any kind, with a reader beside them in SQL; waits and many calls."""
    with runner():
        invocation = tasks.take(value)
        assert invocation.result_or_raise(20) == value
        assert invocation.arguments.kwargs == {"value": value}
        assert tasks.parent([value] * 3).result_or_raise(20) == [value] * 3


def test_errors_come_back(app: Pynenc, runner: Runner) -> None:
    """Of the last attempt, and of those before it."""
    with runner():
        invocation = tasks.fails("at once")
        with pytest.raises(ValueError, match="at once"):
            invocation.result_or_raise(20)
        again = tasks.fails("again")
        with pytest.raises(Exception, match="again"):
            again.result_or_raise(20)
        assert [str(one.error) for one in again.attempts] == ["again", "again"]


def test_keys_are_exchanged(app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was signed by the former key is taken as long as that is among the keys."""
    monkeypatch.setattr(app.conf, "serializer_signing_key", (tasks.OLD,))
    former = tasks.take(1)
    if app.conf.store == "memory":
        return  # another key is another engine, and memory goes with it
    monkeypatch.setattr(app.conf, "serializer_signing_key", (tasks.NEW, tasks.OLD))
    with runner():
        assert former.result_or_raise(20) == 1
    monkeypatch.setattr(app.conf, "serializer_signing_key", (tasks.OLD,))
    with pytest.raises(SignatureError, match="serializer_signing_key"):
        _ = former.result


@pytest.mark.parametrize("keys", ["short", ["n" * 40, "short"], [""]])
def test_a_key_that_can_be_guessed(keys: Any) -> None:
    """It is refused where it is set, and shown nowhere."""
    with pytest.raises(ConfigError, match=r"32 characters or more.*token_hex") as caught:
        Pynenc(config_values={"serializer_signing_key": keys})
    assert "short" not in str(caught.value).replace("serializer_signing_key", "")


def test_keys_are_not_shown(app: Pynenc) -> None:
    """Neither by ``config show`` nor in the text of the configuration."""
    shown = next(one for one in shown_settings(app.conf) if one.key == "serializer_signing_key")
    assert tasks.NEW not in json.dumps([shown.key, shown.value, shown.source])
    assert tasks.NEW not in repr(app.conf)


# --- attacks, by somebody who may write any row -----------------------------------------------


class Attacker:
    """Owns the tables, and has switched the guard off."""

    def __init__(self, dsn: str) -> None:
        """Connect."""
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.connection.execute("set session_replication_role = replica")
        self.connection.execute("set search_path = pynenc")

    def arguments(self, invocation: Invocation[Any]) -> str:
        """Read them as they stand."""
        query = "select arguments::text from invocation where invocation_id = %s"
        row = self.connection.execute(query, (invocation.invocation_id,)).fetchone()
        assert row is not None
        return str(row[0])

    def set_arguments(self, invocation: Invocation[Any], text: str) -> None:
        """Write others."""
        self.connection.execute(
            "update invocation set arguments = %s where invocation_id = %s",
            (text, invocation.invocation_id),
        )

    def set_value(self, invocation: Invocation[Any], text: str | None) -> None:
        """Write another result."""
        self.connection.execute(
            "update invocation_outcome set value = %s where invocation_id = %s",
            (text, invocation.invocation_id),
        )

    def value(self, invocation: Invocation[Any]) -> str:
        """Read a result as it stands."""
        query = "select value::text from invocation_outcome where invocation_id = %s"
        row = self.connection.execute(query, (invocation.invocation_id,)).fetchone()
        assert row is not None
        return str(row[0])


@pytest.fixture
def signing(database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app on PostgreSQL."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    monkeypatch.setattr(tasks.app.conf, "runner_cls", "ThreadRunner")
    monkeypatch.chdir(tmp_path)
    tasks.seen.clear()
    yield tasks.app
    tasks.app.close()


@pytest.fixture
def attacker(database_dsn: str) -> Iterator[Attacker]:
    """Somebody with the rights of the owner."""
    made = Attacker(database_dsn)
    yield made
    made.connection.close()


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Touch a file."""
        return Path("exploded").touch, ()


def bombs() -> dict[str, str]:
    """Arguments that run code where they are decoded without a look at the signature."""
    pickled = base64.b64encode(pickle.dumps(Bomb())).decode()
    reduce = {"py/reduce": [{"py/function": "os.mkdir"}, {"py/tuple": ["exploded"]}]}
    return {
        "py/reduce": json.dumps({"value": {"$jsonpickle": json.dumps(reduce)}}),
        "pickle": json.dumps({"value": {"$pickle": pickled}}),
        "plain": json.dumps({"value": 1}),
        "forged": json.dumps({"value": 1, "$sig": "1:" + "0" * 64}, separators=(",", ":")),
        "downgraded": json.dumps({"value": 1, "$sig": "0:" + "0" * 64}, separators=(",", ":")),
        "refused": json.dumps({"$refused": "a joke"}),
    }


def refused(invocation: Invocation[Any]) -> None:
    """See that it has failed, once, and that nothing was run."""
    with pytest.raises(SignatureError, match="arguments of invocation"):
        invocation.result_or_raise(20)
    assert invocation.status is InvocationStatus.FAILED
    assert len(invocation.attempts) == 1
    assert tasks.seen == []
    assert not Path("exploded").exists()


@pytest.mark.parametrize("name", bombs())
def test_arguments_that_nobody_has_signed(
    signing: Pynenc, attacker: Attacker, runner_of: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not decoded, not executed, not tried again; the invocation says why, and the log as well."""
    invocation = tasks.take({1, 2})
    attacker.set_arguments(invocation, bombs()[name])
    with caplog.at_level(logging.ERROR), runner_of(signing):
        refused(invocation)
    assert any("payload.refused" in record.message for record in caplog.records)
    with pytest.raises(SignatureError):
        _ = invocation.arguments


def test_a_changed_character(signing: Pynenc, attacker: Attacker, runner_of: Any) -> None:
    """Of the value, of a name, or of the signature itself."""
    calls = [tasks.take("transfer 10") for _ in range(3)]
    for call, (old, new) in zip(
        calls, [("10", "90"), ('"value"', '"walue"'), ('"1:', '"1:0')], strict=True
    ):
        text = attacker.arguments(call)
        attacker.set_arguments(call, text.replace(old, new, 1))
    with runner_of(signing):
        for call in calls:
            refused(call)


def test_what_is_moved_elsewhere(signing: Pynenc, attacker: Attacker, runner_of: Any) -> None:
    """Arguments of another invocation, or of another task, are not taken."""
    mine, yours = tasks.take(1), tasks.take(2)
    attacker.set_arguments(yours, attacker.arguments(mine))
    renamed = tasks.take(3)
    attacker.connection.execute(
        "update invocation set task_id = %s where invocation_id = %s",
        (tasks.other.task_id, renamed.invocation_id),
    )
    with runner_of(signing):
        refused_ids = {yours, renamed}
        for call in refused_ids:
            with pytest.raises(SignatureError):
                call.result_or_raise(20)
        assert mine.result_or_raise(20) == 1
    assert tasks.seen == [1]


def test_results_that_were_changed(signing: Pynenc, attacker: Attacker, runner_of: Any) -> None:
    """Another's, the arguments given out for a result, one without a signature, or none."""
    with runner_of(signing):
        calls = [tasks.take(n) for n in range(5)]
        for number, call in enumerate(calls):
            assert call.result_or_raise(20) == number
    attacker.set_value(calls[0], attacker.value(calls[1]))
    attacker.set_value(calls[2], attacker.arguments(calls[2]))
    attacker.set_value(calls[3], bombs()["py/reduce"])
    attacker.set_value(calls[4], None)
    signing.close()
    for call in (calls[0], calls[2], calls[3], calls[4]):
        with pytest.raises(SignatureError, match="result of invocation"):
            _ = call.result
    assert calls[1].result == 1
    assert not Path("exploded").exists()


def test_a_large_value_that_was_changed(
    signing: Pynenc, attacker: Attacker, runner_of: Any
) -> None:
    """Its name is signed, and what is stored under that name is compared with it."""
    invocation, small = tasks.take(list(range(5_000))), tasks.take(list(range(2_000)))
    attacker.set_arguments(invocation, attacker.arguments(small))
    with runner_of(signing):
        with pytest.raises(SignatureError):
            invocation.result_or_raise(20)
        assert small.result_or_raise(20) == list(range(2_000))


def test_no_key_no_signature(
    signing: Pynenc, runner_of: Any, monkeypatch: pytest.MonkeyPatch, attacker: Attacker
) -> None:
    """Without a key nothing is signed; an app with a key does not take what it wrote before."""
    monkeypatch.setattr(signing.conf, "serializer_signing_key", ())
    unsigned = tasks.take(1)
    assert "$sig" not in attacker.arguments(unsigned)
    monkeypatch.setattr(signing.conf, "serializer_signing_key", (tasks.NEW,))
    with runner_of(signing):
        refused(unsigned)


def test_a_signature_is_no_argument(signing: Pynenc, runner_of: Any, attacker: Attacker) -> None:
    """Whoever compares the names of arguments with a task's parameters does not count it."""
    first = tasks.take(1)
    with runner_of(signing):
        assert first.result_or_raise(20) == 1
        orchestrator = signing.orchestrator
        orchestrator.pause_queue("default")
        waiting = tasks.take(2)
        query = "select task_id from queued_misfits('signed')"
        assert attacker.connection.execute(query).fetchall() == []
        orchestrator.pause_queue("default", paused=False)
        assert waiting.result_or_raise(20) == 2


def test_causes_of_triggers(app: Pynenc, runner: Runner) -> None:
    """Events and results that are signed fire; an event that is not is parked, and says why."""
    with runner():
        wait_for(lambda: bool(app.trigger.all()))
        app.trigger.emit_event("signed", {"value": {1, 2}})
        tasks.watched({3})
        wait_for(lambda: len(tasks.seen) == 2)
        if app.conf.store == "postgres":
            with psycopg.connect(app.conf.postgres.dsn or "", autocommit=True) as connection:
                connection.execute("select pynenc.emit_event('signed', '{\"value\": 1}', 'signed')")
                # Not while somebody looks at it: whose look it is, is proved by attempts.
                attempts = """update pynenc.trigger_cause set attempts = 4
                              where attempts < 4 and error is not null and taken_by is null"""
                wait_for(lambda: bool(connection.execute(f"{attempts} returning 1").fetchall()))
                wait_for(lambda: any(t.parked for t in app.trigger.all()))
                [error] = connection.execute("select error from pynenc.parked_causes").fetchall()
                assert "SignatureError: event" in str(error)
    assert sorted(map(repr, tasks.seen)) == ["('result', {3})", "{1, 2}"]
