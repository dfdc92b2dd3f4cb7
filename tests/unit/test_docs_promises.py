"""Pages that promise: every sentence names its tests, and these are there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.tools.named_tests import named_tests
from tests.tools.promises import Promise, Proof, read

DOCS: Final = Path(__file__).parents[2] / "docs" / "explanation"
PAGES: Final = ("guarantees.md", "security.md")


@pytest.fixture(params=PAGES)
def promises(request: pytest.FixtureRequest) -> list[Promise]:
    """What a page says."""
    found = read((DOCS / request.param).read_text(encoding="utf-8"))
    assert len(found) > 20
    return found


def test_every_sentence_names_its_tests(promises: list[Promise]) -> None:
    """One sentence a bullet, and nothing beside bullets, but for what is not promised."""
    assert [one.says for one in promises if one.promises and not one.proofs] == []
    assert [one.says for one in promises if one.promises and one.sentences != 1] == []
    assert [(one.says, one.strange) for one in promises if one.strange] == []


def test_the_tests_of_promises_are_there(promises: list[Promise]) -> None:
    """In the file that the link leads to; those that ``make test`` leaves out are told as long."""
    there = named_tests()
    proofs = [proof for one in promises for proof in one.proofs]
    assert [proof.address for proof in proofs if proof.address not in there] == []
    assert [p.address for p in proofs if p.long is not there[p.address].long] == []


def test_a_page_that_promises_too_much_is_noticed() -> None:
    """The reader of such pages sees a sentence without a test, and what is no bullet."""
    page = (
        "# Title\n\nPromises nothing.\n\n## One\n\n- It holds. Always.\n"
        "  *Shown by* [`test_it`](../../tests/unit/test_a.py) (long), hopefully\n"
        "- It is `a.b` so.\n\nBesides, it is fast.\n\n"
        "## What is not promised\n\n- Nothing. At all.\n"
    )
    double, bare, loose, free = read(page)
    assert (double.sentences, double.strange) == (2, "hopefully")
    assert double.proofs == (Proof("unit/test_a.py::test_it", long=True),)
    assert (bare.sentences, bare.proofs, bare.promises) == (1, (), True)
    assert (loose.says, loose.proofs, loose.promises) == ("Besides, it is fast.", (), True)
    assert (free.sentences, free.promises) == (2, False)
