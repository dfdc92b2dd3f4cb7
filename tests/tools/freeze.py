"""Copy the functions and views into a revision: ``python -m tests.tools.freeze 0001``."""

from __future__ import annotations

import sys
from pathlib import Path

from pynenc_pg.postgres.deploy import migrations_path
from pynenc_pg.postgres.templates import function_files, view_files


def frozen(files: list[Path]) -> str:
    """Return the text of the files, one after the other."""
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def main(revision: str) -> None:
    """Write ``03_functions.sql`` and ``04_views.sql`` of the revision."""
    folder = migrations_path() / "sql" / revision
    (folder / "03_functions.sql").write_text(frozen(function_files()), encoding="utf-8")
    (folder / "04_views.sql").write_text(frozen(view_files()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
