"""Python values by pickle."""

from __future__ import annotations

import base64
import pickle
from typing import Any

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
        pickle.loads(pickled)  # noqa: S301 - our own, a moment ago
        return base64.b64encode(pickled).decode("ascii")

    def deserialize(self, serialized_obj: str) -> Any:
        """Make the value again."""
        return pickle.loads(base64.b64decode(serialized_obj, validate=True))  # noqa: S301
