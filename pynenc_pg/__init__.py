"""A PostgreSQL-backed task queue and orchestrator."""

__version__ = "0.1.0.dev0"
