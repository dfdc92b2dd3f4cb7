"""Every error the library raises, below one root class.

A message names the value that was wrong and the way out. Errors of the database driver are
turned into these in one place, ``pynenc_pg.postgres.errors``, by SQLSTATE.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


class PynencError(Exception):
    """Root of all errors raised by this library."""


# --- configuration and definition -------------------------------------------------------------


class ConfigError(PynencError, ValueError):
    """A configuration key or value cannot be used, or what it names is not there."""


class InvalidTaskOptionsError(PynencError, ValueError):
    """A task was decorated with an option that does not exist, or with a value it cannot have."""


class TriggerDefinitionError(PynencError, ValueError):
    """A trigger was defined that cannot be: raised where it is written, or at the app's start."""


class TriggerCallableError(PynencError):
    """A filter or provider of a trigger is not known here, or did not return what it must.

    What it raises by itself arrives as itself.
    """


class TaskNotFoundError(PynencError, KeyError):
    """No task of that id is registered in this app."""

    def __str__(self) -> str:
        """Show the sentence itself: ``KeyError`` would show its repr."""
        return str(self.args[0]) if self.args else ""


class SerializationError(PynencError, TypeError):
    """A value cannot be carried between processes by the serializer, or cannot be made again.

    Raised at the call for an argument, before anything is written; for a result it is what the
    invocation fails with.
    """


class SignatureError(PynencError):
    """Something in a row is not signed, or its signature is not of that text in that place.

    With ``serializer_signing_key`` such a text is not even decoded. Somebody has changed the row,
    or it was written without the key.
    """


# --- life of an invocation --------------------------------------------------------------------


class InvocationError(PynencError):
    """Root of the errors about one invocation."""


class InvocationNotFoundError(InvocationError, KeyError):
    """No invocation of that id exists: never registered in this app, purged, or too old."""

    def __str__(self) -> str:
        """Show the sentence itself: ``KeyError`` would show its repr."""
        return str(self.args[0]) if self.args else ""


class InvocationStatusError(InvocationError):
    """A status change was refused; itself raised where status, owner and counters disagree."""


class InvocationStatusTransitionError(InvocationStatusError):
    """The state machine has no such transition, or not with that reason."""


class InvocationStatusOwnershipError(InvocationStatusError):
    """Only the runner that holds the invocation's lease may change it."""


class ConcurrencyControlledError(InvocationError, KeyError):
    """The invocation was not run: its concurrency limit was reached and it must not wait."""

    def __str__(self) -> str:
        """Show the sentence itself: ``KeyError`` would show its repr."""
        return str(self.args[0]) if self.args else ""


class InvocationConcurrencyWithDifferentArgumentsError(InvocationError):
    """A call has the key of an invocation that was not begun yet, and other arguments.

    ``ids`` are those of the invocation and of the call that was refused, ``different`` the names of
    the arguments.
    """

    def __init__(
        self, message: str, ids: Sequence[str] = (), different: Sequence[str] = ()
    ) -> None:
        """Keep ids and names beside the message."""
        super().__init__(message, tuple(ids), tuple(different))
        self.ids = tuple(ids)
        self.different = tuple(different)

    def __str__(self) -> str:
        """Show the sentence alone."""
        return str(self.args[0])


class InvocationCancelledError(InvocationError):
    """The invocation was cancelled before it could finish.

    Also raised in the task itself, where it calls the library after its cancellation was asked for.
    """


class InvocationCycleError(InvocationError):
    """Waiting would never end: the invocations wait for each other in a circle.

    Raised in the task that closes it. ``path`` are the ids, from the one that would wait to where
    the circle closes.
    """

    def __init__(self, message: str, path: Sequence[str] = ()) -> None:
        """Keep the path beside the message."""
        super().__init__(message, tuple(path))
        self.path = tuple(path)

    def __str__(self) -> str:
        """Show the sentence alone."""
        return str(self.args[0])


class TooManyWaitingError(InvocationError):
    """A task would wait, and as many threads as ``max_waiting_threads`` allows wait already."""


class TransactionError(InvocationError):
    """The transaction of a task cannot be begun here, or cannot be completed.

    Nothing was written in it, or that was rolled back, unless the message says otherwise.
    """


class InvocationExpiredError(InvocationError):
    """Nobody started the invocation before it expired."""


class RecoveriesExhaustedError(InvocationError):
    """The invocation was running too often when its worker died, and is not run again."""


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


class TaskTimeoutError(InvocationError, TimeoutError):
    """An attempt ran longer than the ``timeout`` of its task or of the call.

    Raised in the task while it runs. List it in ``retry_for`` to have it tried again.
    """


class ResultTimeoutError(InvocationError, TimeoutError):
    """The result was not there within the given time; the invocation goes on."""


class WorkflowError(PynencError):
    """An operation of a workflow cannot be done here, or not in this way."""


class NonDeterminismError(WorkflowError):
    """A workflow did something else than it did in a former attempt, at the same place.

    The message shows what was recorded and what was attempted. Code that is changed while runs are
    in flight asks ``wf.patched(name)`` where it goes another way.
    """


class SuspensionSwallowedError(WorkflowError):
    """A workflow went on although it was to sleep, wait for an event or pause.

    Its code has caught the ``BaseException`` that takes it off the stack, as a bare ``except:``
    does, or has returned from a ``finally`` block.
    """


class EventTimeoutError(WorkflowError, TimeoutError):
    """The event that a workflow waited for has not come in time."""


class WorkflowPausedError(WorkflowError):
    """The run is paused: it is taken off the stack, and goes on when it is resumed."""


class RetryError(PynencError):
    """Raise it in a task to have the invocation tried again (see ``max_retries``).

    >>> raise RetryError("the service is away", delay=30)  # doctest: +SKIP
    """

    def __init__(self, *args: object, delay: float | None = None) -> None:
        """``delay`` is seconds until the next attempt, instead of what the task's options say.

        Raises:
            ValueError: the delay is negative or no number.
        """
        known = isinstance(delay, int | float) and 0 <= delay < float("inf")
        if delay is not None and not known:
            message = f"RetryError(delay={delay!r}): give seconds, 0 or more"
            raise ValueError(message)
        super().__init__(*args)
        self.delay = delay


class Snooze(Exception):  # noqa: N818 - nothing has gone wrong, so it is no PynencError either
    """Raise it in a task to have the invocation run again later; no retry is spent.

    >>> raise Snooze(60)  # doctest: +SKIP
    """

    def __init__(self, seconds: float | timedelta) -> None:
        """``seconds`` until the next attempt, at most ten years.

        Raises:
            ValueError: negative, or no number.
        """
        delay = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if not isinstance(delay, int | float) or not 0 <= delay < float("inf"):
            message = f"Snooze({seconds!r}): give seconds, 0 or more"
            raise ValueError(message)
        super().__init__(delay)
        self.delay = float(delay)


# --- the database and its server --------------------------------------------------------------


class StoreError(PynencError):
    """The store could not do what was asked; itself raised for what has no class below."""


class CausesLostError(StoreError):
    """What a trigger was about to fire is not this process's any more: it took too long to look.

    Nothing is started by it; others look now. ``causes`` are their numbers.
    """

    def __init__(self, message: str, causes: Sequence[str] = ()) -> None:
        """Keep the numbers beside the message."""
        super().__init__(message, tuple(causes))
        self.causes = tuple(int(cause) for cause in causes)

    def __str__(self) -> str:
        """Show the sentence alone."""
        return str(self.args[0])


class StepTakenError(StoreError):
    """Another call stands at the path of a workflow: whoever executes it, too, was faster."""


class StoreUnavailableError(StoreError):
    """The database does not answer, turned the connection away, or is busy with others.

    Nothing was written, unless it is an ``OutcomeUnknownError``; try again later.
    """


class RegistrationKeyHeldError(StoreUnavailableError):
    """A transaction that has not ended holds the registration key of the call.

    Somebody has called the task in a transaction of their own and neither commits nor rolls back.
    Nothing was written.
    """


class OutcomeUnknownError(StoreUnavailableError):
    """The connection was lost after the statement was sent: it may or may not have happened.

    Repeating it with the same ids is safe. A task that is called again has a new id, so it may
    run twice.
    """


class DataRejectedError(StoreError):
    """The store cannot hold a value: no JSON, no Unicode, too large, or a name it forbids."""


class PayloadError(StoreError):
    """A large value that is stored by itself is not there any more, or not as it was stored."""


class IsolationLevelError(StoreError):
    """A function of the schema was called in a transaction that is not READ COMMITTED."""


class SchemaVersionError(StoreError):
    """The schema in the database is missing, older or newer than this code."""


class EmbeddedServerError(PynencError):
    """The embedded PostgreSQL could not be found, started or reached."""


class RunnerFencedError(PynencError):
    """This runner was declared dead and its work given to others; it must not go on."""
