"""The rows of the table, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    label: str
    unit: str
    #: Whether more is better; by default of what is told by the second.
    more: bool | None = None
    #: Whether it is a share of another figure, and not compared with others' shares.
    share: bool = False

    @property
    def better(self) -> str:
        """Which is better."""
        more = self.unit == "/s" if self.more is None else self.more
        return "more" if more else "less"


ROWS: Final = {
    "enqueue_single": Row("enqueue one by one", "/s"),
    "enqueue_bulk": Row("enqueue in bulk, 1,000 a call", "/s"),
    "enqueue_threads": Row("enqueue one by one, 16 threads", "/s"),
    "threads_gain": Row("16 threads / 1 thread", "x", more=True, share=True),
    "enqueue_async": Row("enqueue one by one, 16 coroutines", "/s"),
    "producers_quiet": Row("enqueue one by one, 16 processes, nobody listens", "/s"),
    "producers_heard": Row("enqueue one by one, 16 processes, each call notified", "/s"),
    "notify_cost": Row("cost of the notification", "%", share=True),
    "drain_100": Row("drain, 1 process, batches of 100", "/s"),
    "drain_500": Row("drain, 1 process, batches of 500", "/s"),
    "drain_1": Row("drain, 1 process", "/s"),
    "drain_2": Row("drain, 2 processes", "/s"),
    "drain_8": Row("drain, 8 processes", "/s"),
    "drain_32": Row("drain, 32 processes", "/s"),
    "crowd_share": Row("drain, 32 processes / 2 processes", "%", more=True, share=True),
    "crowd_least": Row("the least busy of 32, of an equal share", "%", more=True, share=True),
    "crowd_most": Row("the busiest of 32, of an equal share", "%", share=True),
    "crowd_waiting": Row("sessions of 32 that wait for a row of another one", "", share=True),
    "cpu_worker": Row("CPU of the worker per 1,000", "s"),
    "cpu_server": Row("CPU of the server per 1,000", "s"),
    "memory": Row("memory of a worker after a drain", "MB"),
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
    "held_rate": Row("calls run under a snapshot, of 2,000 each second", "/s"),
    "held_claim": Row("a claim meanwhile, p50", "ms"),
    "held_slower": Row("a claim meanwhile / before, p95", "x", share=True),
    "held_recovered": Row("claims as before, after the release", "s"),
    "disk_queued": Row("disk of a queued call", "bytes"),
    "disk_finished": Row("disk of a finished call", "bytes"),
}
