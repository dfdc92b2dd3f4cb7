"""The code of the guide's use cases 1 and 3 to 9, as it stands there."""

from __future__ import annotations

import json
import logging
import threading
import unittest
from itertools import pairwise

import numpy as np
import pytest

from pynenc_pg import Pynenc
from pynenc_pg.serializer import JsonSerializable
from tests.guide import arrays, concurrency, custom, money, orchestration, tasks
from tests.guide.conftest import Serve


def test_1_basic_local_threaded(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A decorated function is called, a thread executes it, and says so in its log."""
    with serve(tasks.app), caplog.at_level(logging.INFO):
        invocation = tasks.add(1, 2)
        assert invocation.result_or_raise(20) == 3
    assert "add.task_id='tests.guide.tasks.add' Adding 1 + 2" in caplog.text
    [said] = [r for r in caplog.records if "Adding" in r.getMessage()]
    assert said.__dict__["invocation_id"] == invocation.invocation_id


def test_3_registration_concurrency(serve: Serve) -> None:
    """Calls are invocations of their own, or with TASK one as long as it was not begun."""
    with serve(concurrency.app):
        pass  # the app has its store now, and no runner
    free = [concurrency.get_own_invocation_id() for _ in range(3)]
    once = [concurrency.get_own_invocation_id_registration_concurrency() for _ in range(3)]
    assert len({one.invocation_id for one in free}) == 3
    assert len({one.invocation_id for one in once}) == 1
    with serve(concurrency.app):
        assert [one.result_or_raise(20) for one in free] == [one.invocation_id for one in free]
        assert [one.result_or_raise(20) for one in once] == [once[0].invocation_id] * 3
        later = concurrency.get_own_invocation_id_registration_concurrency()
        assert later.result_or_raise(20) != once[0].invocation_id


def test_3_running_concurrency(serve: Serve) -> None:
    """Side by side, or with TASK one after the other."""
    with serve(concurrency.app):
        free = [concurrency.sleep_without_running_concurrency(0.2) for _ in range(3)]
        slept = [one.result_or_raise(20) for one in free]
        assert max(one.start for one in slept) < min(one.end for one in slept)
        alone = [concurrency.sleep_with_running_concurrency(0.05) for _ in range(4)]
        in_turn = sorted(one.result_or_raise(20) for one in alone)
    assert all(type(one) is concurrency.SleepResult for one in in_turn)
    assert all(one.end <= later.start for one, later in pairwise(in_turn))


def test_4_automatic_orchestration(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Calls that wait for calls, with no more slots than by default."""
    caplog.set_level(logging.INFO)
    with serve(orchestration.app):
        assert orchestration.fibonacci(8).result_or_raise(60) == 21
    said = {record.getMessage() for record in caplog.records if "Calculating" in record.msg}
    assert "Calculating fibonacci(8)" in said


class TestAddTask(unittest.TestCase):
    """Use case 5."""

    def setUp(self) -> None:
        """Enable synchronous task execution."""
        tasks.app.conf.dev_mode_force_sync_tasks = True
        self.addCleanup(setattr, tasks.app.conf, "dev_mode_force_sync_tasks", False)
        self.addCleanup(tasks.app.close)

    def test_add_functionality(self) -> None:
        """Test the add task."""
        result = tasks.add(1, 2).result
        self.assertEqual(result, 3)


class TestAddTaskMemMode(unittest.TestCase):
    """Use case 6."""

    def setUp(self) -> None:
        """Use in-memory components, and start the runner in a thread."""
        before = tasks.app.conf.model_dump()
        tasks.app.conf.dev_mode_force_sync_tasks = False
        tasks.app.conf.orchestrator_cls = "MemOrchestrator"
        tasks.app.conf.broker_cls = "MemBroker"
        tasks.app.conf.state_backend_cls = "MemStateBackend"
        tasks.app.conf.runner_cls = "ThreadRunner"
        for name in ("orchestrator_cls", "broker_cls", "state_backend_cls", "runner_cls"):
            self.addCleanup(setattr, tasks.app.conf, name, before[name])
        self.thread = threading.Thread(target=tasks.app.runner.run, daemon=True)
        self.thread.start()

    def tearDown(self) -> None:
        """Ensure the runner is stopped after tests."""
        tasks.app.runner.stop_runner_loop()
        self.thread.join()

    def test_add_in_mem_mode(self) -> None:
        """Test the add task under Mem mode."""
        result = tasks.add(1, 2).result
        self.assertEqual(result, 3)

    def test_add_in_mem_mode_again(self) -> None:
        """Start and stop as often as there are tests."""
        self.assertEqual([tasks.add(n, 2).result for n in range(5)], [2, 3, 4, 5, 6])


def test_5_and_6_over_a_configured_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both modes leave a database alone that the configuration names."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", "host=/nowhere dbname=nothing")
    for case in (TestAddTask, TestAddTaskMemMode):
        outcome = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(outcome)
        assert outcome.testsRun > 0
        assert outcome.wasSuccessful(), outcome.failures + outcome.errors


def test_5_and_6_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same is had by environment variables."""
    monkeypatch.setenv("PYNENC__DEV_MODE_FORCE_SYNC_TASKS", "true")
    assert Pynenc().conf.dev_mode_force_sync_tasks is True
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", "host=/nowhere dbname=nothing")
    monkeypatch.setenv("PYNENC__DEV_MODE_FORCE_SYNC_TASKS", "0")
    for part, name in (
        ("ORCHESTRATOR_CLS", "MemOrchestrator"),
        ("BROKER_CLS", "MemBroker"),
        ("STATE_BACKEND_CLS", "MemStateBackend"),
        ("RUNNER_CLS", "ThreadRunner"),
    ):
        monkeypatch.setenv(f"PYNENC__{part}", name)
    app = Pynenc()
    assert app.conf.store == "memory"
    assert type(app.runner).__name__ == "ThreadRunner"


def test_7_custom_json_serialization(serve: Serve) -> None:
    """An object with ``to_json`` and ``from_json`` goes there and back as what it is."""
    assert isinstance(money.Money(1, "EUR"), JsonSerializable)
    with serve(money.app):
        invocation = money.calculate_total(money.Money(2.5, "EUR"), 4)
        total = invocation.result_or_raise(20)
    assert type(total) is money.Money
    assert (total.amount, total.currency) == (10.0, "EUR")
    stored = money.app.state_backend.get_invocation(invocation.invocation_id).arguments
    assert json.loads(stored)["quantity"] == 4
    assert '"currency":"EUR"' in stored


def test_7_anything_else_is_a_type_error(serve: Serve) -> None:
    """What is no JSON value and has no such methods is refused at the call, by name and type."""
    with (
        serve(money.app),
        pytest.raises(TypeError, match=r"argument 'value' of type set .*JsonPickleSerializer"),
    ):
        money.take_anything({1, 2})
    assert money.app.state_backend.count_ready() == 0


def test_8_a_custom_serializer(serve: Serve) -> None:
    """Arguments, results and errors go through it, and nothing stands in the store in clear."""
    with serve(custom.app):
        greeting = custom.greet("secret")
        assert greeting.result_or_raise(20) == "hello secret"
        refused = custom.refuse("secret")
        with pytest.raises(ValueError, match="not secret"):
            refused.result_or_raise(20)
    reads = custom.app.state_backend
    for invocation in (greeting, refused):
        which = invocation.invocation_id
        assert "secret" not in reads.get_invocation(which).arguments
        assert "secret" not in str(reads.get_outcomes([which])[which].value)
        assert "frperg" in reads.get_invocation(which).arguments


def test_8_a_custom_serializer_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its dotted path may stand in the environment."""
    monkeypatch.setenv("PYNENC__SERIALIZER_CLS", "tests.guide.custom.CustomSerializer")
    assert isinstance(Pynenc().serializer, custom.CustomSerializer)


def test_9_client_data_store(serve: Serve) -> None:
    """A large array is stored once by itself, with nothing said about it."""
    with serve(arrays.app):
        large_array = np.random.rand(1000000)  # noqa: NPY002 - as it stands there
        first, second = (arrays.process_array(large_array) for _ in range(2))
        assert first.result_or_raise(60) == second.result_or_raise(60) == large_array.mean()
    reads = arrays.app.state_backend
    [arguments] = {reads.get_invocation(one.invocation_id).arguments for one in (first, second)}
    assert json.loads(arguments)["data"].keys() == {"$ref"}
