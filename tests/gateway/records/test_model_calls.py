"""Records of model calls: one row for each attempt, and sums that take nothing for zero."""

from dataclasses import replace
from typing import Any

import pytest

from agent.attempts import AttemptRecord, CallKind
from agent.messages import Usage
from gateway.ledger import Leave, ScopeLimit
from gateway.store.base import Store, Tx
from gateway.store.records import ledger, model_calls, reservations, retention_money, sessions
from gateway.store.records.call_words import call_line
from gateway.store.records.explain import explain
from gateway.store.records.reservations import Hold
from gateway.store.records.sessions import OpenTurn
from gateway.uses import use_text
from tests.gateway.records.rows import ACCOUNT, CHAT, NOW, arrival, next_work, opened, write

MINUTE = 60_000_000
USAGE = Usage(input=1_000, output=200, cached_input=600, cache_write=300, reasoning=50)
RECORD = AttemptRecord(
    step=1,
    attempt=1,
    entry="main",
    asked="big-1",
    served="big-1-2026",
    credential="key-1",
    usage=USAGE,
    outcome="done",
    first_byte_ms=210,
    total_ms=1_900,
    price_source="packaged",
    request_id="req_1",
)


def hold(ident: str, amount: int) -> Hold:
    """Money put aside for a model call."""
    return Hold(
        id=ident,
        kind="model",
        leave=Leave.POLICY,
        amount=amount,
        scopes=(ScopeLimit(scope="turn:1", limit=None),),
        account=ACCOUNT,
        chat=CHAT,
        what="big-1",
        deadline_at=NOW + 30 * MINUTE,
        turn_id=1,
        step=1,
    )


def intend(tx: Tx, turn: OpenTurn, *, paid: str | None = None, kind: str = "main") -> None:
    """Store the intent to make the first step's call, with money under an id if it is paid."""
    if paid is not None:
        ledger.reserve(tx, hold(paid, 5_000), now=NOW)
    sessions.open_step(
        tx,
        turn,
        number=1,
        model="big-1",
        now=NOW,
        reservation_id=paid,
        chat=f"{ACCOUNT}|{CHAT}",
        kind=kind,
    )


def end(tx: Tx, turn: OpenTurn, record: AttemptRecord = RECORD) -> None:
    """Store how the running attempt ended."""
    model_calls.insert(tx, turn.turn_id, record, now=NOW)
    sessions.end_attempt(tx, turn, number=1, reason=record.outcome, now=NOW)


async def made(store: Store, *records: AttemptRecord, paid: bool = False) -> OpenTurn:
    """A turn with these attempts, the first of them paid for."""
    turn = await opened(store, arrival(1))

    def unit(tx: Tx) -> None:
        for number, record in enumerate(records):
            ident = f"r{number}" if paid and number == 0 else None
            intend(tx, turn, paid=ident, kind=record.kind.value)
            end(tx, turn, record)

    await write(store, unit)
    return turn


async def of_turn(store: Store) -> list[model_calls.ModelCall]:
    return await store.read(lambda tx: model_calls.of_turn(tx, 1))


async def test_an_attempt_is_kept_with_all_that_is_known(store: Store) -> None:
    """Who was asked for what, what came of it, tokens, times and money."""
    await made(store, replace(RECORD, status=200, move="rotate"), paid=True)
    await write(store, lambda tx: ledger.settle(tx, "r0", actual=700, now=NOW))
    (call,) = await of_turn(store)
    assert (call.entry, call.asked, call.served, call.credential) == (
        "main", "big-1", "big-1-2026", "key-1",
    )  # fmt: skip
    assert (call.usage, call.kind, call.status, call.move) == (USAGE, "main", 200, "rotate")
    assert (call.first_byte_ms, call.total_ms, call.at) == (210, 1_900, NOW)
    assert (call.state, call.reserved, call.spent, call.price_source) == (
        "settled", 5_000, 700, "packaged",
    )  # fmt: skip
    rows = await store.read(
        lambda tx: tx.rows("SELECT chat, requester, session_id FROM model_call")
    )
    assert rows == [(f"{ACCOUNT}|{CHAT}", CHAT, 1)]


async def test_every_attempt_of_a_step_has_its_row(store: Store) -> None:
    """Numbered as they were made, heals and failures among them."""
    failed = replace(RECORD, outcome="overloaded", usage=None)
    folded = replace(RECORD, kind=CallKind.COMPACTION)
    await made(store, failed, folded, RECORD)
    found = [(call.attempt, call.kind, call.outcome) for call in await of_turn(store)]
    assert found == [(1, "main", "overloaded"), (2, "compaction", "done"), (3, "main", "done")]


async def test_an_attempt_that_does_not_run_has_no_second_row(store: Store) -> None:
    """What ended is not ended again."""
    turn = await made(store, RECORD)
    await write(store, lambda tx: end(tx, turn))
    assert len(await of_turn(store)) == 1


@pytest.mark.parametrize(
    "usage", [Usage(input=-1, output=1), Usage(input=1, output=1, cache_write=2)]
)
async def test_counts_that_cannot_be_are_unknown(store: Store, usage: Usage) -> None:
    """They would spoil every sum."""
    await made(store, replace(RECORD, usage=usage))
    assert [call.usage for call in await of_turn(store)] == [None]


@pytest.mark.parametrize("found_by", ["resume", "next", "close"])
async def test_what_a_crash_left_is_an_orphan(store: Store, found_by: str) -> None:
    """It has its row when it is found; its money is charged in full ten minutes later."""
    turn = await opened(store, arrival(1))
    await write(store, lambda tx: intend(tx, turn, paid="r0", kind="compaction"))
    if found_by == "resume":
        assert isinstance(await next_work(store), OpenTurn)
    elif found_by == "next":
        await write(store, lambda tx: intend(tx, turn))
    else:
        await write(
            store,
            lambda tx: sessions.close_turn(
                tx, turn, state="failed", mark="none", error=None, now=NOW
            ),
        )
    (call,) = await of_turn(store)
    assert (call.outcome, call.flags, call.kind, call.asked) == (
        "orphan", "orphan", "compaction", "big-1",
    )  # fmt: skip
    assert (call.usage, call.total_ms, call.state) == (None, None, "held")
    early, late = NOW + 10 * MINUTE - 1, NOW + 10 * MINUTE
    assert not await store.read(lambda tx: ledger.any_overdue(tx, now=early))
    (settled,) = await write(store, lambda tx: ledger.close_overdue(tx, now=late))
    assert settled.actual == 5_000
    (call,) = await of_turn(store)
    assert (call.state, call.spent, call.flags) == ("charged", 5_000, "orphan no figure")


async def uses(store: Store) -> list[model_calls.ModelUse]:
    return await store.read(lambda tx: model_calls.by_model(tx, since=0))


async def test_sums_say_what_they_do_not_hold(store: Store) -> None:
    """Failed attempts count as calls, those without tokens are told apart, holds are no spend."""
    await made(store, replace(RECORD, usage=None, outcome="timeout"), RECORD, paid=True)
    (use,) = await uses(store)
    assert (use.name, use.calls, use.failed, use.uncounted) == ("big-1", 2, 1, 1)
    assert (use.input, use.cached, use.written, use.output, use.reasoning) == (
        1_000, 600, 300, 200, 50,
    )  # fmt: skip
    assert (use.spent, use.held, use.unsettled) == (0, 5_000, 1)
    assert use_text(use) == (
        "$0.00 in 2 calls (1 without an answer);"
        " 1,000 tokens in (600 cached, 300 into a cache), 200 out (50 of it reasoning);"
        " 1 call told no tokens; 1 call without a figure yet, $0.0050 held"
    )
    await write(store, lambda tx: ledger.settle(tx, "r0", actual=700, now=NOW))
    assert [(each.spent, each.held) for each in await uses(store)] == [(700, 0)]


async def test_unknown_is_never_zero(store: Store) -> None:
    """A model nobody counted has no tokens, not none."""
    await made(store, replace(RECORD, usage=None))
    (use,) = await uses(store)
    assert (use.input, use.output) == (None, None)
    assert use_text(use) == "$0.00 in 1 call; tokens unknown"


async def test_sums_by_kind_by_chat_and_by_time(store: Store) -> None:
    """A span begins at its first moment and ends before its last."""
    await made(store, RECORD, replace(RECORD, kind=CallKind.COMPACTION, asked="small-1"))

    def look(tx: Tx) -> list[list[Any]]:
        return [
            [each.name for each in model_calls.by_kind(tx, since=NOW)],
            [each.name for each in model_calls.by_kind(tx, since=0, until=NOW)],
            [each.name for each in model_calls.of_chat(tx, ACCOUNT, CHAT, since=NOW)],
            [each.name for each in model_calls.of_chat(tx, ACCOUNT, f"{CHAT}0", since=NOW)],
        ]

    kinds, before, here, elsewhere = await store.read(look)
    assert (sorted(kinds), before) == (["compaction", "main"], [])
    assert (sorted(here), elsewhere) == (["big-1", "small-1"], [])


async def test_the_last_use_of_an_entry(store: Store) -> None:
    """When an attempt at it ended; none if it never was asked."""
    await made(store, RECORD)
    found = await store.read(
        lambda tx: (model_calls.last_use(tx, "main"), model_calls.last_use(tx, "spare"))
    )
    assert found == (NOW, None)


async def test_why_tells_every_attempt(store: Store) -> None:
    """In the turn's story and in that of its money, with what led to it."""
    failed = replace(
        RECORD, usage=None, outcome="rate_limited", status=429, served="", first_byte_ms=None
    )
    again = replace(RECORD, move="retry after 2 s", kind=CallKind.CONTINUATION)
    await made(store, failed, again, paid=True)
    await write(store, lambda tx: ledger.release(tx, "r0", now=NOW))
    story = await store.read(lambda tx: explain(tx, "t1"))
    first = (
        "step 1.1: main big-1 with key-1, rate_limited (HTTP 429), tokens unknown, 1,900 ms,"
        " $0.00 of $0.0050 released by packaged price, request req_1"
    )
    assert f"  {first}" in story
    assert (
        "  step 1.2 (continuation): main big-1, served big-1-2026 with key-1, done,"
        " after: retry after 2 s,"
        " 1,000 tokens in (600 cached, 300 into a cache), 200 out (50 reasoning),"
        " 1,900 ms (first byte 210), included, request req_1"
    ) in story
    assert f"  {first}" in await store.read(lambda tx: explain(tx, "r0"))


def test_what_is_odd_about_an_attempt_is_told() -> None:
    """One that the gateway died in, one whose figure is awaited, and words that mean nothing."""
    odd = model_calls.ModelCall(
        step=2,
        attempt=1,
        kind="main",
        entry="",
        asked="big\n-1",
        served="",
        credential="",
        usage=None,
        outcome="orphan",
        status=None,
        move="",
        first_byte_ms=None,
        total_ms=None,
        price_source="",
        flags="orphan",
        request_id="",
        at=NOW,
        state="held",
        reserved=20_000,
    )
    assert call_line(odd) == (
        "step 2.1: big\u23ce-1, the gateway ended in it, tokens unknown,"
        " $0.0200 held, no figure yet, flags orphan"
    )


async def test_a_chat_is_told_once_until_the_contrary(store: Store) -> None:
    """Of each primary by itself; who has nothing to compare says nothing."""

    def change(tx: Tx, served: str, primary: str = "big-1") -> str:
        return model_calls.change_of(tx, ACCOUNT, CHAT, served=served, primary=primary)

    def tell(tx: Tx) -> None:
        model_calls.told_switched(tx, ACCOUNT, CHAT, primary="big-1", now=NOW)

    def look(tx: Tx) -> list[str]:
        return [
            change(tx, "big-1"),
            change(tx, "small-1"),
            change(tx, ""),
            change(tx, "small-1", "small-1"),
            model_calls.change_of(tx, ACCOUNT, "x", served="small-1", primary="big-1"),
        ]

    assert await store.read(look) == ["", "switched", "", "", "switched"]
    for _ in range(2):
        await write(store, tell)
        assert await store.read(look) == ["back", "", "", "", "switched"]
    await write(store, lambda tx: model_calls.told_back(tx, ACCOUNT, CHAT, primary="big-1"))
    assert await store.read(look) == ["", "switched", "", "", "switched"]


async def test_old_records_go(store: Store) -> None:
    """With the money they tell of, and what chats were told."""
    await made(store, RECORD, RECORD)
    await write(
        store, lambda tx: model_calls.told_switched(tx, ACCOUNT, CHAT, primary="b", now=NOW)
    )
    for before, gone, left in ((NOW, 0, 2), (NOW + 1, 3, 0), (NOW + 1, 0, 0)):
        at = before
        assert (
            await write(
                store,
                lambda tx: retention_money.delete_model_calls(tx, before=at),  # noqa: B023
            )
            == gone
        )
        assert len(await of_turn(store)) == left


async def test_a_hold_rests_for_as_long_as_was_said(store: Store) -> None:
    """Then its estimate is booked."""
    await made(store, RECORD, paid=True)
    await write(store, lambda tx: reservations.await_figure(tx, "r0", estimate=40, now=NOW))
    late = NOW + 10 * MINUTE
    (settled,) = await write(store, lambda tx: ledger.close_overdue(tx, now=late))
    assert settled.actual == 40
    (call,) = await of_turn(store)
    assert (call.state, call.spent, call.flags) == ("settled", 40, "estimated")
