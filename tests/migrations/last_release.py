"""What workers of the last release call, letter for letter, and their code where history has it."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Final

import psycopg

from pynenc_pg.domain.ids import new_invocation_id
from tests.migrations.support import Connection

ROOT: Final = Path(__file__).parents[2]
#: The last revision of the release, and the one after it.
REVISION: Final = "pynenc_0001"
NEXT: Final = "pynenc_0002"

#: Of 0.1.0; of these alone it is promised that they stay for a release.
CALLS: Final = {
    "register": """select pynenc.register(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, true,
                   %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])""",
    "claim": "select * from pynenc.claim(%s, %s, %s::text[], %s, true, %s::text[], %s::float8[])",
    "start": "select * from pynenc.start(%s, %s, %s::uuid[], %s::bigint[])",
    "finish": """select * from pynenc.finish(%s, %s, %s::uuid[], %s::bigint[], %s::text[],
                 %s::text[], %s::text[])""",
    "retry": """select * from pynenc.retry(%s, %s, %s::uuid[], %s::bigint[], %s::text[],
                %s::float8[], %s::text[])""",
    "release": "select * from pynenc.release(%s, %s, %s::uuid[], %s::bigint[])",
    "recover": "select * from pynenc.recover(%s, %s, %s, %s, %s)",
    "promote": "select * from pynenc.promote(%s, %s)",
    "expire": "select pynenc.expire(%s, %s)",
    "cancel": "select pynenc.cancel(%s, %s::uuid, %s)",
    "register_runner": "select pynenc.register_runner(%s, %s, %s, %s, %s, %s::text[], %s, %s, %s)",
    "heartbeat": "select * from pynenc.heartbeat(%s, %s, %s)",
    "unregister_runner": "select pynenc.unregister_runner(%s, %s)",
    "pause_queue": "select pynenc.pause_queue(%s, %s, %s)",
    "watch": "select unnest(pynenc.watch(%s, %s::uuid[], %s))",
    "maintain": "select unnest(pynenc.maintain(%s))",
    "purge": "select pynenc.purge(%s)",
    "outcomes": "select * from pynenc.outcomes(%s, %s::uuid[])",
    "get_invocation": "select * from pynenc.get_invocation(%s, %s::uuid)",
    "history": "select * from pynenc.history(%s, %s::uuid)",
    "count_ready": "select pynenc.count_ready(%s, %s::text)",
    "is_served": "select pynenc.is_served(%s, %s)",
}
APP: Final = "test"
_NO_LOCK: Final = False


class OldWorker:
    """A worker of the last release, as the database sees it: what it calls, over one session."""

    def __init__(self, connection: Connection, name: str) -> None:
        """Register it."""
        self.connection = connection
        self.name = name
        self.failed: list[str] = []  # calls
        self.call("register_runner", name, "ThreadRunner", "host", 1, [], 4, 3600.0, _NO_LOCK)

    def call(self, verb: str, *parameters: object) -> list[tuple[object, ...]]:
        """Call a verb for the app; return its rows. What its code tries again, so is here."""
        while True:
            try:
                return self.connection.execute(CALLS[verb].encode(), (APP, *parameters)).fetchall()
            except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
                continue

    def register(self, n: int, delay: float | None = None) -> list[str]:
        """Register calls; return their ids. What fails is noted, and tried again."""
        ids = [str(new_invocation_id()) for _ in range(n)]
        calls = [f"call-{i}" for i in ids]
        what = ("tests.task", "default", 0, delay, None, None, False, None, 0, "{}", "somebody")
        try:
            [[became]] = self.call("register", *what, ids, calls, ["{}"] * n, None, None)
        except psycopg.ProgrammingError as error:
            self.failed.append(str(error))
            return self.register(n, delay)
        assert became == ids
        return ids

    def claim(self, limit: int = 10) -> list[tuple[str, int]]:
        """Claim; return ids and leases, as its code takes them from the rows.

        One that is under way while the functions are exchanged fails. A worker claims again.
        """
        try:
            rows = self.call("claim", self.name, [], limit, [], [])
        except (psycopg.ProgrammingError, psycopg.InternalError):
            return []
        # That code gives all but the last three columns to a record of nine fields.
        assert all(len(row) == 12 for row in rows)
        return [(str(row[0]), int(str(row[3]))) for row in rows]

    def hold(self, verb: str, held: list[tuple[str, int]], *more: list[object]) -> None:
        """Call a verb about what it holds; it must have done them all."""
        ids, leases = [i for i, _ in held], [lease for _, lease in held]
        assert self.call(verb, self.name, ids, leases, *more) == []

    def work(self, limit: int = 10) -> list[str]:
        """Take, begin and end what there is; return the ids."""
        held = self.claim(limit)
        if held:
            n = len(held)
            self.hold("start", held)
            self.hold("finish", held, ["success"] * n, ["1"] * n, [None] * n)
        return [i for i, _ in held]


def unpack(target: Path) -> bool:
    """Unpack the package as it was before the next revision began; False without its history."""
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT)]
    added = ["log", "--diff-filter=A", "--format=%H", "--", "migrations/sql/0002"]
    try:
        log = subprocess.run([*git, *added], capture_output=True, text=True, check=True).stdout
        before = f"{log.split()[-1]}^"
        archive = subprocess.run(
            [*git, "archive", before, "pynenc_pg", "migrations"], capture_output=True, check=True
        ).stdout
    except (OSError, IndexError, subprocess.CalledProcessError):
        return False
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(target, filter="data")
    return True
