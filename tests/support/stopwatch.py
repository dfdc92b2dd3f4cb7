"""How long something took on a machine that had time for it: for bounds that are promised."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

_PRESSURE: Final = [Path("/proc/pressure") / name for name in ("cpu", "io")]
_TOTAL: Final = re.compile(r"^some .*total=(\d+)$", re.MULTILINE)


class Stopwatch:
    """Counts from when it is made.

    Tests run side by side, and a promise of two seconds says nothing of a machine on which all
    wait for a processor. Where the system tells for how long tasks had to (Linux does), that is
    left out.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._waited = _waited()

    @property
    def seconds(self) -> float:
        """The time so far, without that in which somebody waited for a processor or a disk."""
        return max(0.0, time.monotonic() - self._began - self.hindered)

    @property
    def hindered(self) -> float:
        """The seconds of that."""
        return _waited() - self._waited


def _waited() -> float:
    total = 0.0
    for path in _PRESSURE:
        try:
            found = _TOTAL.search(path.read_text(encoding="ascii"))
        except OSError:
            continue
        total += int(found[1]) / 1e6 if found else 0.0
    return total
