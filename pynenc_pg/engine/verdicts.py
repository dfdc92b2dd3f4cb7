"""What becomes of an attempt that has ended: SUCCESS, FAILED or another one, and who is told."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pynenc_pg.conf.config_task import TaskConf
from pynenc_pg.domain.records import Again, Claimed, End, Ending, Payload, Settled
from pynenc_pg.domain.workflows import FOREVER
from pynenc_pg.engine.logs import ids
from pynenc_pg.engine.registry import TaskDefinition
from pynenc_pg.engine.retries import LONGEST, retry_delay
from pynenc_pg.engine.stops import Stop
from pynenc_pg.engine.suspension import Suspended, judged
from pynenc_pg.exceptions import (
    InvocationCancelledError,
    RetryError,
    SignatureError,
    Snooze,
    SuspensionSwallowedError,
    TaskFailedError,
    TaskTimeoutError,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.failure import encode_exception

if TYPE_CHECKING:
    from pynenc_pg.engine.payloads import Payloads

logger = logging.getLogger(__name__)

#: Seconds before an attempt whose arguments could not be fetched.
UNREACHABLE_DELAY = 1.0
#: Another attempt would end in the same way.
_NO_BETTER: Final = (SignatureError, SuspensionSwallowedError)

Describe = Callable[[BaseException], str]


class Verdict(NamedTuple):
    """The end of an attempt, and the hook that is to hear of it."""

    end: End
    hook: Callable[..., Any] | None = None
    said: tuple[Any, ...] = ()

    def tell(self) -> Any:
        """Call the hook; its own end changes nothing. Returns what it returned."""
        if self.hook is None:
            return None
        try:
            return self.hook(*self.said)
        except BaseException as error:  # noqa: BLE001 - the attempt has ended as it has
            hook_failed(error)
            return None


def hook_failed(error: BaseException) -> None:
    """Report what a hook has raised."""
    logger.error("hook.failed: %s", type(error).__qualname__, exc_info=error, extra=ids())


class LaterError(BaseException):
    """The store could not be asked for an argument: nobody is to blame for that."""


def success(claimed: Claimed, value: str, payloads: Sequence[Payload] = ()) -> Ending:
    """Return the end of what has returned; ``payloads`` are what is large of its value."""
    done = InvocationStatus.SUCCESS
    return Ending(claimed.invocation_id, claimed.lease, done, value, payloads=payloads)


def told_of_success(end: End, task: TaskDefinition, result: Any) -> Verdict:
    """Add the hook that hears of it, unless what was to be committed with it was not."""
    if isinstance(end, Settled) and end.ending is None:
        return Verdict(end)
    return Verdict(end, task.conf.on_success, (task.handle(end.invocation_id), result))


class Judge:
    """Decides what an exception comes to; a writer stores the decision."""

    __slots__ = ("_claimed", "_describe", "_payloads", "_serializer", "_stop", "_task")

    def __init__(
        self,
        claimed: Claimed,
        task: TaskDefinition,
        serializer: BaseSerializer,
        *,
        describe: Describe,
        stop: Stop,
        payloads: Payloads | None = None,
    ) -> None:
        """``describe`` words an exception for the log; ``stop`` is what it was asked meanwhile.

        ``payloads`` takes what is large of an exception.
        """
        self._claimed = claimed
        self._task = task
        self._serializer = serializer
        self._describe = describe
        self._stop = stop
        self._payloads = payloads

    def raised(self, error: BaseException) -> Verdict:
        """It has raised; of what it was asked to stop with, that is what counts."""
        asked = self._stop.error
        if asked is not None and isinstance(error, (type(asked), asyncio.CancelledError)):
            error = asked
        if error is not asked:
            error = judged(error)
        if isinstance(error, (Suspended, LaterError, Snooze)):
            return Verdict(self._put_off(error))
        if error is asked and isinstance(error, InvocationCancelledError):
            return self._failed(error, Reason.CANCELLED)
        if not is_retried(error, self._task.conf, self._claimed):
            return self._failed(error)
        reason = Reason.TIMEOUT if error is asked else Reason.ERROR
        try:
            delay = retry_delay(self._task.conf, self._claimed.retries + 1, error)
        except BaseException as worse:  # noqa: BLE001 - the task's own callable may raise anything
            worse.__context__ = error
            return self._failed(worse)
        return self._retried(error, reason, delay)

    def _put_off(self, error: Suspended | LaterError | Snooze) -> Again:
        if isinstance(error, Suspended):
            return self._again(error.reason, min(error.delay, FOREVER))
        if isinstance(error, Snooze):
            return self._again(Reason.SNOOZED, min(error.delay, LONGEST))
        return self._again(Reason.SNOOZED, UNREACHABLE_DELAY)

    def _retried(self, error: BaseException, reason: Reason, delay: float) -> Verdict:
        logger.info("invocation.retry: in %.1f s, %s", delay, self._describe(error), extra=ids())
        end = self._again(reason, delay, error)
        hook = self._task.conf.on_retry
        return Verdict(end) if hook is None else Verdict(end, hook, (self._handle(), error, delay))

    def _failed(self, error: BaseException, reason: Reason | None = None) -> Verdict:
        logger.info("invocation.failed: %s", self._describe(error), extra=ids())
        text, large = self._encoded(error)
        end = Ending(
            self._claimed.invocation_id,
            self._claimed.lease,
            InvocationStatus.FAILED,
            text,
            reason,
            payloads=large,
        )
        hook = self._task.conf.on_failure
        return Verdict(end) if hook is None else Verdict(end, hook, (self._handle(), error))

    def _again(self, reason: Reason, delay: float, error: BaseException | None = None) -> Again:
        text, large = (None, ()) if error is None else self._encoded(error)
        which, lease = self._claimed.invocation_id, self._claimed.lease
        return Again(which, lease, reason, delay, text, payloads=large)

    def _encoded(self, error: BaseException) -> tuple[str, Sequence[Payload]]:
        text = encode_exception(error, self._serializer)
        return (text, ()) if self._payloads is None else self._payloads.failure(text)

    def _handle(self) -> Any:
        return self._task.handle(self._claimed.invocation_id)


def is_retried(error: BaseException, conf: TaskConf, claimed: Claimed) -> bool:
    """Whether another attempt follows one that has raised this."""
    if not isinstance(error, (RetryError, *conf.retry_for)) or isinstance(error, _NO_BETTER):
        return False
    own = said_of(claimed).get("max_retries")
    return claimed.retries < (own if isinstance(own, int) else conf.max_retries)


def time_limit(claimed: Claimed, task: TaskDefinition) -> float | None:
    """Return the seconds an attempt may take: of this very call, or else of its task."""
    if claimed.options == "{}":
        return task.conf.timeout
    own = said_of(claimed).get("timeout")
    return float(own) if isinstance(own, int | float) and own > 0 else task.conf.timeout


def too_long(claimed: Claimed, seconds: float) -> TaskTimeoutError:
    """Return the error of an attempt that was not over after so many seconds."""
    return TaskTimeoutError(
        f"an attempt of {claimed.task_id} was not over after {seconds:g} s, its timeout"
    )


def cancelled(claimed: Claimed) -> InvocationCancelledError:
    """Return the error of an invocation that is asked to stop."""
    return InvocationCancelledError(f"invocation {claimed.invocation_id} was cancelled")


def said_of(claimed: Claimed) -> dict[str, Any]:
    """Return the options of this very call: who calls from SQL may write anything there."""
    return {} if claimed.options == "{}" else said_in(claimed.options)


def said_in(options: str) -> dict[str, Any]:
    """Read the options of a call, if that is what they are."""
    said = json.loads(options)
    return said if isinstance(said, dict) else {}


def uncarriable(claimed: Claimed, error: BaseException, serializer: BaseSerializer) -> Ending:
    """Return the end of a task whose own exception breaks what would carry it."""
    kind = type(error).__qualname__
    logger.error(
        "invocation.uncarriable: %s",  # no more: a traceback shows what the task's values say
        kind,
        extra={"invocation_id": claimed.invocation_id, "task_id": claimed.task_id},
    )
    failure = TaskFailedError(kind, "the task failed, and its exception could not be carried")
    failed = encode_exception(failure, serializer)
    return Ending(claimed.invocation_id, claimed.lease, InvocationStatus.FAILED, failed)


def never_begun(claimed: Claimed, serializer: BaseSerializer) -> Ending:
    """Return the end of what was cancelled before a thread had it."""
    error = encode_exception(cancelled(claimed), serializer)
    return Ending(
        claimed.invocation_id, claimed.lease, InvocationStatus.FAILED, error, Reason.CANCELLED
    )
