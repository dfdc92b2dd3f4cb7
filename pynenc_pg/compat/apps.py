"""Rules about apps, their components, and what tasks and invocations are asked for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from pynenc_pg.compat.finding import Advice, Severity, Topic
from pynenc_pg.compat.settings import Written, advise
from pynenc_pg.compat.source import Source, literal, shown

Found = Iterator[tuple[int, Advice]]

#: Attributes of an app that are not there, and what says the same.
_OF_APP: Final = {
    "app_id": "app.conf.app_id",
    "config_filepath": "it is read once, when the app is made",
    "config_values": "it is read once, when the app is made",
    "from_info": "an app is made by its module: import it",
    "register_core_tasks": "leave it out: there are no such tasks",
    "register_core_task": "leave it out: there are no such tasks",
    "register_deferred_triggers": "leave it out: a runner tells its triggers when it starts",
}
#: What is asked of an app's component, and what says the same.
_OF_COMPONENTS: Final = {
    "broker.purge": "app.purge()",
    "client_data_store.purge": "app.purge()",
    "orchestrator.count_invocations": "app.queues(), or the view invocations",
    "orchestrator.filter_final": "[one for one in group if one.status.is_final()]",
    "orchestrator.get_active_runners": "pynenc-pg runners list, or the view runner_health",
    "orchestrator.get_existing_invocations": "pynenc-pg invocations list, or the view invocations",
    "orchestrator.get_invocation_retries": "app.get_invocation(id).num_retries",
    "orchestrator.get_invocation_status_record": "app.get_invocation(id).history[-1]",
    "orchestrator.purge": "app.purge()",
    "orchestrator.reroute_invocations": "app.get_invocation(id).retry(), once it has ended",
    "orchestrator.route_call": "call the task",
    "orchestrator.route_calls": "task.parallelize(...)",
    "orchestrator.set_invocation_exception": "raise in the task: the end is one transaction",
    "orchestrator.set_invocation_result": "return from the task: the end is one transaction",
    "orchestrator.set_invocation_retry": "raise RetryError in the task",
    "runner.on_start": "app.runner.run() does it",
    "runner.on_stop": "app.runner.stop_runner_loop() does it",
    "runner.runner_loop_iteration":
        "app.runner.run() in a thread; in tests world.run_until_idle() of pynenc_pg.testing",
    "runner.wait_until_stopped": "join the thread that called app.runner.run()",
    "state_backend.get_exception": "app.get_invocation(id).result raises it",
    "state_backend.get_history": "app.get_invocation(id).history",
    "state_backend.get_invocation": "app.get_invocation(id)",
    "state_backend.get_result": "app.get_invocation(id).result",
    "state_backend.get_workflow_data": "app.get_workflow(id).data",
    "state_backend.get_workflow_runs": "app.workflow_runs()",
    "state_backend.get_all_workflow_runs": "app.workflow_runs()",
    "state_backend.purge": "app.purge()",
    "state_backend.set_workflow_data": "task.wf.set_data(key, value) in the workflow",
    "state_backend.wait_for_all_async_operations": "leave it out: nothing is written later",
    "state_backend.wait_for_invocation_async_operations": "leave it out: nothing is written later",
    "trigger.check_time_based_triggers": "leave it out: a runner does it by itself",
    "trigger.execute_task": "call the task",
    "trigger.get_trigger": "app.trigger.all()",
    "trigger.register_trigger": "app.trigger.on_...(...).run(task)",
    "trigger.trigger_loop_iteration": "leave it out: a runner does it by itself",
}  # fmt: skip
_COMPONENTS: Final = frozenset(name.partition(".")[0] for name in _OF_COMPONENTS)
#: What components have that is meant to be used.
_FINE: Final = {
    "broker": frozenset({"count_invocations"}),
    "client_data_store": frozenset[str](),
    "orchestrator": frozenset({"get_invocation_status", "set_invocation_status"}),
    "runner": frozenset({"run", "stop_runner_loop"}),
    "state_backend": frozenset[str](),
    "trigger": frozenset({
        "emit_event", "on_any_result", "on_cron", "on_event", "on_exception", "on_result",
        "on_status",
    }),
}  # fmt: skip
#: Pairs of attributes that say by themselves what they are of.
_OF_OTHERS: Final = {
    ("task_id", "config_key"): "task.task_id is the text 'module.function'",
    ("task_id", "func_name"): "task.task_id is the text 'module.function': .rpartition('.')[2]",
    ("task_id", "key"): "task.task_id is the text 'module.function'",
    ("task_id", "module"): "task.task_id is the text 'module.function': .rpartition('.')[0]",
    ("call", "arguments"): "invocation.arguments",
    ("call", "call_id"): "there is no id of a call: invocation.task and invocation.arguments",
    ("call", "task"): "invocation.task",
    ("wf", "deterministic"): "task.wf has all of it",
}
_ALONE: Final = {
    "get_available_for_run_statuses": "[s for s in InvocationStatus if s.is_available_for_run()]",
    "get_final_result": "invocation.result",
    "invocation_map": "{one.invocation_id: one for one in group}",
    "is_main_workflow_task": "invocation.workflow.workflow_id == invocation.invocation_id",
    "swap_context": "leave it out",
    "update_status_cache": "leave it out: a status is read when it is asked for",
}


def made(source: Source) -> Found:
    """How apps are made, and with which settings."""
    for call in source.calls():
        if source.made(call) != "Pynenc":
            continue
        if call.args:
            instead = f"Pynenc(config_values={shown(call.args[0], 30)}); first is the app_id here"
            yield call.lineno, Advice(shown(call), instead, Topic.APP)
        given = [call.args[0]] if call.args else []
        given += [one.value for one in call.keywords if one.arg == "config_values"]
        for one in given:
            yield from of_dict(one)


def of_dict(node: ast.expr, section: str = "") -> Found:
    """The settings in a dict that is written out."""
    if not isinstance(node, ast.Dict):
        return
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            continue
        if isinstance(value, ast.Dict) and not section:
            yield from of_dict(value, key.value)
        else:
            yield from of_setting(value, section, key.value, f"{key.value!r}: {shown(value, 40)}")


def of_setting(node: ast.expr, section: str, name: str, text: str) -> Found:
    """One setting that code gives."""
    value, known = literal(node)
    found = advise(Written(section, name, value, text, known=known))
    if found is not None:
        yield node.lineno, found


def settings(source: Source) -> Found:
    """``app.conf.x = y``, also by setattr() and its kin, and ``app.conf.x`` that is read."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and _is_conf(source, target.value):
                    text = f"{shown(target)} = {shown(node.value, 40)}"
                    yield from of_setting(node.value, "", target.attr, text)
        elif isinstance(node, ast.Call):
            yield from _set_by_name(source, node)
        elif isinstance(node, ast.Attribute) and _is_conf(source, node.value):
            found = advise(Written("", node.attr, None, shown(node), known=False))
            if found is not None and isinstance(node.ctx, ast.Load):
                yield node.lineno, found


def _set_by_name(source: Source, call: ast.Call) -> Found:
    """``setattr(app.conf, "x", y)``, ``monkeypatch.setattr``, ``patch.object``."""
    if len(call.args) < 2 or not _is_conf(source, call.args[0]):  # noqa: PLR2004 - object and name
        return
    name = call.args[1]
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        value = call.args[2] if len(call.args) > 2 else name  # noqa: PLR2004
        text = f"{shown(call.args[0])}.{name.value} = {shown(value, 40)}"
        yield from of_setting(value, "", name.value, text)


def asked(source: Source) -> Found:
    """What is asked of apps, components, tasks and invocations, and is not there."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Attribute):
            continue
        advice = _of_app(source, node) or _of_component(source, node) or _by_itself(source, node)
        if advice is not None:
            yield node.lineno, advice


def _of_app(source: Source, node: ast.Attribute) -> Advice | None:
    if source.origin(node).endswith("Pynenc.from_info"):
        return Advice(shown(node), _OF_APP["from_info"], Topic.APP)
    if not source.is_app(node.value):
        return None
    if node.attr in _OF_APP:
        return Advice(shown(node), _OF_APP[node.attr], Topic.APP)
    if node.attr == "runner" and isinstance(node.ctx, ast.Store):
        return Advice(f"{shown(node)} = ...", 'app.conf.runner_cls = "ThreadRunner"', Topic.RUNNERS)
    return None


def _of_component(source: Source, node: ast.Attribute) -> Advice | None:
    part = node.value
    if not isinstance(part, ast.Attribute) or part.attr not in _COMPONENTS:
        return None
    if not source.is_app(part.value) or node.attr in _FINE[part.attr]:
        return None
    unknown = "components have other methods than pynenc's; what people need is on the app"
    instead = _OF_COMPONENTS.get(f"{part.attr}.{node.attr}", unknown)
    return Advice(shown(node), instead, Topic.APP)


def _by_itself(source: Source, node: ast.Attribute) -> Advice | None:
    """Names that say by themselves what they are of, where pynenc is in use."""
    if not source.bound and not source.apps:
        return None
    before = node.value.attr if isinstance(node.value, ast.Attribute) else ""
    instead = _OF_OTHERS.get((before, node.attr)) or _ALONE.get(node.attr)
    return Advice(shown(node), instead, Topic.APP) if instead else None


def _is_conf(source: Source, node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "conf" and source.is_app(node.value)


def main_guard(source: Source) -> Found:
    """A module with tasks that is also run as a program."""
    if not any(True for _ in tasks_of(source)):
        return
    for node in source.tree.body:
        if isinstance(node, ast.If) and "__main__" in shown(node.test):
            yield (
                node.lineno,
                Advice(
                    shown(node.test),
                    "tasks of a module that is run as a program are refused: begin elsewhere",
                    Topic.TASKS,
                    Severity.NOTE,
                ),
            )


def tasks_of(source: Source) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, ast.expr]]:
    """Every task, with the decorator that makes it one."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for one in node.decorator_list:
                maker = one.func if isinstance(one, ast.Call) else one
                if (
                    isinstance(maker, ast.Attribute)
                    and maker.attr in {"task", "direct_task"}
                    and source.is_app(maker.value)
                ):
                    yield node, one
