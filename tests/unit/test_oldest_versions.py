"""The tool that finds the oldest versions which pyproject.toml allows."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.tools.environments import TESTS
from tests.tools.minimum import ROOT, constraints, oldest


def test_every_dependency_of_users_has_a_lower_bound() -> None:
    """Core and extras alike: a version for each, and each once."""
    names = [line.partition("==")[0] for line in constraints().splitlines()]
    assert {"psycopg", "sqlalchemy", "uvicorn", "opentelemetry-api"} <= set(names)
    assert len(names) == len(set(names))


def test_the_newer_of_two_bounds_counts() -> None:
    """They are installed together; an upper bound is none that counts."""
    asked = map(Requirement, ("rich>=13.7", "Rich>=14,<16", "a[x]==2"))
    assert oldest(asked) == {"rich": Version("14"), "a": Version("2")}


def test_a_dependency_without_a_bound() -> None:
    """Nobody could say which version it needs."""
    with pytest.raises(ValueError, match="click<9 has no lower bound"):
        oldest([Requirement("click<9")])


def test_what_runs_in_environments_is_there() -> None:
    """Each of the modules that `make test-minimum` and `make test-pythons` run."""
    assert [name for name in TESTS if not (ROOT / name).is_file()] == []
