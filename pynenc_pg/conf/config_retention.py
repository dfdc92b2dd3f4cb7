"""Section ``retention``: for how long what has ended is kept. Seconds."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from pynenc_pg.conf.section import Section
from pynenc_pg.conf.values import Seconds
from pynenc_pg.domain.retention import Periods


class RetentionConf(Section):
    """The least: partitions go as a whole, so it may be a week (history: a day) more."""

    section: ClassVar[str] = "retention"

    #: Finished invocations, with their arguments, results and errors, from their end.
    finished: Annotated[Seconds, Field(ge=3600)] = Periods().finished
    #: Status changes; not shorter than ``finished``.
    history: Annotated[Seconds, Field(ge=3600)] = Periods().history

    @property
    def periods(self) -> Periods:
        """Both, as the store wants them."""
        return Periods(self.finished, self.history)
