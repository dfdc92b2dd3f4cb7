"""The one place where errors of the driver become ours, by SQLSTATE."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    "25006": ours.StoreUnavailableError,  # a read-only server: the wrong one
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
)
#: Nobody is to blame: the same call again will do.
RETRIABLE: Final = frozenset({"40001", "40P01", "55P03"})


def translate(error: BaseException) -> BaseException:
    """Return our error for one of the driver's; anything else comes back as it is."""
    # Only migrations import SQLAlchemy: before they do, no error can be one of its.
    alchemy = sys.modules.get("sqlalchemy.exc")
    if alchemy is not None and isinstance(error, alchemy.DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, UnicodeError):  # text that is not Unicode never leaves the driver
        return ours.DataRejectedError(f"the database holds Unicode text alone: {error}")
    if not isinstance(error, psycopg.Error):
        return error
    state = error.sqlstate or ""
    kind = _BY_SQLSTATE.get(state) or _BY_CLASS.get(state[:2])
    if kind is None:
        kind = ours.StoreError
        if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            kind = ours.StoreUnavailableError
        elif not state and isinstance(error, psycopg.DataError):  # the driver's own refusal: NUL
            kind = ours.DataRejectedError
    if issubclass(kind, _WITH_IDS):
        return kind(_sentence(error, state), (error.diag.message_detail or "").split())
    return kind(_sentence(error, state))


def _sentence(error: psycopg.Error, state: str) -> str:
    said = " ".join((error.diag.message_primary or str(error)).split()) or type(error).__name__
    parts = [said]
    if error.diag.message_hint:
        parts.append(error.diag.message_hint)
    if state in {"3F000", "42883", "42P01"}:
        parts.append("Run: pynenc-pg db migrate")
    elif state == "42501":
        parts.append(
            "Grant the role that fits: pynenc_producer to call, pynenc_worker to run tasks, "
            "pynenc_operator to look after them"
        )
    sentence = ". ".join(part.rstrip(".") for part in parts)
    return f"{sentence} [{state}]" if state else sentence


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver raises in the block into ours, chained to the original."""
    try:
        yield
    except Exception as error:
        if (translation := translate(error)) is error:
            raise
        raise translation from error
