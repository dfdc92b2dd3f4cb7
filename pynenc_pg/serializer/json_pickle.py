"""Python values by jsonpickle, which is made to refuse what it would silently change."""

from __future__ import annotations

from typing import Any

from pynenc_pg.serializer.base import BaseSerializer


class JsonPickleSerializer(BaseSerializer):
    """Keeps Python types by jsonpickle. Whoever may write rows is trusted: it can run code.

    What is written is read once, at the call, and compared: what would come back changed is refused
    there.
    """

    codec = "jsonpickle"
    skips_plain_json = True
    #: Each of these two runs code from rows already.
    also_reads = frozenset({"json", "pickle"})

    def serialize(self, obj: Any) -> str:
        """Return jsonpickle's text.

        Raises:
            SerializationError: it is, or contains, something that would not come back equal.
        """
        from pynenc_pg.serializer.json_pickling import dumps  # noqa: PLC0415 - jsonpickle is slow

        return dumps(obj, self.allowed_modules)

    def deserialize(self, serialized_obj: str) -> Any:
        """Make the value again.

        Raises:
            SerializationError: a class or function of the text is not known here.
        """
        from pynenc_pg.serializer.json_pickling import loads  # noqa: PLC0415 - to load

        return loads(serialized_obj, self.allowed_modules)
