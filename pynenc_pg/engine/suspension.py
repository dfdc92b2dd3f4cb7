"""Taking a workflow off the stack while it sleeps or waits, to be run again later."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc_pg.engine.context import running
from pynenc_pg.exceptions import SuspensionSwallowedError
from pynenc_pg.invocation.status import Reason

#: What is to be told of a wait for several things: the first of these that is among them.
_TOLD = (Reason.PAUSED, Reason.EVENT, Reason.SLEEPING)


class Suspended(BaseException):
    """Raised in a workflow that goes on later, from its beginning: it must not be caught.

    It is run again after ``delay`` seconds, or when it is woken.
    """

    def __init__(self, reason: Reason, delay: float) -> None:
        """``reason`` is what the step to RETRY is noted with."""
        super().__init__(f"the workflow goes on later ({reason})")
        self.reason = reason
        self.delay = delay


def together(found: Sequence[Suspended]) -> Suspended:
    """Return what stands for several: it goes on when one of them would."""
    reasons = {one.reason for one in found}
    reason = next(reason for reason in _TOLD if reason in reasons)
    return Suspended(reason, min(one.delay for one in found))


def check_suspension() -> None:
    """The task has returned: look that it was not to go on later.

    Raises:
        SuspensionSwallowedError: it was.
    """
    now = running.get()
    if now is not None and now.workflow is not None and now.workflow.suspended is not None:
        raise swallowed(now.workflow.suspended)


def judged(error: BaseException) -> BaseException:
    """Return what counts of what a task has raised: a suspension in a group is one, too."""
    found = _inside(error)
    if found:
        return together(found)
    now = running.get()
    suspended = None if now is None or now.workflow is None else now.workflow.suspended
    if suspended is None or isinstance(error, SuspensionSwallowedError):
        return error
    instead = swallowed(suspended)
    instead.__cause__ = error
    return instead


def swallowed(suspended: Suspended) -> SuspensionSwallowedError:
    """Return the error of a workflow that went on after this was raised."""
    return SuspensionSwallowedError(
        f"{suspended}, and its code caught the exception that says so: let "
        "BaseException pass (catch Exception instead, and do not return from finally)"
    )


def _inside(error: BaseException) -> list[Suspended]:
    """Return the suspensions of which an exception is made, if of nothing else."""
    if isinstance(error, Suspended):
        return [error]
    if not isinstance(error, BaseExceptionGroup):
        return []
    parts = [_inside(one) for one in error.exceptions]
    return [one for part in parts for one in part] if all(parts) else []
