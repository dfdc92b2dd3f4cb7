"""Where an invocation may stand, and how it comes there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

LIVE: Final = (
    "registered",
    "concurrency_controlled",
    "rerouted",
    "pending",
    "pending_recovery",
    "running",
    "running_recovery",
    "paused",
    "resumed",
    "killed",
    "retry",
)
FINAL: Final = ("concurrency_controlled_final", "success", "failed")
STATUSES: Final = LIVE + FINAL
AVAILABLE: Final = ("registered", "rerouted", "retry")
OWNED: Final = ("pending", "running", "paused", "resumed")

#: How a new invocation comes to stand in each status: (status, reason) steps from registered.
PATHS: Final[dict[str, tuple[tuple[str, str | None], ...]]] = {
    "registered": (),
    "concurrency_controlled": (("concurrency_controlled", None),),
    "rerouted": (("pending", None), ("rerouted", None)),
    "pending": (("pending", None),),
    "pending_recovery": (("pending", None), ("pending_recovery", None)),
    "running": (("pending", None), ("running", None)),
    "running_recovery": (("pending", None), ("running", None), ("running_recovery", None)),
    "paused": (("pending", None), ("running", None), ("paused", None)),
    "resumed": (("pending", None), ("running", None), ("paused", None), ("resumed", None)),
    "killed": (("pending", None), ("running", None), ("killed", None)),
    "retry": (("pending", None), ("running", None), ("retry", "error")),
    "success": (("pending", None), ("running", None), ("success", None)),
    "failed": (("pending", None), ("running", None), ("failed", None)),
    "concurrency_controlled_final": (("concurrency_controlled_final", None),),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an invocation stands; unpacks to what its owner has to show."""

    id: str
    lease: int | None
    rev: int

    def __iter__(self) -> Iterator[Any]:
        """Allow ``id, lease, rev = place``."""
        return iter((self.id, self.lease, self.rev))
