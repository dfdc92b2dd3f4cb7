"""The conditions there are, and what they tell of their causes."""

from __future__ import annotations

from typing import Any, Final

from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.trigger.conditions.base import Condition, Context, Watch
from pynenc_pg.trigger.conditions.cron import CronCondition, CronContext
from pynenc_pg.trigger.conditions.event import EventCondition, EventContext
from pynenc_pg.trigger.conditions.exception import ExceptionCondition, ExceptionContext
from pynenc_pg.trigger.conditions.result import ResultCondition, ResultContext
from pynenc_pg.trigger.conditions.status import StatusCondition, StatusContext

_KINDS: Final[dict[str, type[Condition]]] = {
    kind.kind: kind
    for kind in (
        CronCondition,
        EventCondition,
        StatusCondition,
        ResultCondition,
        ExceptionCondition,
    )
}


def condition_from_json(stored: dict[str, Any]) -> Condition:
    """Read what a condition's ``to_json`` returned.

    Raises:
        TriggerDefinitionError: it is of a kind that this version does not know, or not whole.
    """
    kind = _KINDS.get(stored.get("kind", ""))
    if kind is None:
        message = (
            f"a condition of kind {stored.get('kind')!r} is not known to this version, which has "
            f"{', '.join(_KINDS)}: upgrade pynenc_pg"
        )
        raise TriggerDefinitionError(message)
    try:
        return kind.from_json(stored)
    except TriggerDefinitionError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = f"the stored condition {stored!r} is not whole: {error!r}"
        raise TriggerDefinitionError(message) from error


__all__ = [
    "Condition",
    "Context",
    "CronCondition",
    "CronContext",
    "EventCondition",
    "EventContext",
    "ExceptionCondition",
    "ExceptionContext",
    "ResultCondition",
    "ResultContext",
    "StatusCondition",
    "StatusContext",
    "Watch",
    "condition_from_json",
]
