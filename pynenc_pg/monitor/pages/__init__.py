"""The pages, and where they are."""

from __future__ import annotations

from typing import Final

from pynenc_pg.monitor.pages import (
    again,
    audit,
    bulk,
    doing,
    invocation,
    invocations,
    login,
    logs,
    moment,
    overview,
    queues,
    tasks,
    timeline,
    triggers,
    workflows,
)
from pynenc_pg.monitor.site import Handler

ROUTES: Final[list[tuple[str, str, Handler]]] = [
    ("GET", "/", overview.overview),
    ("GET", "/login", login.ask),
    ("POST", "/login", login.enter),
    ("POST", "/logout", login.leave),
    ("GET", "/invocations", invocations.listed),
    ("GET", "/invocations/{invocation_id}", invocation.shown),
    ("GET", "/invocations/{invocation_id}/again", again.ask),
    ("POST", "/invocations/{invocation_id}/again", again.call),
    ("GET", "/values/{name}", invocation.value),
    ("GET", "/do/{action}", doing.ask),
    ("POST", "/do/{action}", doing.act),
    ("GET", "/bulk/{action}", bulk.ask),
    ("POST", "/bulk/{action}", bulk.act),
    ("GET", "/queues", queues.queues),
    ("GET", "/runners", queues.runners),
    ("GET", "/runners/{runner_id:path}", queues.runner),
    ("GET", "/tasks", tasks.listed),
    ("GET", "/tasks/{task_id:path}", tasks.shown),
    ("GET", "/triggers", triggers.listed),
    ("GET", "/triggers/{trigger_id:path}", triggers.shown),
    ("GET", "/events", triggers.events),
    ("GET", "/workflows", workflows.listed),
    ("GET", "/workflows/{invocation_id}", workflows.shown),
    ("GET", "/timeline", timeline.shown),
    ("GET", "/moment", moment.shown),
    ("GET", "/logs", logs.ask),
    ("POST", "/logs", logs.shown),
    ("GET", "/audit", audit.listed),
]
