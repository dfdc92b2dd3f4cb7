"""What of a call's arguments, and of an exception, is seen in text."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import tracemalloc
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynenc_pg.domain.arguments import (
    ArgumentPrintMode,
    Arguments,
    describe,
    one_line,
    safe_repr,
    short_repr,
)
from pynenc_pg.engine.log_format import JsonFormatter

HIDDEN, KEYS = ArgumentPrintMode.HIDDEN, ArgumentPrintMode.KEYS
TRUNCATED, FULL = ArgumentPrintMode.TRUNCATED, ArgumentPrintMode.FULL
UNSEEN = "hunter2-is-secret"


class Hostile:
    """A value that cannot be printed."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        """Fail."""
        raise self.error


class Wrong:
    """A value whose text is no text."""

    def __repr__(self) -> str:
        """Return a number."""
        return 7  # type: ignore[return-value]


class Lines:
    """A value that looks like a line of a log."""

    def __repr__(self) -> str:
        """Return two lines."""
        return "x\n2026-01-01 00:00:00.000 INFO forged\x1b[2J"


class Loud(str):
    """A string with a repr of its own."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return one word."""
        return "Loud!"


class Plain(list[int]):
    """A list with the repr of lists."""


@dataclass
class Card:
    """A value that hides a part of itself."""

    owner: object
    pin: str = field(repr=False, default=UNSEEN)


@dataclass(repr=False)
class Silent:
    """A dataclass with the repr of objects."""

    inside: str


Point = namedtuple("Point", "x y")  # noqa: PYI024 - as old code has them


def printed(arguments: Arguments) -> list[str]:
    """All the ways in which text is made of it."""
    record = logging.LogRecord("shop", logging.INFO, "", 0, "a.b %s", (arguments,), None)
    record.arguments = arguments
    return [
        str(arguments),
        repr(arguments),
        f"{arguments}",
        f"{arguments!r}",
        f"{arguments:>200}",
        f"{[arguments]}",
        "%s %r" % (arguments, arguments),  # noqa: UP031 - that is how logging fills in
        logging.Formatter().format(record),
        JsonFormatter().format(record),
    ]


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("hidden", "<arguments hidden>"),
        ("keys", "x, name, rest"),
        ("truncated", "x=1, name='aaaaaaaaaaaaaaaaaaaaaaaaaaaaa…', rest=[1, 2]"),
        ("full", f"x=1, name='{'a' * 50}', rest=[1, 2]"),
    ],
)
def test_each_mode_shows_what_it_says(mode: str, text: str) -> None:
    """Nothing, the names, the beginnings, or everything; a mode may be given by its name."""
    arguments = Arguments(
        {"x": 1, "name": "a" * 50, "rest": [1, 2]}, print_mode=ArgumentPrintMode(mode)
    )
    assert arguments.print_mode is ArgumentPrintMode(mode)
    assert str(arguments) == f"{arguments}" == text
    assert repr(arguments) == f"Arguments({text})"
    assert f"{arguments:<99}" == f"{text:<99}"


@pytest.mark.parametrize("mode", [HIDDEN, KEYS])
def test_values_that_are_not_to_be_seen_are_nowhere(mode: ArgumentPrintMode) -> None:
    """No way of printing, JSON formatters of others among them, shows a value or its length."""
    arguments = Arguments({"password": UNSEEN, "more": {UNSEEN: [UNSEEN]}}, print_mode=mode)
    assert not [text for text in printed(arguments) if UNSEEN in text]
    with pytest.raises(TypeError):
        json.dumps(arguments)
    if mode is HIDDEN:
        assert not [text for text in printed(arguments) if "password" in text]


@pytest.mark.parametrize("mode", list(ArgumentPrintMode))
def test_arguments_compare_and_count_by_what_they_are(mode: ArgumentPrintMode) -> None:
    """Equality and length look at the arguments alone."""
    arguments = Arguments({"x": 1, "y": [2]}, print_mode=mode)
    assert arguments == Arguments({"x": 1, "y": [2]})
    assert arguments != Arguments({"x": 1, "y": [3]}, print_mode=mode)
    assert arguments != {"x": 1, "y": [2]}
    assert len(arguments) == 2
    assert not Arguments({})
    assert not str(Arguments({})).strip()
    with pytest.raises(TypeError):
        hash(arguments)


def test_arguments_do_not_change() -> None:
    """Neither the mapping that they were made of nor the one that they show changes them."""
    given = {"x": 1}
    arguments = Arguments(given)
    given["x"] = 2
    assert dict(arguments.kwargs) == {"x": 1}
    with pytest.raises(TypeError):
        arguments.kwargs["x"] = 3  # type: ignore[index]
    with pytest.raises(AttributeError):
        arguments.kwargs = {}  # type: ignore[misc]


def _pickled(arguments: Arguments) -> Arguments:
    again = pickle.loads(pickle.dumps(arguments))  # noqa: S301 - its own
    assert isinstance(again, Arguments)
    return again


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, _pickled])
def test_copies_are_equal_and_as_discreet(duplicate: Callable[[Arguments], Arguments]) -> None:
    """A copy, also one that came from another process, has the arguments and their mode."""
    arguments = Arguments({"x": [UNSEEN]}, print_mode=KEYS)
    again = duplicate(arguments)
    assert again == arguments
    assert str(again) == "x"


@pytest.mark.parametrize(
    "error", [ValueError(UNSEEN), RecursionError(), SystemExit(3), GeneratorExit()]
)
@pytest.mark.parametrize("mode", list(ArgumentPrintMode))
def test_a_value_that_cannot_be_printed_does_no_harm(
    mode: ArgumentPrintMode, error: BaseException
) -> None:
    """Whatever a ``__repr__`` raises or returns, the text is there and the others are in it."""
    arguments = Arguments(
        {"a": Hostile(error), "b": Wrong(), "c": [Hostile(error)], "d": 10**5000, "e": 5},
        print_mode=mode,
        length=100,
    )
    text = str(arguments)
    assert UNSEEN not in text
    if mode.shows_values:
        assert "a=<Hostile that cannot be printed>, b=<Wrong that cannot be printed>" in text
        assert text.endswith("e=5")


def test_an_interrupt_is_not_swallowed() -> None:
    """Ctrl-C while something is printed still ends the program."""
    for mode in (TRUNCATED, FULL):
        with pytest.raises(KeyboardInterrupt):
            str(Arguments({"x": Hostile(KeyboardInterrupt())}, print_mode=mode))


@pytest.mark.parametrize("mode", list(ArgumentPrintMode))
def test_arguments_are_one_line(mode: ArgumentPrintMode) -> None:
    """Line breaks and escape sequences of a user's repr cannot make a line of their own."""
    text = str(Arguments({"x": Lines(), "s": "a\nb\u2028\x85"}, print_mode=mode, length=200))
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    if mode.shows_values:
        assert r"x=x\n2026-01-01 00:00:00.000 INFO forged\x1b[2J" in text


VALUES = [
    None,
    1.5,
    "it's",
    "both ' and \"",
    b"bytes",
    bytearray(b"more"),
    [],
    [1, "two", [3.0]],
    (),
    (1,),
    (1, 2),
    set(),
    {1},
    frozenset(),
    frozenset({1}),
    {},
    {"a": {"b": (1,)}, 2: [None]},
    OrderedDict(a=1),
    defaultdict(int, a=1),
    Counter("aab"),
    deque([1, 2], maxlen=5),
    Card("ann"),
    Card([Card("bob")]),
    Loud("quiet"),
    Plain([1, 2]),
    Point(1, 2),
    ArgumentPrintMode.FULL,
    range(3),
    ValueError("x"),
    len,
    int,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_short_value_is_printed_as_python_does(value: object) -> None:
    """Where nothing has to be cut, the text is the repr."""
    assert short_repr(value, 1_000) == safe_repr(value) == repr(value)


#: Without quotes: which of them Python chooses depends on all of a text.
_LETTERS = st.text("abcé \n", max_size=80)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | _LETTERS,
        lambda inner: st.lists(inner) | st.dictionaries(_LETTERS, inner) | st.tuples(inner, inner),
        max_leaves=10,
    ),
    st.integers(4, 60),
)
@settings(max_examples=50, deadline=None)
def test_a_long_value_is_its_beginning(value: object, length: int) -> None:
    """The text is never longer than asked for, and but for its end the beginning of the repr."""
    text, whole = short_repr(value, length), one_line(repr(value))
    assert len(text) <= length
    if len(whole) <= length:
        assert text == whole
    else:
        beginning, _, end = text.rpartition("…")
        assert whole.startswith(beginning)
        assert end == ("'" if isinstance(value, str) else "")


LARGE: dict[str, Callable[[], Any]] = {
    "str": lambda: "x" * 20_000_000,
    "bytes": lambda: b"x" * 20_000_000,
    "bytearray": lambda: bytearray(20_000_000),
    "list": lambda: [1] * 2_000_000,
    "tuple": lambda: (1,) * 2_000_000,
    "set": lambda: set(range(300_000)),
    "dict": lambda: dict.fromkeys(range(300_000), "x" * 1_000),
    "Counter": lambda: Counter(range(100_000)),
    "defaultdict": lambda: defaultdict(int, dict.fromkeys(range(300_000), 1)),
    "OrderedDict": lambda: OrderedDict.fromkeys(range(300_000)),
    "deque": lambda: deque([1] * 2_000_000),
    "subclass": lambda: Plain([1] * 2_000_000),
    "nested": lambda: [[[["x" * 20_000_000]]]],
    "dataclass": lambda: Card([1] * 2_000_000),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_value_is_not_printed_to_be_cut(kind: str) -> None:
    """Only what is shown is looked at: that takes no memory worth mentioning."""
    value = LARGE[kind]()
    tracemalloc.start()
    try:
        text = short_repr(value, 32)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
    assert len(text) == 32
    assert text.endswith(("…", "…'"))


def test_a_value_that_contains_itself_has_an_end() -> None:
    """Cycles are cut like anything long."""
    cycle: list[object] = []
    cycle.append(cycle)
    assert short_repr(cycle, 32) == "[" * 31 + "…"
    assert short_repr(cycle, 1_000_000) == "<list that cannot be printed>"
    assert safe_repr(cycle) == "[[...]]"


@pytest.mark.parametrize("mode", [TRUNCATED, FULL])
def test_what_a_dataclass_hides_stays_hidden(mode: ArgumentPrintMode) -> None:
    """A field without a repr, or a dataclass with another one, is not looked into."""
    arguments = Arguments(
        {"card": Card("ann"), "silent": Silent(UNSEEN)}, print_mode=mode, length=99
    )
    assert "card=Card(owner='ann'), silent=<" in str(arguments)
    assert UNSEEN not in str(arguments)


class Unspeakable(Exception):  # noqa: N818 - as a user names things
    """An error that cannot be said."""

    def __str__(self) -> str:
        """Fail."""
        raise SystemExit(UNSEEN)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no user 'ann'"), "ValueError: no user 'ann'"),
        (KeyError("ann"), "KeyError: 'ann'"),
        (ValueError(), "ValueError"),
        (ValueError("a\nb\x1b"), r"ValueError: a\nb\x1b"),
        (SystemExit(3), "SystemExit: 3"),
        (Unspeakable(), "Unspeakable: <a message that cannot be printed>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_exception_is_described_on_one_line(error: BaseException, said: str) -> None:
    """Type and message where values may be seen, else the type alone."""
    assert describe(error, TRUNCATED) == describe(error, FULL) == said
    assert describe(error, HIDDEN) == describe(error, KEYS) == type(error).__name__


def test_a_long_message_is_cut_unless_all_is_to_be_seen() -> None:
    """A log line has a length that can be read."""
    error = ValueError("x" * 5_000)
    assert len(describe(error, TRUNCATED)) == len("ValueError: ") + 1_000
    assert describe(error, TRUNCATED).endswith("x…")
    assert describe(error, FULL) == f"ValueError: {'x' * 5_000}"


def test_one_line_leaves_text_alone() -> None:
    """Letters of all scripts and tabs stay; what breaks, moves or turns is escaped."""
    assert one_line("Grüße, 世界 🐘\tא\\n") == "Grüße, 世界 🐘\tא\\n"
    assert one_line("\r\n\0\x7f\x9b\u2029\u202e\ud800") == r"\r\n\x00\x7f\x9b\u2029\u202e\ud800"
