"""The durable side of one turn: what is stored with what, and how durably."""

from collections.abc import Callable
from typing import Any

import pytest

from agent.calls import JudgedCall
from agent.errors import AllProvidersFailed
from agent.messages import PartialReply, ResultStatus, ToolResult, Usage, UserMessage
from agent.turn import (
    Mark,
    RecordStep,
    TurnEnd,
    TurnState,
)
from gateway.reply import Reply
from gateway.store.base import Durability, Store, Transition, Tx
from gateway.store.records import outbox
from gateway.store.records.sessions import Fenced, OpenTurn
from gateway.turns import StoredTurn
from tests.agent.scripted import assistant, call, unavailable
from tests.gateway.records.rows import arrival, arrived, inbox_states, next_work, opened
from tests.gateway.records.test_turns import judged
from tests.gateway.way_out import WayOut

POWER, PROCESS = Durability.POWER, Durability.PROCESS


class Noting:
    """A Store that notes how durably each unit was written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[Durability] = []
        self.read = store.read
        self.close = store.close
        self.health = store.health

    async def write(self, unit: Callable[[Tx], Any], *, transition: Transition) -> Any:
        self.asked.append(transition.durability)
        return await self._store.write(unit, transition=transition)


class Kept:
    """An open turn with its journal, and what it has stored."""

    def __init__(self, way: WayOut, turn: OpenTurn, *, joins: bool = True) -> None:
        self.store = Noting(way.store)
        self.way = way
        self.turn = turn
        reply = Reply(
            turn=turn, outlet=way.outlet, store=self.store, clock=way.clock, wait=way.clock.wait
        )
        self.journal = StoredTurn(
            turn=turn, reply=reply, store=self.store, clock=way.clock, joins=joins
        )

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return await self.way.store.read(lambda tx: tx.rows(sql))

    async def words(self) -> list[str]:
        """What stands in the chat once everything has left."""
        await self.way.settled()
        return self.way.adapter.shown("1001")


@pytest.fixture
async def kept(way: WayOut) -> Kept:
    """Turn 1, opened by ann's first message."""
    return Kept(way, await opened(way.store, arrival(1)))


ANSWER = TurnEnd(
    state=TurnState.DONE,
    text="Paris.",
    step=1,
    usage=Usage(input=10, output=2, cached_input=3, reasoning=1),
    messages=(assistant("Paris."),),
)
STEP = RecordStep(
    step=1,
    message=assistant("Look.", call("files", ident="c1"), call("nope", ident="c2")),
    usage=None,
    calls=(judged(call("files", ident="c1")), judged(call("nope", ident="c2"), None)),
)
RESULT = ToolResult(call_id="c1", name="files", status=ResultStatus.DONE, text="ok")


async def test_the_end_is_one_commit(kept: Kept) -> None:
    """Reply row, transcript, usage, turn and input rows; on disk before anything is sent."""
    await kept.journal.step_opened(1, "m")
    kept.store.asked.clear()
    await kept.journal.closed(ANSWER)
    assert kept.store.asked[0] is POWER
    assert await kept.words() == ["Paris."]
    assert await kept.rows("SELECT state, mark, error, served_by FROM turn") == [
        ("done", "none", None, "m")
    ]
    assert await kept.rows("SELECT state, usage FROM step") == [
        ("done", '{"input":10,"output":2,"cached_input":3,"reasoning":1}')
    ]
    assert await kept.rows("SELECT dedupe_key, purpose FROM outbox") == [("t1:0:final", "final")]
    assert await kept.rows("SELECT COUNT(*) FROM message") == [(2,)]
    assert await inbox_states(kept.way.store) == {1: ("done", None, 1)}


async def test_an_end_that_cannot_be_stored_sends_nothing(kept: Kept) -> None:
    """Overtaken by another owner: no row, no word."""
    assert isinstance(await next_work(kept.way.store), OpenTurn)
    with pytest.raises(Fenced):
        await kept.journal.closed(ANSWER)
    assert await kept.words() == []
    assert await kept.rows("SELECT COUNT(*) FROM outbox") == [(0,)]
    assert await kept.rows("SELECT state FROM turn") == [("open",)]
    assert await kept.rows("SELECT COUNT(*) FROM message") == [(1,)]


async def test_every_record_is_as_durable_as_promised(kept: Kept) -> None:
    """Intents, replies, drained words and the end survive power loss; results a crash."""
    journal = kept.journal
    calls: tuple[JudgedCall, ...] = (STEP.calls[0],)
    acts: list[tuple[Callable[[], Any], Durability]] = [
        (lambda: journal.step_opened(1, "m"), POWER),
        (lambda: journal.step_recorded(STEP), POWER),
        (lambda: journal.calls_intended(calls), POWER),
        (lambda: journal.call_finished(RESULT), PROCESS),
        (lambda: journal.messages_recorded((PartialReply(text="half"),)), POWER),
        (journal.drain, POWER),
        (lambda: journal.closed(TurnEnd(state=TurnState.DONE, text="Paris.")), POWER),
    ]
    for act, durability in acts:
        kept.store.asked.clear()
        await act()
        assert kept.store.asked[0] is durability


async def test_a_step_is_stored_with_its_calls(kept: Kept) -> None:
    """Message, refused calls' results, and the calls themselves in one commit."""
    await kept.journal.step_opened(1, "m")
    await kept.journal.step_recorded(STEP)
    assert await kept.rows("SELECT id, state FROM tool_call ORDER BY ordinal") == [
        ("c1", "proposed"),
        ("c2", "refused"),
    ]
    assert await kept.rows("SELECT COUNT(*) FROM message") == [(3,)]
    await kept.journal.calls_intended((STEP.calls[0],))
    await kept.journal.call_finished(RESULT)
    assert await kept.rows("SELECT state FROM tool_call WHERE id = 'c1'") == [("done",)]


async def test_the_reply_holds_the_words_of_every_step(kept: Kept) -> None:
    """Those of steps with calls, of interrupted requests, and of the last step."""
    await kept.journal.step_recorded(STEP)
    await kept.journal.messages_recorded((PartialReply(text="half"), UserMessage(text="wait")))
    await kept.journal.closed(TurnEnd(state=TurnState.DONE, text="Paris."))
    assert await kept.words() == ["Look.\n\nhalf\n\nParis."]


async def test_a_resumed_turn_repeats_what_it_has_said(way: WayOut) -> None:
    """The words of its first run are part of its reply."""
    first = Kept(way, await opened(way.store, arrival(1)))
    await first.journal.step_recorded(STEP)
    again = await next_work(way.store)
    assert isinstance(again, OpenTurn)
    kept = Kept(way, again)
    await kept.journal.closed(TurnEnd(state=TurnState.DONE, text="Paris."))
    assert await kept.words() == ["Look.\n\nParis."]


async def test_a_failure_is_stored_with_its_cause(kept: Kept) -> None:
    """The operator's words in the row, a plain sentence with the reference in the chat."""
    error = AllProvidersFailed((unavailable(),))
    await kept.journal.closed(TurnEnd(state=TurnState.FAILED, error=error))
    assert await kept.rows("SELECT state, error FROM turn") == [("failed", "main: unavailable")]
    (text,) = await kept.words()
    assert text.endswith("(ref t1)")
    assert kept.journal.reference == "t1"


async def test_a_crash_ends_the_turn_with_a_sentence(kept: Kept) -> None:
    """What was said stays; a step under way has failed; the input is not tried again."""
    await kept.journal.step_recorded(STEP)
    await kept.journal.step_opened(2, "m")
    await kept.journal.crashed()
    (text,) = await kept.words()
    assert text.startswith("Look.\n\nSomething went wrong on our side")
    assert await kept.rows("SELECT state, error FROM turn") == [
        ("failed", "a fault in the gateway")
    ]
    assert await kept.rows("SELECT number, state FROM step ORDER BY number") == [(2, "failed")]
    assert (await inbox_states(kept.way.store))[1][0] == "done"


@pytest.mark.parametrize("joins", [True, False])
async def test_what_came_meanwhile_joins_or_waits(way: WayOut, joins: bool) -> None:
    """With `queue` every message keeps its own turn."""
    kept = Kept(way, await opened(way.store, arrival(1)), joins=joins)
    await arrived(way.store, arrival(2, "two"))
    joined = await kept.journal.drain()
    assert joined == ((UserMessage(text="two"),) if joins else ())
    assert (await inbox_states(way.store))[2][0] == ("claimed" if joins else "new")


@pytest.mark.parametrize("mark", [Mark.STOPPED, Mark.STEP_LIMIT])
async def test_the_mark_is_kept(kept: Kept, mark: Mark) -> None:
    """`why` shows how a turn ended."""
    state = TurnState.CANCELLED if mark is Mark.STOPPED else TurnState.HALTED
    await kept.journal.closed(TurnEnd(state=state, mark=mark, by="Ann"))
    assert await kept.rows("SELECT state, mark FROM turn") == [(state.value, mark.value)]
    rows = await kept.way.store.read(lambda tx: outbox.of_turn(tx, 1))
    assert len(rows) == 1
