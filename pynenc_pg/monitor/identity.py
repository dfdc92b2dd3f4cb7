"""Who somebody is, what they may do, and the cookie that says so."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

#: Logins that fail within a minute, from one address and from all, before others have to wait.
_FAILURES: Final = 10
_FAILURES_OF_ALL: Final = 100
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
        self._lock = threading.Lock()

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
        identity = Identity(who, Role(role), session, until, by)
        return identity if self.goes_on(identity) else None

    def goes_on(self, identity: Identity) -> bool:
        """Whether a session has neither been ended nor is over."""
        return identity.until > self._clock() and identity.session not in self._ended

    def end(self, identity: Identity) -> None:
        """End a session, wherever its cookie has been copied to."""
        now = self._clock()
        with self._lock:
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
    """Counts logins that failed: nobody tries a list of passwords here, at once or in turn."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """None has failed yet."""
        self._clock = clock
        self._failed: list[tuple[float, str]] = []
        self._lock = threading.Lock()

    def begin(self, address: str) -> bool:
        """Whether a password may be tried from there; until it is forgiven it counts as wrong."""
        now = self._clock()
        with self._lock:
            self._failed = [one for one in self._failed if one[0] > now - _MINUTE]
            own = sum(one[1] == address for one in self._failed)
            if own >= _FAILURES or len(self._failed) >= _FAILURES_OF_ALL:
                return False
            self._failed.append((now, address))
            return True

    def forgive(self, address: str) -> None:
        """The password was right."""
        with self._lock:
            for at, one in reversed(self._failed):
                if one == address:
                    self._failed.remove((at, one))
                    return
