"""Sections ``orchestrator``, ``broker`` and ``trigger``: what little there is to set."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator

from pynenc_pg.conf.section import Section
from pynenc_pg.conf.values import Limit


def _always(value: bool) -> bool:  # noqa: FBT001 - a validator
    if not value:
        message = "must be true, the database does it in any case: leave it out"
        raise ValueError(message)
    return value


Always = Annotated[bool, AfterValidator(_always)]


class OrchestratorConf(Section):
    """What pynenc lets people switch off. Here it is always on, and saying so is no error."""

    section: ClassVar[str] = "orchestrator"

    #: Waits that would never end are refused.
    cycle_control: Always = True
    #: What others wait for goes first.
    blocking_control: Always = True


class BrokerConf(Section):
    """How runners hear of work."""

    section: ClassVar[str] = "broker"

    #: Seconds between two looks for work while notifications arrive; None: ``runner.poll``.
    queue_timeout_sec: Limit = None


class TriggerConf(Section):
    """What reacts."""

    section: ClassVar[str] = "trigger"

    #: Whether runners of this process note the ticks of schedules: False leaves them to others.
    enable_scheduler: bool = True
