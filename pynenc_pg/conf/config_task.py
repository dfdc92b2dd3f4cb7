"""Task options: what a decorator may say."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pynenc_pg.exceptions import RetryError


class TaskConf(BaseModel):
    """Options of one task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Exception types after which it is tried again; ``RetryError`` always is.
    retry_for: tuple[type[BaseException], ...] = (RetryError,)
    #: Attempts after the first.
    max_retries: int = Field(default=0, ge=0)
    #: Queue names: letters, digits, ``_``, ``.`` and ``-``.
    queue: str = Field(default="default", pattern=r"^[A-Za-z0-9_.-]+$")
    #: -100 to 100, higher first.
    priority: float = Field(default=0.0, ge=-100, le=100)
