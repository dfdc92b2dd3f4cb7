"""With ``serializer_allowed_modules`` a row names what it is allowed to, and nothing else."""

from __future__ import annotations

import base64
import collections
import json
import pickle
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, Flag
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import ConfigError, SerializationError, TaskFailedError
from pynenc_pg.serializer import JsonPickleSerializer, JsonSerializer, PickleSerializer
from pynenc_pg.serializer.allowed import allowed_name
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.built_in import make_serializer
from pynenc_pg.serializer.failure import decode_exception, encode_exception
from pynenc_pg.serializer.sameness import difference
from pynenc_pg.serializer.wire import decode, encode

HERE: Final = (__name__,)
#: A class of elsewhere, which a module of ours has among its names.
Popen: Final = subprocess.Popen


class Colour(Enum):
    """Pickled by the name of its member."""

    RED = 1


class Right(Flag):
    """Pickled by its value."""

    READ = 1
    WRITE = 2


@dataclass
class Item:
    """A class of ours."""

    sku: str
    colours: list[Colour]

    class Inner:
        """One inside of it."""

        def __eq__(self, other: object) -> bool:
            """Have nothing to compare."""
            return type(other) is type(self)

        __hash__ = None  # type: ignore[assignment]


class Refused(Exception):  # noqa: N818 - as a user names things
    """An error of ours."""


def mark(path: str) -> str:
    """Leave a mark: what a row must not call."""
    Path(path).touch()
    return path


@pytest.fixture(params=[JsonPickleSerializer, PickleSerializer])
def limited(request: pytest.FixtureRequest) -> BaseSerializer:
    """Each serializer that runs what it reads, limited to this module."""
    return make_serializer(request.param, HERE)


@pytest.mark.parametrize(
    "value",
    [
        Item("a", [Colour.RED]),
        Item.Inner(),
        Right.READ | Right.WRITE,
        Refused("no", 3),
        [KeyError("k"), None, 1.5],
        {"set": {1, 2}, "tuple": (1, b"x"), "frozen": frozenset("ab")},
        {(1, "a"): 2, UUID(int=7): None},
        [datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2), timedelta(1), Decimal("1.50")],
        [collections.OrderedDict(a=1), collections.deque([1]), collections.Counter("ab")],
        collections.defaultdict(list, a=[1]),
        [Path("/tmp"), complex(1, 2), range(3), int, Item],  # noqa: S108
        "\ud83d\ude00 in two halves \ud83d",
    ],
)
def test_ours_and_what_holds_data(limited: BaseSerializer, value: Any) -> None:
    """It goes there and comes back as without a limit."""
    assert difference(value, decode(encode(value, limited), limited), lenient=True) is None


def test_zones() -> None:
    """Pickle makes them by a method, which is that of no other class."""
    limited = make_serializer(PickleSerializer, HERE)
    value = datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    assert decode(encode(value, limited), limited).tzinfo is value.tzinfo


@pytest.mark.parametrize("value", [Item("a", []), subprocess.CalledProcessError(1, "x"), Popen])
def test_what_is_elsewhere_is_refused_at_the_call(value: object) -> None:
    """Whoever writes it hears of it, with the name and the setting."""
    for kind in (JsonPickleSerializer, PickleSerializer):
        limited = make_serializer(kind, ("shop",))
        with pytest.raises(SerializationError, match="outside of serializer_allowed_modules"):
            encode(value, limited)


class Attack:
    """Leaves a mark where it is unpickled."""

    def __init__(self, call: Any, *args: Any) -> None:
        """What is to be called."""
        self.call = call, args

    def __reduce__(self) -> Any:
        """Have it called."""
        return self.call


def pickled(value: object) -> str:
    """Return a row of pickle's."""
    return json.dumps({"$pickle": base64.b64encode(pickle.dumps(value, 5)).decode()})


def by_hand(module: str, name: str, argument: str) -> str:
    """Return a pickle that finds a name, however it is spelled, and calls it."""
    parts = [f"c{module}\n{name}\n".encode(), b"(", f"V{argument}\n".encode(), b"tR."]
    return json.dumps({"$pickle": base64.b64encode(b"\x80\x04" + b"".join(parts)).decode()})


def attacks(path: str) -> list[str]:
    """Return rows of which each would leave a mark."""
    command = f"open({path!r}, 'w').close()"
    ours = __name__
    type_, call = "py/type", "py/function"
    documents: list[Any] = [
        {"py/repr": f"os/{command}"},
        {"py/mod": "antigravity"},
        {"py/reduce": [{call: "builtins.exec"}, {"py/tuple": [command]}]},
        {"py/reduce": [{type_: "subprocess.Popen"}, {"py/tuple": [["touch", path]]}]},
        {"py/reduce": [{type_: f"{ours}.Popen"}, {"py/tuple": [["touch", path]]}]},
        {"py/reduce": [{call: f"{ours}.mark"}, {"py/tuple": [path]}]},
        {"py/object": "subprocess.Popen", "py/newargs": {"py/tuple": [["touch", path]]}},
        {"py/object": f"{ours}.subprocess.Popen", "py/newargs": {"py/tuple": [["touch", path]]}},
        {"a": [{"py/tuple": [{"py/reduce": [{call: "os.system"}, [f"touch {path}"]]}]}]},
        {'json://{"py/reduce": [{"py/function": "os.system"}, ["touch ' + path + '"]]}': 1},
        {"py/reduce": [{call: "builtins.getattr"}, [{type_: f"{ours}.Item"}, "__init__"]]},
        {"py/object": ["no", "name"]},
    ]
    return [
        *(json.dumps({"$jsonpickle": json.dumps(one)}) for one in documents),
        pickled(Attack(exec, command)),
        pickled(Attack(subprocess.Popen, ["touch", path])),
        pickled(Attack(mark, path)),
        pickled(Attack(getattr, Item, "__init__")),
        pickled([{"deep": (Attack(exec, command),)}]),
        by_hand(ours, "Path.touch", path),
        by_hand(ours, "subprocess.getoutput", f"touch {path}"),
        by_hand("builtins", "eval", command),
        by_hand("os", "system", f"touch {path}"),
    ]


def test_rows_that_name_what_is_not_allowed(tmp_path: Path) -> None:
    """Nothing is called, not even a function of a module that is allowed."""
    path = tmp_path / "mark"
    for row in attacks(str(path)):
        for kind in (JsonPickleSerializer, PickleSerializer):
            with pytest.raises(SerializationError):
                decode(row, make_serializer(kind, HERE))
            assert not path.exists(), row


def test_the_marks_are_left_without_a_limit(tmp_path: Path) -> None:
    """The attacks above are ones: whoever may write rows is trusted with these serializers."""
    path = tmp_path / "mark"
    decode(pickled(Attack(mark, str(path))), PickleSerializer())
    assert path.exists()
    path.unlink()
    document = {"py/reduce": [{"py/function": f"{__name__}.mark"}, {"py/tuple": [str(path)]}]}
    decode(json.dumps({"$jsonpickle": json.dumps(document)}), JsonPickleSerializer())
    assert path.exists()


def test_a_single_function(tmp_path: Path) -> None:
    """It is allowed by its own name."""
    path = tmp_path / "mark"
    allowed = (f"{__name__}:mark",)
    assert decode(pickled(Attack(mark, str(path))), make_serializer(PickleSerializer, allowed))
    assert path.exists()


def test_strict_json() -> None:
    """``JsonSerializer`` finds enums and others only where it may."""
    anywhere, elsewhere = JsonSerializer(), make_serializer(JsonSerializer, ("shop",))
    text = encode(Colour.RED, anywhere)
    assert decode(text, make_serializer(JsonSerializer, HERE)) is Colour.RED
    with pytest.raises(SerializationError, match="outside of serializer_allowed_modules"):
        decode(text, elsewhere)
    assert isinstance(decode(encode(KeyError(1), anywhere), elsewhere), KeyError)


def test_errors() -> None:
    """One that is not allowed is told by its name; Python's and ours are always known."""
    serializer = make_serializer(JsonSerializer, ("shop",))
    for error in (ValueError("x"), SerializationError("x")):
        back = decode_exception(encode_exception(error, serializer), serializer)
        assert type(back) is type(error)
    back = decode_exception(encode_exception(Refused("no"), serializer), serializer)
    assert isinstance(back, TaskFailedError)
    here = make_serializer(JsonSerializer, HERE)
    assert isinstance(decode_exception(encode_exception(Refused("no"), here), here), Refused)


def test_no_prefix_of_a_name() -> None:
    """``shop`` is a module and what is below it, not ``shopping``."""
    with pytest.raises(SerializationError, match="outside"):
        encode(Item("a", []), make_serializer(PickleSerializer, (__name__[:-1],)))
    below = make_serializer(PickleSerializer, (__name__.partition(".")[0],))
    assert decode(encode(Item("a", []), below), below) == Item("a", [])


def test_the_setting() -> None:
    """The app's serializer and a task's own have it; the one that was given keeps its own mind."""
    app = Pynenc(config_values={"serializer_allowed_modules": "shop, x.y"})
    assert app.serializer.allowed_modules == ("shop", "x.y")
    app.conf.serializer_allowed_modules = ("other",)
    assert list(app.serializer.allowed_modules or ()) == ["other"]


def test_one_that_was_given_is_somebody_elses() -> None:
    """It is limited in a copy."""
    given = PickleSerializer()
    assert make_serializer(given, HERE).allowed_modules == HERE
    assert given.allowed_modules is None


@pytest.mark.parametrize("value", ["", [], "shop..models", "1", "shop:", "*"])
def test_a_setting_that_says_nothing(value: Any) -> None:
    """It is refused where it is set."""
    with pytest.raises(ConfigError, match="serializer_allowed_modules"):
        Pynenc(config_values={"serializer_allowed_modules": value})


@pytest.mark.parametrize(
    "value", [None, True, 3, 1.5, "text", [1, ["a"]], {"a": {"b": None}}, "\x00", float("inf")]
)
def test_plain_json_meets_no_pickle(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as it is written nor as it is read is it handed to jsonpickle or pickle."""

    def never(*_: Any) -> Any:
        pytest.fail("plain JSON was handed over")

    for kind in (JsonPickleSerializer, PickleSerializer):
        for name in ("serialize", "deserialize"):
            monkeypatch.setattr(kind, name, never)
        serializer = kind()
        assert decode(encode(value, serializer), serializer) == value


def test_flags_are_joined_and_nothing_else() -> None:
    """Pickle makes ``READ | WRITE`` by that function before Python 3.11.4."""
    join = allowed_name("_operator", "or_", HERE)
    assert join(Right.READ, Right.WRITE) == Right.READ | Right.WRITE
    for one, other in ((1, 2), ({1}, {2}), (Right.READ, 2)):
        with pytest.raises(SerializationError, match="flags"):
            join(one, other)
