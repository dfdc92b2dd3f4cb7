"""The one place where errors of the driver become ours, by SQLSTATE."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg

from pynenc_pg import exceptions as ours

_BY_SQLSTATE: Final[dict[str, type[ours.PynencError]]] = {
    "PN001": ours.InvocationStatusTransitionError,
    "PN002": ours.InvocationStatusOwnershipError,
    "PN003": ours.InvocationStatusError,
    "PN004": ours.StoreError,
    "PN005": ours.InvocationStatusTransitionError,
    "PN006": ours.InvocationStatusTransitionError,
    "PN007": ours.InvocationStatusOwnershipError,
    "PN008": ours.IsolationLevelError,
    "PN009": ours.StoreError,
    "PN010": ours.RunnerFencedError,
    "PN011": ours.StoreError,
    "PN012": ours.InvocationCycleError,
    "PN013": ours.InvocationConcurrencyWithDifferentArgumentsError,
    "PN014": ours.InvocationNotFoundError,
    "PN015": ours.RegistrationKeyHeldError,
    "PN020": ours.TaskNotFoundError,
    "PN021": ours.DataRejectedError,
    "PN022": ours.InvalidTaskOptionsError,
    "PN023": ours.StoreError,
    "PN024": ours.InvocationStatusError,
    "PN025": ours.DataRejectedError,
    "PN026": ours.CausesLostError,
    "PN027": ours.StepTakenError,
    "PN028": ours.WorkflowPausedError,
    "PN029": ours.InvocationCancelledError,
    "25006": ours.StoreUnavailableError,  # a read-only server: the wrong one
    "25P03": ours.StoreUnavailableError,  # by a timeout of the server: the session is gone
    "25P04": ours.StoreUnavailableError,
    "40001": ours.StoreUnavailableError,  # others stood in the way
    "40P01": ours.StoreUnavailableError,
    "55P03": ours.StoreUnavailableError,
    "3F000": ours.SchemaVersionError,
    "42883": ours.SchemaVersionError,
    "42P01": ours.SchemaVersionError,
    "53100": ours.StoreUnavailableError,
    "53200": ours.StoreUnavailableError,
    "53300": ours.StoreUnavailableError,
}
_BY_CLASS: Final[dict[str, type[ours.PynencError]]] = {
    "08": ours.StoreUnavailableError,
    "22": ours.DataRejectedError,
    "23": ours.DataRejectedError,
    "54": ours.DataRejectedError,
    "57": ours.StoreUnavailableError,
}
#: The ids they are about stand in DETAIL.
_WITH_IDS: Final = (
    ours.InvocationCycleError,
    ours.InvocationConcurrencyWithDifferentArgumentsError,
    ours.CausesLostError,
)
#: What raises errors of its own from the driver's.
_WRAPPERS: Final = frozenset({"django", "sqlalchemy"})
#: Nobody is to blame: the same call again will do.
RETRIABLE: Final = frozenset({"40001", "40P01", "55P03"})


@dataclass(frozen=True, slots=True)
class _Said:
    """What the server, or the driver, has said."""

    state: str
    primary: str
    hint: str
    detail: str


def translate(error: BaseException) -> BaseException:
    """Return our error for one of a driver's; anything else comes back as it is."""
    found = error
    while type(found).__module__.partition(".")[0] in _WRAPPERS and found.__cause__ is not None:
        found = found.__cause__
    if isinstance(found, UnicodeError):  # text that is not Unicode never leaves the driver
        return ours.DataRejectedError(f"the database holds Unicode text alone: {found}")
    said = _said(found)
    if said is None:
        return error
    kind = _kind(found, said.state)
    if issubclass(kind, _WITH_IDS):
        return kind(_sentence(said), said.detail.split())
    return kind(_sentence(said))


def _said(error: BaseException) -> _Said | None:
    if isinstance(error, psycopg.Error):
        diag = error.diag
        primary, hint, detail = diag.message_primary, diag.message_hint, diag.message_detail
    elif type(error).__module__.partition(".")[0] == "asyncpg":  # of a session that is a user's own
        primary, hint, detail = (getattr(error, n, None) for n in ("message", "hint", "detail"))
    else:
        return None
    state = getattr(error, "sqlstate", None) or ""
    words = " ".join((primary or str(error)).split()) or type(error).__name__
    return _Said(state, words, hint or "", detail or "")


def _kind(error: BaseException, state: str) -> type[ours.PynencError]:
    kind = _BY_SQLSTATE.get(state) or _BY_CLASS.get(state[:2])
    if kind is None:
        kind = ours.StoreError
        if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            kind = ours.StoreUnavailableError
        elif not state and isinstance(error, psycopg.DataError):  # the driver's own refusal: NUL
            kind = ours.DataRejectedError
    return kind


def _sentence(said: _Said) -> str:
    parts = [said.primary]
    if said.hint:
        parts.append(said.hint)
    if said.state in {"3F000", "42883", "42P01"}:
        parts.append(
            "The schema is missing, or of another release than this code. Run: pynenc-pg db "
            "migrate; if it is newer already, install its release"
        )
    elif said.state == "42501" and "alembic_version" in said.primary:
        parts.append("Migrations are for the owner of the schema: connect as the role that made it")
    elif said.state == "42501":
        parts.append(
            "Grant the role that fits: pynenc_producer to call, pynenc_worker to run tasks, "
            "pynenc_operator to look after them"
        )
    sentence = ". ".join(part.rstrip(".") for part in parts)
    return f"{sentence} [{said.state}]" if said.state else sentence


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver raises in the block into ours, chained to the original."""
    try:
        yield
    except Exception as error:
        if (translation := translate(error)) is error:
            raise
        raise translation from error
