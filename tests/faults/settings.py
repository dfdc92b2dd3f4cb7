"""Workers that are quick to notice, so that a test of minutes takes seconds."""

from __future__ import annotations

from typing import Final


def _runner(**values: float) -> dict[str, str]:
    return {f"PYNENC__RUNNER__{name.upper()}": str(value) for name, value in values.items()}


#: The death of a process is noticed soon, by its lock; the lease is as it is.
SWEEP: Final = 0.2
POLL: Final = 0.4
KEEN: Final = _runner(grace=0.2, sweep=SWEEP, poll=POLL, poll_without_listen=POLL)
#: The lease is short, too: who stands still or is cut off is replaced soon.
LEASE: Final = 1.0
MARGIN: Final = 0.2
HASTY: Final = KEEN | _runner(heartbeat=0.2, lease=LEASE, lease_margin=MARGIN)
#: Seconds from the last beat to the second beginning, by the promise: lease, sweep and poll.
HASTY_BOUND: Final = LEASE + SWEEP + POLL
#: What a test adds to a promise for a machine of two cores that does other things, too.
SLACK: Final = 1.5
