"""What is measured: one module each, each with its ``CONTENDER``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.contenders import ceiling, raw, worker

if TYPE_CHECKING:
    from benchmarks.contract import Contender

#: Always there. Other task queues are in ``benchmarks.peers``: they need not be installed.
CONTENDERS: Final[dict[str, Contender]] = {
    found.NAME: found for found in (raw.CONTENDER, ceiling.CONTENDER, worker.CONTENDER)
}
