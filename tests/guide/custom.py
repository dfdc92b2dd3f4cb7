"""The serializer of the guide's use case 8, with a body, and a task that uses it."""

import codecs
import json
from typing import Any

from pynenc_pg import Pynenc
from pynenc_pg.builder import PynencBuilder
from pynenc_pg.serializer import BaseSerializer


class CustomSerializer(BaseSerializer):
    """Writes text that nobody reads at a glance."""

    def serialize(self, obj: Any) -> str:
        """Turn every letter by thirteen."""
        return codecs.encode(json.dumps(obj), "rot13")

    def deserialize(self, serialized_obj: str) -> Any:
        """Turn them back."""
        return json.loads(codecs.decode(serialized_obj, "rot13"))


app: Pynenc = (
    PynencBuilder().custom_config(serializer_cls="tests.guide.custom.CustomSerializer").build()
)


@app.task
def greet(name: str) -> str:
    """Return a greeting."""
    return f"hello {name}"


@app.task
def refuse(name: str) -> None:
    """Raise an error with a secret in it."""
    message = f"not {name}"
    raise ValueError(message)
