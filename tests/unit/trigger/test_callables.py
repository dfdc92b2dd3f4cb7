"""Functions by address: what is refused when it is given, what is found when it is called."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import TriggerCallableError, TriggerDefinitionError
from pynenc_pg.trigger import callables
from pynenc_pg.trigger.callables import CallableRef, trust_modules
from tests.unit.trigger import functions

app = Pynenc("shop")


@app.task
def add(x: int) -> int:
    """Be a task."""
    return x


@app.direct_task
def add_now(x: int) -> int:
    """Be a task that is called like a function."""
    return x


def _closure() -> Callable[[Any], bool]:
    wanted = 5

    def inner(value: Any) -> bool:
        return bool(value == wanted)

    return inner


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (functions.nameless, "is a lambda"),
        (lambda _value: True, "is a lambda"),
        (_closure(), "defined inside a function"),
        (functools.partial(functions.two, 1), "has no address"),
        (functions.Shop().is_mine, "method of an object"),
        (functions.later, "async def"),
        (functions.many, "generator"),
        (functions.two, "does not take one argument"),
        (add, "is a task"),
        (add_now, "is a task"),
        (5, "has no address"),
    ],
)
def test_what_another_process_could_not_call_is_refused(function: Any, said: str) -> None:
    """The message says why, what it was for, and what to do instead."""
    with pytest.raises(TriggerDefinitionError) as caught:
        CallableRef.of(function, "payload_filter")
    assert said in str(caught.value)
    assert str(caught.value).startswith("payload_filter ")
    assert "define a function at the top of a module" in str(caught.value)


def test_a_function_of_a_script_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner has another ``__main__``."""
    monkeypatch.setattr(functions.is_even, "__module__", "__main__")
    with pytest.raises(TriggerDefinitionError, match="script that is run directly"):
        CallableRef.of(functions.is_even, "filter_result")


def test_a_name_that_is_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise runners would call another function than the one that was given."""
    given = functions.is_even
    monkeypatch.setattr(functions, "is_even", functions.is_large)
    with pytest.raises(TriggerDefinitionError, match="is not what"):
        CallableRef.of(given, "filter_result")


@pytest.mark.parametrize(
    "function", [functions.is_large, functions.Shop.is_open, functions.Shop.has_name, bool]
)
def test_a_function_of_a_module_is_called_by_its_address(function: Any) -> None:
    """Also one of a class, or of Python itself."""
    ref = CallableRef.of(function, "filter")
    again = CallableRef(ref.address)
    assert again.resolve() == function
    assert again({"amount": 5000, "name": "Ann"}) is True


def test_a_row_calls_nothing_that_no_trigger_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A definition that somebody has written into the table does not run what it likes."""
    monkeypatch.setattr(callables, "_trusted", set())
    monkeypatch.setattr(callables, "_known", {})
    assert "subprocess" in sys.modules
    for address in ("subprocess:getoutput", "os:system", "tests.unit.trigger.functions:is_even"):
        with pytest.raises(TriggerCallableError, match="is not known here"):
            CallableRef(address)("echo 2")


def test_a_trusted_module_gives_its_own_functions_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the app's modules define is found; what they import is not, nor what is not imported."""
    monkeypatch.setattr(callables, "_trusted", set())
    monkeypatch.setattr(callables, "_known", {})
    trust_modules([__name__, functions.__name__, "not.imported"])
    assert CallableRef(f"{functions.__name__}:is_even")(4) is True
    for address, said in (
        (f"{__name__}:trust_modules", "does not define it"),
        (f"{functions.__name__}:gone", "does not define it"),
        (f"{functions.__name__}:Shop", "does not define it"),
        (f"{functions.__name__}:nameless", "does not define it"),
        (f"{functions.__name__}", "does not define it"),
        ("not.imported:is_even", "is not imported"),
    ):
        with pytest.raises(TriggerCallableError, match=said):
            CallableRef(address).resolve()
    assert "not.imported" not in sys.modules
