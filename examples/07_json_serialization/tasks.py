"""A class with to_json and from_json may be an argument or a result of any task."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from pynenc_pg import PynencBuilder

app = (
    PynencBuilder()
    .app_id("example_json")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .serializer_json()  # JSON, enums, exceptions, and classes like this one; nothing else
    .build()
)


@dataclass
class Money:
    amount: float
    currency: str

    def to_json(self) -> dict[str, Any]:
        return {"amount": self.amount, "currency": self.currency}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Money:
        return cls(data["amount"], data["currency"])


@app.task
def calculate_total(unit_price: Money, quantity: int) -> Money:
    return Money(unit_price.amount * quantity, unit_price.currency)
