"""Section ``postgres``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pynenc_pg.conf.section import Section


class PostgresConf(Section):
    """Where the database is."""

    section: ClassVar[str] = "postgres"

    #: As libpq knows it, or ``embedded``, or ``embedded:///folder``.
    dsn: str | None = Field(default=None, repr=False)
    #: Round a pooler that ``dsn`` leads to: for the sessions of hints, heartbeats and locks.
    direct_dsn: str | None = Field(default=None, repr=False)
    #: The schema that holds everything of ours; ``schema`` outside of Python.
    schema_name: str = Field(default="pynenc", alias="schema")
    #: Connections for verbs and reads; a runner holds one more, its home.
    pool_size: int = Field(default=4, ge=2)
