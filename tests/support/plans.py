"""The plans of statements as they really ran, inside functions and triggers too.

``auto_explain`` tells them as notices, with the rows and buffers each step took. An EXPLAIN from
outside would not do: the functions carry settings of their own, and plans for any parameters.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg.errors import Diagnostic

from tests.support.sql import Connection

#: Tables that stay small, so that reading them whole is no mistake.
SMALL: Final = frozenset({"queue", "runner", "trigger_definition", "trigger_watch", "schedule"})

_SETTINGS: Final = {
    "log_min_duration": "0",
    "log_nested_statements": "on",
    "log_analyze": "on",
    "log_buffers": "on",
    "log_timing": "off",
    "log_format": "json",
    # Not "log": that would go to the server's log too.
    "log_level": "notice",
}
#: They read just the rows, or the pages, that they name.
_BY_PLACE: Final = frozenset({"Tid Scan", "Tid Range Scan"})
_CALLERS: Final = re.compile(r'(?:PL/pgSQL|SQL) function "?(?:\w+\.)?(\w+)')
_DAY: Final = re.compile(r"_\d{8}(?=_|$)")


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a plan that reads a table."""

    kind: str
    table: str  # the parent, where it is a partition
    index: str  # empty: none
    rows: float  # looked at, also those that a filter removed

    @property
    def grows(self) -> bool:
        """Whether its table does, with the work done or waiting."""
        return self.table not in SMALL and not self.table.startswith("pg_")


@dataclass(frozen=True, slots=True)
class Plan:
    """One statement that ran."""

    function: str  # the innermost; empty: none
    query: str
    scans: tuple[Node, ...]
    buffers: int
    compiled: bool  # by JIT

    def __str__(self) -> str:
        """Tell it in a line, for a failed assertion."""
        steps = ", ".join(f"{s.kind} {s.index or s.table} ({s.rows:.0f} rows)" for s in self.scans)
        return f"{self.function}: {steps}; {self.buffers} buffers: {' '.join(self.query.split())}"


@dataclass(slots=True)
class Watched:
    """What ran in a block. The last plan is that of the statement the client sent."""

    plans: list[Plan] = field(default_factory=list)

    @property
    def buffers(self) -> int:
        """Pages touched by the client's statements, with all that ran inside of them."""
        return sum(plan.buffers for plan in self.plans if not plan.function)

    @property
    def rows(self) -> float:
        """Rows that were looked at in tables that grow."""
        return sum(s.rows for plan in self.plans for s in plan.scans if s.grows)

    def indexes(self) -> Mapping[str, set[str]]:
        """Return which indexes of growing tables each function read."""
        found: dict[str, set[str]] = defaultdict(set)
        for plan in self.plans:
            for scan in plan.scans:
                if scan.grows and scan.kind not in _BY_PLACE:
                    found[plan.function].add(scan.index or f"({scan.kind} {scan.table})")
        return dict(found)


@contextmanager
def watched(connection: Connection) -> Iterator[Watched]:
    """Collect the plans of all that runs in the block; needs a superuser."""
    seen = Watched()

    def take(notice: Diagnostic) -> None:
        text = notice.message_primary or ""
        if text.startswith("duration: ") and " plan:\n" in text:
            seen.plans.append(_plan(text.split(" plan:\n", 1)[1], notice.context or ""))

    connection.execute("load 'auto_explain'")
    for name, value in _SETTINGS.items():
        connection.execute(f"set auto_explain.{name} = {value}".encode())
    connection.add_notice_handler(take)
    try:
        yield seen
    finally:
        # The plan of the last statement comes when its portal closes: with the next one.
        connection.execute("set auto_explain.log_min_duration = -1")
        connection.remove_notice_handler(take)


def _plan(text: str, context: str) -> Plan:
    told = json.loads(text)
    caller = _CALLERS.search(context)
    top = told["Plan"]
    return Plan(
        function=caller.group(1) if caller else "",
        query=told["Query Text"],
        scans=tuple(_scans(top)),
        buffers=top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        compiled="JIT" in told,
    )


def _scans(node: dict[str, Any]) -> Iterator[Node]:
    if "Scan" in node["Node Type"] and ("Relation Name" in node or "Index Name" in node):
        loops = node["Actual Loops"]
        removed = sum(
            node.get(f"Rows Removed by {what}", 0) for what in ("Filter", "Index Recheck")
        )
        yield Node(
            kind=node["Node Type"],
            table=_DAY.sub("", node.get("Relation Name", "")),
            index=_DAY.sub("", node.get("Index Name", "")),
            rows=(node["Actual Rows"] + removed) * loops,
        )
    for child in node.get("Plans", ()):
        yield from _scans(child)
