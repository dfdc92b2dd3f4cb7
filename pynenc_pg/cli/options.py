"""Values of options that several commands have."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from pynenc_pg.invocation.status import InvocationStatus

if TYPE_CHECKING:
    from click import ParamType as _ParamType
else:

    class _ParamType(click.ParamType):
        """Also where click is older than the types of its parameters."""

        def __class_getitem__(cls, _item: Any) -> type:
            return cls


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Moment(_ParamType[datetime]):
    """A time in ISO 8601, or how long ago: ``90s``, ``15m``, ``2h``, ``3d``, ``1w``."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read it; without a time zone it is that of this machine."""
        if isinstance(value, datetime):
            return value
        ago = re.fullmatch(r"(\d{1,9})([smhdw])", value)
        try:
            if ago:
                return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time: write 2026-11-27T08:00, or 90s, 15m, 2h, 3d", param, ctx
            )


class Pair(_ParamType[tuple[str, str]]):
    """``name=value``."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Part it at the first ``=``."""
        name, sign, said = value.partition("=")
        if not name or not sign:
            self.fail(f"{value!r}: write NAME=VALUE", param, ctx)
        return name, said


class Id(_ParamType[str]):
    """The id of an invocation."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Write it as the database does."""
        try:
            return str(UUID(value))
        except ValueError:
            self.fail(f"{value!r} is no id of an invocation", param, ctx)


#: How many a list has; and where the next page of it begins.
limit = click.option(
    "--limit",
    "how_many",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="The latest so many.",
)
after = click.option(
    "--after",
    "older_than",
    type=Id(),
    help="The next page: those older than this one, the last of the page before.",
)

#: The words of ``--status``; beside the statuses, two for many.
STATUSES: Final = click.Choice([*map(str, InvocationStatus), "live", "ended"])


def statuses(words: tuple[str, ...]) -> list[str]:
    """Return the statuses that are meant.

    >>> statuses(("ended",))
    ['concurrency_controlled_final', 'success', 'failed']
    """
    return [
        str(status)
        for status in InvocationStatus
        if status in words or ("ended" if status.is_final() else "live") in words
    ]
