"""A trouble that goes on is told when it begins, now and then, and when it is over."""

from __future__ import annotations

import logging
import time

#: Seconds between two lines about the same trouble.
EVERY = 10.0


class Noise:
    """Of one place in the code; used by one thread."""

    def __init__(self, logger: logging.Logger) -> None:
        """Speak through ``logger``."""
        self._logger = logger
        self._event = ""
        self._told_at = 0.0

    def warn(self, event: str, error: object) -> None:
        """Tell, unless the same was told a moment ago."""
        now = time.monotonic()
        if event != self._event or now - self._told_at >= EVERY:
            self._logger.warning("%s: %s", event, error)
            self._event, self._told_at = event, now

    @property
    def troubled(self) -> bool:
        """Whether something was told that is not over. Any thread may ask."""
        return bool(self._event)

    def over(self) -> None:
        """Tell that it is over, if something was told."""
        if self._event:
            self._logger.info("%s: over", self._event)
            self._event = ""
