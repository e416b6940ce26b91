"""Turns nobody runs: parked, reopened, marked, halted, ended from outside."""

from typing import Any

import pytest

from agent.effects import TurnRows
from agent.messages import ResultStatus, ToolResult
from gateway.store.base import Store, Tx
from gateway.store.records import sessions, transcript, unowned
from gateway.store.records.sessions import CommandDue, Fenced, OpenTurn
from tests.agent.scripted import call
from tests.gateway.records.rows import (
    ACCOUNT,
    ANN,
    CHAT,
    KEY,
    NOW,
    arrival,
    arrived,
    closed,
    inbox_states,
    next_work,
    opened,
    queued_command,
    write,
)
from tests.gateway.records.test_turns import again, judged, open_step, record_step

END_STATES = ("done", "failed", "cancelled", "halted")


@pytest.fixture
async def turn(store: Store) -> OpenTurn:
    """Ann's turn, which asked for c1."""
    turn = await opened(store, arrival(1))
    await record_step(store, turn, 1, judged(call("files", ident="c1")))
    return turn


async def park(store: Store, turn: OpenTurn) -> None:
    """Let it wait."""
    await write(store, lambda tx: unowned.park(tx, turn, now=NOW + 1))


async def reopen(store: Store, turn: OpenTurn) -> bool:
    """Let it go on."""
    return await write(store, lambda tx: unowned.reopen(tx, turn.turn_id, now=NOW + 2))


async def column(store: Store, name: str) -> Any:
    """A column of the only turn."""
    row = await store.read(lambda tx: tx.row(f"SELECT {name} FROM turn"))
    assert row is not None
    return row[0]


async def test_a_parked_turn_is_nobody_s_work(store: Store, turn: OpenTurn) -> None:
    """Neither it nor words of its session begin anything; a command does."""
    await park(store, turn)
    waiting = await store.read(lambda tx: sessions.waiting_turn(tx, KEY))
    assert waiting is not None
    assert (waiting.id, waiting.requester) == (turn.turn_id, ANN)
    assert await store.read(sessions.open_sessions) == []
    await arrived(store, arrival(2))
    assert await next_work(store) is None
    assert (await inbox_states(store))[2][0] == "new"


async def test_a_command_waits_for_nobody_s_decision(store: Store, turn: OpenTurn) -> None:
    """One that is next in the queue; behind words it waits with them."""
    await park(store, turn)
    await arrived(store, queued_command(2))
    assert isinstance(await next_work(store), CommandDue)


async def test_who_lost_its_turn_can_not_park_it(store: Store, turn: OpenTurn) -> None:
    """Whoever took it up runs it."""
    await again(store)
    with pytest.raises(Fenced):
        await park(store, turn)
    assert await column(store, "state") == "open"


async def test_a_reopened_turn_is_taken_up_unsuspected(store: Store, turn: OpenTurn) -> None:
    """Once, and whoever held it before is fenced off."""
    await write(store, lambda tx: tx.run("UPDATE turn SET deaths = 2"))
    await park(store, turn)
    assert await reopen(store, turn)
    assert not await reopen(store, turn)
    assert await column(store, "deaths") == 0
    with pytest.raises(Fenced):
        await write(store, lambda tx: sessions.fence(tx, turn, NOW))
    taken = await again(store)
    assert (taken.turn_id, taken.resumed, taken.epoch) == (turn.turn_id, True, turn.epoch + 2)


@pytest.mark.parametrize("state", END_STATES)
async def test_an_ended_turn_is_not_reopened_nor_marked(
    store: Store, turn: OpenTurn, state: str
) -> None:
    """A press, a halt or a /stop that comes after its end finds nothing."""
    await closed(store, turn, state)
    assert not await reopen(store, turn)
    await write(store, lambda tx: unowned.mark_stopped(tx, turn.turn_id, "Ann"))
    await write(store, lambda tx: unowned.halt(tx, turn.turn_id, "Too late."))
    assert not await write(store, lambda tx: unowned.mark_opened_stopped(tx, KEY, "Ann"))
    assert await column(store, "state") == state
    assert (await column(store, "stopped_by"), await column(store, "halted")) == (None, "")


async def test_the_first_word_that_ends_a_turn_holds(store: Store, turn: OpenTurn) -> None:
    """Who stopped it and why it was halted is read by whoever takes it up."""

    def mark(tx: Tx) -> None:
        for name in ("Ann", "Ben"):
            unowned.mark_stopped(tx, turn.turn_id, name)
        assert unowned.mark_opened_stopped(tx, KEY, "Cal")
        for why in ("Nobody decided.", "Something else."):
            unowned.halt(tx, turn.turn_id, why)

    await write(store, mark)
    taken = await again(store)
    assert taken.stopped_by == "Ann"
    assert taken.rows.halted == "Nobody decided."
    rows = await store.read(lambda tx: sessions.rows_of(tx, turn.turn_id))
    assert rows == taken.rows


async def test_a_stop_reaches_a_turn_nobody_has_taken_up_yet(store: Store, turn: OpenTurn) -> None:
    """In its own session only, and not one that waits."""
    assert not await write(store, lambda tx: unowned.mark_opened_stopped(tx, "other", "Ann"))
    await park(store, turn)
    assert not await write(store, lambda tx: unowned.mark_opened_stopped(tx, KEY, "Ann"))
    await reopen(store, turn)
    assert await write(store, lambda tx: unowned.mark_opened_stopped(tx, KEY, "Ann"))


async def results(store: Store, turn: OpenTurn) -> list[tuple[str, ResultStatus]]:
    """The results of the transcript."""
    loaded = await store.read(lambda tx: transcript.load(tx, turn.session_id))
    return [(m.call_id, m.status) for _, m in loaded if isinstance(m, ToolResult)]


async def test_a_new_session_ends_the_turn_that_waits(store: Store, turn: OpenTurn) -> None:
    """Without a word, with a result for every call, and its inbox rows are done."""
    assert await write(store, lambda tx: unowned.cancel_waiting(tx, KEY, now=NOW)) is None
    await park(store, turn)
    ended = await write(store, lambda tx: unowned.cancel_waiting(tx, KEY, now=NOW + 3))
    assert ended == turn.turn_id
    assert (await column(store, "state"), await column(store, "closed_at")) == (
        "cancelled",
        NOW + 3,
    )
    assert await results(store, turn) == [("c1", ResultStatus.NOT_RUN)]
    assert (await inbox_states(store))[1][0] == "done"


async def test_a_turn_that_kills_the_gateway_is_ended(store: Store, turn: OpenTurn) -> None:
    """A begun call may have taken effect, a model call has failed, whoever ran it is fenced off."""
    await write(store, lambda tx: tx.run("UPDATE tool_call SET state = 'intent'"))
    await open_step(store, turn, 2)
    ended = await write(store, lambda tx: unowned.quarantine(tx, turn.turn_id, now=NOW + 4))
    assert (ended.session_id, ended.account, ended.reply_to) == (turn.session_id, ACCOUNT, CHAT)
    assert await column(store, "state") == "failed"
    assert str(await column(store, "error")).startswith("quarantined")
    assert await results(store, turn) == [("c1", ResultStatus.UNKNOWN)]
    states = await store.read(lambda tx: tx.rows("SELECT state FROM step ORDER BY number"))
    assert states == [("done",), ("failed",)]
    with pytest.raises(Fenced):
        await closed(store, turn)
    with pytest.raises(LookupError):
        await write(store, lambda tx: unowned.quarantine(tx, 99, now=NOW))


async def test_words_that_stand_are_not_said_again(store: Store, turn: OpenTurn) -> None:
    """What the turn said before it waited, and how many messages that were, counts up."""
    assert (await again(store)).said == ("Look.",)

    def keep(tx: Tx) -> None:
        sessions.keep_words(tx, turn.turn_id, words=1, parts=2)

    await write(store, keep)
    taken = await again(store)
    assert (taken.said, taken.parts_before) == ((), 2)
    await record_step(store, taken, 2, judged(call("files", ident="c2")))
    assert (await again(store)).said == ("Look.",)
    await write(store, keep)
    taken = await again(store)
    assert (taken.said, taken.parts_before) == ((), 4)
    assert isinstance(taken.rows, TurnRows)
    assert len(taken.rows.messages) == 3  # the model still reads all of it
