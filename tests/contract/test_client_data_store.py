"""Large values: there once, as long as somebody needs them, and never gone before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Again, Answer, Batch, Ending, NewInvocation, Payload
from pynenc_pg.exceptions import PynencError
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.ports import UNREFERRED
from pynenc_pg.serializer.wire import reference
from tests.contract.driver import Driver
from tests.support.stores import MemoryStore, PostgresStore

S = InvocationStatus
OLD = UNREFERRED + 3600.0


def payload(text: str) -> Payload:
    """Return a payload as an encoder makes it."""
    content = text.encode()
    return Payload(hashlib.sha256(content).hexdigest(), content)


def batch(payloads: Sequence[Payload], n: int = 1, key: str | None = None) -> Batch:
    """Return n calls, each of which needs all of these."""
    ids = [InvocationId(new_invocation_id()) for _ in range(n)]
    text = f'{{"x":{reference(payloads[0].sha256)}}}'
    return Batch(
        "tests.task",
        [NewInvocation(which, f"call-{which}", text, key) for which in ids],
        payloads=payloads,
        refs=[(which, each.sha256) for which in ids for each in payloads],
    )


def forget_what_was_sent(store: Driver) -> None:
    """Make it like another process, which has sent nothing so far."""
    if isinstance(store.store, PostgresStore):
        store.store.client_data_store._sent.clear()


def count(store: Driver) -> int:
    """Count the payloads of the app."""
    if isinstance(store.store, PostgresStore):
        query = "select count(*) from {schema}.payload where app_id = %s"
        return int(store.store.database.call(query, (store.app_id,))[0][0])
    assert isinstance(store.store, MemoryStore)
    return len(store.store.database.payloads)


def test_what_is_held_is_fetched_as_it_was(store: Driver) -> None:
    """Contents come back byte by byte; what is not there is left out."""
    some = [payload(text) for text in ('"a"', '"b" * 9', "é" * 5000, "x" * 3_000_000)]
    store.client_data_store.hold(some)
    store.client_data_store.hold(some)
    names = [each.sha256 for each in some]
    found = store.client_data_store.fetch([*names, "0" * 64])
    assert found == {each.sha256: each.content for each in some}
    assert count(store) == 4


def test_calls_come_with_what_they_need(store: Driver) -> None:
    """Two batches of three calls each with the same value: it is there once."""
    large = payload('"large"')
    for _ in range(2):
        answers = store.orchestrator.register(batch([large], 3))
        assert [a.reused for a in answers] == [False] * 3
    assert count(store) == 1
    assert store.client_data_store.fetch([large.sha256]) == {large.sha256: large.content}
    assert len(store.claim()) == 6


def test_apps_have_their_own(store: Driver) -> None:
    """What one app holds another one does not find."""
    large = payload('"large"')
    store.client_data_store.hold([large])
    assert store.other_app().client_data_store.fetch([large.sha256]) == {}


def test_what_nobody_needs_goes_when_it_is_old(store: Driver) -> None:
    """A day later what was stored and never referred to is removed; younger ones stay."""
    old, young, needed = map(payload, ('"old"', '"young"', '"needed"'))
    store.client_data_store.hold([old])
    store.orchestrator.register(batch([needed]))
    assert store.client_data_store.collect().removed == 0
    store.let_pass(OLD)
    store.client_data_store.hold([young])
    assert store.client_data_store.collect().removed == 1
    names = [each.sha256 for each in (old, young, needed)]
    assert set(store.client_data_store.fetch(names)) == {young.sha256, needed.sha256}


def test_the_walk_goes_through_all_of_them_in_steps(store: Driver) -> None:
    """Each step looks at so many; the last one says that it was the last."""
    store.client_data_store.hold([payload(f'"{n}"') for n in range(25)])
    store.let_pass(OLD)
    after, removed, steps = "", 0, 0
    while True:
        step = store.client_data_store.collect(after, 10)
        removed, steps = removed + step.removed, steps + 1
        if step.after is None:
            break
        assert step.after > after
        after = step.after
    assert (removed, steps, count(store)) == (25, 3, 0)


def test_one_that_is_stored_again_counts_as_new(store: Driver) -> None:
    """Somebody is about to refer to it, though it has been there for long."""
    large = payload('"large"')
    store.client_data_store.hold([large])
    store.let_pass(OLD)
    forget_what_was_sent(store)
    store.client_data_store.hold([large])
    assert store.client_data_store.collect().removed == 0
    assert count(store) == 1


def test_what_was_removed_is_sent_again(store: Driver) -> None:
    """A process that has sent it lately finds it gone, and the call is accepted all the same."""
    large = payload('"large"')
    store.orchestrator.register(batch([large]))
    store.orchestrator.purge()
    assert count(store) == 0
    [answer] = store.orchestrator.register(batch([large]))
    assert store.client_data_store.fetch([large.sha256]) == {large.sha256: large.content}
    assert store.status(answer.invocation_id) is S.REGISTERED


def test_a_call_that_becomes_another_one_needs_nothing(store: Driver) -> None:
    """Its own arguments are not those that are run: nothing keeps them."""
    first, second = payload('"first"'), payload('"second"')
    [one] = store.orchestrator.register(batch([first], key="k"))
    [two] = store.orchestrator.register(batch([second], key="k"))
    assert (two.invocation_id, two.reused) == (one.invocation_id, True)
    store.let_pass(OLD)
    assert store.client_data_store.collect().removed == 1
    assert set(store.client_data_store.fetch([first.sha256, second.sha256])) == {first.sha256}


def test_a_refused_batch_leaves_nothing(store: Driver) -> None:
    """Calls and what they need are accepted together or not at all."""
    large = payload('"large"')
    calls = batch([large])
    wrong = NewInvocation(InvocationId(new_invocation_id()), "call", "{no json")
    refused = Batch(
        "tests.task",
        [*calls.invocations, wrong],
        payloads=calls.payloads,
        refs=calls.refs,
    )
    with pytest.raises(PynencError):
        store.orchestrator.register(refused)
    assert count(store) == 0
    assert store.claim() == []


def test_results_and_errors_keep_what_they_refer_to(store: Driver) -> None:
    """The end of an attempt comes with its value; it stays as long as the invocation."""
    result, error = payload('"result"'), payload('"error"')
    store.register(2)
    one, two = store.begin()
    text = reference(result.sha256)
    ending = Ending(one.invocation_id, one.lease, S.SUCCESS, text, payloads=[result])
    again = Again(
        two.invocation_id, two.lease, Reason.ERROR, 0.0, reference(error.sha256), payloads=[error]
    )
    assert store.orchestrator.finish(store.worker, [ending]) == {one.invocation_id: Answer.DONE}
    assert store.orchestrator.retry(store.worker, [again]) == {two.invocation_id: Answer.DONE}
    assert store.orchestrator.finish(store.worker, [ending]) == {one.invocation_id: Answer.ALREADY}
    store.let_pass(OLD)
    assert store.client_data_store.collect().removed == 0
    names = [result.sha256, error.sha256]
    assert set(store.client_data_store.fetch(names)) == set(names)
    outcome = store.state_backend.get_outcomes([one.invocation_id])[one.invocation_id]
    assert outcome.value == text


def test_ends_that_have_the_same_value(store: Driver) -> None:
    """Written together they are stored once, and each keeps it."""
    store.register(3)
    same = payload('"the same"')
    endings = [
        Ending(one.invocation_id, one.lease, S.FAILED, reference(same.sha256), payloads=[same])
        for one in store.begin()
    ]
    answers = store.orchestrator.finish(store.worker, endings)
    assert set(answers.values()) == {Answer.DONE}
    store.let_pass(OLD)
    assert store.client_data_store.collect().removed == 0
    assert count(store) == 1


def test_an_end_that_refers_to_nothing_is_refused_alone(store: Driver) -> None:
    """What was to be there already and is not: that end is refused, the other one is written."""
    gone = Payload("0" * 64, None)
    store.register(2)
    one, two = store.begin()
    endings = [
        Ending(one.invocation_id, one.lease, S.SUCCESS, reference(gone.sha256), payloads=[gone]),
        Ending(two.invocation_id, two.lease, S.SUCCESS, "1"),
    ]
    assert store.orchestrator.finish(store.worker, endings) == {
        one.invocation_id: Answer.REFUSED,
        two.invocation_id: Answer.DONE,
    }
    assert store.status(one.invocation_id) is S.RUNNING


def test_stored_before_the_end_is_written(store: Driver) -> None:
    """A process may store its result, and another one write the end that refers to it."""
    result = payload('"result"')
    store.register()
    [one] = store.begin()
    store.client_data_store.hold([result])
    known = Payload(result.sha256, None)
    ending = Ending(
        one.invocation_id, one.lease, S.SUCCESS, reference(result.sha256), payloads=[known]
    )
    assert store.orchestrator.finish(store.worker, [ending]) == {one.invocation_id: Answer.DONE}
    store.let_pass(OLD)
    assert store.client_data_store.collect().removed == 0


def test_purge_removes_them(store: Driver) -> None:
    """With the invocations go the values that they needed, and those nobody needed."""
    store.client_data_store.hold([payload('"loose"')])
    store.orchestrator.register(batch([payload('"needed"')]))
    store.orchestrator.purge()
    assert count(store) == 0


def test_the_same_call_again_is_the_same_call(store: Driver) -> None:
    """A repeat after an answer that was lost writes nothing twice, whatever it carries."""
    large = payload('"large"')
    calls = batch([large], 2)
    first = store.orchestrator.register(calls)
    forget_what_was_sent(store)
    assert store.orchestrator.register(calls) == first
    assert count(store) == 1
    assert len(store.claim()) == 2
