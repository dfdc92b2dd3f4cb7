"""Calls are accepted, all or none, and at most once per id and registration key."""

from __future__ import annotations

from typing import Any

import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Answer, Batch, NewInvocation, RecoveryPolicy
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationNotFoundError,
    StoreError,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, hint, ids_of

S = InvocationStatus
TWO_DAYS = 2 * 86_400


def test_a_call_is_registered_as_it_was_given(store: Driver) -> None:
    """All that the caller said about a call can be read back."""
    parent, which = new_invocation_id(), new_invocation_id()
    call = NewInvocation(which, "hash", '{"b": 1,  "a": "é"}')
    batch = Batch("mod.task", [call], "mail", parent_id=parent, depth=2, changed_by="somebody")
    [answer] = store.orchestrator.register(batch)
    assert (answer.invocation_id, answer.reused) == (which, False)
    record = store.get(which)
    assert (record.task_id, record.call_id, record.queue) == ("mod.task", "hash", "mail")
    assert record.arguments == '{"b": 1,  "a": "é"}'
    assert (record.parent_id, record.depth, record.runner_id) == (parent, 2, None)
    assert (record.status, record.reason, record.due_at) == (S.REGISTERED, None, None)
    assert (record.retries, record.recoveries) == (0, 0)
    assert record.registered_at == record.status_at
    [entry] = store.state_backend.get_history(which)
    assert (entry.rev, entry.changed_by, entry.runner_id) == (0, "somebody", None)


def test_answers_stand_in_the_order_of_the_batch(store: Driver) -> None:
    """What each call became stands where the call stood."""
    ids = sorted((new_invocation_id() for _ in range(20)), reverse=True)
    assert store.register(ids=ids) == ids


def test_an_empty_batch_is_nothing(store: Driver) -> None:
    """No calls, no answers, no error."""
    assert store.register(0) == []
    assert store.state_backend.count_ready() == 0


def test_the_same_id_again_is_the_same_call(store: Driver) -> None:
    """A repeat writes nothing, whatever became of the invocation since."""
    [which] = store.register()

    def repeat() -> None:
        before = store.get(which)
        [answer] = store.accept(ids=[which])
        assert (answer.invocation_id, answer.reused) == (which, False)
        assert store.get(which) == before

    repeat()
    held = store.begin()
    repeat()
    store.finish(held)
    repeat()
    assert store.path(which) == [S.REGISTERED, S.PENDING, S.RUNNING, S.SUCCESS]


def test_a_repeated_batch_adds_what_was_missing(store: Driver) -> None:
    """Of a batch with known and new ids only the new ones are written."""
    old = store.register(2)
    new = [new_invocation_id() for _ in range(2)]
    mixed = [old[0], new[0], old[1], new[1]]
    assert store.register(ids=mixed) == mixed
    assert store.take() == [*old, *new]


@pytest.mark.parametrize("keys", [None, [None, "k"], ["k", "k"]])
def test_the_same_id_twice_in_a_batch_is_one_call(
    store: Driver, keys: list[str | None] | None
) -> None:
    """A batch that names an id twice registers it once."""
    which = new_invocation_id()
    assert store.register(ids=[which, which], keys=keys) == [which, which]
    assert store.take() == [which]


@pytest.mark.parametrize("off", [-TWO_DAYS, TWO_DAYS])
def test_an_id_of_another_time_spoils_the_batch(store: Driver, off: float) -> None:
    """An id made more than a day from now is refused, and nothing of its batch is written."""
    good, bad = new_invocation_id(), new_invocation_id(off)
    with pytest.raises(StoreError, match=bad):
        store.register(ids=[good, bad])
    with pytest.raises(InvocationNotFoundError):
        store.get(good)
    assert store.state_backend.count_ready() == 0


@pytest.mark.parametrize("wrong", ["{", "", "NaN", "{'a': 1}", '"\0"'])
def test_arguments_that_are_not_json_spoil_the_batch(store: Driver, wrong: str) -> None:
    """Arguments the store cannot keep are refused, and nothing of their batch is written."""
    calls = [NewInvocation(new_invocation_id(), "hash", text) for text in ("{}", wrong, "{}")]
    with pytest.raises(DataRejectedError):
        store.orchestrator.register(Batch("mod.task", calls))
    assert store.state_backend.count_ready() == 0
    with pytest.raises(InvocationNotFoundError):
        store.get(calls[0].invocation_id)


@pytest.mark.parametrize(
    "facts", [{"options": "{"}, {"queue": "no spaces"}, {"queue": ""}, {"lanes": ["k"], "slots": 0}]
)
def test_what_cannot_be_is_refused(store: Driver, facts: dict[str, Any]) -> None:
    """Options that are no JSON, a queue without a proper name, no slot at all: all refused."""
    with pytest.raises(DataRejectedError):
        store.register(1, **facts)
    assert store.state_backend.count_ready() == 0


def test_what_is_no_id_is_refused(store: Driver) -> None:
    """An id that is no UUID is refused with an error of ours."""
    with pytest.raises(DataRejectedError):
        store.register(ids=[InvocationId("one")])


def test_a_taken_key_gives_its_invocation(store: Driver) -> None:
    """A second call with a registration key becomes the first, and leaves nothing of its own."""
    [first] = store.register(keys=["k"])
    second = new_invocation_id()
    [answer] = store.accept(ids=[second], keys=["k"])
    assert (answer.invocation_id, answer.reused) == (first, True)
    with pytest.raises(InvocationNotFoundError):
        store.get(second)
    assert store.take() == [first]
    assert store.path(first) == [S.REGISTERED, S.PENDING]


def test_a_key_counts_within_a_batch(store: Driver) -> None:
    """Equal keys of one batch are one invocation; calls without a key stay themselves."""
    ids = [new_invocation_id() for _ in range(6)]
    answers = store.accept(ids=ids, keys=["a", None, "b", "a", None, "b"])
    a, first, b, _, second, _ = ids
    assert [r.invocation_id for r in answers] == [a, first, b, a, second, b]
    assert [r.reused for r in answers] == [False, False, False, True, False, True]
    assert sorted(store.take()) == sorted([a, first, b, second])


@pytest.mark.parametrize("ready_again", [False, True])
def test_a_key_is_held_until_the_start(store: Driver, *, ready_again: bool) -> None:
    """Claimed or given back unbegun, the invocation still is the one of its key."""
    [first] = store.register(keys=["k"])
    held = store.claim()
    if ready_again:
        store.release(held)
    assert store.register(keys=["k"]) == [first]


def test_a_key_is_free_from_the_start_on(store: Driver) -> None:
    """A begun invocation does not stand for new calls, nor does it after a retry."""
    [first] = store.register(keys=["k"])
    held = store.begin()
    [second] = store.register(keys=["k"])
    assert second != first
    assert store.retry(held) == {first: Answer.DONE}
    assert store.register(keys=["k"]) == [second]


@pytest.mark.parametrize("end", ["cancel", "expire"])
def test_a_key_is_free_after_an_end_without_a_start(store: Driver, end: str) -> None:
    """What was cancelled or expired before its start does not stand for new calls."""
    [first] = store.register(keys=["k"], expires_in=5)
    if end == "cancel":
        store.orchestrator.cancel(first)
    else:
        store.let_pass(10)
        assert store.orchestrator.expire() == 1
    [second] = store.register(keys=["k"])
    assert second != first
    assert store.take() == [second]


def test_recovery_does_not_take_a_key_back(store: Driver) -> None:
    """A recovered invocation and the one that has its key since then both live."""
    [first] = store.register(keys=["k"])
    store.begin()
    [second] = store.register(keys=["k"])
    store.lose(store.worker)
    assert store.orchestrator.recover(RecoveryPolicy()).rerouted == 1
    assert store.register(keys=["k"]) == [second]
    assert ids_of(store.claim(runner=store.runner("next"))) == [first, second]


def test_a_key_means_nothing_to_another_app(store: Driver) -> None:
    """Two apps with the same registration key have an invocation each."""
    other = store.other_app()
    assert store.register(keys=["k"]) != other.register(keys=["k"])
    assert (len(store.take()), len(other.take())) == (1, 1)


def test_a_delayed_call_is_not_ready(store: Driver) -> None:
    """A call with a delay stands with the time it is due, and nobody gets it."""
    [which] = store.register(delay=60)
    record = store.get(which)
    assert record.due_at is not None
    assert (record.due_at - record.registered_at).total_seconds() == pytest.approx(60)
    assert (record.status, store.state_backend.count_ready()) == (S.REGISTERED, 0)
    assert store.take() == []


def test_a_reused_call_changes_nothing_of_the_first(store: Driver) -> None:
    """Queue, delay and arguments are those of the call that was first."""
    [first] = store.register(keys=["k"], queue="a")
    before = store.get(first)
    assert store.register(keys=["k"], queue="b", delay=60) == [first]
    assert store.get(first) == before


def test_a_runner_that_sleeps_is_told(store: Driver) -> None:
    """New work wakes a runner that found nothing."""
    ear = store.subscribe()
    assert store.claim() == []
    store.register()
    hint(ear, "work")


def test_delayed_work_says_when_it_is_due(store: Driver) -> None:
    """Whoever sleeps until something is due hears of something that is due earlier."""
    ear = store.subscribe()
    store.register(delay=60)
    assert hint(ear, "due").due_in == pytest.approx(60)


def test_legal_reasons_are_kept_with_the_status(store: Driver) -> None:
    """A registered invocation has no reason; one that is retried shows its own."""
    [which] = store.register()
    assert store.reason(which) is None
    store.retry(store.begin(), Reason.SNOOZED)
    assert store.reason(which) == Reason.SNOOZED


def _call(key: str | None, value: str, call_id: str | None = None) -> NewInvocation:
    arguments = f'{{"value": "{value}"}}'
    return NewInvocation(new_invocation_id(), call_id or f"hash of {value}", arguments, key)


def _accept(store: Driver, *calls: NewInvocation, **facts: Any) -> list[InvocationId]:
    batch = Batch("mod.task", calls, refuse_different=True, **facts)
    return [answer.invocation_id for answer in store.orchestrator.register(batch)]


def test_other_arguments_are_refused_where_the_batch_says_so(store: Driver) -> None:
    """The key of an invocation with other arguments spoils the batch: nothing of it is written."""
    first, other, bystander = _call("k", "a"), _call("k", "b"), _call(None, "c")
    assert _accept(store, first) == [first.invocation_id]
    before = store.get(first.invocation_id)
    with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError, match="mod") as said:
        _accept(store, bystander, other, queue="elsewhere")
    assert said.value.ids == (first.invocation_id, other.invocation_id)
    assert first.invocation_id in str(said.value)
    assert store.get(first.invocation_id) == before
    assert store.take() == [first.invocation_id]


def test_other_arguments_are_refused_within_a_batch(store: Driver) -> None:
    """Two calls of one batch with one key and different arguments: none of the batch is written."""
    one, other, bystander = _call("k", "a"), _call("k", "b"), _call("j", "c")
    with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError) as said:
        _accept(store, bystander, one, other)
    assert said.value.ids == (one.invocation_id, other.invocation_id)
    assert store.take() == []
    with pytest.raises(InvocationNotFoundError):
        store.get(bystander.invocation_id)
    assert _accept(store, other) == [other.invocation_id]  # the key was not taken


def test_refused_calls_do_not_change_the_slots_of_a_key(store: Driver) -> None:
    """What a refused batch says of its concurrency keys does not count."""
    [first, _] = store.register(2, keys=["k", None], lanes=["lane", "lane"])
    refused = NewInvocation(new_invocation_id(), "other", "[]", "k", "lane")
    with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError):
        _accept(store, refused, slots=2)
    assert store.take() == [first]


def test_the_same_arguments_are_reused(store: Driver) -> None:
    """Equal call ids, or equal texts from a release that made the ids another way, are the same."""
    first = _call("k", "a")
    same = [first, _call("k", "a"), _call("k", "written otherwise", first.call_id)]
    assert _accept(store, *same) == [first.invocation_id] * 3
    assert _accept(store, _call("k", "a", "another hash")) == [first.invocation_id]


def test_other_arguments_after_the_start_are_another_call(store: Driver) -> None:
    """A begun invocation has no key: nothing is refused for its sake."""
    first, other = _call("k", "a"), _call("k", "b")
    _accept(store, first)
    store.begin()
    assert _accept(store, other) == [other.invocation_id]
    assert _accept(store, first, other) == [first.invocation_id, other.invocation_id]  # a repeat


def test_a_batch_that_does_not_say_so_reuses_other_arguments(store: Driver) -> None:
    """Without the wish to be refused, arguments outside of the key do not matter."""
    first, other = _call("k", "a"), _call("k", "b")
    batch = Batch("mod.task", [first, other])
    became = [answer.invocation_id for answer in store.orchestrator.register(batch)]
    assert became == [first.invocation_id] * 2
