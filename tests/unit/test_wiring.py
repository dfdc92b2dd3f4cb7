"""From names to parts."""

from __future__ import annotations

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.runner.dummy import DummyRunner
from pynenc_pg.runner.thread import ThreadRunner


class OwnRunner(DummyRunner):
    """A runner of the user's own."""


def test_the_runner_is_what_runner_cls_says_whenever_it_is_set() -> None:
    """Also after a first use; the same name gives the same runner."""
    app = Pynenc("late")
    assert isinstance(app.runner, DummyRunner)
    app.conf.runner_cls = "ThreadRunner"
    assert isinstance(app.runner, ThreadRunner)
    assert app.runner is app.runner
    app.conf.runner_cls = f"{__name__}.OwnRunner"
    assert isinstance(app.runner, OwnRunner)
    app.close()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ThredRunner", "choose one of AsyncRunner, DummyRunner, MultiThreadRunner"),
        ("no.such.Runner", "No module named 'no'"),
        ("pynenc_pg.runner.thread.Runner", "nothing of that name in pynenc_pg.runner.thread"),
        ("pynenc_pg.runner.thread.Threads", "no BaseRunner in pynenc_pg.runner.thread"),
    ],
)
def test_a_runner_that_is_none(name: str, why: str) -> None:
    """The message names the value, what is wrong, and what can be chosen."""
    with pytest.raises(ConfigError, match=f"{name}.*{why}"):
        _ = Pynenc("wrong", config_values={"runner_cls": name}).runner


@pytest.mark.parametrize("name", ["ProcessRunner", "PersistentProcessRunner", "MultiThreadRunner"])
def test_processes_need_a_store_they_can_see(name: str) -> None:
    """A runner with processes on the store in memory is refused; the message has both names."""
    values = {"runner_cls": name, "orchestrator_cls": "MemOrchestrator"}
    with pytest.raises(ConfigError, match=f"{name}.*MemOrchestrator"):
        Pynenc("named", config_values=values)
    app = Pynenc("unnamed", config_values={"runner_cls": name})
    with pytest.raises(ConfigError, match=f"{name}.*MemOrchestrator, for want of a DSN"):
        _ = app.runner
    app.close()


def test_a_way_round_a_pooler_is_none_to_the_database() -> None:
    """Work would be kept in memory, and nobody told; who wants that says so."""
    values = {"postgres": {"direct_dsn": "postgresql://u:secret@db/shop"}}
    app = Pynenc("half", config_values=values)
    with pytest.raises(ConfigError, match=r"direct_dsn is set .*dsn is not: the way") as it:
        _ = app.orchestrator
    assert "secret" not in str(it.value)
    named = Pynenc("named", config_values={**values, "orchestrator_cls": "MemOrchestrator"})
    assert named.state_backend.count_ready() == 0
    named.close()


def test_mixed_stores_are_refused_at_use() -> None:
    """Components may be set one after the other; a mix is refused when the app is used."""
    app = Pynenc("mixed")
    app.conf.orchestrator_cls = "PgOrchestrator"
    app.conf.broker_cls = "MemBroker"
    with pytest.raises(ConfigError, match=r"PgOrchestrator.*MemBroker"):
        _ = app.engine
    app.conf.orchestrator_cls = "MemOrchestrator"
    assert app.engine.store.processes is False
    app.conf.broker_cls = "PgBroker"
    with pytest.raises(ConfigError, match="do not mix"):
        _ = app.engine
    app.close()
