"""Who somebody is, what they may do, and the cookie that says so."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

#: Logins that fail within a minute before all others have to wait.
_FAILURES: Final = 10
_MINUTE: Final = 60.0


class Role(StrEnum):
    """What somebody may do."""

    #: Looks.
    VIEWER = "viewer"
    #: Looks, and acts.
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody, for as long as their session lasts."""

    who: str
    role: Role
    session: str  # drawn at the login
    until: float
    by: str  # how they came: local, password, proxy

    @property
    def may_act(self) -> bool:
        """Whether actions are theirs."""
        return self.role is Role.OPERATOR


class Sessions:
    """Signs what a browser brings back. The key is of this process: a restart ends all sessions."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.time) -> None:
        """Each session lasts so long."""
        self._seconds = seconds
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._ended: dict[str, float] = {}

    def begin(self, who: str, role: Role, by: str) -> Identity:
        """Begin a session."""
        return Identity(who, role, secrets.token_hex(16), self._clock() + self._seconds, by)

    def cookie(self, identity: Identity) -> str:
        """Return what the browser is to bring back."""
        said = [identity.who, identity.role, identity.session, identity.until, identity.by]
        body = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
        return f"{body}.{self._sign('session', body)}"

    def read(self, cookie: str | None) -> Identity | None:
        """Return whose cookie it is; None if it is none of ours, is over or was ended."""
        body, _, signature = (cookie or "").partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign("session", body).encode()):
            return None
        who, role, session, until, by = json.loads(
            base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        )
        if until < self._clock() or session in self._ended:
            return None
        return Identity(who, Role(role), session, until, by)

    def end(self, identity: Identity) -> None:
        """End a session, wherever its cookie has been copied to."""
        now = self._clock()
        self._ended = {one: until for one, until in self._ended.items() if until > now}
        self._ended[identity.session] = identity.until

    def token(self, identity: Identity) -> str:
        """Return what a form of this session must carry: nobody else can make it."""
        return self._sign("form", identity.session)

    def accepts(self, identity: Identity, token: str) -> bool:
        """Whether a form is of this session."""
        return hmac.compare_digest(token.encode(), self.token(identity).encode())

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), sha256).hexdigest()


class Attempts:
    """Counts logins that failed: nobody tries a list of passwords here."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """None has failed yet."""
        self._clock = clock
        self._failed: list[float] = []

    @property
    def too_many(self) -> bool:
        """Whether everybody has to wait."""
        begin = self._clock() - _MINUTE
        self._failed = [at for at in self._failed if at > begin]
        return len(self._failed) >= _FAILURES

    def note(self) -> None:
        """One more has failed."""
        self._failed.append(self._clock())
