"""Passwords: kept as hashes (scrypt), so that who reads the configuration cannot log in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final

_N: Final = 2**14
_R: Final = 8
_P: Final = 1
_MEMORY: Final = 64 * 2**20


def hash_password(password: str) -> str:
    """Return what may stand in the configuration: the method, its costs, a salt and the hash.

    >>> fits("right", hash_password("right")), fits("wrong", hash_password("right"))
    (True, False)
    """
    salt = secrets.token_bytes(16)
    made = _scrypt(password, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${_text(salt)}${_text(made)}"


def fits(password: str, hashed: str) -> bool:
    """Whether the hash is of this password; in the same time for each password."""
    _, n, r, p, salt, expected = hashed.split("$")
    made = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
    return hmac.compare_digest(made, base64.b64decode(expected))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    said = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(said, salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
