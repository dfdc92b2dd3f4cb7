"""The builder: what each method sets, and what a wrong name is told."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pynenc_pg import Pynenc, PynencBuilder
from pynenc_pg.exceptions import ConfigError

Configure = Callable[[PynencBuilder], PynencBuilder]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _get(app: Pynenc, key: str) -> Any:
    found: Any = app.conf
    for part in key.split("."):
        found = getattr(found, part)
    return found


CASES: list[tuple[Configure, dict[str, Any]]] = [
    (lambda b: b.app_id("shop"), {"app_id": "shop"}),
    (
        lambda b: b.memory(),
        {
            "orchestrator_cls": "MemOrchestrator",
            "broker_cls": "MemBroker",
            "state_backend_cls": "MemStateBackend",
            "store": "memory",
        },
    ),
    (
        lambda b: b.postgres("dbname=x", "mine", 8),
        {
            "postgres.dsn": "dbname=x",
            "postgres.schema_name": "mine",
            "postgres.pool_size": 8,
            "store": "postgres",
        },
    ),
    (
        lambda b: b.postgres("dbname=x"),
        {"postgres.schema_name": "pynenc", "postgres.pool_size": 4},
    ),
    (lambda b: b.mem_client_data_store(), {"client_data_store_cls": "MemClientDataStore"}),
    (
        lambda b: b.client_data_store(2048, 10**6, 50, compression_enabled=False),
        {
            "client_data_store.min_size_to_cache": 2048,
            "client_data_store.max_size_to_cache": 10**6,
            "client_data_store.local_cache_size": 50,
            "client_data_store.compression_enabled": False,
        },
    ),
    (
        lambda b: b.disable_client_data_store(),
        {"client_data_store.disable_client_data_store": True},
    ),
    (lambda b: b.thread_runner(), {"runner_cls": "ThreadRunner", "runner.concurrency": 4}),
    (lambda b: b.thread_runner(2), {"runner.concurrency": 2}),
    (lambda b: b.thread_runner(2, 5), {"runner.concurrency": 5}),
    (lambda b: b.thread_runner(min_threads=1, max_threads=5), {"runner.concurrency": 5}),
    (lambda b: b.async_runner(), {"runner_cls": "AsyncRunner", "runner.concurrency": 4}),
    (lambda b: b.async_runner(50), {"runner.concurrency": 50}),
    (lambda b: b.process_runner(6), {"runner_cls": "ProcessRunner", "runner.concurrency": 6}),
    (
        lambda b: b.persistent_process_runner(3, max_tasks_per_child=9, max_memory_per_child=100),
        {
            "runner_cls": "PersistentProcessRunner",
            "runner.concurrency": 3,
            "runner.max_tasks_per_child": 9,
            "runner.max_memory_per_child": 100,
        },
    ),
    (
        lambda b: b.multi_thread_runner(2, 5, threads=8),
        {
            "runner_cls": "MultiThreadRunner",
            "runner.min_processes": 2,
            "runner.max_processes": 5,
            "runner.concurrency": 8,
        },
    ),
    (lambda b: b.dummy_runner(), {"runner_cls": "DummyRunner"}),
    (lambda b: b.runner_tuning(poll=9, sweep=1), {"runner.poll": 9, "runner.sweep": 1}),
    (lambda b: b.max_pending_seconds(7), {"runner.max_pending_seconds": 7}),
    (
        lambda b: b.concurrency_control("KEYS", "task", ["user"], 3),
        {
            "task.running_concurrency": "keys",
            "task.registration_concurrency": "task",
            "task.key_arguments": ("user",),
            "task.max_running": 3,
        },
    ),
    (lambda b: b.concurrency_control("task"), {"task.registration_concurrency": "disabled"}),
    (
        lambda b: b.task_control(queue_timeout_sec=2),
        {"orchestrator.cycle_control": True, "broker.queue_timeout_sec": 2.0},
    ),
    (lambda b: b.serializer("my.Own"), {"serializer_cls": "my.Own"}),
    (lambda b: b.serializer(dict), {"serializer_cls": dict}),
    (lambda b: b.serializer_json_pickle(), {"serializer_cls": "JsonPickleSerializer"}),
    (lambda b: b.serializer_json(), {"serializer_cls": "JsonSerializer"}),
    (lambda b: b.serializer_pickle(), {"serializer_cls": "PickleSerializer"}),
    (lambda b: b.mem_trigger(), {"trigger_cls": "MemTrigger"}),
    (lambda b: b.trigger(), {"trigger_cls": "PgTrigger"}),
    (
        lambda b: b.trigger_task_modules("shop.reports", "shop.mail"),
        {"trigger_task_modules": ("shop.reports", "shop.mail")},
    ),
    (lambda b: b.logging_level("DEBUG"), {"logging_level": "debug"}),
    (lambda b: b.logging("json"), {"logging_format": "json", "logging_colors": None}),
    (lambda b: b.logging(format="text", colors=False), {"logging_colors": False}),
    (lambda b: b.argument_print_mode("keys"), {"argument_print_mode": "keys"}),
    (lambda b: b.hide_arguments(), {"argument_print_mode": "hidden"}),
    (lambda b: b.show_argument_keys(), {"argument_print_mode": "keys"}),
    (lambda b: b.show_full_arguments(), {"argument_print_mode": "full"}),
    (
        lambda b: b.show_full_arguments().show_truncated_arguments(9),
        {"argument_print_mode": "truncated", "truncate_arguments_length": 9},
    ),
    (lambda b: b.dev_mode(), {"dev_mode_force_sync_tasks": True}),
    (lambda b: b.dev_mode(force_sync_tasks=False), {"dev_mode_force_sync_tasks": False}),
    (lambda b: b.custom_config(app_id="x", runner={"poll": 3}), {"app_id": "x", "runner.poll": 3}),
]


@pytest.mark.parametrize(("configure", "expected"), CASES)
def test_what_each_method_sets(configure: Configure, expected: dict[str, Any]) -> None:
    """A method returns the builder, and the app it builds is configured as it says."""
    builder = PynencBuilder()
    assert configure(builder) is builder
    app = builder.build()
    assert {key: _get(app, key) for key in expected} == expected


def test_every_method_is_tried() -> None:
    """The cases above call each method there is."""
    source = inspect.getsource(inspect.getmodule(test_every_method_is_tried) or pytest)
    methods = {name for name in vars(PynencBuilder) if not name.startswith("_")}
    assert not {name for name in methods if f".{name}(" not in source}


def test_methods_of_one_section_add_up() -> None:
    """What is said last counts, and leaves the rest of its section alone."""
    app = (
        PynencBuilder()
        .thread_runner(7)
        .runner_tuning(poll=9)
        .max_pending_seconds(2)
        .custom_config(runner={"concurrency": 3})
        .build()
    )
    runner = app.conf.runner
    assert (runner.concurrency, runner.poll, runner.max_pending_seconds) == (3, 9, 2)
    assert app.conf.runner_cls == "ThreadRunner"


def test_what_is_left_out_is_left_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method sets what it is given; the schema of postgres(dsn) may come from elsewhere."""
    monkeypatch.setenv("PYNENC__POSTGRES__SCHEMA", "mine")
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", "dbname=other")
    monkeypatch.setenv("PYNENC__RUNNER__CONCURRENCY", "6")
    app = PynencBuilder().postgres("dbname=x").thread_runner().build()
    assert (app.conf.postgres.dsn, app.conf.postgres.schema_name) == ("dbname=x", "mine")
    assert app.conf.runner.concurrency == 6
    assert app.conf.postgres.source("dsn") == "code"


def test_a_builder_builds_many_apps() -> None:
    """Each app has a configuration of its own."""
    builder = PynencBuilder().runner_tuning(poll=3)
    first, second = builder.build(), builder.app_id("second").build()
    first.conf.runner.poll = 9
    assert (first.conf.app_id, second.conf.app_id) == ("pynenc", "second")
    assert second.conf.runner.poll == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("postgress", "PynencBuilder has no method postgress: did you mean postgres?"),
        ("thread_runer", "did you mean thread_runner?"),
        ("redis", "PynencBuilder has no method redis: there are app_id, memory, postgres"),
    ],
)
def test_a_wrong_method_suggests_the_nearest(name: str, said: str) -> None:
    """An AttributeError, as for any object, that names what was meant or what there is."""
    with pytest.raises(AttributeError) as refused:
        getattr(PynencBuilder(), name)
    assert said in str(refused.value)
    assert not hasattr(PynencBuilder(), name)


def test_wrong_values_are_named() -> None:
    """By the method where it can tell, else when the app is built."""
    with pytest.raises(ConfigError, match="min_threads = 5 is more than max_threads = 2"):
        PynencBuilder().thread_runner(5, 2)
    with pytest.raises(ConfigError, match=r"did you mean runner\.poll\? *$"):
        PynencBuilder().runner_tuning(pol=3).build()
    with pytest.raises(ConfigError, match=r"runner\.concurrency = 0: "):
        PynencBuilder().thread_runner(0).build()
    with pytest.raises(ConfigError, match="do not mix"):
        PynencBuilder().memory().custom_config(trigger_cls="PgTrigger").build()
