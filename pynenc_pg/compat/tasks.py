"""Rules about options of tasks, builders and triggers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from pynenc_pg.compat.apps import of_dict, of_setting, tasks_of
from pynenc_pg.compat.finding import Advice, Severity, Topic
from pynenc_pg.compat.settings import concurrency_default
from pynenc_pg.compat.source import Source, literal, shown

Found = Iterator[tuple[int, Advice]]

_POSTGRES: Final = "postgres(dsn), which puts every component into PostgreSQL"
#: Methods of a builder that are not there, or take something else.
_BUILDER: Final = {
    "logging_colors": "logging(colors=...)",
    "logging_format": "logging(format=...)",
    "logging_stream": "leave it out: set up logging yourself",
    "mongo": _POSTGRES,
    "mongodb": _POSTGRES,
    "mongo_client_data_store": "client_data_store(...)",
    "mongo_trigger": "leave it out: triggers are in PostgreSQL, too",
    "rabbitmq": _POSTGRES,
    "redis": _POSTGRES,
    "redis_client_data_store": "client_data_store(...)",
    "redis_trigger": "leave it out: triggers are in PostgreSQL, too",
    "register_plugin_method": "there are no plugins",
    "register_plugin_validator": "there are no plugins",
    "sqlite": 'postgres("embedded"), which needs no server, or memory()',
}
#: Method, then its parameters that are called otherwise; an empty name: leave it out.
_PARAMETERS: Final = {
    "argument_print_mode": {"truncate_length": "show_truncated_arguments(length)"},
    "logging": {"fmt": "format=...", "level": "logging_level(...)", "stream": ""},
    "mem_client_data_store": {
        "min_size_to_cache": "client_data_store(min_size_to_cache=...)",
        "local_cache_size": "client_data_store(local_cache_size=...)",
    },
    "mem_trigger": {
        "scheduler_interval_seconds": "", "enable_scheduler": "custom_config(trigger=...)",
    },
    "multi_thread_runner": {
        "min_threads": "threads=...", "max_threads": "threads=...", "enforce_max_processes": "",
    },
    "persistent_process_runner": {"num_processes": "concurrency=..."},
    "runner_tuning": {
        "runner_loop_sleep_time_sec": "", "invocation_wait_results_sleep_time_sec": "",
        "min_parallel_slots": "concurrency=...",
    },
    "show_truncated_arguments": {"truncate_length": "length=..."},
}  # fmt: skip
#: Methods whose parameters stand in another order, so that their names are to be said.
_BY_NAME: Final = {
    "logging": "logging_level(...) for the level, logging(format=...) for the form",
    "mem_client_data_store": "client_data_store(min_size_to_cache=..., local_cache_size=...)",
    "mem_trigger": "mem_trigger()",
    "multi_thread_runner": "multi_thread_runner(min_processes=..., max_processes=..., threads=...)",
    "runner_tuning": "runner_tuning(concurrency=...)",
}
_TRIGGERS: Final = {
    "on_any_result", "on_cron", "on_event", "on_exception", "on_result", "on_status",
    "with_args_from_event", "with_args_from_exception", "with_args_from_result",
    "with_args_from_status", "with_args_from_trigger_context", "with_args_provider",
    "with_arguments",
}  # fmt: skip


def options(source: Source) -> Found:
    """What decorators say."""
    for function, decorator in tasks_of(source):
        given = decorator.keywords if isinstance(decorator, ast.Call) else []
        named = {one.arg: one.value for one in given if one.arg}
        for name, value in named.items():
            yield from of_setting(value, "task", name, f"{name}={shown(value, 40)}")
        running = named.get("running_concurrency")
        disabled = running is None or "disabled" in shown(running).lower()
        if running is not None and not disabled and "reroute_on_concurrency_control" not in named:
            yield running.lineno, concurrency_default(f"running_concurrency={shown(running, 40)}")
        cached, _ = literal(named.get("call_result_cache", ast.Constant(value=False)))
        if cached:
            yield (
                function.lineno,
                Advice(
                    "call_result_cache=True",
                    "pynenc has the option and does nothing by it; here an equal call that has "
                    "succeeded is returned instead of run: say call_result_cache_ttl, too",
                    Topic.TASKS,
                    Severity.DIFFERS,
                ),
            )


def builders(source: Source) -> Found:
    """What is said to a builder."""
    for call in source.calls():
        method = call.func
        if not isinstance(method, ast.Attribute) or not source.is_builder(method.value):
            continue
        text = f".{method.attr}({', '.join(map(shown, [*call.args, *call.keywords]))})"
        line = method.end_lineno or call.lineno
        if method.attr in _BUILDER:
            topic = Topic.STORES if _BUILDER[method.attr] == _POSTGRES else Topic.BUILDER
            yield line, Advice(text, _BUILDER[method.attr], topic)
        elif method.attr == "custom_config":
            yield from _custom(call)
        else:
            yield from ((line, advice) for advice in _parameters(method.attr, call, text))


def _parameters(name: str, call: ast.Call, text: str) -> Iterator[Advice]:
    alone = call.args[0] if len(call.args) == 1 else None
    if name == "trigger_task_modules" and not isinstance(alone, ast.Constant | ast.Starred | None):
        instead = f".{name}(*{shown(alone)}): each module is an argument"
        yield Advice(text, instead, Topic.BUILDER)
    if call.args and name in _BY_NAME:
        yield Advice(text, _BY_NAME[name], Topic.BUILDER)
    if name == "persistent_process_runner" and [literal(a)[0] for a in call.args] == [0]:
        yield Advice(text, f".{name}(): 0 is not a number of processes", Topic.BUILDER)
    for one in call.keywords:
        new = _PARAMETERS.get(name, {}).get(one.arg or "")
        if new is not None:
            instead = f"write {new}" if new else "leave it out"
            yield Advice(f".{name}({shown(one)})", instead, Topic.BUILDER)
    if name == "dev_mode" and call.args:
        yield Advice(text, f".{name}(force_sync_tasks={shown(call.args[0])})", Topic.BUILDER)
    if name == "argument_print_mode" and len(call.args) > 1:
        yield Advice(text, "show_truncated_arguments(length)", Topic.BUILDER)


def _custom(call: ast.Call) -> Found:
    for one in call.keywords:
        if one.arg and not isinstance(one.value, ast.Dict):
            yield from of_setting(one.value, "", one.arg, shown(one))
        elif one.arg:
            yield from of_dict(one.value, one.arg)


def triggers(source: Source) -> Found:
    """What a trigger is told."""
    for call in source.calls():
        method = call.func
        if not isinstance(method, ast.Attribute) or not _of_trigger(source, method):
            continue
        if method.attr == "with_arguments":
            instead = "with_args_static({...}), or with_args_from_trigger_context(function)"
            yield (
                method.end_lineno or call.lineno,
                Advice(
                    f".with_arguments({', '.join(map(shown, call.args))})", instead, Topic.TRIGGERS
                ),
            )
        given = [*call.args, *(one.value for one in call.keywords)]
        for one in given:
            for part in ast.walk(one):
                if isinstance(part, ast.Lambda):
                    yield (
                        part.lineno,
                        Advice(
                            shown(part),
                            "a function of a module, by its name: triggers are stored, and every "
                            "runner looks at them",
                            Topic.TRIGGERS,
                        ),
                    )


def _of_trigger(source: Source, method: ast.Attribute) -> bool:
    """Whether it is a method of a TriggerBuilder, or of ``app.trigger``."""
    if method.attr not in _TRIGGERS:
        return False
    node: ast.expr = method.value
    while isinstance(node, ast.Call):
        if source.origin(node.func).rpartition(".")[2] in {"TriggerBuilder", *_TRIGGERS}:
            return True
        node = node.func.value if isinstance(node.func, ast.Attribute) else node.func
    if isinstance(node, ast.Attribute):
        return node.attr == "trigger" and source.is_app(node.value)
    return source.origin(node).endswith("TriggerBuilder")


def serializers(source: Source) -> Found:
    """Classes that carry values in their own way."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ClassDef):
            continue
        bases = {source.origin(base).rpartition(".")[2] for base in node.bases}
        if bases & {"JsonSerializer", "JsonPickleSerializer", "PickleSerializer"}:
            yield (
                node.lineno,
                Advice(
                    f"class {node.name}({', '.join(map(shown, node.bases))})",
                    "inherit from BaseSerializer: pynenc_pg's hand plain JSON on themselves, "
                    "and look up classes among imported modules alone",
                    Topic.SERIALIZERS,
                    Severity.DIFFERS,
                ),
            )
        runners = sorted(base for base in bases if base.endswith("Runner"))
        if runners:
            yield (
                node.lineno,
                Advice(
                    f"class {node.name}({', '.join(map(shown, node.bases))})",
                    "a runner has other hooks here: see the page",
                    Topic.RUNNERS,
                ),
            )
