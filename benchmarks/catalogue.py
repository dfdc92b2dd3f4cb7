"""The rows of the table, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    label: str
    unit: str


ROWS: Final = {
    "enqueue_single": Row("enqueue one by one", "/s"),
    "enqueue_bulk": Row("enqueue in bulk, 1,000 a call", "/s"),
    "drain_100": Row("drain, 1 process, batches of 100", "/s"),
    "drain_500": Row("drain, 1 process, batches of 500", "/s"),
    "drain_1": Row("drain, 1 process", "/s"),
    "drain_2": Row("drain, 2 processes", "/s"),
    "cpu_worker": Row("CPU of the worker per 1,000", "s"),
    "cpu_server": Row("CPU of the server per 1,000", "s"),
    "pick_up_p50": Row("pick-up, a call every 50 ms, p50", "ms"),
    "pick_up_p99": Row("pick-up, a call every 50 ms, p99", "ms"),
    "pick_up_chained_p50": Row("pick-up, back to back, p50", "ms"),
    "pick_up_chained_p99": Row("pick-up, back to back, p99", "ms"),
    "round_trip_p50": Row("round trip, a call every 50 ms, p50", "ms"),
    "round_trip_p99": Row("round trip, a call every 50 ms, p99", "ms"),
    "round_trip_chained_p50": Row("round trip, back to back, p50", "ms"),
    "round_trip_chained_p99": Row("round trip, back to back, p99", "ms"),
    "idle_statements": Row("statements of one idle worker", "/min"),
    "idle_cpu": Row("CPU of one idle worker", "% of a core"),
}
