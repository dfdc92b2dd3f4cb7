"""Copy functions and views into a revision: ``python -m tests.tools.freeze 0002``.

The first revision has all of them, and its undoing is the removal of all that it made. A later one
has those that are new or have changed since the revision before it, and its undoing brings back the
former texts.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from pynenc_pg.postgres.templates import function_files, migrations_path, view_files

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


_HEAD = re.compile(r"^create (?:or replace )?(function|view) \{schema\}\.(\w+)", re.MULTILINE)
_SIGNATURE = re.compile(r"^create or replace function (\{schema\}\.\w+\([^)]*\))", re.MULTILINE)


def made_before(revision: str) -> dict[str, str]:
    """Return the newest text of each function and view in the revisions before this one."""
    texts: dict[str, str] = {}
    # Of two functions of one name the files are told apart by what they take.
    stems = {
        _signature(path.read_text(encoding="utf-8")): path.stem
        for path in (*function_files(), *view_files())
    }
    for path in sorted((migrations_path() / "sql").glob("[0-9]*/0[34]_*.sql")):
        if path.parent.name < revision:
            made = path.read_text(encoding="utf-8")
            starts = [_with_comment(made, head.start()) for head in _HEAD.finditer(made)]
            names = [head[2] for head in _HEAD.finditer(made)]
            ends = [*starts[1:], len(made)]
            for name, start, end in zip(names, starts, ends, strict=True):
                text = made[start:end].strip("\n") + "\n"
                texts[stems.get(_signature(text) or name, name)] = text
    return texts


def _with_comment(text: str, start: int) -> int:
    """Return where the comment above a statement begins."""
    lines = text[:start].splitlines(keepends=True)
    while lines and lines[-1].startswith("--"):
        start -= len(lines.pop())
    return start


def changed(revision: str, files: list[Path]) -> tuple[list[Path], str]:
    """Return the files that are new or have changed, and the SQL that undoes them."""
    before = made_before(revision)
    new = [
        p for p in files if before.get(p.stem) != p.read_text(encoding="utf-8").strip("\n") + "\n"
    ]
    undo = []
    for path in reversed(new):
        text = path.read_text(encoding="utf-8")
        former = before.get(path.stem)
        if former is None or _signature(former) != _signature(text):
            kind = "function" if _SIGNATURE.search(text) else "view"
            undo.append(f"drop {kind} {_arguments(text) or f'{{schema}}.{path.stem}'};\n")
    undo += [before[path.stem] for path in new if path.stem in before]
    return new, "\n".join(undo)


def _signature(text: str) -> str:
    found = _SIGNATURE.search(text)
    return " ".join(found[1].split()) if found else ""


def _arguments(text: str) -> str:
    """Return name and arguments as DROP FUNCTION takes them: without defaults."""
    return re.sub(r" default [^,)]+", "", _signature(text)).replace("( ", "(").replace(" )", ")")


def freeze_later(revision: str) -> None:
    """Write what has changed since the revision before, and its undoing."""
    folder = migrations_path() / "sql" / revision
    undoings = []
    for name, files in (("03_functions", function_files()), ("04_views", view_files())):
        new, undo = changed(revision, files)
        target = folder / f"{name}.sql"
        if new:
            target.write_text(frozen(new), encoding="utf-8")
        else:
            target.unlink(missing_ok=True)
        undoings.append(undo)
    head = "-- Brings back what the revision replaced, and removes what it made.\n"
    head += "-- Written by tests/tools/freeze.py.\n"
    text = head + "\n".join(reversed([undo for undo in undoings if undo]))
    text += "\nrevoke all on all functions in schema {schema} from public;\n"
    (folder / "down" / "01_down.sql").write_text(text, encoding="utf-8")


def main(revision: str) -> None:
    """Write ``03_functions.sql`` and ``04_views.sql`` of the revision, and its undoing."""
    if revision != FIRST:
        freeze_later(revision)
        return
    folder = migrations_path() / "sql" / revision
    (folder / "03_functions.sql").write_text(frozen(function_files()), encoding="utf-8")
    (folder / "04_views.sql").write_text(frozen(view_files()), encoding="utf-8")
    down = removal(frozen(sorted(folder.glob("*.sql"))))
    (folder / "down" / "01_down.sql").write_text(down, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
