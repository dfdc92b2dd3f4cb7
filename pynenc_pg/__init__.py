"""A PostgreSQL-backed task queue and orchestrator whose state machine the database enforces."""

from pynenc_pg.app import Pynenc
from pynenc_pg.builder import PynencBuilder
from pynenc_pg.exceptions import RetryError
from pynenc_pg.invocation.status import InvocationStatus

__version__ = "0.1.0.dev0"

__all__ = ["InvocationStatus", "Pynenc", "PynencBuilder", "RetryError", "__version__"]
