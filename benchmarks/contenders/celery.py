"""celery: messages and results in Redis, ``celery worker`` processes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from celery import group

from benchmarks import measure, stores
from benchmarks.apps import REDIS, celery_app
from benchmarks.children import Child, children
from benchmarks.measure import Ends
from benchmarks.on_redis import OnRedis

if TYPE_CHECKING:
    from benchmarks.stores import Redis

_PATIENCE: Final = 60.0
#: A queue nobody sends to.
_ELSEWHERE: Final = "elsewhere"
#: One process that runs tasks, below the one that talks to Redis: the pool celery runs by default.
_COMMAND: Final = (
    "-m",
    "celery",
    "--app=benchmarks.apps.celery_app",
    "worker",
    "--pool=prefork",
    "--concurrency=1",
    "--hostname=bench-{number}",
)


class _Client:
    def __init__(self, app: Any) -> None:
        self.app = app
        self._nothing, self._clock = app.tasks["nothing"], app.tasks["clock"]

    def nothing(self) -> object:
        return self._nothing.delay()

    def many(self, count: int) -> object:
        return group(self._nothing.s() for _ in range(count)).apply_async()

    def clock(self) -> Any:
        return self._clock.delay()

    def began(self, call: Any) -> float:
        return float(call.get(timeout=_PATIENCE))


class _Celery(OnRedis[_Client]):
    NAME = "celery"
    SHARE = 8

    def about(self) -> str:
        return (
            f"{version('celery')} on Redis {stores.redis_version()}, prefork, "
            f"prefetch {celery_app.PREFETCH}, late acknowledgement"
        )

    @contextmanager
    def client(self, store: Redis) -> Iterator[_Client]:
        app = celery_app.make(store.url)
        try:
            yield _Client(app)
        finally:
            app.close()

    def environment(self, store: Redis) -> Mapping[str, str]:
        return {REDIS: store.url}

    def command(self) -> Sequence[str]:
        return _COMMAND

    @contextmanager
    def filled(
        self, store: Redis, client: _Client, count: int, processes: int
    ) -> Iterator[tuple[list[Child], Callable[[], object]]]:
        """Let workers serve another queue, until they are told to serve this one too."""
        measure.fill(client.many, count)
        arguments = (*_COMMAND, f"--queues={_ELSEWHERE}")
        control = client.app.control
        with children(self.environment(store), arguments, processes) as started:
            measure.wait(
                lambda: len(control.ping(timeout=1.0)) == processes,
                f"{processes} workers",
                workers=started,
            )
            yield started, lambda: control.add_consumer(celery_app.QUEUE)

    def ends(self, store: Redis) -> Ends:
        redis = store.client

        def keys() -> list[bytes]:
            return list(redis.scan_iter("celery-task-meta-*", 10_000))

        def count() -> int:
            # A message is acknowledged once its result is there; before, there is no need to look.
            left = redis.llen(celery_app.QUEUE) + redis.hlen("unacked")
            return 0 if left else len(keys())

        def last() -> float:
            noted = [json.loads(result)["date_done"] for result in redis.mget(keys())]
            return max(dt.datetime.fromisoformat(at).timestamp() for at in noted)

        return Ends(count, last)


CONTENDER: Final = _Celery()
