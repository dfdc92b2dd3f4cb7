"""What of a user's values may stand in text, as the app's configuration says at the moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pynenc_pg.domain.arguments import ArgumentPrintMode, Arguments, describe

#: The mode, and the characters of each value where it is ``truncated``.
PrintSettings = Callable[[], tuple[ArgumentPrintMode, int]]


class Printing:
    """Makes the texts; asks for the settings each time, so that they may be changed."""

    def __init__(self, settings: PrintSettings) -> None:
        """Use these settings."""
        self._settings = settings

    def arguments(self, kwargs: Mapping[str, Any]) -> Arguments:
        """Return arguments that print as wanted."""
        mode, length = self._settings()
        return Arguments(kwargs, print_mode=mode, length=length)

    def describe(self, error: BaseException) -> str:
        """Word an exception for a log line."""
        return describe(error, self._settings()[0])
