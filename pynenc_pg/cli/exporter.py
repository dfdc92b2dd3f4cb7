"""The measures of a database in the words of Prometheus."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pynenc_pg.exceptions import ConfigError, StoreError
from pynenc_pg.postgres.measures import UP, Measurer, Sample, measures

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from pynenc_pg.postgres.database import PgDatabase

logger = logging.getLogger(__name__)

_NOT_INSTALLED: Final = (
    "metrics need the package prometheus_client: pip install 'pynenc_pg[metrics]'"
)


class Exporter:
    """Asks the database when it is asked itself, but not more often than ``every`` seconds."""

    def __init__(self, database: PgDatabase, *, every: float = 0.0) -> None:
        """Nothing is asked before ``collect``.

        Raises:
            ConfigError: ``prometheus_client`` is not installed.
        """
        try:
            import prometheus_client  # noqa: F401, PLC0415 - an extra
        except ImportError as error:
            raise ConfigError(_NOT_INSTALLED) from error
        self._measurer = Measurer(database)
        self._every = every
        self._lock = threading.Lock()
        self._asked_at = -float("inf")
        self._samples: list[Sample] = []
        self.answered = False  # the database, when it was asked last

    def describe(self) -> Iterator[Metric]:
        """Say nothing when it is registered: the database need not be there yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield each metric; where the database does not answer, that alone."""
        with self._lock:
            if time.monotonic() >= self._asked_at + self._every:
                try:
                    self._samples = self._measurer.ask()
                    self.answered = True
                except StoreError as error:
                    logger.warning("metrics.unreachable: %s", error)
                    self._samples = [Sample(UP.name, (), 0)]
                    self.answered = False
                self._asked_at = time.monotonic()
            samples = self._samples
        yield from _families(samples)


def _families(samples: list[Sample]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    values: dict[str, list[Sample]] = {}
    for sample in samples:
        values.setdefault(sample.name, []).append(sample)
    for measure, labels in measures():
        kind = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
        family = kind(measure.name, measure.about, labels=labels)
        for sample in values.get(measure.name, ()):
            family.add_metric(sample.labels, sample.value)
        if family.samples:
            yield family
