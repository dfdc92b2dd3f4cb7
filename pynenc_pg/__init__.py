"""A PostgreSQL-backed task queue and orchestrator whose state machine the database enforces."""

from pynenc_pg.app import Pynenc
from pynenc_pg.builder import PynencBuilder
from pynenc_pg.domain.concurrency import ConcurrencyControlType, RateLimit
from pynenc_pg.exceptions import RetryError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.serializer import JsonSerializable
from pynenc_pg.trigger.trigger_builder import TriggerBuilder

__version__ = "0.1.0"

__all__ = [
    "ConcurrencyControlType",
    "InvocationStatus",
    "JsonSerializable",
    "Pynenc",
    "PynencBuilder",
    "RateLimit",
    "RetryError",
    "TriggerBuilder",
    "__version__",
]
