"""Where the names of pynenc 0.1 are in pynenc_pg: the same place, another one, or none."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

#: Packages whose names are told apart from those of others.
OLD: Final = "pynenc"
NEW: Final = "pynenc_pg"
#: They bring other stores; one of them stands in for all.
PLUGINS: Final = ("pynenc_redis", "pynenc_mongodb", "pynenc_mongo", "pynenc_rabbitmq")

_CONTEXTS: Final = ("cron", "event", "exception", "result", "status")
_BOTH: Final = tuple(
    f"{name.title()}{kind}" for name in _CONTEXTS for kind in ("Condition", "Context")
)

#: Modules that have the same path below the package, with what is the same in them.
SAME: Final[dict[str, tuple[str, ...]]] = {
    "": ("Pynenc", "PynencBuilder", "ConcurrencyControlType"),
    "app": ("Pynenc",),
    "builder": ("PynencBuilder",),
    "conf.config_task": ("ConcurrencyControlType",),
    "exceptions": (
        "PynencError", "RetryError", "SerializationError", "InvalidTaskOptionsError",
        "InvocationConcurrencyWithDifferentArgumentsError", "InvocationError",
        "InvocationNotFoundError", "ConfigError", "InvocationStatusError",
        "InvocationStatusTransitionError", "InvocationStatusOwnershipError",
    ),
    "invocation.status": (
        "InvocationStatus", "InvocationStatusRecord", "status_record_transition",
    ),
    "runner.runner_context": ("RunnerContext",),
    "serializer": (
        "BaseSerializer", "JsonPickleSerializer", "JsonSerializable", "JsonSerializer",
        "PickleSerializer",
    ),
    "task": ("Task",),
    "trigger": ("TriggerBuilder", "TriggerDefinition"),
    "trigger.conditions": _BOTH,
    **{
        f"trigger.conditions.{name}": (f"{name.title()}Condition", f"{name.title()}Context")
        for name in _CONTEXTS
    },
    "trigger.trigger_builder": ("TriggerBuilder",),
    "trigger.trigger_context": ("TriggerContext",),
    "workflow": ("WorkflowIdentity",),
}  # fmt: skip

_HANDLE: Final = "invocation.handle.Invocation"
_GROUP: Final = "invocation.group.InvocationGroup"

#: Names that stand elsewhere, or are called otherwise; both without the package.
MOVED: Final[dict[str, str]] = {
    "Task": "task.Task",
    "arguments.Arguments": "domain.arguments.Arguments",
    "conf.config_pynenc.ArgumentPrintMode": "domain.arguments.ArgumentPrintMode",
    "exceptions.InvocationStatusRaceConditionError": "exceptions.InvocationStatusError",
    "exceptions.StateBackendError": "exceptions.StoreError",
    "exceptions.TaskError": "exceptions.PynencError",
    "exceptions.TaskRoutingError": "exceptions.PynencError",
    "exceptions.TaskParallelProcessingError": "exceptions.PynencError",
    "exceptions.RunnerError": "exceptions.PynencError",
    "exceptions.RunnerNotExecutableError": "exceptions.ConfigError",
    "exceptions.ConfigMultiInheritanceError": "exceptions.ConfigError",
    "exceptions.AlreadyInitializedError": "exceptions.PynencError",
    "identifiers.invocation_id.InvocationId": "domain.ids.InvocationId",
    "identifiers.invocation_id.generate_invocation_id": "domain.ids.new_invocation_id",
    "invocation.BaseInvocation": _HANDLE,
    "invocation.BaseInvocationGroup": _GROUP,
    "invocation.ConcurrentInvocation": _HANDLE,
    "invocation.ConcurrentInvocationGroup": _GROUP,
    "invocation.DistributedInvocation": _HANDLE,
    "invocation.DistributedInvocationGroup": _GROUP,
    "invocation.ReusedInvocation": "invocation.handle.ReusedInvocation",
    "invocation.InvocationStatus": "InvocationStatus",
    "invocation.InvocationStatusRecord": "invocation.status.InvocationStatusRecord",
    "invocation.base_invocation.BaseInvocation": _HANDLE,
    "invocation.base_invocation.BaseInvocationGroup": _GROUP,
    "invocation.conc_invocation.ConcurrentInvocation": _HANDLE,
    "invocation.conc_invocation.ConcurrentInvocationGroup": _GROUP,
    "invocation.dist_invocation.DistributedInvocation": _HANDLE,
    "invocation.dist_invocation.DistributedInvocationGroup": _GROUP,
    "invocation.dist_invocation.ReusedInvocation": "invocation.handle.ReusedInvocation",
    "runner.BaseRunner": "runner.base.BaseRunner",
    "runner.DummyRunner": "runner.dummy.DummyRunner",
    "runner.MultiThreadRunner": "runner.multi_thread.MultiThreadRunner",
    "runner.PersistentProcessRunner": "runner.persistent_process.PersistentProcessRunner",
    "runner.ProcessRunner": "runner.process.ProcessRunner",
    "runner.RunnerContext": "runner.runner_context.RunnerContext",
    "runner.ThreadRunner": "runner.thread.ThreadRunner",
    "runner.base_runner.BaseRunner": "runner.base.BaseRunner",
    "runner.base_runner.DummyRunner": "runner.dummy.DummyRunner",
    "runner.multi_thread_runner.MultiThreadRunner": "runner.multi_thread.MultiThreadRunner",
    "runner.persistent_process_runner.PersistentProcessRunner":
        "runner.persistent_process.PersistentProcessRunner",
    "runner.process_runner.ProcessRunner": "runner.process.ProcessRunner",
    "runner.thread_runner.ThreadRunner": "runner.thread.ThreadRunner",
    "serializer.base_serializer.BaseSerializer": "serializer.BaseSerializer",
    "serializer.json_pickle_serializer.JsonPickleSerializer": "serializer.JsonPickleSerializer",
    "serializer.json_serializer.JsonSerializable": "serializer.JsonSerializable",
    "serializer.json_serializer.JsonSerializer": "serializer.JsonSerializer",
    "serializer.pickle_serializer.PickleSerializer": "serializer.PickleSerializer",
    "state_backend.base_state_backend.InvocationHistory": "domain.records.HistoryEntry",
    "trigger.conditions.CompositeLogic": "trigger.CompositeLogic",
    "trigger.conditions.ConditionContext": "trigger.conditions.base.Context",
    "trigger.conditions.TriggerCondition": "trigger.conditions.base.Condition",
    "trigger.conditions.base.ConditionContext": "trigger.conditions.base.Context",
    "trigger.conditions.base.TriggerCondition": "trigger.conditions.base.Condition",
    "trigger.conditions.composite.CompositeLogic": "trigger.CompositeLogic",
    "trigger.trigger_definitions.TriggerDefinition": "trigger.TriggerDefinition",
    "workflow.WorkflowContext": "workflow.WorkflowOperations",
    "workflow.WorkflowError": "exceptions.WorkflowError",
    "workflow.WorkflowPauseError": "exceptions.WorkflowPausedError",
    "workflow.workflow_context.WorkflowContext": "workflow.WorkflowOperations",
    "workflow.workflow_exceptions.WorkflowError": "exceptions.WorkflowError",
    "workflow.workflow_exceptions.WorkflowPauseError": "exceptions.WorkflowPausedError",
    "workflow.workflow_identity.WorkflowIdentity": "workflow.WorkflowIdentity",
}  # fmt: skip

_CHOSEN: Final = (
    "nothing to import: stores are chosen by name or follow from postgres.dsn, and are no classes "
    "to inherit from"
)
_PRIVATE: Final = "it was an internal of pynenc, and pynenc_pg has no such thing"
_FILTERS: Final = (
    "filters are a dict, a value or a function of a module, given to TriggerBuilder as they are"
)

#: What pynenc_pg has nothing for, and what to do; the longest fitting beginning counts.
GONE: Final[dict[str, str]] = {
    "__main__": "the command is pynenc-pg, or python -m pynenc_pg",
    "app_info": "an app is found by --app module.attr, and there is no record of it to pass round",
    "broker": _CHOSEN,
    "call": "a call is not an object of its own: invocation.task and invocation.arguments say all",
    "cli": "the command line is pynenc-pg",
    "client_data_store": _CHOSEN,
    "conf": "read app.conf and task.conf; configuration classes are not made or inherited",
    "conf.config_pynenc.LogFormat": 'write the value: logging_format = "text" or "json"',
    "conf.config_task.TaskOptionsJSONEncoder": _PRIVATE,
    "conf.constants": "variables begin with PYNENC__, tables with [tool.pynenc]",
    "context": "inside a task, task.invocation is what runs; its app is the one of the task",
    "core_tasks": "recovery is a duty of every runner, and no task",
    "exceptions.ConcurrencyRetryError":
        "what may not run yet is parked by the database, nothing is raised; catch RetryError",
    "identifiers": "ids are text: task_id is 'module.function', invocation_id a UUID",
    "identifiers.call_id": "equal calls are told by the database; there is no id of a call",
    "invocation": "invocations are pynenc_pg.invocation.handle.Invocation",
    "invocation.status":
        "InvocationStatus is all: its methods can_transition_to(), is_final(), is_owned() and "
        "is_available_for_run() say what the tables said, and the database enforces them",
    "models": _PRIVATE,
    "orchestrator": _CHOSEN,
    "orchestrator.atomic_service": "house-keeping runs by itself, on one runner at a time",
    "plugin_loader": "there are no plugins: PostgreSQL is built in",
    "runner": _PRIVATE,
    "runner.ExternalRunner": "a process that only calls tasks needs no runner",
    "runner.base_runner.ExternalRunner": "a process that only calls tasks needs no runner",
    "serializer": _PRIVATE,
    "state_backend": _CHOSEN,
    "task": "call task.parallelize(...)",
    "trigger": _CHOSEN,
    "trigger.ConditionId": "ids of conditions are text",
    "trigger.TriggerDefinitionId": "ids of triggers are text",
    "trigger.arguments": _FILTERS,
    "trigger.arguments.argument_filters": _FILTERS,
    "trigger.arguments.argument_providers":
        "with_args_static(), with_args_from_...() and with_args_provider(function) take functions",
    "trigger.conditions": "conditions are those that TriggerBuilder makes",
    "trigger.trigger_builder.on_cron": "write TriggerBuilder().on_cron(...)",
    "trigger.trigger_builder.on_event": "write TriggerBuilder().on_event(...)",
    "trigger.trigger_builder.on_status": "write TriggerBuilder().on_status(...)",
    "trigger.trigger_events": "an event is its code and its payload: app.trigger.emit_event()",
    "trigger.types": "ids of triggers and conditions are text",
    "types": "write typing.ParamSpec and TypeVar of your own",
    "util": _PRIVATE,
    "workflow": "what a workflow does goes through task.wf",
    "workflow.workflow_deterministic": "what a workflow does goes through task.wf",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name is now: a module and a name, or no module and what to do instead."""

    module: str
    name: str
    advice: str = ""

    @property
    def gone(self) -> bool:
        """There is nothing to import."""
        return not self.module

    @property
    def path(self) -> str:
        """The dotted path."""
        return f"{self.module}.{self.name}"


def is_old(module: str) -> bool:
    """Whether a module is of pynenc, or of one of its plugins.

    >>> is_old("pynenc.task"), is_old("pynenc_pg.task"), is_old("pynenc_redis")
    (True, False, True)
    """
    return module.partition(".")[0] in (OLD, *PLUGINS)


def is_ours(module: str) -> bool:
    """Whether a module is of this package."""
    return module.partition(".")[0] == NEW


def as_old(dotted: str) -> str:
    """Return what a name of ours would be called in pynenc; others as they are."""
    return f"{OLD}{dotted.removeprefix(NEW)}" if is_ours(dotted) else dotted


def is_mistaken(module: str, name: str) -> bool:
    """Whether only the package was exchanged in a name that stands elsewhere, or nowhere.

    >>> is_mistaken("pynenc_pg.orchestrator", "MemOrchestrator")
    True
    >>> is_mistaken("pynenc_pg.runner.base", "BaseRunner")
    False
    """
    key = f"{module}.{name}".removeprefix(f"{NEW}.")
    if key in MOVED or (key in GONE and not _is_module(f"{module}.{name}")):
        return True
    return not _is_module(module)


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def place_of(module: str, name: str) -> Place:
    """Say where a name of pynenc is.

    >>> place_of("pynenc.trigger.conditions", "CompositeLogic").path
    'pynenc_pg.trigger.CompositeLogic'
    >>> place_of("pynenc.util.files", "load_file").gone
    True
    """
    top, _, inner = module.partition(".")
    if top in PLUGINS:
        return _of_plugin(name)
    if name in SAME.get(inner, ()):
        return Place(f"{NEW}.{inner}".rstrip("."), name)
    key = f"{inner}.{name}".lstrip(".")
    if key in MOVED:
        target, _, new = f"{NEW}.{MOVED[key]}".rpartition(".")
        return Place(target, new)
    while key:
        if key in GONE:
            return Place("", name, GONE[key])
        key = key.rpartition(".")[0]
    return Place("", name, f"{OLD} 0.1 has no public name {name} there")


def module_of(module: str) -> Place:
    """Say where a module of pynenc is, as a whole."""
    top, _, inner = module.partition(".")
    if top in PLUGINS:
        return _of_plugin("")
    if inner in SAME:
        package, _, name = f"{NEW}.{inner}".rstrip(".").rpartition(".")
        return Place(package or NEW, name)
    return place_of(*module.rpartition(".")[::2])


def _of_plugin(name: str) -> Place:
    if name in SAME[""]:  # the plugins pass these on
        return Place(NEW, name)
    return Place("", name, "no plugin: set postgres.dsn, and every component is in PostgreSQL")
