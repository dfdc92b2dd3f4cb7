"""What is measured: add a module with the functions of ``benchmarks.contract.Contender`` here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.contenders import ceiling, worker

if TYPE_CHECKING:
    from benchmarks.contract import Contender

#: The first is what the others are compared with.
CONTENDERS: Final[dict[str, Contender]] = {module.NAME: module for module in (ceiling, worker)}
