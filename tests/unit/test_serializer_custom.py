"""Serializers of a user's own, and which one a configuration means."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pynenc_pg.exceptions import ConfigError, SerializationError
from pynenc_pg.serializer import (
    BaseSerializer,
    JsonPickleSerializer,
    JsonSerializer,
    PickleSerializer,
)
from pynenc_pg.serializer.built_in import make_serializer
from pynenc_pg.serializer.failure import decode_exception, encode_exception
from pynenc_pg.serializer.wire import decode, decode_arguments, encode, encode_arguments
from tests.unit.golden.shapes import Money, RefusedError
from tests.unit.test_serializer import JSONPICKLE, PICKLE, STRICT, Word

# --- serializers of one's own -----------------------------------------------------------------


class UserSerializer(BaseSerializer):
    """As in the guide: two methods and nothing else. The text has a NUL in it."""

    def serialize(self, obj: Any) -> str:
        """Hide it."""
        return "\x00" + base64.b64encode(json.dumps(obj).encode()).decode()

    def deserialize(self, serialized_obj: str) -> Any:
        """Find it."""
        assert serialized_obj[0] == "\x00"
        return json.loads(base64.b64decode(serialized_obj[1:]))


class Rot13(BaseSerializer):
    """Names its codec, and leaves plain JSON alone; raises and returns what it is told."""

    codec = "rot13"
    skips_plain_json = True

    def serialize(self, obj: Any) -> str:
        """Return something that is no text, too."""
        return obj  # type: ignore[no-any-return]

    def deserialize(self, serialized_obj: str) -> Any:
        """Fail."""
        raise LookupError(serialized_obj)


class Reversed(PickleSerializer):
    """Writes another text than its parent, so it does not carry its parent's mark."""

    def serialize(self, obj: Any) -> str:
        """Turn it round."""
        return super().serialize(obj)[::-1]

    def deserialize(self, serialized_obj: str) -> Any:
        """And back."""
        return super().deserialize(serialized_obj[::-1])


def test_a_custom_serializer_gets_every_value() -> None:
    """It may be there to encrypt: nothing of a value stands beside what it made of it."""
    custom = UserSerializer()
    arguments = {"x": 1, "name": "Ann", "many": [1, {"y": None}]}
    text = encode_arguments(arguments, custom)
    wire = json.loads(text)
    assert all(list(value) == ["$custom"] for value in wire.values())
    assert "Ann" not in text
    assert decode_arguments(text, custom) == arguments
    assert decode(encode("Ann", custom), custom) == "Ann"
    assert decode('{"x": 5}', custom) == {"x": 5}


def test_exceptions_go_through_it_too() -> None:
    """Message, traceback, arguments and attributes; type names stay readable."""
    custom = UserSerializer()
    error = RefusedError(code=42)
    error.add_note("secret note")
    error.__cause__ = ValueError("secret cause")
    text = encode_exception(error, custom)
    assert "secret" not in text
    assert "refused" not in text
    assert "42" not in text
    assert json.loads(text)["type"] == "RefusedError"
    back = decode_exception(text, custom)
    assert (type(back), str(back), back.__notes__[0]) == (RefusedError, str(error), "secret note")
    assert str(back.__cause__) == "secret cause"


def test_marks_belong_to_who_writes_the_text() -> None:
    """A subclass with its own text has its own mark; one without is its parent."""
    assert (Reversed.codec, Reversed.skips_plain_json) == ("custom", False)
    assert decode(encode([1, (2,)], Reversed()), Reversed()) == [1, (2,)]
    quiet = type("Quiet", (PickleSerializer,), {})()
    assert (quiet.codec, quiet.skips_plain_json) == ("pickle", True)
    assert list(json.loads(encode((1,), Rot13Text()))) == ["$rot13"]


class Rot13Text(Rot13):
    """Inherits nothing of the mark unless it says so."""

    codec = "rot13"

    def serialize(self, obj: Any) -> str:
        """Return a subclass of str."""
        return Word.YES


@pytest.mark.parametrize("codec", ["", "Rot", "a b", "a$", "json", "str", "ref", "v", 5])
def test_codecs_are_checked(codec: Any) -> None:
    """A mark that cannot stand in a row, or is ours, is an error where the class is defined."""
    with pytest.raises(ValueError, match="codec = "):
        type("Wrong", (BaseSerializer,), {"codec": codec})


def test_what_a_custom_serializer_does_wrong_is_named() -> None:
    """Not text, or an exception of any kind."""
    with pytest.raises(SerializationError, match=r"Rot13.serialize returned bytes, not str"):
        encode_arguments({"it": b"x"}, Rot13())
    with pytest.raises(
        SerializationError, match=r"argument 'it' .*Rot13 cannot read .*LookupError"
    ):
        decode_arguments('{"it": {"$rot13": "x"}}', Rot13())
    with pytest.raises(SerializationError, match=r"argument 'it' of type set .*TypeError"):
        encode_arguments({"it": {1}}, UserSerializer())


# --- which one a configuration means ----------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("JsonSerializer", JsonSerializer),
        ("JsonPickleSerializer", JsonPickleSerializer),
        ("PickleSerializer", PickleSerializer),
        (f"{__name__}.UserSerializer", UserSerializer),
        (f"{__name__}:UserSerializer", UserSerializer),
        ("pynenc_pg.serializer.JsonSerializer", JsonSerializer),
        ("UserSerializer", UserSerializer),
        (UserSerializer, UserSerializer),
    ],
)
def test_serializers_are_found(spec: Any, kind: type[BaseSerializer]) -> None:
    """By built-in name, path, bare name of one that is defined, or class."""
    assert type(make_serializer(spec)) is kind


def test_an_instance_is_taken_as_it_is() -> None:
    """One that needs arguments of its own is made by the user."""
    one = UserSerializer()
    assert make_serializer(one) is one


class Keyed(UserSerializer):
    """Needs an argument."""

    def __init__(self, key: str) -> None:
        self.key = key


class Half(BaseSerializer):
    """Is only half there."""

    def serialize(self, obj: Any) -> str:
        """Return nothing."""
        return ""


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("Xml", "'Xml': choose one of JsonPickleSerializer, JsonSerializer, PickleSerializer"),
        ("no.such.Thing", "module 'no.such' does not exist; module 'no' does not exist"),
        ("json.Nope", "module 'json' has no 'Nope'"),
        ("json.decoder.Nope", "module 'json.decoder' has no 'Nope'.*has no 'decoder.Nope'"),
        ("json.JSONDecoder", "not a subclass of pynenc_pg.serializer.BaseSerializer"),
        ("json:dumps", "not a subclass"),
        ("", "choose one of"),
        (".", "is no path"),
        ("tests.unit.golden.broken.Thing", "importing .* raised ZeroDivisionError"),
        (f"{__name__}.Keyed", r"Keyed\(\) raised TypeError.*given as an instance"),
        (f"{__name__}.Half", "Half does not define deserialize"),
        (object(), "not a subclass"),
        (int, "not a subclass"),
        (None, "not a subclass"),
    ],
)
def test_a_wrong_name_says_what_was_tried(spec: Any, match: str) -> None:
    """Which modules were looked in, and what was missing there."""
    with pytest.raises(ConfigError, match=match):
        make_serializer(spec)


def test_a_name_that_two_classes_have_is_ambiguous() -> None:
    """Both are shown with their paths."""
    twins = [
        type("Twin", (UserSerializer,), {"__module__": module, "__qualname__": "Twin"})
        for module in ("first", "second")
    ]
    with pytest.raises(ConfigError, match=r"ambiguous: write one of first\.Twin, second\.Twin"):
        make_serializer("Twin")
    assert len(twins) == 2


def test_others_read_what_is_safe_for_them() -> None:
    """Whoever may run code reads all built-in codecs; JsonSerializer reads its own alone."""
    price = Money(1, "EUR")
    for writer in (STRICT, JSONPICKLE, PICKLE):
        for reader in (JSONPICKLE, PICKLE, writer):
            assert decode(encode([price], writer), reader) == [price]
    for row in ("$jsonpickle", "$pickle", "$rot13"):
        with pytest.raises(SerializationError, match=f"{row[1:]}.*give both sides the same"):
            decode(json.dumps({row: "x"}), STRICT)
    with pytest.raises(SerializationError, match="UserSerializer does not read"):
        decode(encode((1,), PICKLE), UserSerializer())
