"""What was released stays what it was: from there on migrations only add.

``releases/VERSION.sql`` is the schema of a released version, ``REVISIONS`` tells its last revision.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pynenc_pg.postgres import deploy
from tests.tools.snapshot import of_database

RELEASES = Path(__file__).with_name("releases")
#: Version: the revision its schema ends with. A new release adds a line and its snapshot.
REVISIONS = {"0.1.0": "pynenc_0001"}


def test_every_release_has_its_snapshot() -> None:
    """One file for each version, and no other."""
    assert {path.stem for path in RELEASES.glob("*.sql")} == set(REVISIONS)


@pytest.mark.parametrize("version", REVISIONS)
def test_a_release_is_still_made_as_it_was(version: str, empty_database_dsn: str) -> None:
    """Its migrations make the very schema that its users have: nobody has edited them since."""
    deploy.migrate(empty_database_dsn, revision=REVISIONS[version])
    frozen = (RELEASES / f"{version}.sql").read_text(encoding="utf-8")
    assert of_database(empty_database_dsn) == frozen, "a released revision was changed: add one"


@pytest.mark.parametrize("version", REVISIONS)
def test_every_release_can_be_upgraded(version: str, empty_database_dsn: str) -> None:
    """From its schema the newest one is reached, and is the one a fresh migration makes."""
    deploy.migrate(empty_database_dsn, revision=REVISIONS[version])
    deploy.migrate(empty_database_dsn)
    newest = Path(deploy.__file__).parent / "sql" / "schema.sql"
    assert of_database(empty_database_dsn) == newest.read_text(encoding="utf-8")


@pytest.mark.parametrize("version", REVISIONS)
def test_every_release_can_be_gone_back_to(version: str, database_dsn: str) -> None:
    """From the newest schema a downgrade makes the very schema of the release, its rights too."""
    deploy.downgrade(database_dsn, revision=REVISIONS[version])
    frozen = (RELEASES / f"{version}.sql").read_text(encoding="utf-8")
    assert of_database(database_dsn) == frozen
