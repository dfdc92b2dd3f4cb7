"""Section ``postgres``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PostgresConf(BaseModel):
    """Where the database is."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    #: As libpq knows it, or ``embedded``, or ``embedded:///folder``.
    dsn: str | None = Field(default=None, repr=False)
    #: The schema that holds everything of ours.
    schema_name: str = Field(default="pynenc", alias="schema")
    #: Connections for verbs and reads; a runner holds one more, its home.
    pool_size: int = Field(default=4, ge=2)
