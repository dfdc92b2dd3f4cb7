"""``pynenc-pg doctor``: look at an app and its database, change nothing, say what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from pynenc_pg.cli.checks import CHECKS, PROBLEM, WARNING, Finding, Patient
from pynenc_pg.cli.options import Moment
from pynenc_pg.cli.reach import database_of
from pynenc_pg.cli.safe import say, say_json
from pynenc_pg.exceptions import StoreError, StoreUnavailableError

if TYPE_CHECKING:
    from pynenc_pg import Pynenc
    from pynenc_pg.cli.reach import Context

_THERE: Final = "select to_regclass('{schema}.invocation_state') is not null"
#: What stands in the way of work was found.
ILL = 3


@click.command()
@click.option(
    "--check", "names", multiple=True, type=click.Choice([*CHECKS]), help="This one alone; several."
)
@click.option(
    "--since",
    type=Moment(),
    help="Of the invariants: of calls since then, and of all that lives; ISO 8601, or 15m, 2h, 3d "
    "ago. Default: a day.",
)
@click.option("--all", "everything", is_flag=True, help="Of all calls, however old they are.")
@click.option("--json", "as_json", is_flag=True, help="For machines: an object with the findings.")
@click.pass_context
def doctor(
    context: click.Context,
    names: tuple[str, ...],
    since: datetime | None,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    """Look for what is wrong, or soon will be: in the data, the server, the tables, the runners.

    Nothing is changed. It needs the role observer, or operator. A problem: work stands, or may be
    lost; a warning: it will be, if nobody does anything. Exit code 0: nothing was found, or
    warnings and notes alone; 3: a problem; 1: the database cannot be asked.
    """
    parent: Context = context.obj
    after = None if everything else since or datetime.now(UTC) - timedelta(days=1)
    with parent.app() as app:
        findings = examine(app, names, after)
    if as_json:
        say_json({"app": app.conf.app_id, "findings": [asdict(one) for one in findings]})
    else:
        say(_table(findings, len(names or CHECKS)))
    context.exit(ILL if any(one.level == PROBLEM for one in findings) else 0)


def examine(
    app: Pynenc, names: Collection[str] = (), since: datetime | None = None
) -> list[Finding]:
    """Make these checks, or all; of a schema that is not there, nothing but that is told.

    Raises:
        ConfigError: the app has no database.
        StoreUnavailableError: it cannot be reached.
    """
    with database_of(app) as database:
        patient = Patient(app, database, since)
        if database.call(_THERE) == [(False,)]:
            schema = database.schema
            message = f"there is no schema {schema} in the database: pynenc-pg db migrate"
            return [Finding("schema", PROBLEM, message)]
        return [one for name in names or CHECKS for one in _made(name, patient)]


def _made(name: str, patient: Patient) -> Iterator[Finding]:
    """Make one check; where it cannot be made, that is a finding."""
    try:
        yield from CHECKS[name](patient)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        yield Finding(name, WARNING, f"this could not be looked at: {error}")


def _table(findings: list[Finding], checks: int) -> str:
    if not findings:
        return f"nothing found in {checks} check{'' if checks == 1 else 's'}"
    lines: list[str] = []
    for number, one in enumerate(findings):
        if not number or findings[number - 1].check != one.check:
            lines.append(one.check)
        lines.append(f"  {one.level}: {one.message}")
    return "\n".join(lines)
