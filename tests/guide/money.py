"""The class and the task of the guide's use case 7, as they stand there."""

from __future__ import annotations

from typing import Any

from pynenc_pg import Pynenc

app = Pynenc(config_values={"serializer_cls": "JsonSerializer"})


class Money:
    """Two methods, and every task can take and return it."""

    def __init__(self, amount: float, currency: str) -> None:
        """Keep both."""
        self.amount = amount
        self.currency = currency

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"amount": self.amount, "currency": self.currency}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Money:
        """Make it again."""
        return cls(data["amount"], data["currency"])


@app.task
def calculate_total(unit_price: Money, quantity: int) -> Money:
    """Return the price of so many."""
    return Money(unit_price.amount * quantity, unit_price.currency)


@app.task
def take_anything(value: object) -> object:
    """Return what came in."""
    return value
