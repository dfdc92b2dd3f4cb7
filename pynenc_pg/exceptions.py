"""Every error the library raises, below one root class.

A message names the value that was wrong and the way out. Errors of the database driver are
turned into these in one place, ``pynenc_pg.postgres.errors``, by SQLSTATE.
"""

from __future__ import annotations


class PynencError(Exception):
    """Root of all errors raised by this library."""


# --- configuration and definition -------------------------------------------------------------


class ConfigError(PynencError, ValueError):
    """A configuration key or value cannot be used."""


class InvalidTaskOptionsError(PynencError, ValueError):
    """A task was decorated with an option that does not exist, or with a value it cannot have."""


class TaskNotFoundError(PynencError, KeyError):
    """No task of that id is registered in this app."""

    def __str__(self) -> str:
        """Show the sentence itself: ``KeyError`` would show its repr."""
        return str(self.args[0]) if self.args else ""


class SerializationError(PynencError, TypeError):
    """A value cannot be carried: it is neither JSON nor anything the serializer can rebuild."""


# --- life of an invocation --------------------------------------------------------------------


class InvocationError(PynencError):
    """Something is wrong with one invocation."""


class InvocationNotFoundError(InvocationError, KeyError):
    """No invocation of that id exists (never registered, or past its retention)."""

    def __str__(self) -> str:
        """Show the sentence itself: ``KeyError`` would show its repr."""
        return str(self.args[0]) if self.args else ""


class InvocationStatusError(InvocationError):
    """A status change was refused."""


class InvocationStatusTransitionError(InvocationStatusError):
    """The state machine has no such transition, or not with that reason."""


class InvocationStatusOwnershipError(InvocationStatusError):
    """Only the runner that holds the invocation's lease may change it."""


class ConcurrencyControlledError(InvocationError, KeyError):
    """The invocation ended because its concurrency limit was reached when it was about to run."""

    def __str__(self) -> str:
        """Show the sentence itself: ``KeyError`` would show its repr."""
        return str(self.args[0]) if self.args else ""


class InvocationCancelledError(InvocationError):
    """The invocation was cancelled before it could finish."""


class InvocationExpiredError(InvocationError):
    """Nobody started the invocation before it expired."""


class RecoveriesExhaustedError(InvocationError):
    """The invocation took its worker down too often and is quarantined."""


class TaskFailedError(InvocationError):
    """A task failed with an exception that cannot be rebuilt here.

    Carries the original's type name, message and traceback as text.
    """

    def __init__(self, type_name: str, message: str, traceback: str = "") -> None:
        """Keep the three texts; ``traceback`` may be empty."""
        super().__init__(type_name, message, traceback)
        self.type_name = type_name
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        """Type and message on one line, as Python prints an exception."""
        return f"{self.type_name}: {self.message}"


class ResultTimeoutError(InvocationError, TimeoutError):
    """The result was not there within the given time; the invocation goes on."""


class RetryError(PynencError):
    """Raise it in a task to have the invocation tried again (see ``max_retries``)."""


# --- the database and its server --------------------------------------------------------------


class StoreError(PynencError):
    """The store could not do what was asked."""


class StoreUnavailableError(StoreError):
    """The database does not answer, or turned the connection away."""


class OutcomeUnknownError(StoreUnavailableError):
    """The connection was lost while the database was committing: it may or may not have happened.

    Repeating the same call with the same ids is safe.
    """


class DataRejectedError(StoreError):
    """The database refuses a value of one row; the rest of the batch is not to blame."""


class IsolationLevelError(StoreError):
    """A verb was called in a transaction that is not READ COMMITTED."""


class SchemaVersionError(StoreError):
    """The schema in the database is missing, older or newer than this code."""


class EmbeddedServerError(PynencError):
    """The embedded PostgreSQL could not be found, started or reached."""


class RunnerFencedError(PynencError):
    """This runner was declared dead and its work given to others; it must not go on."""
