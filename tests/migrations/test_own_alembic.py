"""A team migrates our schema with its own Alembic, as docs/howto/deploy.md tells it to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL

import pynenc_pg
from pynenc_pg.postgres.templates import migrations_path
from tests.migrations.support import HEAD, ask, run_a_task, what_lies_in
from tests.tools.snapshot import of_database

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "deploy.md"
SHOP = """\
import sqlalchemy as sa
from alembic import op

revision = "shop_1"
down_revision = None
branch_labels = ("shop",)
depends_on = None


def upgrade() -> None:
    op.create_table("basket", sa.Column("n", sa.Integer))


def downgrade() -> None:
    op.drop_table("basket")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for packages with ours in it, laid out as the wheel installs it."""
    folder = tmp_path_factory.mktemp("site")
    package = folder / "pynenc_pg"
    no_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(pynenc_pg.__file__).parent, package, ignore=no_caches)
    if not (package / "migrations").exists():
        shutil.copytree(migrations_path(), package / "migrations", ignore=no_caches)
    return folder


@dataclass(frozen=True, slots=True)
class Team:
    """A project with an Alembic of its own."""

    folder: Path
    site: Path
    dsn: str

    def alembic(self, *arguments: str) -> str:
        """Run Alembic as the team would; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.site)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def versions(self) -> list[str]:
        """Return what the team's version table holds."""
        rows = ask(self.dsn, "select version_num from public.alembic_version order by 1")
        return [row[0] for row in rows]


@pytest.fixture
def team(tmp_path: Path, site: Path, empty_database_dsn: str, unused_name: str) -> Team:
    """A project made by `alembic init`, with the page's lines in its alembic.ini."""
    config = Config(tmp_path / "alembic.ini", stdout=(tmp_path / "said").open("w"))
    with config.stdout:
        command.init(config, str(tmp_path / "migrations"))
    [options] = re.findall(r"```ini\n\[alembic\]\n(.*?)```", PAGE.read_text(), re.DOTALL)
    options = options.replace("pynenc_schema = pynenc", f"pynenc_schema = {unused_name}")
    given = {key: str(value) for key, value in conninfo_to_dict(empty_database_dsn).items()}
    database = given.pop("dbname")
    url = URL.create("postgresql+psycopg", database=database, query=given)
    shown = url.render_as_string(hide_password=False).replace("%", "%%")
    ini = (tmp_path / "alembic.ini").read_text()
    rest = ini[ini.index("[loggers]") :]
    (tmp_path / "alembic.ini").write_text(f"[alembic]\n{options}sqlalchemy.url = {shown}\n{rest}")
    first = tmp_path / "migrations" / "versions" / "shop_1.py"
    first.write_text(SHOP)
    return Team(tmp_path, site, empty_database_dsn)


def test_up_and_down_with_a_teams_own_alembic(team: Team, unused_name: str, fresh: str) -> None:
    """`upgrade heads` makes both, ours in the schema of their option; ours can go by itself."""
    team.alembic("upgrade", "heads")
    assert team.versions() == [HEAD, "shop_1"]
    assert of_database(team.dsn, unused_name).replace(unused_name, "pynenc") == fresh
    assert "relation alembic_version" not in what_lies_in(team.dsn, unused_name)
    assert run_a_task(team.dsn, unused_name) == 42
    team.alembic("downgrade", "pynenc@base")
    assert team.versions() == ["shop_1"]
    assert what_lies_in(team.dsn, unused_name) == set()
    assert ask(team.dsn, "select from public.basket") == []
    team.alembic("upgrade", "heads")
    assert of_database(team.dsn, unused_name).replace(unused_name, "pynenc") == fresh


def test_a_revision_that_needs_ours_comes_after_it(
    team: Team, unused_name: str, fresh: str
) -> None:
    """With `depends_on` ours runs first, also in the SQL that `upgrade heads --sql` prints."""
    first = team.folder / "migrations" / "versions" / "shop_1.py"
    text = first.read_text().replace("depends_on = None", 'depends_on = "pynenc_0001"')
    count = f'    op.execute("insert into basket select count(*) from {unused_name}.status")\n'
    first.write_text(text.replace("\n\ndef downgrade", f"{count}\n\ndef downgrade"))
    ask(team.dsn, team.alembic("upgrade", "heads", "--sql"))
    assert of_database(team.dsn, unused_name).replace(unused_name, "pynenc") == fresh
    assert ask(team.dsn, "select n from public.basket") == [(14,)]
    assert run_a_task(team.dsn, unused_name) == 42
    assert "shop_1 (head)" in team.alembic("current")


def test_a_new_revision_lands_in_the_teams_folder(team: Team) -> None:
    """With both histories in sight a new revision is theirs, and continues theirs."""
    before = sorted(team.site.rglob("versions/*.py"))
    team.alembic("revision", "--head", "shop@head", "-m", "more tables")
    [made] = team.folder.glob("migrations/versions/*_more_tables.py")
    assert re.search(r"^down_revision.*= 'shop_1'$", made.read_text(), re.MULTILINE)
    assert sorted(team.site.rglob("versions/*.py")) == before
