from typing import Any

from pynenc import Pynenc
from pynenc.serializer import JsonSerializable

app = Pynenc(config_values={"serializer_cls": "JsonSerializer"})


class Money:
    def __init__(self, amount: float, currency: str) -> None:
        self.amount, self.currency = amount, currency

    def to_json(self) -> dict[str, Any]:
        return {"amount": self.amount, "currency": self.currency}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Money":
        return cls(data["amount"], data["currency"])


assert isinstance(Money(1, "EUR"), JsonSerializable)


@app.task
def total(price: Money, quantity: int) -> Money:
    return Money(price.amount * quantity, price.currency)
