"""Chance for jitter and turns.

Not the ``random`` module's: its state is the user's. Who seeds it gets the numbers that belong to
the seed, and a seed that all tasks share does not make all runners wait equally long.
"""

from __future__ import annotations

from random import SystemRandom  # noqa: TID251 - it has no state
from typing import Final

chance: Final = SystemRandom()
