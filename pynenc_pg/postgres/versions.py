"""Whether this code and the schema fit each other: asked once, by each runner that starts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from pynenc_pg.exceptions import SchemaVersionError

#: The revision whose functions this code calls.
REVISION: Final = "pynenc_0002"
#: The last one that could not be asked.
_SILENT: Final = "pynenc_0001"

# Of the catalogs, which everybody may read; what is not there is null.
_KNOWN: Final = """select to_regprocedure('{schema}.schema_version()') is not null,
    to_regclass('{schema}.invocation_state') is not null"""
_VERSION: Final = "select revision, serves_from from {schema}.schema_version()"

Ask = Callable[[str, Sequence[object]], Sequence[Sequence[Any]]]


def told(ask: Ask) -> tuple[str, str]:
    """Ask for the revision of the schema, and for the oldest one whose workers it serves.

    What is noted for Alembic is its owner's alone to read. This may members of all our roles.
    """
    [(revision, serves_from)] = ask(_VERSION, ())
    return str(revision), str(serves_from)


def check_schema(ask: Ask, schema: str) -> None:
    """Refuse to begin on a schema that is older than this code, or does not serve it any more.

    Raises:
        SchemaVersionError: names both versions, and the command.
    """
    [(can_tell, is_there)] = ask(_KNOWN, ())
    if not is_there:
        message = f"there is no schema {schema} of ours in the database: pynenc-pg db migrate"
        raise SchemaVersionError(message)
    revision, serves_from = told(ask) if can_tell else (_SILENT, _SILENT)
    # The package itself is above this layer, and was imported before it.
    release = sys.modules["pynenc_pg"].__version__
    code = f"this code, pynenc_pg {release},"
    if revision < REVISION:
        message = (
            f"schema {schema} is at revision {revision}, and {code} needs {REVISION}: run "
            "pynenc-pg db migrate, then start again"
        )
        raise SchemaVersionError(message)
    if serves_from > REVISION:
        message = (
            f"schema {schema} is at revision {revision}, which serves code of {serves_from} and "
            f"newer, and {code} is of {REVISION}: install a newer release, then start again"
        )
        raise SchemaVersionError(message)
