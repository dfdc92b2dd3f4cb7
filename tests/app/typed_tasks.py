"""Tasks of an app that goes by annotations, unsigned."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pynenc_pg import Pynenc

app = Pynenc("typed-tasks", config_values={"serializer_cls": "TypedJsonSerializer"})
seen: list[Any] = []
gate = threading.Event()


@dataclass
class Line:
    """One line of an order."""

    sku: str
    price: Decimal
    note: str = ""


@app.task
def order(lines: list[Line], when: datetime | None, tags: frozenset[str]) -> dict[str, Decimal]:
    """Return the prices."""
    seen.append((lines, when, tags))
    return {line.sku: line.price for line in lines}


@app.task
def take(value: Any) -> Any:
    """Return what JSON has."""
    seen.append(value)
    return value


@app.task(serializer_cls="JsonSerializer")
def strict(value: Any) -> Any:
    """Do the same under the strict one."""
    seen.append(value)
    return value
