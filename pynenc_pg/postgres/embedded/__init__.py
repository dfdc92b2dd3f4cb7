"""A PostgreSQL of one's own, without installing or running one: for development and tests.

`EmbeddedPostgres` is the server, `from_dsn` reads ``embedded`` and ``embedded:///folder``. How
it works and what it does not do is in ``docs/explanation/embedded.md``.
"""

from pynenc_pg.postgres.embedded.binaries import Binaries
from pynenc_pg.postgres.embedded.dsn import from_dsn, is_embedded
from pynenc_pg.postgres.embedded.server import EmbeddedPostgres

__all__ = ["Binaries", "EmbeddedPostgres", "from_dsn", "is_embedded"]
