"""What the pages for users take for granted: tasks, users, a library."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from pynenc_pg import JsonSerializable, Pynenc
from pynenc_pg.serializer import BaseSerializer
from pynenc_pg.testing import in_memory

#: Users of the database that somebody has made before.
USERS: Final = ("shop_worker",)


def send_invoice(order: int) -> None:
    """Called by a trigger."""


def remind(customer: str) -> None:
    """Called later."""


def ship(order: int) -> None:
    """Called once."""


def define(app: Pynenc) -> None:
    """Make the tasks, under the names that the pages have."""
    for function in (send_invoice, remind, ship):
        function.__module__ = "shop.tasks"
        app.task(function)


def as_module(name: str) -> ModuleType:
    """Put a module with an app and a task where it can be imported."""
    module: Any = ModuleType(name)
    exec("def add(x: int, y: int) -> int: return x + y", vars(module))  # noqa: S102 - our own
    module.app = Pynenc("shop")
    module.add = module.app.task(module.add)
    sys.modules[name] = module
    return module  # type: ignore[no-any-return]


def forget(name: str) -> None:
    """Take it away."""
    sys.modules.pop(name).app.close()


@contextmanager
def fernet() -> Iterator[None]:
    """A library that turns bytes into others and back, in place of the real one."""
    module: Any = ModuleType("cryptography.fernet")

    class Fernet:
        def __init__(self, key: bytes) -> None:
            assert key == b"key"

        def encrypt(self, data: bytes) -> bytes:
            return base64.b64encode(data[::-1])

        def decrypt(self, data: str) -> bytes:
            return base64.b64decode(data)[::-1]

    module.Fernet = Fernet
    names = {"cryptography": ModuleType("cryptography"), "cryptography.fernet": module}
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(names)
    try:
        yield
    finally:
        for name, found in before.items():
            sys.modules.pop(name)
            if found is not None:
                sys.modules[name] = found


def check_serializers(names: Mapping[str, Any]) -> None:
    """Carry a value with each of the classes of the page."""
    money = names["Money"](7.5, "EUR")
    assert isinstance(money, JsonSerializable)
    assert vars(type(money).from_json(money.to_json())) == vars(money)
    secret = names["Encrypted"]()
    assert isinstance(secret, BaseSerializer)
    assert "ann" not in secret.serialize({"to": "ann"})
    assert secret.deserialize(secret.serialize({"to": "ann"})) == {"to": "ann"}
    item = names["Item"]("a", names["Decimal"]("1.50"))
    with in_memory(names["app"]):
        order = names["order"]
        found = order(item, names["datetime"](2030, 1, 1), {"new"})
        assert found.arguments.kwargs["item"] == item
