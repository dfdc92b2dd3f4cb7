"""Large values: what is taken out of rows, and how it comes back."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pynenc_pg.engine.payload_cache import Entry, PayloadCache, entry
from pynenc_pg.engine.payload_folder import OwnedFolder
from pynenc_pg.exceptions import PayloadError, StoreUnavailableError
from pynenc_pg.serializer.large import Constants, Limits, Outgoing, SharedArguments, shorten
from pynenc_pg.serializer.wire import decode, encode, reference

if TYPE_CHECKING:
    from pynenc_pg.conf.config_client_data_store import ClientDataStoreConf
    from pynenc_pg.domain.records import Payload
    from pynenc_pg.engine.payload_folder import PayloadFolder
    from pynenc_pg.engine.registry import TaskDefinition
    from pynenc_pg.ports import ClientDataStore
    from pynenc_pg.serializer.base import BaseSerializer

logger = logging.getLogger(__name__)

#: Locks for those that want the same value at once: by the first digit of its name.
_STRIPES: Final = 16
#: Bytes of a result that go with the end of the attempt to who writes it.
_HANDED_ON: Final = 250_000


class Payloads:
    """Of one app in one process. Any thread."""

    def __init__(self, store: ClientDataStore, conf: Callable[[], ClientDataStoreConf]) -> None:
        """``conf`` is asked each time: settings may change."""
        self.folder: PayloadFolder | None = None  # of the runner that this process belongs to
        self._store = store
        self._conf = conf
        self._cache = PayloadCache()
        self._locks = [threading.Lock() for _ in range(_STRIPES)]
        # By the ids of serializers, which nobody else can have as long as they are here.
        self._constants: dict[int, tuple[BaseSerializer, Constants]] = {}
        self._settled_limits: dict[str, tuple[object, Limits]] = {}
        self._told: set[tuple[str, str]] = set()

    def shared_folder(self) -> OwnedFolder | None:
        """Make the folder of a runner of several processes, which it closes at its end."""
        conf = self._conf()
        if not conf.shared_cache_bytes:
            return None
        try:
            return OwnedFolder(conf.shared_cache_bytes)
        except OSError as error:
            logger.warning("payload.folder: %s; each process fetches large values itself", error)
            return None

    # --- on the way out -----------------------------------------------------------------------

    def outgoing(self, task: TaskDefinition, serializer: BaseSerializer) -> Outgoing:
        """Return what encodes a batch of calls."""
        return Outgoing(serializer, self._limits(task), self._constants_of(serializer))

    def share(
        self, task: TaskDefinition, arguments: Mapping[str, Any], serializer: BaseSerializer
    ) -> SharedArguments:
        """Encode arguments that many calls of a task have in common."""
        return SharedArguments(arguments, serializer, self._limits(task))

    def result(
        self, value: Any, task: TaskDefinition, serializer: BaseSerializer
    ) -> tuple[str, Sequence[Payload]]:
        """Encode what a task returned; what is large of it comes beside.

        Raises:
            SerializationError: it cannot be carried.
        """
        text = encode(value, serializer)
        if len(text) * 4 < self._conf().min_size_to_cache:
            return text, ()
        limits = self._limits(task)
        payload = None if limits is None else limits.payload(text)
        if payload is None:
            return text, ()
        return reference(payload.sha256), (payload,)

    def failure(self, text: str) -> tuple[str, Sequence[Payload]]:
        """Take what is large out of an encoded exception; it comes beside."""
        conf = self._conf()
        limits = Limits(conf.min_size_to_cache, conf.max_size_to_cache)
        if conf.disable_client_data_store or not limits.may_hold(text):
            return text, ()
        return shorten(text, limits)

    def settled(self, payloads: Sequence[Payload]) -> Sequence[Payload]:
        """Store what is too large to be handed on; whoever writes the end stores the rest.

        So that the one thread that writes all ends is not held up, nor the parent of this process
        sent what it has no use for. Where the store is away, that is how it must be.
        """
        if sum(len(each.content or b"") for each in payloads) <= _HANDED_ON:
            return payloads
        try:
            self._store.hold(payloads)
        except StoreUnavailableError as error:
            logger.warning("payload.later: %s", error)
            return payloads
        return tuple(replace(each, content=None) for each in payloads)

    def _constants_of(self, serializer: BaseSerializer) -> Constants:
        which = id(serializer)
        known = self._constants.get(which)
        if known is None:
            known = self._constants.setdefault(which, (serializer, Constants()))
        return known[1]

    def _limits(self, task: TaskDefinition) -> Limits | None:
        conf = self._conf()
        if conf.disable_client_data_store:
            return None
        remembered = conf.local_cache_bytes if conf.local_cache_size else 0
        exempt = task.conf.disable_cache_args
        settings = conf.min_size_to_cache, conf.max_size_to_cache, remembered, exempt
        known = self._settled_limits.get(task.task_id)
        if known is not None and known[0] == settings:  # every call comes through here
            return known[1]
        limits = Limits(
            least=conf.min_size_to_cache,
            most=conf.max_size_to_cache,
            exempt=exempt,
            told=partial(self._tell, task.task_id),
            remembered=remembered,
        )
        self._settled_limits[task.task_id] = settings, limits
        return limits

    def _tell(self, task_id: str, name: str, size: int) -> None:
        threshold = self._conf().warn_threshold
        if threshold and size >= threshold and (task_id, name) not in self._told:
            self._told.add((task_id, name))
            logger.warning(
                "payload.large: %s of %s takes %d bytes; if it is large each time, keep it "
                "elsewhere and pass where (said once, from client_data_store.warn_threshold on)",
                f"argument {name!r}" if name else "the result",
                task_id,
                size,
                extra={"task_id": task_id},
            )

    # --- on the way back ----------------------------------------------------------------------

    def values(self, hashes: Sequence[str], serializer: BaseSerializer) -> list[Any]:
        """Return a value for each, all of them the caller's own to change.

        Raises:
            PayloadError: one is not there, or not as it was stored.
            StoreUnavailableError: the store cannot be asked.
        """
        wanted = Counter(hashes)
        self._constants_of(serializer)  # its id is its own from here on
        entries: dict[str, Entry] = {}
        made: dict[str, Any] = {}
        with self._alone(wanted):
            for sha in wanted:
                if (found := self._cache.find((sha, id(serializer)))) is not None:
                    entries[sha] = found
            texts = self._texts([sha for sha in wanted if sha not in entries])
            while texts:
                sha, text = texts.popitem()
                made[sha] = decode(text, serializer)
                if self._keeps or wanted[sha] > 1:  # given twice, it is two values
                    entries[sha] = self._kept(sha, made[sha], text, serializer)
        return [made.pop(sha) if sha in made else entries[sha].make() for sha in hashes]

    def _kept(self, sha: str, value: Any, text: str, serializer: BaseSerializer) -> Entry:
        made, conf = entry(value, text, serializer), self._conf()
        self._cache.keep(
            (sha, id(serializer)), made, most=conf.local_cache_size, bytes_=conf.local_cache_bytes
        )
        return made

    @property
    def _keeps(self) -> bool:
        conf = self._conf()
        return conf.local_cache_size > 0 and conf.local_cache_bytes > 0

    def texts(self, hashes: Sequence[str]) -> list[str]:
        """Return the JSON of each.

        Raises:
            PayloadError: one is not there, or not as it was stored.
            StoreUnavailableError: the store cannot be asked.
        """
        found = self._texts(list(dict.fromkeys(hashes)))
        return [found[sha] for sha in hashes]

    def _texts(self, hashes: Sequence[str]) -> dict[str, str]:
        """Return them, from the runner's folder or from the store, checked."""
        texts, left = {}, []
        for sha in hashes:
            content = self.folder.read(sha) if self.folder is not None else None
            if content is not None and _is(sha, content):
                texts[sha] = str(content, "utf-8")
            else:
                left.append(sha)
        fetched = self._store.fetch(left) if left else {}
        for sha in left:
            content = fetched.pop(sha, None)
            if content is None or not _is(sha, content):
                raise PayloadError(_refusal(sha, gone=content is None))
            if self.folder is not None:
                self.folder.write(sha, content)
            texts[sha] = str(content, "utf-8")
        return texts

    @contextmanager
    def _alone(self, hashes: Iterable[str]) -> Iterator[None]:
        """Let no two threads fetch the same value at once: the second finds it here."""
        with ExitStack() as stack:
            for number in sorted({int(sha[0], 16) for sha in hashes}):
                stack.enter_context(self._locks[number])
            yield


def _is(sha256: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == sha256


def _refusal(sha256: str, *, gone: bool) -> str:
    if gone:
        return (
            f"the large value {sha256} is not in the store any more: it was purged, or removed by "
            "hand"
        )
    return (
        f"the large value {sha256} is not what was stored under that name: somebody has changed "
        "the table payload"
    )
