"""Builds an app in code, a method for each thing one can choose."""

from __future__ import annotations

from typing import Any, Self

from pynenc_pg.app import Pynenc


class PynencBuilder:
    """Each method returns the builder.

    >>> app = PynencBuilder().app_id("shop").memory().build()
    >>> app.conf.orchestrator_cls
    'MemOrchestrator'
    """

    def __init__(self) -> None:
        """Begin with the defaults."""
        self._values: dict[str, Any] = {}

    def app_id(self, app_id: str) -> Self:
        """Name the app: apps of different names never see each other's work."""
        return self.custom_config(app_id=app_id)

    def memory(self) -> Self:
        """Keep everything in this process."""
        return self.custom_config(
            orchestrator_cls="MemOrchestrator",
            broker_cls="MemBroker",
            state_backend_cls="MemStateBackend",
        )

    def postgres(self, dsn: str, *, schema: str = "pynenc", pool_size: int = 4) -> Self:
        """Use PostgreSQL: a DSN, ``embedded``, or ``embedded:///folder``."""
        return self.custom_config(
            postgres={"dsn": dsn, "schema": schema, "pool_size": pool_size},
            orchestrator_cls="PgOrchestrator",
            broker_cls="PgBroker",
            state_backend_cls="PgStateBackend",
        )

    def thread_runner(self, threads: int = 4) -> Self:
        """Run tasks in threads of one process."""
        return self.custom_config(runner_cls="ThreadRunner", runner={"concurrency": threads})

    def custom_config(self, **fields: Any) -> Self:
        """Set configuration fields by name."""
        for name, value in fields.items():
            before = self._values.get(name)
            if isinstance(before, dict) and isinstance(value, dict):
                value = {**before, **value}  # noqa: PLW2901 - sections are filled by several methods
            self._values[name] = value
        return self

    def build(self) -> Pynenc:
        """Make the app.

        Raises:
            ConfigError: a field that does not exist, or a value it cannot have.
        """
        return Pynenc(config_values=self._values)
