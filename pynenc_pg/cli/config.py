"""``pynenc-pg config``: what is set, and where it was set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from pynenc_pg.cli.find import has_app
from pynenc_pg.conf.load import load
from pynenc_pg.conf.show import Shown, shown_settings

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context


@click.group()
def config() -> None:
    """The configuration."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="For machines: an object by key.")
@click.pass_obj
def show(context: Context, *, as_json: bool) -> None:
    """Show every value and where it came from; passwords are masked.

    It is the configuration of the app that --app names, or that the current folder makes; without
    one, what environment and files say here.
    """
    conf = context.app().conf if has_app(context.app_name) else load()
    settings = list(shown_settings(conf))
    click.echo(_json(settings) if as_json else _table(settings))


def _json(settings: list[Shown]) -> str:
    found = {one.key: {"value": one.value, "source": one.source} for one in settings}
    return json.dumps(found, indent=2)


def _table(settings: list[Shown]) -> str:
    rows = [(one.key, _text(one.value), one.source) for one in settings]
    # A long value pushes its own source aside, not everybody's.
    widths = [max(len(row[n]) for row in rows if len(row[n]) <= limit) for n, limit in _LIMITS]
    return "\n".join(
        f"{key:{widths[0]}}  {value:{widths[1]}}  {source}" for key, value, source in rows
    )


_LIMITS = ((0, 60), (1, 40))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "-"
    return str(value)
