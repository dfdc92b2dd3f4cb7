"""Python values by pickle."""

from __future__ import annotations

import base64
import io
import pickle
from typing import Any

from pynenc_pg.serializer.allowed import allowed_name
from pynenc_pg.serializer.base import BaseSerializer


class PickleSerializer(BaseSerializer):
    """Keeps Python types by pickle, protocol 5. Whoever may write rows is trusted: it can run code.

    What is written is read once, at the call: a class that pickles but does not unpickle is
    refused there, not by the worker.
    """

    codec = "pickle"
    skips_plain_json = True
    #: Each of these two runs code from rows already.
    also_reads = frozenset({"json", "jsonpickle"})

    def serialize(self, obj: Any) -> str:
        """Return the pickle in base64.

        Raises:
            Exception: what pickle, or the object's own methods, raise.
        """
        pickled = pickle.dumps(obj, protocol=5)
        _loads(pickled, self.allowed_modules)
        return base64.b64encode(pickled).decode("ascii")

    def deserialize(self, serialized_obj: str) -> Any:
        """Make the value again."""
        return _loads(base64.b64decode(serialized_obj, validate=True), self.allowed_modules)


class _LimitedUnpickler(pickle.Unpickler):
    """Finds no more than what is allowed."""

    allowed: tuple[str, ...]

    def find_class(self, module: str, name: str, /) -> Any:
        return allowed_name(module, name, self.allowed)


def _loads(pickled: bytes, allowed: tuple[str, ...] | None) -> Any:
    if allowed is None:
        return pickle.loads(pickled)  # noqa: S301 - who chose it trusts who writes
    unpickler = _LimitedUnpickler(io.BytesIO(pickled))
    unpickler.allowed = allowed
    return unpickler.load()
