"""A trigger: which task it starts, on which conditions, with which arguments.

Definitions are stored, so that any runner evaluates them, and compared at each deploy.
``trigger_id`` says whether two are the same trigger, with one state: it is made of the task and of
what the conditions match. ``version`` says whether it has changed. So other arguments, another
``catch_up`` or ``jitter`` are a new version of the same trigger, whose last tick and waiting causes
are kept, while another expression or filter is another trigger. Of two on one task with the same
conditions and other arguments the second one has ``#2`` in its id.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final

from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.trigger.arguments import (
    ArgumentSource,
    StaticArguments,
    build_arguments,
    source_from_json,
)
from pynenc_pg.trigger.conditions import Condition, condition_from_json
from pynenc_pg.trigger.json_values import content_id
from pynenc_pg.trigger.trigger_context import TriggerContext

#: Of what ``to_json`` returns.
FORMAT: Final = 1
#: Seconds for which a cause waits for the others of an ``and``.
WITHIN: Final = 86_400.0


class CompositeLogic(StrEnum):
    """How many of the conditions must be met."""

    AND = "and"  #: each of them, by a cause of its own
    OR = "or"  #: one: every cause fires


@dataclass(frozen=True, slots=True)
class TriggerDefinition:
    """A trigger of a task."""

    trigger_id: str  #: the same in every process and deploy
    task_id: str  #: of the task that is started
    conditions: tuple[Condition, ...]  #: in the order in which they were written
    logic: CompositeLogic = CompositeLogic.AND  #: whether all of them must be met
    within: float = WITHIN  #: seconds; see pynenc_pg.trigger.pairing
    arguments: tuple[ArgumentSource, ...] = ()  #: what the call is made of, the last one wins

    @property
    def pairs(self) -> bool:
        """Whether causes wait for each other. With one condition there is no logic."""
        return self.logic is CompositeLogic.AND and len(self.conditions) > 1

    @property
    def version(self) -> str:
        """A hash of all of it."""
        return content_id(self.to_json())

    def condition(self, condition_id: str) -> Condition | None:
        """Return the condition with that id, if it has it."""
        return next((one for one in self.conditions if one.condition_id == condition_id), None)

    def build_arguments(self, context: TriggerContext) -> dict[str, Any]:
        """Return the arguments of the call: see ``pynenc_pg.trigger.arguments``.

        Raises:
            TriggerCallableError: a function is not known in this process, or returned no dict of
                arguments. What it raises by itself arrives as itself.
        """
        return build_arguments(self.arguments, context)

    def check_call(self, signature: inspect.Signature) -> None:
        """Check what is known already of the call, for a task of that signature.

        Raises:
            TriggerDefinitionError: a static argument is no parameter; or without any other source
                a parameter that must be given is missing.
        """
        static = [one for one in self.arguments if isinstance(one, StaticArguments)]
        given = {name for one in static for name in one.values}
        kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
        spare = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if inspect.Parameter.VAR_KEYWORD not in kinds.values():
            for name in sorted(given - kinds.keys()):
                near = get_close_matches(name, kinds, n=1)
                way_out = (
                    f"did you mean {near[0]!r}?" if near else f"it has {list(kinds) or 'none'}"
                )
                message = (
                    f"a trigger gives {self.task_id} {name!r}, which is no parameter: {way_out}"
                )
                raise TriggerDefinitionError(message)
        missing = [
            name
            for name, parameter in signature.parameters.items()
            if parameter.default is parameter.empty and kinds[name] not in spare
            if name not in given
        ]
        if missing and len(static) == len(self.arguments):
            message = (
                f"a trigger starts {self.task_id} without {', '.join(missing)}: add "
                "with_args_static, or another source of arguments"
            )
            raise TriggerDefinitionError(message)

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "format": FORMAT,
            "trigger_id": self.trigger_id,
            "task_id": self.task_id,
            "conditions": [condition.to_json() for condition in self.conditions],
            "logic": str(self.logic),
            "within": self.within,
            "arguments": [source.to_json() for source in self.arguments],
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> TriggerDefinition:
        """Read what ``to_json`` returned.

        Raises:
            TriggerDefinitionError: a newer version wrote it, or it is not whole.
        """
        if stored.get("format") != FORMAT:
            message = (
                f"the stored trigger {stored.get('trigger_id')!r} has format "
                f"{stored.get('format')!r}, and this version reads {FORMAT}: upgrade pynenc_pg"
            )
            raise TriggerDefinitionError(message)
        try:
            return cls(
                trigger_id=stored["trigger_id"],
                task_id=stored["task_id"],
                conditions=tuple(condition_from_json(one) for one in stored["conditions"]),
                logic=CompositeLogic(stored["logic"]),
                within=float(stored["within"]),
                arguments=tuple(source_from_json(one) for one in stored["arguments"]),
            )
        except TriggerDefinitionError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            message = f"the stored trigger {stored.get('trigger_id')!r} is not whole: {error!r}"
            raise TriggerDefinitionError(message) from error


def trigger_id_of(
    task_id: str, conditions: Iterable[Condition], logic: CompositeLogic, number: int = 1
) -> str:
    """Return the id of a trigger; ``number`` counts those of a task with the same conditions."""
    ids = sorted(condition.condition_id for condition in conditions)
    # With one condition there is nothing that a logic could change.
    content = content_id([*ids, str(logic)] if len(ids) > 1 else ids)
    return f"{task_id}#{content}" + (f"#{number}" if number > 1 else "")


def distinct(definitions: Iterable[TriggerDefinition]) -> tuple[TriggerDefinition, ...]:
    """Return the triggers of one task: equal ones once, those that share an id numbered.

    In the order in which they are written, which decides who is the first of those.
    """
    kept: list[TriggerDefinition] = []
    seen: dict[str, list[str]] = {}
    for one in definitions:
        versions = seen.setdefault(one.trigger_id, [])
        if one.version in versions:
            continue
        versions.append(one.version)
        number = len(versions)
        new_id = trigger_id_of(one.task_id, one.conditions, one.logic, number)
        kept.append(replace(one, trigger_id=new_id))
    return tuple(kept)
