"""The tasks that are measured, once for each other task queue. Worker processes import them."""

from __future__ import annotations

from typing import Final

#: The variable with the address of Redis.
REDIS: Final = "BENCH_REDIS"
