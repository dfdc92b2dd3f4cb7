"""What is measured: one module each, with the functions of ``benchmarks.contract.Contender``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.contenders import ceiling, worker

if TYPE_CHECKING:
    from benchmarks.contract import Contender

#: Always there. Other task queues are in ``benchmarks.peers``: they need not be installed.
CONTENDERS: Final[dict[str, Contender]] = {"ceiling": ceiling, "worker": worker.CONTENDER}
