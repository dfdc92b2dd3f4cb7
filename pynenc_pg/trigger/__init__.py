"""Triggers: tasks that start by themselves, on time, on events and on what becomes of others."""

from pynenc_pg.trigger.conditions import (
    CronContext,
    EventContext,
    ExceptionContext,
    ResultContext,
    StatusContext,
)
from pynenc_pg.trigger.definition import CompositeLogic, TriggerDefinition
from pynenc_pg.trigger.due import CatchUp
from pynenc_pg.trigger.trigger_builder import TriggerBuilder
from pynenc_pg.trigger.trigger_context import TriggerContext

__all__ = [
    "CatchUp",
    "CompositeLogic",
    "CronContext",
    "EventContext",
    "ExceptionContext",
    "ResultContext",
    "StatusContext",
    "TriggerBuilder",
    "TriggerContext",
    "TriggerDefinition",
]
