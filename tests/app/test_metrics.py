"""What a runner tells Prometheus, on both stores."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.runner import exposition as exposition_module
from pynenc_pg.runner.exposition import Exposition
from tests.app import tasks
from tests.app.conftest import Runner

Samples = dict[tuple[str, str], float]


@pytest.fixture
def exposition(app: Pynenc, any_runner: Runner, monkeypatch: pytest.MonkeyPatch) -> Exposition:
    """Of a runner that counts."""
    monkeypatch.setattr(app.conf.runner, "metrics", True)
    app.close()  # another test's runner may be kept
    return Exposition(app.runner, CollectorRegistry())


def samples(exposition: Exposition) -> Samples:
    """Return the values by name and the labels' values."""
    kind, text = exposition.page()
    assert kind.startswith("text/plain")
    return {
        (one.name, ",".join(value for name, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }


def test_attempts_are_counted(exposition: Exposition, any_runner: Runner) -> None:
    """By task and what became of them, with what they took and how long they had waited."""
    add, fail = tasks.add.task_id, tasks.refuse.task_id
    before = samples(exposition)
    assert before["pynenc_runner_running", ""] == 0
    assert not [name for name, _ in before if name.startswith("pynenc_runner_attempts")]
    with any_runner():
        for number in range(5):
            assert tasks.add(number, 1).result == number + 1
        later = tasks.add.options(delay=0.01)(1, 1)
        with pytest.raises(tasks.Refused):
            _ = tasks.refuse(7).result
        assert later.result == 2
    found = samples(exposition)
    assert found["pynenc_runner_attempts_total", f"success,{add}"] == 6
    assert found["pynenc_runner_attempts_total", f"failed,{fail}"] == 1
    assert found["pynenc_runner_execution_seconds_count", add] == 6
    assert 0 < found["pynenc_runner_execution_seconds_sum", add] < 60
    assert found["pynenc_runner_pickup_seconds_count", "default"] == 6  # not of the delayed one
    assert found["pynenc_runner_places", ""] == 4
    assert samples(exposition)["pynenc_runner_attempts_total", f"success,{add}"] == 6


def test_nothing_is_counted_unless_asked(app: Pynenc) -> None:
    """There is nothing to count with."""
    assert app.runner.tally is None


def test_without_the_package_it_is_told(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, with the way out."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r"pip install 'pynenc_pg\[metrics\]'"):
        Exposition(app.runner)


def test_a_database_that_is_away_holds_up_no_page(
    exposition: Exposition, any_runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted here is told; how long calls had waited is on a later page."""
    comes_back = threading.Event()
    backend = tasks.app.engine.store.state_backend
    history = type(backend).get_history

    def get_history(*asked: Any) -> Any:
        assert comes_back.wait(60)
        return history(*asked)

    monkeypatch.setattr(exposition_module, "PATIENCE", 0.01)
    monkeypatch.setattr(type(backend), "get_history", get_history)
    with any_runner():
        assert tasks.add(1, 1).result == 2
    try:
        found = samples(exposition)
        assert found["pynenc_runner_attempts_total", f"success,{tasks.add.task_id}"] == 1
        assert ("pynenc_runner_pickup_seconds_count", "default") not in found
        assert samples(exposition) == found  # and no second look is begun
    finally:
        comes_back.set()
    assert exposition._looks is not None
    exposition._looks.join(60)
    assert samples(exposition)["pynenc_runner_pickup_seconds_count", "default"] == 1
