"""Large values: one row for each, however many invocations need it."""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pynenc_pg.domain.records import Collected, Payload
from pynenc_pg.exceptions import DataRejectedError, PayloadError
from pynenc_pg.ports import UNREFERRED
from pynenc_pg.postgres.holding import vanished

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from pynenc_pg.postgres.database import PgDatabase

_HOLD: Final = "select {schema}.hold(%s, %b::text[], %b::bytea[], %b::text[])"
#: A large one is not copied into an array by the driver.
_HOLD_ONE: Final = "select {schema}.hold(%s, array[%b::text], array[%b::bytea], array[%b::text])"
_FETCH: Final = "select name, content, codec from {schema}.fetch(%s, %b::text[])"
_COLLECT: Final = "select removed, next_after from {schema}.collect(%s, %s, %s, %s)"

#: Bytes that travel in one statement, but for a larger one, which travels alone.
TOGETHER: Final = 1_000_000
#: The server takes no message of a gigabyte.
_MOST: Final = 1_000_000_000
#: How often contents are sent again that somebody removes meanwhile.
TRIES: Final = 3
#: Compressed only where that saves this part of it.
_WORTH_IT: Final = 0.9
#: Seconds, and how many, for which what was sent is taken to be there still. Much less than
#: ``UNREFERRED``: nobody may refer to it by then.
_LATELY: Final = 600.0
_MANY: Final = 10_000


class PgClientDataStore:
    """Holds. See ``pynenc_pg.ports.ClientDataStore``."""

    def __init__(self, database: PgDatabase, compresses: Callable[[], bool] = lambda: True) -> None:
        """Use the pool of ``database``; ``compresses`` is asked each time."""
        self._database = database
        self._app = database.app_id
        self._compresses = compresses
        self._sent: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def hold(self, payloads: Sequence[Payload]) -> None:
        """Store them, though nobody refers to them yet; not those that were sent lately."""
        left = self.unsent(payloads)
        for _ in range(TRIES):
            for part in _parts(left):
                self._send(part)
            left = self.unsent(left)
            if not left:
                return
        raise vanished([each.sha256 for each in left])

    def fetch(self, hashes: Sequence[str]) -> dict[str, bytes]:
        """Return their contents, unchecked; those that are not there are left out."""
        rows = self._database.call(_FETCH, (self._app, list(hashes)), binary=True)
        found = {}
        while rows:
            name, content, codec = rows.pop()
            found[name] = _unpacked(name, content, codec)
        return found

    def collect(self, after: str = "", limit: int = 1000) -> Collected:
        """Remove, of ``limit`` payloads from a place on, the old ones nobody refers to."""
        parameters = (self._app, after, UNREFERRED, limit)
        return Collected(*self._database.call(_COLLECT, parameters)[0])

    # --- for what stores them together with something else ------------------------------------

    def attached(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return those that a statement is to carry; what is too much for one is stored now."""
        left = self.unsent(payloads)
        if sum(len(each.content or b"") for each in left) <= TOGETHER:
            return left
        self.hold(left)
        return []

    def unsent(self, payloads: Iterable[Payload]) -> list[Payload]:
        """Return those whose content is given, and was not sent lately; each once."""
        since = time.monotonic() - _LATELY
        with self._lock:
            left = {
                each.sha256: each
                for each in payloads
                if each.content is not None and self._sent.get(each.sha256, since) <= since
            }
        return list(left.values())

    def packed(self, payloads: Sequence[Payload]) -> tuple[list[str], list[bytes], list[str]]:
        """Return names, contents as they are stored, and how these are packed.

        Raises:
            DataRejectedError: one is too large.
        """
        packed = [self._packed(each) for each in payloads]
        names = [each.sha256 for each in payloads]
        return names, [content for content, _ in packed], [codec for _, codec in packed]

    def note(self, payloads: Iterable[Payload], missing: Sequence[str] | None) -> None:
        """Remember what was sent, and what of all there is has turned out to be missing."""
        now = time.monotonic()
        with self._lock:
            for each in payloads:
                self._sent[each.sha256] = now
                self._sent.move_to_end(each.sha256)
            for name in missing or ():
                self._sent.pop(name, None)
            while len(self._sent) > _MANY:
                self._sent.popitem(last=False)

    def _send(self, payloads: Sequence[Payload]) -> None:
        names, contents, codecs = self.packed(payloads)
        if len(payloads) == 1:
            parameters = (self._app, names[0], contents[0], codecs[0])
            del contents
            [[missing]] = self._database.call(_HOLD_ONE, parameters)
        else:
            [[missing]] = self._database.call(_HOLD, (self._app, names, contents, codecs))
        self.note(payloads, missing)

    def _packed(self, payload: Payload) -> tuple[bytes, str]:
        content = payload.content or b""
        if self._compresses():
            smaller = zstd.compress(content)
            if len(smaller) < len(content) * _WORTH_IT:
                content = smaller
        if len(content) > _MOST:
            message = (
                f"a value of {len(content)} bytes is too large for the database, which takes "
                f"{_MOST}: keep it elsewhere and pass where"
            )
            raise DataRejectedError(message)
        return content, "" if content is payload.content else "zstd"


def _parts(payloads: Sequence[Payload]) -> Iterator[list[Payload]]:
    """Divide them into what travels in one statement."""
    part: list[Payload] = []
    size = 0
    for each in payloads:
        own = len(each.content or b"")
        if part and size + own > TOGETHER:
            yield part
            part, size = [], 0
        part.append(each)
        size += own
    if part:
        yield part


def _unpacked(name: str, content: bytes, codec: str) -> bytes:
    if not codec:
        return content
    if codec != "zstd":
        message = f"the large value {name} is packed as {codec!r}, by a newer pynenc_pg: update it"
        raise PayloadError(message)
    try:
        return zstd.decompress(content)
    except zstd.ZstdError:
        return b""  # no name fits that: it is found out where names are checked
