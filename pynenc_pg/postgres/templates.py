"""SQL as files: where they are, and how the schema's name gets into them.

Three words are replaced: ``{schema}`` by the quoted name, ``{schema_name}`` by the bare one (for
channels and roles), ``{definer}`` by what every verb that users may call has in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pynenc_pg.exceptions import ConfigError

SQL = Path(__file__).parent / "sql"

# Settings belong to the function: a queue table starts empty and changes faster than statistics
# follow, so the plan must not depend on them. pg_temp comes last, or a caller's temporary table
# would be found in the place of ours.
_DEFINER = """security definer
set search_path = {schema}, pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off"""


def migrations_path() -> Path:
    """Where the revisions lie: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def check_schema_name(name: str) -> str:
    """Refuse names that would need care in quoting; the name goes into roles and channels too."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,47}", name):
        message = (
            f"postgres.schema = {name!r}: use lower-case letters, digits and underscores, "
            "beginning with a letter, at most 48 characters"
        )
        raise ConfigError(message)
    return name


def render(sql: str, schema: str) -> str:
    """Fill a template for a schema."""
    check_schema_name(schema)
    sql = sql.replace("{definer}", _DEFINER)
    return sql.replace("{schema}", f'"{schema}"').replace("{schema_name}", schema)


def function_files() -> list[Path]:
    """Every function, those that others need at their creation first."""
    early = ["lock_space", "first_id", "notify"]
    files = {path.stem: path for path in sorted((SQL / "functions").glob("*.sql"))}
    return [files.pop(name) for name in early] + list(files.values())


def view_files() -> list[Path]:
    """Every view."""
    return sorted((SQL / "views").glob("*.sql"))


def frozen_files(folder: Path) -> Iterator[Path]:
    """The files of a revision in the order in which they run: by name, folders last."""
    yield from sorted(folder.glob("*.sql"))
