"""What a runner tells Prometheus. ``prometheus_client`` is imported by whoever wants this."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from pynenc_pg.exceptions import ConfigError, StoreError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.runner.tally import PICKUP, Begun, Counts, Spread, Tally

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import HistogramMetricFamily, Metric

    from pynenc_pg.ports import StateBackend
    from pynenc_pg.runner.base import BaseRunner

Page = tuple[str, bytes]

#: Seconds that a page waits for the database.
PATIENCE: Final = 1.0

_NOT_INSTALLED: Final = (
    "metrics need the package prometheus_client: pip install 'pynenc_pg[metrics]', or leave out "
    "--metrics"
)


class Exposition:
    """Answers what a runner, and those that it is the parent of, have done since its start."""

    def __init__(self, runner: BaseRunner, registry: CollectorRegistry | None = None) -> None:
        """Add it to the metrics of the process, or to another registry.

        Raises:
            ConfigError: ``prometheus_client`` is not installed.
        """
        try:
            import prometheus_client  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigError(_NOT_INSTALLED) from error
        self._runner = runner
        self._tally = runner.tally or Tally()
        self._counts = Counts()
        self._pickup: dict[str, Spread] = {}
        self._looks: threading.Thread | None = None
        self._pickup_lock = threading.Lock()
        self._lock = threading.Lock()
        self._registry = prometheus_client.REGISTRY if registry is None else registry
        self._content_type = prometheus_client.CONTENT_TYPE_LATEST
        self._generate: Callable[[CollectorRegistry], bytes] = prometheus_client.generate_latest
        self._registry.register(self)

    def page(self) -> Page:
        """Return the type and the text of the page: ours, and what tasks measure themselves."""
        return self._content_type, self._generate(self._registry)

    def close(self) -> None:
        """Take it from the registry."""
        self._registry.unregister(self)

    def describe(self) -> Iterator[Metric]:
        """Say nothing when it is registered: nobody works yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield each metric."""
        with self._lock:
            new = self._tally.take()
            self._look_up(new.begun)
            new.begun = []
            self._counts.merge(new)
            found = [*self._attempts(), *self._health()]
        yield from found

    def _look_up(self, begun: list[Begun]) -> None:
        """Have it found out how long these waited; a database that is away holds up no page.

        While the last look has not ended, no other one is begun.
        """
        if self._looks is not None and self._looks.is_alive():
            return
        self._looks = threading.Thread(
            target=self._ask, args=(begun,), name="pynenc-pickup", daemon=True
        )
        self._looks.start()
        self._looks.join(PATIENCE)

    def _ask(self, begun: list[Begun]) -> None:
        """Ask how long these waited; what cannot be answered is left out."""
        backend = self._runner.engine.store.state_backend
        for one in begun:
            try:
                waited = pickup(backend, one)
            except StoreError:
                return
            if waited is not None:
                with self._pickup_lock:
                    self._pickup.setdefault(one.queue, Spread(PICKUP)).add(waited)

    def _attempts(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily  # noqa: PLC0415

        attempts = CounterMetricFamily(
            "pynenc_runner_attempts", "Attempts that have ended.", labels=["task", "outcome"]
        )
        for (task_id, outcome), count in sorted(self._counts.attempts.items()):
            attempts.add_metric([task_id, outcome], count)
        yield attempts
        execution = HistogramMetricFamily(
            "pynenc_runner_execution_seconds",
            "What attempts took, without waits for others.",
            labels=["task"],
        )
        _fill(execution, self._counts.execution)
        yield execution
        waited = HistogramMetricFamily(
            "pynenc_runner_pickup_seconds",
            "From ready to claimed, of a sample of first attempts.",
            labels=["queue"],
        )
        with self._pickup_lock:
            _fill(waited, self._pickup)
        yield waited

    def _health(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        health = self._runner.health()
        for name, about, value in (
            ("running", "Invocations that are executed.", health.running),
            ("waiting", "Invocations that wait for others, without a place.", health.waiting),
            ("alive", "0 where nothing but a new process helps.", int(health.alive)),
            ("ready", "1 while it takes work.", int(health.ready)),
            ("places", "Invocations that may run at once.", self._runner.places()),
        ):
            yield GaugeMetricFamily(f"pynenc_runner_{name}", about, value=value)
        if health.since_heartbeat is not None:
            yield GaugeMetricFamily(
                "pynenc_runner_heartbeat_age_seconds",
                "Since the database last confirmed that it lives.",
                value=health.since_heartbeat,
            )


def pickup(backend: StateBackend, begun: Begun) -> float | None:
    """Return the seconds from ready to claimed; None: it cannot be told."""
    history = backend.get_history(begun.invocation_id)
    claims = [n for n, entry in enumerate(history) if entry.status is InvocationStatus.PENDING]
    if len(claims) != 1 or claims[0] == 0:  # again, after a time that it asked for itself
        return None
    claim = claims[0]
    return max(0.0, (history[claim].at - history[claim - 1].at).total_seconds())


def _fill(family: HistogramMetricFamily, spreads: dict[str, Spread]) -> None:
    for label, spread in sorted(spreads.items()):
        bounds = [*map(str, spread.bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(spread.counts), strict=True))
        family.add_metric([label], buckets, sum_value=spread.total)
