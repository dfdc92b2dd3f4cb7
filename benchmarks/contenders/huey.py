"""huey: tasks and results in Redis, ``huey_consumer`` processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from benchmarks import measure, stores
from benchmarks.apps import huey_app
from benchmarks.on_redis import OnRedis

if TYPE_CHECKING:
    from benchmarks.measure import Ends
    from benchmarks.stores import Redis

_PATIENCE: Final = 60.0
_WORKERS: Final = 1
_COMMAND: Final = (
    "-m",
    "huey.bin.huey_consumer",
    "benchmarks.apps.huey_app.huey",
    "--worker-type=thread",
    f"--workers={_WORKERS}",
    "--quiet",  # the default writes two lines for each task
)


class _Client:
    def __init__(self, huey: Any) -> None:
        self._huey = huey

    def nothing(self) -> object:
        return self._huey.nothing()

    def many(self, count: int) -> object:
        return [self._huey.nothing() for _ in range(count)]

    def clock(self) -> Any:
        return self._huey.clock()

    def began(self, call: Any) -> float:
        return float(call.get(blocking=True, timeout=_PATIENCE))


class _Huey(OnRedis[_Client]):
    NAME = "huey"
    SHARE = 4
    BULK = False
    FETCHES = _WORKERS

    def about(self) -> str:
        return (
            f"{version('huey')} on Redis {stores.redis_version()}, "
            f"{_WORKERS} thread, told of results"
        )

    @contextmanager
    def client(self, store: Redis) -> Iterator[_Client]:
        huey = huey_app.make(store.url)
        try:
            yield _Client(huey)
        finally:
            huey.storage.pool.disconnect()

    def command(self) -> Sequence[str]:
        return _COMMAND

    def ends(self, store: Redis) -> Ends:
        queue = f"huey.redis.{huey_app.NAME}"
        return measure.unnoted(lambda: int(store.client.llen(queue)))


CONTENDER: Final = _Huey()
