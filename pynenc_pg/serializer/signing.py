"""Signatures of what stands in rows: whoever may write rows cannot make a worker believe them.

A signature covers the exact text, and what it is: of which app, which invocation, and whether it is
arguments (of which task), a result or an error. So nothing can be changed, moved to another row or
given out for something else. What is large is signed by its name, which is a hash of its content.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from pynenc_pg.exceptions import SignatureError

_SIGNED: Final = re.compile(r',?"\$sig":"1:([0-9a-f]{64})"\}\Z')
#: Stands around what is no object, so that the signature has a place.
_WRAPPED: Final = '{"$value":'


class Role(StrEnum):
    """What a text is."""

    ARGUMENTS = "arguments"
    RESULT = "result"
    FAILURE = "failure"  # what an invocation has failed with
    EVENT = "event"  # the payload of an event; its code stands where a task would
    STEP = "step"  # of a workflow; its path stands where a task would
    DATA = "data"  # of a workflow; its key stands there
    ERROR = "error"  # what an attempt has failed with that another one follows


class Seal:
    """Signs with the first of its keys, and takes the signatures of all: so keys are exchanged."""

    def __init__(self, keys: Sequence[str], app_id: str) -> None:
        """``keys`` are secrets of at least ``SHORTEST`` characters."""
        self._keys = [_derived(key) for key in keys]
        self._app_id = app_id

    def sign(self, role: Role, text: str, invocation_id: str, task_id: str = "") -> str:
        """Return the JSON with its signature, as a last member ``$sig``."""
        body = text if text.startswith("{") else f"{_WRAPPED}{text}}}"
        code = self._code(self._keys[0], role, body, invocation_id, task_id)
        return f'{body[:-1]}{"," if len(body) > len("{}") else ""}"$sig":"1:{code}"}}'

    def open(self, role: Role, text: str, invocation_id: str, task_id: str = "") -> str:
        """Return the JSON without its signature.

        Raises:
            SignatureError: it has none, or not that of this very text in this very place.
        """
        found = _SIGNED.search(text)
        if found is None:
            message = (
                f"{role} of invocation {invocation_id}: not signed, so not written by an app that "
                "has this serializer_signing_key"
            )
            raise SignatureError(message)
        body = f"{text[: found.start()]}}}"
        said = found[1]
        for key in self._keys:
            if hmac.compare_digest(said, self._code(key, role, body, invocation_id, task_id)):
                wrapped = body.startswith(_WRAPPED)
                return body[len(_WRAPPED) : -1] if wrapped else body
        message = (
            f"{role} of invocation {invocation_id}: the signature is of another text or place, or "
            "by a key that is not among those of serializer_signing_key"
        )
        raise SignatureError(message)

    def _code(self, key: bytes, role: Role, body: str, invocation_id: str, task_id: str) -> str:
        # None of these has a NUL.
        place = "\0".join((role, self._app_id, str(invocation_id), task_id))
        return hmac.new(key, f"{place}\0{body}".encode(), hashlib.sha256).hexdigest()


def _derived(key: str) -> bytes:
    """Not the key itself: it may be used elsewhere, too."""
    return hashlib.sha256(b"pynenc_pg signature 1\0" + key.encode()).digest()
