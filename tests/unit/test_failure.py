"""Exceptions come back as themselves, whatever they are and whatever they do."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from typing import Any

import pytest
import sqlalchemy.exc
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.errors import UniqueViolation

from pynenc_pg.exceptions import SerializationError, TaskFailedError
from pynenc_pg.serializer import (
    BaseSerializer,
    JsonPickleSerializer,
    JsonSerializer,
    PickleSerializer,
)
from pynenc_pg.serializer.failure import TRACEBACK_LENGTH, decode_exception, encode_exception
from tests.unit.golden.shapes import Color, RefusedError
from tests.unit.troubles import (
    ChoosyError,
    ClosedError,
    CodedGroup,
    CountedError,
    FileTroubleError,
    MadeError,
    NoDictError,
    SilentTroubleError,
    SlottedError,
    UnprintableError,
    WildError,
)

SERIALIZERS = [JsonSerializer(), JsonPickleSerializer(), PickleSerializer()]
every_serializer = pytest.mark.parametrize("serializer", SERIALIZERS, ids=lambda one: one.codec)


def _raised(function: Any, *args: Any) -> BaseException:
    try:
        function(*args)
    except BaseException as error:  # noqa: BLE001 - whatever it is
        return error
    pytest.fail("nothing was raised")


def _with_fields() -> list[BaseException]:
    odd = OSError("only text")
    odd.errno = 2
    left = SystemExit(3)
    left.code = 4
    return [odd, left]


def _attributes(error: BaseException) -> dict[str, Any]:
    attributes = dict(BaseException.__dict__["__dict__"].__get__(error))
    attributes.pop("__notes__", None)
    return attributes


ERRORS: list[BaseException] = [
    RefusedError(code=3),
    CountedError(1, 2),
    ChoosyError("please"),
    FileTroubleError(path="p"),
    SilentTroubleError("h"),
    MadeError(1, two=2),
    SlottedError(),
    ClosedError("x"),
    _raised(open, "/no/such/file"),
    _raised(b"\xff".decode),
    _raised("\ud800".encode),
    _raised({}.__getitem__, (1, 2)),
    _raised(compile, "a b", "file", "exec"),
    _raised(getattr, 5, "nothing"),
    _raised(json.loads, "{"),
    _raised(__import__, "no_such_module"),
    PermissionError(13, "no", "/x", None, "/y"),
    *_with_fields(),
    SystemExit(),
    SystemExit("bye"),
    KeyboardInterrupt(),
    StopIteration(4),
    GeneratorExit(),
    asyncio.CancelledError("enough"),
    subprocess.CalledProcessError(1, ["a"], "out"),
    UniqueViolation("twice"),
    sqlalchemy.exc.IntegrityError("select 1", {"a": 1}, UniqueViolation("twice")),
    TaskFailedError("Type", "message", "traceback"),
    ValueError("a\x00\ud800", None, [1.5, {"x": 1}], Color.RED, b"\x00", ("t", (1,))),
    ValueError("x" * 1_000_000),
]


@every_serializer
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_exception_comes_back_as_itself(error: Any, serializer: BaseSerializer) -> None:
    """Class, arguments, text and attributes, without a line of its class being run."""
    CountedError.ran = 0
    text = encode_exception(error, serializer)
    text.encode()
    assert "\x00" not in text
    back: Any = decode_exception(text, serializer)
    assert type(back) is type(error)
    assert (back.args, str(back)) == (error.args, str(error))
    ours, theirs = _attributes(back), _attributes(error)
    assert {k: str(v) for k, v in ours.items()} == {k: str(v) for k, v in theirs.items()}
    for name in ("errno", "strerror", "filename", "filename2", "code", "value", "name", "reason"):
        assert getattr(back, name, None) == getattr(error, name, None), name
    assert CountedError.ran == 0
    assert back.__notes__[-1].startswith("\nRemote traceback:\n")


@every_serializer
@settings(max_examples=40)
@given(
    args=st.lists(st.none() | st.integers() | st.text() | st.binary() | st.tuples(st.text())),
    attributes=st.dictionaries(st.text(max_size=4), st.integers() | st.text(), max_size=3),
    notes=st.lists(st.text(), max_size=2),
)
def test_any_arguments_attributes_and_notes(
    serializer: BaseSerializer, args: Any, attributes: dict[str, Any], notes: list[str]
) -> None:
    """What is carriable as a value is carriable in an exception."""
    attributes = {key: value for key, value in attributes.items() if "\x00" not in key}
    error = KeyError(*args)
    error.__dict__.update(attributes)
    for note in notes:
        error.add_note(note)
    back = decode_exception(encode_exception(error, serializer), serializer)
    assert (back.args, back.__notes__[:-1]) == (error.args, notes)
    assert _attributes(back) == _attributes(error)


@every_serializer
def test_chains_come_back(serializer: BaseSerializer) -> None:
    """Cause, context and whether it is shown; one object stays one."""
    error, cause, context = ValueError("e"), RefusedError(code=1), KeyError("k")
    error.__cause__, error.__context__ = cause, context
    cause.__context__ = context
    cause.add_note("of the cause")
    error.other = [cause]  # type: ignore[attr-defined]
    error.direct = cause  # type: ignore[attr-defined]
    back: Any = decode_exception(encode_exception(error, serializer), serializer)
    assert (type(back.__cause__), back.__cause__.code) == (RefusedError, 1)
    assert back.__cause__.__notes__ == ["of the cause"]
    assert back.__context__ is back.__cause__.__context__
    assert back.__context__.args == ("k",)
    assert back.direct is back.__cause__
    assert back.__suppress_context__
    error = ValueError("shown")
    error.__context__ = context
    back = decode_exception(encode_exception(error, serializer), serializer)
    assert not back.__suppress_context__


def test_circles_and_long_chains_end() -> None:
    """A circle closes; of ten thousand contexts the nearest come back."""
    for serializer in SERIALIZERS:
        one, two = ValueError(1), TypeError(2)
        one.__cause__, two.__cause__ = two, one
        back = decode_exception(encode_exception(one, serializer), serializer)
        assert back.__cause__ is not None
        assert back.__cause__.__cause__ is back
    error = last = ValueError(0)
    for number in range(1, 10_000):
        last.__context__ = ValueError(number)
        last = last.__context__
    text = encode_exception(error, SERIALIZERS[0])
    assert len(text) < 500_000
    link: BaseException | None = decode_exception(text, SERIALIZERS[0])
    for number in range(1_000):
        assert link is not None
        assert link.args == (number,)
        link = link.__context__
    assert link is None


def test_an_exception_among_its_own_arguments() -> None:
    """It cannot be made again, which is said and not raised."""
    error = ValueError("x")
    error.args = (error,)
    back = decode_exception(encode_exception(error, SERIALIZERS[0]), SERIALIZERS[0])
    assert isinstance(back, TaskFailedError)


@every_serializer
def test_groups_come_back(serializer: BaseSerializer) -> None:
    """Nested, with classes of their own, with BaseExceptions, with members unknown here."""
    inner = ExceptionGroup("inner", [KeyError("k"), RefusedError(code=2)])
    local = type("Local", (Exception,), {"__qualname__": "make.<locals>.Local"})("here")
    group = CodedGroup("outer", [ValueError("v"), inner, local], 4)
    back: Any = decode_exception(encode_exception(group, serializer), serializer)
    assert (type(back), back.message, back.code) == (CodedGroup, "outer", 4)
    assert [type(one) for one in back.exceptions] == [ValueError, ExceptionGroup, TaskFailedError]
    assert back.exceptions[1].exceptions[1].code == 2
    assert str(back.exceptions[2]) == "make.<locals>.Local: here"
    both = BaseExceptionGroup("both", [KeyboardInterrupt(), ValueError()])
    back = decode_exception(encode_exception(both, serializer), serializer)
    assert [type(one) for one in back.exceptions] == [KeyboardInterrupt, ValueError]


def test_large_groups_say_what_is_left_out() -> None:
    """A member in place of the many that were left out tells their number."""
    group = ExceptionGroup("many", [ValueError(n) for n in range(3_000)])
    back = decode_exception(encode_exception(group, SERIALIZERS[0]), SERIALIZERS[0])
    assert isinstance(back, ExceptionGroup)
    assert len(back.exceptions) == 1_000
    assert str(back.exceptions[-1]) == "ExceptionGroup: 2001 more members"


@every_serializer
def test_classes_unknown_here_say_what_they_were(serializer: BaseSerializer) -> None:
    """Type name, message and traceback of a local class."""

    class LocalError(Exception):
        pass

    def fail() -> None:
        message = "secret\x00"
        raise LocalError(message)

    error = _raised(fail)
    error.__cause__ = KeyError("why")
    error.add_note("noted")
    back = decode_exception(encode_exception(error, serializer), serializer)
    assert isinstance(back, TaskFailedError)
    assert back.type_name.endswith("<locals>.LocalError")
    assert back.message == "secret\x00"
    assert "raise LocalError(message)" in back.traceback
    assert back.__notes__[0] == "noted"
    assert back.__cause__ is not None
    assert back.__cause__.args == ("why",)
    again = decode_exception(encode_exception(back, serializer), serializer)
    assert isinstance(again, TaskFailedError)
    assert (again.args, again.type_name) == (back.args, back.type_name)


@every_serializer
def test_what_cannot_be_carried(serializer: BaseSerializer) -> None:
    """Attributes are left out; without an argument the message is known at least."""
    error = ValueError("x")
    error.lock, error.fine = threading.Lock(), 1  # type: ignore[attr-defined]
    error.__dict__["\x00"] = 1
    error.__dict__[5] = 1  # type: ignore[index]
    back = decode_exception(encode_exception(error, serializer), serializer)
    assert (type(back), _attributes(back)) == (ValueError, {"fine": 1})
    for args in [(threading.Lock(),), (10**5000, "x")]:
        error = ValueError(*args)
        error.__cause__ = KeyError("kept")
        back = decode_exception(encode_exception(error, serializer), serializer)
        assert isinstance(back, TaskFailedError)
        assert back.type_name == "ValueError"
        assert back.__cause__ is not None
        assert back.__cause__.args == ("kept",)


@every_serializer
@pytest.mark.parametrize("kind", [UnprintableError, NoDictError, WildError])
def test_nothing_an_exception_does_is_raised(
    kind: type[BaseException], serializer: BaseSerializer
) -> None:
    """Not even SystemExit: the runner carries it, and must live on."""
    error = _raised(lambda: (_ for _ in ()).throw(kind("arg")))
    for one in (error, BaseExceptionGroup("of", [error]), RefusedError(code=1)):
        if one is not error:
            one.attribute = error  # type: ignore[attr-defined]
            one.__cause__ = error
        back = decode_exception(encode_exception(one, serializer), serializer)
        assert type(back) is type(one)
        note = BaseException.__dict__["__dict__"].__get__(back)["__notes__"][-1]
        assert "Remote traceback:" in note


class Failing(BaseSerializer):
    """Cannot do anything."""

    def serialize(self, obj: Any) -> str:
        """Leave."""
        raise SystemExit

    def deserialize(self, serialized_obj: str) -> Any:
        """Fail."""
        raise LookupError


def test_a_serializer_that_fails() -> None:
    """The type is known; nothing of the message is written past the serializer."""
    text = encode_exception(ValueError("secret"), Failing())
    assert "secret" not in text
    back = decode_exception(text, Failing())
    assert isinstance(back, TaskFailedError)
    assert back.type_name == "ValueError"
    row: dict[str, Any] = {"module": "builtins", "type": "ValueError", "args": [{"$custom": "x"}]}
    row |= {"message": {"$custom": "x"}, "traceback": {"$custom": "x"}}
    back = decode_exception(json.dumps(row), Failing())
    assert "cannot be read here: Failing cannot read" in str(back)
    assert str(decode_exception("{}", Failing())) == "<not known>: <not known>"


def _task() -> None:
    message = "from the child"
    raise ValueError(message)


def _wait(text: str, serializer: BaseSerializer) -> None:
    raise decode_exception(text, serializer)


@every_serializer
def test_the_remote_traceback_is_one_note(serializer: BaseSerializer) -> None:
    """After several hops, too: the oldest frames first, under one heading."""
    text = encode_exception(_raised(_task), serializer)
    for _ in range(2):
        text = encode_exception(_raised(_wait, text, serializer), serializer)
    back = decode_exception(text, serializer)
    (note,) = back.__notes__
    assert note.startswith("\nRemote traceback:\nTraceback (most recent call last):\n")
    assert note.count("Remote traceback:") == 1
    assert note.count("Raised again by the task that waited for it:") == 2
    assert note.index("in _task") < note.index("in _wait")


def test_the_cause_keeps_its_own_remote_traceback() -> None:
    """``raise Own() from error``: each has the note of where it came from, once."""
    serializer = SERIALIZERS[0]
    child = decode_exception(encode_exception(_raised(_task), serializer), serializer)
    parent = RefusedError(code=1)
    parent.__cause__ = child
    back: Any = decode_exception(encode_exception(parent, serializer), serializer)
    assert "in _task" in back.__cause__.__notes__[0]
    assert back.__notes__[0].count("Remote traceback:") == 1
    assert "direct cause" in back.__notes__[0]


def test_long_tracebacks_are_cut_in_the_middle() -> None:
    """A message of a megabyte comes back; it does not stand in the traceback three times."""
    message = "x" * 1_000_000
    back = decode_exception(encode_exception(ValueError(message), SERIALIZERS[0]), SERIALIZERS[0])
    assert str(back) == message
    assert len(back.__notes__[0]) < TRACEBACK_LENGTH + 200
    assert "characters …]" in back.__notes__[0]


def test_a_newer_version_is_refused() -> None:
    """It is not mistaken for an exception nobody knows."""
    with pytest.raises(SerializationError, match="newer"):
        decode_exception('{"$v": 2, "module": "builtins", "type": "ValueError"}', SERIALIZERS[0])
