"""Copy the functions and views into a revision: ``python -m tests.tools.freeze 0001``.

For the first revision, whose undoing is the removal of all that it made, it also writes that.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from pynenc_pg.postgres.deploy import migrations_path
from pynenc_pg.postgres.templates import function_files, view_files

FIRST = "0001"

_DOWN = """\
-- Removes what the revision made and nothing else: the schema itself may hold Alembic's version
-- table, and what others have put there. Where something of theirs depends on ours it is refused.
-- Written by tests/tools/freeze.py.
do $$
declare
    v_drop text;
begin
    for v_drop in
        select format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass)
        from pg_trigger t
        join pg_proc p on p.oid = t.tgfoid
        join pg_class c on c.oid = t.tgrelid
        where t.tgparentid = 0
          and p.pronamespace = '{{schema}}'::regnamespace
          and c.relnamespace = '{{schema}}'::regnamespace
          and p.proname in (
              {quoted})
    loop
        execute v_drop;
    end loop;
end $$;
drop view if exists
    {views};
drop function if exists
    {functions};
drop table if exists
    {tables};
drop sequence if exists
    {sequences};
drop type if exists
    {types};
"""


def frozen(files: list[Path]) -> str:
    """Return the text of the files, one after the other."""
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def removal(made: str) -> str:
    """Return the SQL that removes what this SQL makes."""

    def names(kind: str) -> list[str]:
        create = rf"^create (?:or replace )?{kind} \{{schema\}}\.(\w+)"
        return sorted(set(re.findall(create, made, re.MULTILINE)))

    def listed(kind: str) -> str:
        return ",\n    ".join(f"{{schema}}.{name}" for name in names(kind))

    quoted = textwrap.wrap(", ".join(f"'{name}'" for name in names("function")), 84)
    return _DOWN.format(
        quoted=f"\n{' ' * 14}".join(quoted),
        views=listed("view"),
        functions=listed("function"),
        tables=listed("table"),
        sequences=listed("sequence"),
        types=listed("type"),
    )


def main(revision: str) -> None:
    """Write ``03_functions.sql`` and ``04_views.sql`` of the revision."""
    folder = migrations_path() / "sql" / revision
    (folder / "03_functions.sql").write_text(frozen(function_files()), encoding="utf-8")
    (folder / "04_views.sql").write_text(frozen(view_files()), encoding="utf-8")
    if revision == FIRST:
        down = removal(frozen(sorted(folder.glob("*.sql"))))
        (folder / "down" / "01_down.sql").write_text(down, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
