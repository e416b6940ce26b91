"""Sessions: one actor each, what reaches a running turn, and what a stop leaves behind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.errors import RequestRejected
from agent.messages import PartialReply, ResultStatus, ToolResult, UserMessage
from agent.providers.base import ModelRequest, TextReceived
from agent.tools.base import CallContext, EffectClass, PreparedCall, ToolOutput
from agent.turn_replies import call_id
from gateway.busy import BUSY_EMOJI
from gateway.config.ids import parse_chat
from gateway.config.values import AccessConfig, Config
from gateway.sessions import RunningTurn
from gateway.store.base import Store, Tx
from gateway.store.records.explain import explain
from gateway.store.sqlite import SqliteStore
from platforms.content import Post, React
from tests.agent.scripted import ScriptedTool, call
from tests.gateway.core import Core, says
from tests.gateway.doubt import buttons
from tests.gateway.events import (
    OUR_MENTION,
    SLACK,
    SLACK_ANN,
    THREAD,
    command,
    in_group,
    message,
    press,
)
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import inbox_states
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.transitions import SYNCED

Make = Callable[..., Core]


@pytest.fixture
async def make(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Make]:
    """Makes gateways over one store, and stops them."""
    made: list[Core] = []

    def core(**options: Any) -> Core:
        made.append(Core(store, tmp_path, clock, **options))
        return made[-1]

    yield core
    for each in made:
        await each.close()


@pytest.fixture
async def core(make: Make) -> Core:
    """One connected gateway with `busy = "join"`."""
    core = make()
    await core.connect()
    return core


def people(request: ModelRequest) -> list[str]:
    """What people said, as a request has it."""
    return [m.text for m in request.messages if isinstance(m, UserMessage)]


async def turns(store: Store) -> list[tuple[str, str | None]]:
    """State and mark of every turn."""
    return [
        (state, mark)
        for state, mark in await store.read(
            lambda tx: tx.rows("SELECT state, mark FROM turn ORDER BY id")
        )
    ]


async def test_a_message_is_answered(core: Core, store: Store) -> None:
    """From the intake to the chat, with everything settled behind it."""
    core.answers("Paris.")
    await core.take(message("capital of France?"))
    await core.shows("Paris.")
    await core.finish()
    assert await turns(store) == [("done", "none")]
    assert await inbox_states(store) == {1: ("done", None, 1)}
    assert core.sessions.running() == ()
    assert core.failures == []


async def test_the_next_turn_sees_the_last(core: Core) -> None:
    """One session, one memory."""
    core.answers("Paris.", "Two million.")
    await core.take(message("capital?", number=1))
    await core.shows("Paris.")
    await core.take(message("people?", number=2))
    await core.shows("Paris.", "Two million.")
    assert people(core.model.requests[1]) == ["capital?", "people?"]


async def test_sessions_run_side_by_side(core: Core) -> None:
    """A slow answer in one chat holds up no other."""
    held = asyncio.Event()
    core.answers(says("Slow", held, " one."), "Quick one.")
    await core.take(message(number=1))
    await core.model.waits.wait()
    group = in_group("hi", number=2, mentions=(OUR_MENTION,))
    await core.take(group)
    await core.shows("Quick one.", chat="-100200")
    held.set()
    await core.shows("Slow one.")


async def test_words_to_a_running_turn_join_it(make: Make) -> None:
    """With `join` they are read with the tools' results, before the next request."""
    began, go = asyncio.Event(), asyncio.Event()

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        began.set()
        await go.wait()
        return ToolOutput(text="ran")

    tool = ScriptedTool(name="pure", effect=EffectClass.PURE, does=body)
    core = make(tools={"pure": tool})
    await core.connect()
    core.answers(says("Look.", calls=(call("pure"),)), "Both.")
    await core.take(message("one", number=1))
    await began.wait()
    await core.take(message("two", number=2))
    go.set()
    await core.shows("Look.\n\nBoth.")
    first, second = core.model.requests
    assert people(first) == ["one"]
    assert people(second) == ["one", "two"]
    await core.finish()
    assert {turn for _, _, turn in (await inbox_states(core.store)).values()} == {1}
    assert React in {type(operation) for operation in core.adapter.performed}
    (react,) = [op for op in core.adapter.performed if isinstance(op, React)]
    assert (react.message.message_id, react.emoji) == ("2", BUSY_EMOJI)


async def test_words_that_come_too_late_open_the_next_turn(core: Core) -> None:
    """What came during the last request of a turn is answered after it."""
    held = asyncio.Event()
    core.answers(says("One", held, "."), "Two.")
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    await core.take(message("two", number=2), message("three", number=3))
    held.set()
    await core.shows("One.", "Two.")
    assert people(core.model.requests[1]) == ["one", "two", "three"]


async def test_queued_words_get_a_turn_each(make: Make) -> None:
    """With `queue` nothing joins: every message is answered by itself, in order."""
    core = make(busy="queue")
    await core.connect()
    held = asyncio.Event()
    core.answers(says("One", held, "."), "Two.", "Three.")
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    await core.take(message("two", number=2), message("three", number=3))
    held.set()
    await core.shows("One.", "Two.", "Three.")


async def test_new_words_interrupt_an_answer(make: Make) -> None:
    """With `interrupt` the call is cut, what was shown stays, and both are in view."""
    core = make(busy="interrupt")
    await core.connect()
    core.answers(says("Once upon", asyncio.Event()), "Briefly.")
    await core.take(message("a story", number=1))
    await core.model.waits.wait()
    await core.take(message("briefly", number=2))
    await core.shows("Once upon\n\nBriefly.")
    second = core.model.requests[1]
    assert people(second) == ["a story", "briefly"]
    assert PartialReply(text="Once upon") in second.messages


async def test_stop_ends_a_turn_at_once(core: Core, store: Store) -> None:
    """What was said stays with a line below it; what waits gets its turn."""
    core.answers(says("Once upon", asyncio.Event()), "Two.")
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    assert core.sessions.running() == (
        RunningTurn(session_key="telegram:77|telegram:1001", turn_id=1, requester="telegram:1001"),
    )
    await core.take(message("two", number=2), message("/stop", number=3))
    await core.shows("Once upon\n\nStopped by Ann.", "Two.")
    await core.finish()
    assert await turns(store) == [("cancelled", "stopped"), ("done", "none")]


async def test_nothing_runs_that_could_be_stopped(core: Core) -> None:
    """A session without a turn says so; an unknown one too."""
    assert not core.sessions.stop("telegram:77|telegram:1001", "Ann")
    assert not core.sessions.stop("nobody", "Ann")


async def test_new_stops_the_turn_and_begins_afresh(core: Core) -> None:
    """The answer under way ends, and the next message knows nothing of it."""
    core.answers(says("Once upon", asyncio.Event()), "Fresh.")
    await core.take(message("old", number=1))
    await core.model.waits.wait()
    await core.take(message("/new", number=2))
    await core.shows("Once upon\n\nStopped by Ann.", "Fresh session. The old one is kept.")
    await core.take(message("new", number=3))
    await core.shows(
        "Once upon\n\nStopped by Ann.", "Fresh session. The old one is kept.", "Fresh."
    )
    assert people(core.model.requests[1]) == ["new"]


async def test_new_with_words_is_answered(core: Core) -> None:
    """The words behind /new are the fresh session's first."""
    core.answers("One.", "Two.")
    await core.take(message("one", number=1))
    await core.shows("One.")
    await core.take(command("new", "two", number=2))
    await core.shows("One.", "Two.")
    assert people(core.model.requests[1]) == ["two"]


async def test_a_session_with_its_own_model(core: Core) -> None:
    """`/model` makes another entry the primary of this session alone."""
    core.spare.script(says("Spare."))
    core.answers("Main.")
    await core.take(message("/model spare", number=1))
    await core.shows("From the next turn on, this session uses loopback-1.")
    await core.take(message("hi", number=2))
    await core.adapter.until(lambda: "Spare." in core.adapter.shown("1001"))
    await core.take(in_group("hi", number=3, mentions=(OUR_MENTION,)))
    await core.shows("Main.", chat="-100200")


def rejected(provider: str) -> RequestRejected:
    """A failure after which nobody asks the same provider again."""
    return RequestRejected("no", provider=provider, model="m", reason="bad_request")


async def test_a_failure_is_said_once(core: Core, store: Store) -> None:
    """Nobody answers: one plain sentence, and the session goes on."""
    core.model.script((TextReceived(text="Par"), rejected("main")), says("Back."))
    core.spare.script((rejected("spare"),))
    await core.take(message(number=1))
    words = 'The connection broke here; this is not the whole answer. Say "retry". (ref t1)'
    await core.shows(f"Par\n\n{words}")
    await core.take(message(number=2))
    await core.shows(f"Par\n\n{words}", "Back.")
    await core.finish()
    assert await turns(store) == [("failed", "cut_by_failure"), ("done", "none")]


async def test_a_fault_of_ours_ends_only_its_turn(
    core: Core, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """A sentence with a reference in the chat, the traceback in the log, and the next turn runs."""
    core.model.script((TextReceived(text="Par"), ZeroDivisionError()))
    core.answers("Back.")
    await core.take(message(number=1))
    words = (
        "Something in this request went wrong on our side. Its operator can look it up. (ref t1)"
    )
    await core.shows(words)
    await core.take(message(number=2))
    await core.shows(words, "Back.")
    assert "turn t1 failed inside the gateway" in caplog.text
    await core.finish()
    assert await turns(store) == [("failed", "none"), ("done", "none")]
    story = await store.read(lambda tx: explain(tx, "t1"))
    assert "  cause: a fault in the gateway" in story


def take_call_id(tx: Tx) -> None:
    """Store a call under the id that the first call of session 1 will have."""
    tx.run(
        "INSERT INTO tool_call (id, turn_id, step, ordinal, tool, arguments, state)"
        " VALUES (?, 1, 9, 9, 'x', '{}', 'done')",
        call_id("1", 1, 1, 0),
    )


async def test_a_row_that_breaks_a_rule_ends_only_its_turn(make: Make, store: Store) -> None:
    """A rule of the schema that refuses one turn's row is no failure of the store."""
    core = make(tools={"once": ScriptedTool(name="once", effect=EffectClass.ONCE)})
    await core.connect()
    held = asyncio.Event()
    core.answers(says("Look", held, calls=(call("once"),)), "Back.")
    await core.take(message(number=1))
    await core.model.waits.wait()
    await store.write(take_call_id, transition=SYNCED)
    held.set()
    await core.adapter.until(lambda: "(ref t1)" in "".join(core.adapter.shown("1001")))
    await core.take(message(number=2))
    await core.adapter.until(lambda: core.adapter.shown("1001")[-1] == "Back.")
    assert core.failures == []


async def test_a_lost_owner_leaves_the_turn_alone(core: Core, store: Store) -> None:
    """Another process took the session over: no word, no row, no failure of the store."""
    held = asyncio.Event()
    core.answers(says("Once", held, "."))
    await core.take(message(number=1))
    await core.model.waits.wait()

    def overtake(tx: Tx) -> None:
        tx.run("UPDATE session SET epoch = epoch + 1")

    await store.write(overtake, transition=SYNCED)
    held.set()
    await core.finish()
    assert core.adapter.shown("1001") == []
    assert await turns(store) == [("open", None)]
    assert core.failures == []


async def test_a_failed_store_is_reported(core: Core, store: Store) -> None:
    """The composition root hears of it and stops the gateway."""
    held = asyncio.Event()
    core.answers(says("Once", held, "."))
    await core.take(message(number=1))
    await core.model.waits.wait()
    await store.close()
    held.set()
    await core.sessions.drain(60)
    assert len(core.failures) == 1


async def test_without_a_way_out_nothing_is_begun(make: Make, store: Store) -> None:
    """Messages of an account that is not connected wait; connecting answers them."""
    core = make()
    core.answers("Paris.")
    await core.take(message())
    await core.finish()
    assert await turns(store) == []
    again = make()
    again.answers("Paris.")
    await again.connect()
    await again.shows("Paris.")


async def test_draining_lets_turns_end(core: Core, store: Store) -> None:
    """A turn that ends in time is answered; nothing else begins."""
    held = asyncio.Event()
    core.answers(says("One", held, "."), "Never.")
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    draining = asyncio.create_task(core.sessions.drain(60))
    await asyncio.sleep(0)
    await core.take(message("two", number=2))
    held.set()
    await draining
    await core.shows("One.")
    assert (await inbox_states(store))[2] == ("new", None, None)
    assert len(core.model.requests) == 1


async def test_a_turn_that_does_not_end_is_taken_up_again(make: Make, store: Store) -> None:
    """Cancelled at its last row; the next start goes on from there and answers once."""
    core = make()
    await core.connect()
    core.answers(says("Once", asyncio.Event()))
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    await core.sessions.drain(0)
    assert await turns(store) == [("open", None)]
    again = make()
    again.answers("Paris.")
    await again.connect()
    await again.shows("Paris.")
    await again.finish()
    assert await turns(store) == [("done", "none")]
    assert people(again.model.requests[0]) == ["one"]


@pytest.mark.parametrize("effect", [EffectClass.KEYED, EffectClass.ONCE])
async def test_a_tool_cut_by_a_stop_of_the_gateway(
    make: Make, store: Store, effect: EffectClass
) -> None:
    """After the restart a keyed call runs again under its id; people decide about any other."""
    began = asyncio.Event()
    ids: list[str] = []

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        ids.append(context.call_id)
        if len(ids) == 1:
            began.set()
            await asyncio.Event().wait()
        return ToolOutput(text="ran")

    tools = {"tool": ScriptedTool(name="tool", effect=effect, does=body)}
    core = make(tools=tools)
    await core.connect()
    core.answers(says("Look.", calls=(call("tool"),)))
    await core.take(message(number=1))
    await began.wait()
    await core.sessions.drain(0)
    again = make(tools=tools)
    again.answers("Done.")
    await again.connect()
    if effect is EffectClass.ONCE:
        (card,) = await again.adapter.performing(1, Post)
        assert isinstance(card, Post)
        await again.take(press(buttons(card)["Skip"].payload, number=2))
    last = "Done." if effect is EffectClass.ONCE else "Look.\n\nDone."
    await again.adapter.until(lambda: last in again.adapter.shown("1001"))
    (result,) = [m for m in again.model.requests[0].messages if isinstance(m, ToolResult)]
    if effect is EffectClass.KEYED:
        assert (len(ids), len(set(ids)), result.status) == (2, 1, ResultStatus.DONE)
    else:
        assert (len(ids), result.status) == (1, ResultStatus.UNKNOWN)


async def test_a_thread_shared_by_several_names_who_speaks(make: Make) -> None:
    """Where several share a session the model is told whose words they are."""
    config = Config(access=AccessConfig(chats=(parse_chat("slack:T1/C1"),)))
    core = make(adapter=ScriptedAdapter(SLACK), config=config)
    await core.connect()
    core.answers("Hello.")
    await core.take(in_group("hi", chat=THREAD, author=SLACK_ANN, mentions=(OUR_MENTION,)))
    await core.shows("Hello.", chat="C1/170.1")
    (asked,) = core.model.requests[0].messages
    assert asked == UserMessage(text="hi", author="Ann")
