"""Helpers for the tests of code that uses tasks.

>>> with in_memory(app) as world:  # doctest: +SKIP
...     invocation = send_report.options(delay=3600)("monthly")
...     world.run_until_idle()
...     assert invocation.status is InvocationStatus.REGISTERED
...     world.advance(3600)
...     world.run_until_idle()
...     assert invocation.result == "sent"

With pytest there are fixtures for all of it: see ``pynenc_pg.testing.plugin``.
"""

from pynenc_pg.testing.database import DatabaseWorld, on_postgres
from pynenc_pg.testing.world import World, eager, in_memory

__all__ = ["DatabaseWorld", "World", "eager", "in_memory", "on_postgres"]
