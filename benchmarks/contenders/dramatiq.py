"""dramatiq: messages and results in Redis, ``dramatiq`` processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from benchmarks import measure, stores
from benchmarks.apps import dramatiq_app
from benchmarks.on_redis import OnRedis

if TYPE_CHECKING:
    from benchmarks.measure import Ends
    from benchmarks.stores import Redis

_PATIENCE: Final = 60_000  # ms
_THREADS: Final = 8
_PREFETCH: Final = 1_000  # the fastest of 16 (its default), 128 and this
#: Messages are here until they are acknowledged, which is when their task has ended.
_MESSAGES: Final = "dramatiq:default.msgs"
_COMMAND: Final = (
    "-m",
    "dramatiq",
    "benchmarks.apps.dramatiq_app:broker",
    "--processes=1",
    f"--threads={_THREADS}",
)


class _Client:
    def __init__(self, broker: Any) -> None:
        self._nothing, self._clock = broker.get_actor("nothing"), broker.get_actor("clock")
        self._results = broker.get_results_backend()

    def nothing(self) -> object:
        return self._nothing.send()

    def many(self, count: int) -> object:
        return [self._nothing.send() for _ in range(count)]

    def clock(self) -> Any:
        return self._clock.send()

    def began(self, call: Any) -> float:
        return float(call.get_result(backend=self._results, block=True, timeout=_PATIENCE))


class _Dramatiq(OnRedis[_Client]):
    NAME = "dramatiq"
    SHARE = 4
    BULK = False
    FETCHES = 1  # what is delayed has another one, which waits for its turn

    def about(self) -> str:
        return (
            f"{version('dramatiq')} on Redis {stores.redis_version()}, "
            f"{_THREADS} threads, prefetch {_PREFETCH:,}"
        )

    @contextmanager
    def client(self, store: Redis) -> Iterator[_Client]:
        broker = dramatiq_app.make(store.url)
        try:
            yield _Client(broker)
        finally:
            broker.close()

    def environment(self, store: Redis) -> Mapping[str, str]:
        return {**super().environment(store), "dramatiq_queue_prefetch": str(_PREFETCH)}

    def command(self) -> Sequence[str]:
        return _COMMAND

    def ends(self, store: Redis) -> Ends:
        return measure.unnoted(lambda: int(store.client.hlen(_MESSAGES)))


CONTENDER: Final = _Dramatiq()
