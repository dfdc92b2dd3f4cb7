"""The DSN that asks for an embedded server: ``embedded`` or ``embedded:///some/folder``."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from pynenc_pg.exceptions import EmbeddedServerError
from pynenc_pg.postgres.embedded.server import EmbeddedPostgres

_SCHEME = "embedded"


def is_embedded(dsn: str) -> bool:
    """Whether *dsn* asks for an embedded server, well-formed or not."""
    return dsn == _SCHEME or dsn.startswith(f"{_SCHEME}:")


def from_dsn(dsn: str) -> EmbeddedPostgres:
    """Return the server *dsn* asks for, not started.

    ``embedded`` is the user's default folder, ``embedded:///some/folder`` that folder
    (percent-encoded where it must be). Anything else raises `EmbeddedServerError`.
    """
    if dsn == _SCHEME:
        return EmbeddedPostgres()
    parts = urlsplit(dsn)
    bare = not (parts.netloc or parts.query or parts.fragment)
    absolute = parts.path.startswith("/") and dsn.startswith(f"{_SCHEME}:///")
    if parts.scheme != _SCHEME or not bare or not absolute or parts.path.strip("/") == "":
        msg = (
            f"{dsn!r} does not name an embedded server. Write 'embedded' for the default folder, "
            "or 'embedded:///an/absolute/folder' (three slashes: there is no host)."
        )
        raise EmbeddedServerError(msg)
    return EmbeddedPostgres(unquote(parts.path))
