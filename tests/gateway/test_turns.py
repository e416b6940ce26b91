"""The durable side of one turn: what is stored with what, and how durably."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agent.attempts import AttemptRecord
from agent.calls import JudgedCall
from agent.effects import GoOn, Mark, Parked, RecordStep, TurnEnd, TurnState
from agent.errors import AllProvidersFailed
from agent.journal import Bill
from agent.messages import Message, PartialReply, ResultStatus, ToolResult, Usage, UserMessage
from agent.tools.base import RemoteJob, ToolOutput
from gateway.store.base import Durability
from gateway.store.records import outbox
from gateway.store.records.sessions import Fenced, OpenTurn
from tests.agent.scripted import assistant, call, unavailable
from tests.gateway.kept import PAID, Kept, a_call, free, kept_of, tools
from tests.gateway.records.rows import arrival, arrived, inbox_states, next_work, opened
from tests.gateway.records.test_turns import judged
from tests.gateway.way_out import WayOut

POWER, PROCESS = Durability.POWER, Durability.PROCESS

ANSWER = TurnEnd(
    state=TurnState.DONE,
    text="Paris.",
    step=1,
    usage=Usage(input=10, output=2, cached_input=3, reasoning=1),
    messages=(assistant("Paris."),),
)
STEP = RecordStep(
    step=1,
    message=assistant("Look.", call("once", ident="c1"), call("nope", ident="c2")),
    usage=None,
    calls=(a_call("once", "c1"), judged(call("nope", ident="c2"), None)),
)
RESULT = ToolResult(call_id="c1", name="once", status=ResultStatus.DONE, text="ok")
PARTIAL = (PartialReply(text="half"),)
DONE = TurnEnd(state=TurnState.DONE, text="Paris.")
FAILED = AttemptRecord(step=1, attempt=1, entry="main", asked="m", outcome="transport")
"""An end without a step of its own."""


@pytest.fixture
async def kept(way: WayOut) -> Kept:
    """Turn 1, opened by ann's first message."""
    return await kept_of(way, await opened(way.store, arrival(1)))


async def test_the_end_is_one_commit(kept: Kept) -> None:
    """Reply row, transcript, usage, turn and input rows; on disk before anything is sent."""
    await free(kept.journal, 1)
    kept.store.asked.clear()
    await kept.journal.closed(ANSWER)
    assert kept.store.asked[0] is POWER
    assert await kept.words() == ["Paris."]
    assert await kept.rows("SELECT state, mark, error, served_by FROM turn") == [
        ("done", "none", None, "m")
    ]
    assert await kept.rows("SELECT state, usage FROM step") == [
        (
            "done",
            '{"input":10,"output":2,"cached_input":3,"reasoning":1,"cache_write":0,'
            '"cache_write_long":0}',
        )
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
    """What must not be done twice survives power loss; results and failed attempts a crash."""
    journal, asked = kept.journal, (STEP.calls[0],)
    acts: list[tuple[Callable[[], Awaitable[object]], Durability]] = [
        (lambda: journal.step_opened(1, "m", PAID), POWER),
        (lambda: journal.attempt_ended(1, Bill(began=False), FAILED), PROCESS),
        (lambda: journal.step_recorded(STEP), POWER),
        (lambda: journal.gated(asked), POWER),
        (lambda: journal.calls_intended(asked), POWER),
        (lambda: journal.call_left(asked[0], JOB), POWER),
        (lambda: journal.call_finished(RESULT, Bill()), PROCESS),
        (lambda: journal.messages_recorded(PARTIAL), POWER),
        (journal.drain, POWER),
        (lambda: journal.closed(DONE), POWER),
    ]
    for act, durability in acts:
        kept.store.asked.clear()
        await act()
        assert kept.store.asked[0] is durability


JOB = RemoteJob(handle="job-1", label="once: do", deadline_s=60.0)


STALE: dict[str, Callable[[Kept], Awaitable[object]]] = {
    "step_opened": lambda kept: free(kept.journal, 2),
    "step_recorded": lambda kept: kept.journal.step_recorded(STEP),
    "gated": lambda kept: kept.journal.gated((STEP.calls[0],)),
    "waits": lambda kept: kept.journal.waits(),
    "calls_intended": lambda kept: kept.journal.calls_intended((STEP.calls[0],)),
    "call_finished": lambda kept: kept.journal.call_finished(RESULT, Bill()),
    "call_left": lambda kept: kept.journal.call_left(STEP.calls[0], JOB),
    "call_applied": lambda kept: kept.journal.call_applied(
        lambda tx: ToolOutput(text=""), lambda output: RESULT
    ),
    "asked": lambda kept: kept.journal.asked((STEP.calls[0],)),
    "messages_recorded": lambda kept: kept.journal.messages_recorded(PARTIAL),
    "drain": lambda kept: kept.journal.drain(),
    "crashed": lambda kept: kept.journal.crashed(),
    "stuck": lambda kept: kept.journal.stuck(900.0),
}


@pytest.mark.parametrize("name", STALE)
async def test_who_was_overtaken_stores_and_sends_nothing(kept: Kept, name: str) -> None:
    """Whatever a turn would do next: another process owns it by now."""
    await kept.journal.step_recorded(STEP)
    if name == "waits":
        await kept.run("UPDATE tool_call SET state = 'asked' WHERE state = 'proposed'")
    assert isinstance(await next_work(kept.way.store), OpenTurn)
    tables = ("session", "turn", "step", "message", "tool_call", "outbox", "card", "reservation")
    before = [await kept.rows(f"SELECT * FROM {name}") for name in tables]
    with pytest.raises(Fenced):
        await STALE[name](kept)
    assert [await kept.rows(f"SELECT * FROM {name}") for name in tables] == before
    assert await kept.words() == []


async def test_a_step_is_stored_with_its_calls(kept: Kept) -> None:
    """Message, refused calls' results, and the calls themselves in one commit."""
    await free(kept.journal, 1)
    await kept.journal.step_recorded(STEP)
    assert await kept.rows("SELECT id, state FROM tool_call ORDER BY ordinal") == [
        ("c1", "proposed"),
        ("c2", "refused"),
    ]
    assert await kept.rows("SELECT COUNT(*) FROM message") == [(3,)]
    await kept.journal.gated((STEP.calls[0],))
    assert await kept.states() == {"c1": "allowed", "c2": "refused"}
    intended = await kept.journal.calls_intended((STEP.calls[0],))
    assert intended.begun == frozenset({"c1"})
    assert await kept.states() == {"c1": "intent", "c2": "refused"}
    await kept.journal.call_finished(RESULT, Bill())
    assert await kept.states() == {"c1": "done", "c2": "refused"}


async def test_the_reply_holds_the_words_of_every_step(kept: Kept) -> None:
    """Those of steps with calls, of interrupted requests, and of the last step."""
    await kept.journal.step_recorded(STEP)
    await kept.journal.messages_recorded((*PARTIAL, UserMessage(text="wait")))
    await kept.journal.closed(DONE)
    assert await kept.words() == ["Look.\n\nhalf\n\nParis."]


async def test_a_resumed_turn_repeats_what_it_has_said(way: WayOut) -> None:
    """The words of its first run are part of its reply."""
    first = await kept_of(way, await opened(way.store, arrival(1)))
    await first.journal.step_recorded(STEP)
    again = await next_work(way.store)
    assert isinstance(again, OpenTurn)
    kept = await kept_of(way, again)
    await kept.journal.closed(DONE)
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
    await free(kept.journal, 2)
    await kept.journal.crashed()
    (text,) = await kept.words()
    assert text.startswith("Look.\n\nSomething in this request went wrong on our side")
    assert await kept.rows("SELECT state, error FROM turn") == [
        ("failed", "a fault in the gateway")
    ]
    assert await kept.rows("SELECT number, state FROM step ORDER BY number") == [(2, "failed")]
    assert (await inbox_states(kept.way.store))[1][0] == "done"


@pytest.mark.parametrize("joins", [True, False])
async def test_what_came_meanwhile_joins_or_waits(way: WayOut, joins: bool) -> None:
    """With `queue` every message keeps its own turn."""
    kept = await kept_of(way, await opened(way.store, arrival(1)), joins=joins)
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


# Calls: what the gate says, and what runs.


async def test_what_may_run_and_what_is_asked(way: WayOut) -> None:
    """One verdict each in one commit; the card stands in the chat, the refused has its result."""
    kept = await kept_of(way, await opened(way.store, arrival(1)))
    runs = a_call("once", "c1")
    asks = a_call("once", "c2", verdict="ask")
    denied = a_call("once", "c3", verdict="deny")
    await kept.recorded(runs, asks, denied)
    kept.store.asked.clear()
    gated = await kept.journal.gated((runs, asks, denied))
    assert kept.store.asked == [POWER]
    assert [each.call.id for each in gated.allowed] == ["c1"]
    assert [(r.call_id, r.status) for r in gated.results] == [("c3", ResultStatus.REFUSED)]
    assert await kept.states() == {"c1": "allowed", "c2": "asked", "c3": "refused"}
    assert await kept.rows("SELECT kind, state FROM card") == [("call", "open")]
    (card,) = await kept.words()
    assert card.startswith("Approval ")


async def test_what_is_free_and_changes_nothing_needs_no_second_commit(kept: Kept) -> None:
    """Allowed by its own default: it runs on the verdict; anything else is looked at again."""
    reads = a_call("pure", "c1")
    asked = a_call("pure", "c2", verdict="ask")
    await kept.recorded(reads, asked)
    await kept.journal.gated((reads, asked))
    kept.store.asked.clear()
    intended = await kept.journal.calls_intended((reads,))
    assert (intended.begun, kept.store.asked) == (frozenset({"c1"}), [])
    await kept.run("UPDATE tool_call SET state = 'approved' WHERE id = 'c2'")
    intended = await kept.journal.calls_intended((asked,))
    assert (intended.begun, kept.store.asked) == (frozenset({"c2"}), [POWER])
    assert (await kept.states())["c2"] == "approved"  # no intent: running it again is harmless


async def test_words_before_a_card_stand_while_people_are_waited_for(kept: Kept) -> None:
    """And what the turn says later stands below, in a message of its own."""
    asks = a_call("once", "c1", verdict="ask")
    await kept.recorded(asks)
    await kept.journal.gated((asks,))
    assert await kept.journal.waits() == Parked(asked=True)
    words, card = await kept.words()
    assert (words, card[:8]) == ("Look.", "Approval")
    assert await kept.rows("SELECT state FROM turn") == [("waiting",)]
    await kept.run("UPDATE turn SET state = 'open'")
    again = await next_work(kept.way.store)
    assert isinstance(again, OpenTurn)
    assert (again.said, again.parts_before) == ((), 1)
    later = await kept_of(kept.way, again)
    await later.journal.closed(DONE)
    said = await later.words()
    assert (said[0], said[-1]) == ("Look.", "Paris.")


async def test_a_turn_does_not_wait_for_what_is_decided_already(kept: Kept) -> None:
    """A press between the card and the wait: the turn goes on with the rows as they are now."""
    asks = a_call("once", "c1", verdict="ask")
    await kept.recorded(asks)
    await kept.journal.gated((asks,))
    await kept.run("UPDATE tool_call SET state = 'approved'")
    outcome = await kept.journal.waits()
    assert isinstance(outcome, GoOn)
    assert outcome.rows.calls["c1"].state.value == "approved"
    assert await kept.rows("SELECT state FROM turn") == [("open",)]


async def test_a_halted_turn_does_not_wait(kept: Kept) -> None:
    """Somebody ended it from outside: its rows say so, whatever is still asked."""
    asks = a_call("once", "c1", verdict="ask")
    await kept.recorded(asks)
    await kept.journal.gated((asks,))
    await kept.run("UPDATE turn SET halted = 'Stopped: it was too late.'")
    outcome = await kept.journal.waits()
    assert isinstance(outcome, GoOn)
    assert outcome.rows.halted == "Stopped: it was too late."


async def test_work_elsewhere_is_waited_for_too(kept: Kept) -> None:
    """Its handle is on disk, the turn waits as rows, and its end opens nothing by itself."""
    runs = a_call("once", "c1")
    await kept.recorded(runs)
    await kept.journal.gated((runs,))
    await kept.journal.calls_intended((runs,))
    await kept.journal.call_left(runs, JOB)
    assert await kept.states() == {"c1": "running"}
    assert await kept.rows("SELECT call_id, handle, state FROM remote_job") == [
        ("c1", "job-1", "running")
    ]
    assert await kept.journal.waits() == Parked(asked=True)
    assert await kept.rows("SELECT state FROM turn") == [("waiting",)]


async def test_a_call_on_our_own_rows_is_one_commit_with_its_result(kept: Kept) -> None:
    """A unit that fails leaves neither."""
    await kept.journal.step_recorded(STEP)

    def unit(tx: Any) -> ToolOutput:
        tx.run("INSERT INTO memory (place, text, author, at) VALUES ('p', 'tea', 'ann', 1)")
        return ToolOutput(text="noted")

    def result(output: ToolOutput) -> ToolResult:
        return ToolResult(call_id="c1", name="once", status=ResultStatus.DONE, text=output.text)

    def broken(output: ToolOutput) -> ToolResult:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await kept.journal.call_applied(unit, broken)
    assert await kept.rows("SELECT COUNT(*) FROM memory") == [(0,)]
    kept.store.asked.clear()
    assert (await kept.journal.call_applied(unit, result)).text == "noted"
    assert kept.store.asked == [POWER]
    assert await kept.rows("SELECT text FROM memory") == [("tea",)]
    assert (await kept.states())["c1"] == "done"


async def test_a_call_in_doubt_is_asked_about_once(kept: Kept) -> None:
    """However often the turn comes by it."""
    runs = a_call("once", "c1")
    await kept.recorded(runs)
    await kept.journal.gated((runs,))
    await kept.journal.calls_intended((runs,))
    for _ in range(2):
        await kept.journal.asked((runs,))
    assert await kept.rows("SELECT kind, state FROM card") == [("in_doubt", "open")]
    assert await kept.journal.waits() == Parked(asked=True)


async def test_what_was_decided_beside_the_run_is_not_begun_again(kept: Kept) -> None:
    """Somebody said meanwhile what became of it: no intent, no second result."""
    runs = a_call("once", "c1")
    await kept.recorded(runs)
    await kept.journal.gated((runs,))
    await kept.settled(RESULT)
    intended = await kept.journal.calls_intended((runs,))
    assert (intended.begun, intended.results) == (frozenset(), ())
    assert await kept.states() == {"c1": "done"}
    late = ToolResult(call_id="c1", name="once", status=ResultStatus.FAILED, text="late")
    await kept.journal.call_finished(late, Bill())
    await kept.journal.call_left(runs, JOB)
    assert await kept.states() == {"c1": "done"}
    assert await kept.results() == [RESULT]


CLEARED: dict[str, Callable[[Kept, JudgedCall], Awaitable[object]]] = {
    "it took effect": lambda kept, runs: kept.journal.call_finished(RESULT, Bill()),
    "it goes on": lambda kept, runs: kept.journal.call_left(runs, JOB),
    "it did not begin": lambda kept, runs: kept.journal.calls_intended((runs,)),
}


@pytest.mark.parametrize("how", CLEARED)
async def test_a_doubt_that_is_cleared_up_is_asked_about_no_more(kept: Kept, how: str) -> None:
    """The tool knows after all what became of its call: nobody can decide it any more."""
    runs = a_call("probe", "c1")
    await kept.recorded(runs)
    await kept.journal.gated((runs,))
    await kept.journal.calls_intended((runs,))
    await kept.journal.asked((runs,))
    assert await kept.rows("SELECT state FROM card") == [("open",)]
    await CLEARED[how](kept, runs)
    assert await kept.rows("SELECT card.state, request.state, words FROM card, request") == [
        ("closed", "withdrawn", "it is known by now what became of it")
    ]
    assert await kept.results() == ([RESULT] if how == "it took effect" else [])


async def test_a_call_that_is_judged_anew_is_not_asked_about(kept: Kept) -> None:
    """Somebody said on its card that it runs again, while the turn went by other calls."""
    runs = a_call("once", "c1")
    await kept.recorded(runs)
    await kept.journal.asked((runs,))
    assert await kept.rows("SELECT COUNT(*) FROM card") == [(0,)]


async def test_the_end_withdraws_what_is_pending(kept: Kept) -> None:
    """Cards of a turn that ends lose their buttons; its work elsewhere is to be ended."""
    asks, left = a_call("once", "c1", verdict="ask"), a_call("once", "c2")
    await kept.recorded(asks, left)
    await kept.journal.gated((asks, left))
    await kept.journal.calls_intended((left,))
    await kept.journal.call_left(left, JOB)
    await kept.journal.closed(TurnEnd(state=TurnState.CANCELLED, mark=Mark.STOPPED, by="Ann"))
    assert await kept.rows("SELECT state FROM card") == [("closed",)]
    assert await kept.rows("SELECT state, words FROM request") == [("withdrawn", "turn ended")]
    assert await kept.rows("SELECT state, stop_by FROM remote_job") == [("stopping", "Ann")]
    by_call = {result.call_id: result.status for result in await kept.results()}
    assert by_call == {"c1": ResultStatus.NOT_RUN, "c2": ResultStatus.UNKNOWN}
    assert len(await kept.results()) == 2
    assert kept.journal.reference == "t1"


# Money.


async def test_a_model_call_is_paid_for_before_it_is_made(kept: Kept) -> None:
    """Its ceiling is held with the intent; what it cost is booked with the reply."""
    assert await kept.journal.step_opened(1, "m", PAID)
    assert await kept.money() == [("model", "held", PAID.ceiling, None)]
    assert await kept.rows("SELECT state, reservation_id IS NOT NULL FROM step") == [("intent", 1)]
    message: Message = assistant("Paris.")
    end = TurnEnd(state=TurnState.DONE, text="Paris.", step=1, spent=700, messages=(message,))
    await kept.journal.closed(end)
    assert await kept.money() == [("model", "settled", PAID.ceiling, 700)]


@pytest.mark.parametrize(
    ("bill", "state", "actual"),
    [
        (Bill(began=False), "released", 0),
        (Bill(spent=30), "settled", 30),
        (Bill(spent=0), "settled", 0),
        (Bill(), "held", None),
    ],
)
async def test_an_attempt_without_a_reply(
    kept: Kept, bill: Bill, state: str, actual: int | None
) -> None:
    """What did not begin is free, a cut stream costs what came of it, anything else is held."""
    await kept.journal.step_opened(1, "m", PAID)
    await kept.journal.attempt_ended(1, bill, FAILED)
    assert [each[1::2] for each in await kept.money()] == [(state, actual)]
    flags = await kept.rows("SELECT flags FROM reservation")
    assert flags == [("estimated" if state == "settled" else "",)]
    assert await kept.journal.step_opened(1, "spare", PAID)
    assert [each[1] for each in await kept.money()] == [state, "held"]
    assert await kept.rows("SELECT attempt, model, state FROM step ORDER BY attempt") == [
        (1, "m", "failed"),
        (2, "spare", "intent"),
    ]


async def test_a_model_call_without_room_is_asked_for(kept: Kept) -> None:
    """The words so far stand, the card asks, nothing is held, and the turn waits: one commit."""
    await kept.recorded(a_call("pure", "c1"))
    await kept.run("UPDATE tool_call SET state = 'done'")
    kept.store.asked.clear()
    assert not await kept.journal.step_opened(2, "m", PAID.__class__(ceiling=2_000_000))
    assert await kept.money() == []
    assert await kept.rows("SELECT kind, state FROM card") == [("limit", "open")]
    assert await kept.rows("SELECT state FROM turn") == [("waiting",)]
    assert await kept.rows("SELECT number FROM step WHERE number = 2") == []
    words, card = await kept.words()
    assert words == "Look."
    assert card.startswith("Limit ")


async def test_a_tool_is_billed_by_what_it_says(kept: Kept) -> None:
    """A figure is booked, none keeps the hold, and what never began costs nothing."""
    asked = tuple(a_call("paid", ident) for ident in ("c1", "c2", "c3"))
    await kept.recorded(*asked)
    gated = await kept.journal.gated(asked)
    assert len(gated.allowed) == 3
    await kept.journal.calls_intended(gated.allowed)
    bills = {"c1": Bill(spent=400, record="inv-1"), "c2": Bill(), "c3": Bill(began=False)}
    for ident, bill in bills.items():
        result = ToolResult(call_id=ident, name="paid", status=ResultStatus.DONE, text="")
        await kept.journal.call_finished(result, bill)
    assert await kept.rows("SELECT call_id, state, actual FROM reservation ORDER BY call_id") == [
        ("c1", "settled", 400),
        ("c2", "held", None),
        ("c3", "released", 0),
    ]


def test_there_is_a_tool_of_every_kind() -> None:
    """Those of the effect classes, and one that costs."""
    assert {"pure", "keyed", "local", "probe", "once", "paid"} == set(tools())
