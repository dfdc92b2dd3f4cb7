"""The table of features is whole, true and fresh; and names that are there to be found."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Final

import pytest

import pynenc_pg
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.runner.runner_context import RunnerContext
from tests.tools import coverage_table
from tests.tools.coverage_table import DOCS, PAGE, Row, complaints, read, table

NAMES: Final = DOCS / "reference" / "names-of-pynenc.md"


def test_every_feature_has_tests_and_pages() -> None:
    """They are there, with their anchors, and speak of what the feature names."""
    rows = [row for section in read().sections for row in section.rows]
    assert len(rows) > 250
    assert [said for row in rows for said in complaints(row)] == []


def test_the_table_is_fresh() -> None:
    """If not: python -m tests.tools.coverage_table."""
    assert PAGE.read_text(encoding="utf-8") == table(read())


def test_a_row_that_is_not_true_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tests or pages it is not read; one that names what is not there is told of."""
    monkeypatch.setattr(coverage_table, "FEATURES", tmp_path)
    (tmp_path / "a.yaml").write_text("sections: {A: [{feature: It, tests: x, pages: ''}]}")
    with pytest.raises(ValueError, match="'It' has no pages"):
        read()
    test = "unit/test_coverage_page.py::test_the_table_is_fresh"
    page = "reference/names-of-pynenc"
    assert list(complaints(Row("It", (test,), (page,)))) == []
    for row in (
        Row("It", (f"{test}er",), (page,)),
        Row("It", (test,), (f"{page}#no-such-heading",)),
        Row("It", (test,), ("reference/no-such-page",)),
        Row(f"`{'no'}_such_option`", (test,), (page,)),
    ):
        assert list(complaints(row)), row


def test_names_of_every_day() -> None:
    """The page names what the package and its modules have, and has all of the package."""
    rows = re.findall(
        r"^\| `(pynenc_pg[\w.]*)` \| (.*) \|$", NAMES.read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) == 9
    for module, has in rows:
        there = importlib.import_module(module)
        for name in re.findall(r"`(\w+)", has):
            if not hasattr(there, name):
                importlib.import_module(f"{module}.{name}")  # a module of it
    assert set(re.findall(r"`(\w+)`", rows[0][1])) == set(pynenc_pg.__all__)
    promised = "Pynenc PynencBuilder ConcurrencyControlType InvocationStatus RetryError"
    assert {*promised.split(), "TriggerBuilder", "JsonSerializable"} <= set(pynenc_pg.__all__)
    # As the original has them: pynenc_pg.builder, .trigger.trigger_builder, .trigger.conditions,
    # .conf.config_task, .invocation.status, .serializer, .exceptions.
    assert pynenc_pg.__version__


def test_runner_context_of_the_original() -> None:
    """A class of runner and an id, which is any text."""
    context = RunnerContext("ThreadRunner", "any text; 'really'")  # type: ignore[arg-type]
    assert (context.runner_cls, context.runner_id) == ("ThreadRunner", "any text; 'really'")


def test_questions_to_a_status() -> None:
    """Final, available, owned, and where it may go."""
    s = InvocationStatus
    assert s.get_final_statuses() == {one for one in s if one.is_final()}
    assert {one for one in s if one.is_available_for_run()} == {s.REGISTERED, s.REROUTED, s.RETRY}
    assert {one for one in s if one.is_owned()} == {s.PENDING, s.RUNNING, s.PAUSED, s.RESUMED}
    assert s.PENDING.can_transition_to(s.RUNNING)
    assert not any(s.SUCCESS.can_transition_to(one) for one in s)
