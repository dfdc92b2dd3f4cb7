"""What is kept of large values in a process, and in the folder of a runner's processes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pynenc_pg.engine.payload_cache import PayloadCache, entry
from pynenc_pg.engine.payload_folder import OwnedFolder, PayloadFolder, remove_abandoned
from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer import JsonPickleSerializer
from pynenc_pg.serializer.failure import decode_exception, encode_exception
from pynenc_pg.serializer.large import Constants, Limits, Outgoing, shorten
from pynenc_pg.serializer.wire import decode, decode_arguments, encode, reference

SERIALIZER = JsonPickleSerializer()


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def name_of(content: bytes) -> str:
    """Return the name of a payload."""
    return hashlib.sha256(content).hexdigest()


# --- the cache --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        [1, 2.5, None, True, "é", {"a": [float("1e300")]}],
        {"deep": [[[{}]]], "": ""},
        [{"$ref": 1}, ["$x"]],
        [float("nan")],
        "text",
        b"bytes",
        {1, 2},
        np.arange(12, dtype="f8").reshape(3, 4),
        np.array([1, [2]], dtype=object),
    ],
    ids=repr,
)
def test_what_is_made_again_is_equal_and_ones_own(value: Any) -> None:
    """As often as it is asked for; only what cannot be changed is the same object."""
    text = encode(value, SERIALIZER)
    again = entry(decode(text, SERIALIZER), text, SERIALIZER)
    one, other = again.make(), again.make()
    assert (one is other) is (type(value) in {str, bytes})
    assert type(one) is type(value)
    assert repr(one) == repr(other) == repr(value)
    if isinstance(value, np.ndarray):
        assert (one.dtype, one.shape) == (value.dtype, value.shape)
        one[...] = 0
        assert repr(again.make()) == repr(value)


def test_the_cache_keeps_those_used_last() -> None:
    """Beyond the number or the size the one goes that was not asked for for longest."""
    cache = PayloadCache()

    def keep(name: str, size: int) -> None:
        cache.keep((name, 1), entry("x" * size, "", SERIALIZER), most=3, bytes_=10_000)

    for name in "abc":
        keep(name, 1000)
    assert cache.find(("a", 1)) is not None
    keep("d", 1000)
    assert cache.find(("b", 1)) is None
    keep("e", 8500)
    found = [name for name in "acde" if cache.find((name, 1)) is not None]
    assert found == ["d", "e"]
    keep("f", 20_000)  # too large by itself: the others stay
    assert cache.find(("f", 1)) is None
    assert cache.find(("e", 2)) is None
    assert cache.find(("e", 1)) is not None


# --- what is taken out of rows ----------------------------------------------------------------


def test_constants_are_known_again_and_let_go() -> None:
    """A text is encoded once in many batches; beyond the size of what is remembered it is again."""
    constants = Constants()
    limits = Limits(least=200, remembered=3000)
    text, short_lived = "x" * 1000, "y" * 1000
    first = Outgoing(SERIALIZER, limits, constants)
    [name] = first.arguments({"a": text})[1]
    second = Outgoing(SERIALIZER, limits, constants)
    assert second.arguments({"a": text, "b": 1}) == (f'{{"a":{reference(name)},"b":1}}', [name])
    assert second.payloads[name] is first.payloads[name]
    Outgoing(SERIALIZER, limits, constants).arguments({"a": short_lived})
    third = Outgoing(SERIALIZER, limits, constants)
    assert third.arguments({"a": text})[1] == [name]
    assert third.payloads[name] is not first.payloads[name]
    changing = [*range(200)]
    names: set[str] = set()
    for number in range(2):
        changing.append(number)
        names.update(Outgoing(SERIALIZER, limits, constants).arguments({"a": changing})[1])
    assert len(names) == 2


def test_an_exception_keeps_its_type_in_the_row() -> None:
    """Its fields are taken out one by one, and what comes back is the same exception."""
    error = ValueError("a" * 500, "b")
    text = encode_exception(error, SERIALIZER)
    short, payloads = shorten(text, Limits(least=300))
    assert '"type":"ValueError"' in short
    assert "a" * 65 not in short
    contents = {one.sha256: one.content for one in payloads}

    class Follow:
        def values(self, hashes: Any, serializer: Any) -> Any:
            raise NotImplementedError

        def texts(self, hashes: Any) -> list[str]:
            return [(contents[each] or b"").decode() for each in hashes]

    assert decode_exception(short, SERIALIZER, Follow()).args == error.args


@pytest.mark.parametrize(
    "row",
    [
        '{"x":{"$ref":"abc"}}',
        '{"x":{"$ref":5}}',
        f'{{"x":{{"$ref":"{"a" * 64}","y":1}}}}',
        f'{{"x":[{{"$ref":"{"a" * 64}"}}]}}',
    ],
)
def test_a_reference_that_cannot_be_is_refused(row: str) -> None:
    """No SHA-256, something beside it, or deep inside a value: nothing is asked for."""

    class Follow:
        def values(self, hashes: Any, serializer: Any) -> Any:
            raise AssertionError(hashes)

        def texts(self, hashes: Any) -> Any:
            raise AssertionError(hashes)

    with pytest.raises(SerializationError, match="reference"):
        decode_arguments(row, SERIALIZER, Follow())


# --- the folder -------------------------------------------------------------------------------


def test_the_folder_is_its_users_alone_and_gone_at_the_end(folders: Path) -> None:
    """What one process writes another one reads; the files of others do not count."""
    owned = OwnedFolder(10_000)
    assert owned.path.stat().st_mode & 0o777 == 0o700
    one, other = (PayloadFolder(*owned.share) for _ in range(2))
    content = b"x" * 3000
    one.write(name_of(content), content)
    assert other.read(name_of(content)) == content
    assert other.read("0" * 64) is None
    owned.close()
    owned.close()
    assert list(folders.iterdir()) == []
    one.write(name_of(content), content)  # nobody minds
    assert one.read(name_of(content)) is None


def test_the_folder_is_closed_by_two_threads(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the heartbeat of a fenced runner and by its loop: only one of them does it."""
    owned, both = OwnedFolder(10_000), threading.Barrier(2)

    def remove(path: Path, *, ignore_errors: bool) -> None:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)
        rmtree(path, ignore_errors=ignore_errors)

    rmtree = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", remove)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(owned.close) for _ in range(2)]:
            done.result()
    assert both.broken  # the other one was not there
    assert list(folders.iterdir()) == []


def test_the_folder_has_a_limit(folders: Path) -> None:
    """Those that were not read for longest are removed; what is too large is not written."""
    owned = OwnedFolder(10_000)
    folder = PayloadFolder(*owned.share)
    contents = [bytes([n]) * 3000 for n in range(4)]
    for n, content in enumerate(contents[:3]):
        folder.write(name_of(content), content)
        os.utime(owned.path / name_of(content), (n + 1, n + 1))
    assert folder.read(name_of(contents[0])) is not None
    folder.write(name_of(contents[3]), contents[3])
    there = [folder.read(name_of(content)) is not None for content in contents]
    assert there == [True, False, True, True]
    folder.write("0" * 64, b"x" * 20_000)
    assert folder.read("0" * 64) is None
    owned.close()


def test_the_folder_of_a_killed_runner_is_removed(folders: Path) -> None:
    """By the next one; that of a living one stays, and what is not ours."""
    code = (
        "import tempfile; from pynenc_pg.engine.payload_folder import OwnedFolder; "
        f"tempfile.tempdir = {str(folders)!r}; folder = OwnedFolder(1); "
        "print(folder.path, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        path = Path(process.stdout.readline().strip())
        (folders / "pynenc-payloads-other").mkdir()
        remove_abandoned()
        assert path.is_dir()
        process.kill()
        process.wait()
        owned = OwnedFolder(1)
        assert not path.exists()
        assert (folders / "pynenc-payloads-other").is_dir()
        owned.close()
