"""What waits before a turn: inputs of several messages, the gate, and /stop meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from agent.messages import UserMessage
from agent.tools.base import CallContext, EffectClass, PreparedCall, ToolOutput
from gateway import mailbox
from gateway.busy import BUSY_LINE
from gateway.config.ids import parse_chat, parse_user
from gateway.config.values import AccessConfig, Config
from gateway.errors import QueryTooLong, StoreError
from gateway.fairness import Fairness, Limits, TurnGate
from gateway.sessions import BACKLOG_AT_ONCE, STORE_AGAIN_S
from gateway.store.sqlite import SqliteStore
from platforms.events import Attachment, MessageReceived
from tests.agent.scripted import ScriptedTool, call
from tests.gateway.core import Core, says
from tests.gateway.events import ANN, DM, GROUP, command, message
from tests.gateway.faltering import Faltering
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import inbox_states
from tests.gateway.scripted_adapter import ScriptedAdapter

Make = Callable[..., Core]

KEY = "telegram:77|telegram:1001"
LONG = "x" * mailbox.PASTE_LENGTHS["telegram"].units
EVERYONE = Config(
    access=AccessConfig(
        users=(parse_user("telegram:1001"),),
        chats=(parse_chat("telegram:-100200/*"),),
        require_mention=False,
        dm="open",
    )
)


@pytest.fixture
async def make(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Make]:
    """Makes gateways over one store whose waiting passes by the clock, and stops them."""
    made: list[Core] = []

    def core(**options: Any) -> Core:
        made.append(Core(store, tmp_path, clock, **{"timed": True} | options))
        return made[-1]

    yield core
    for each in made:
        await each.close()


@pytest.fixture
async def core(make: Make) -> Core:
    """One connected gateway."""
    core = make()
    await core.connect()
    return core


class Crowd(asyncio.Event):
    """An event; `full` is set once so many wait for it."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.full = asyncio.Event()
        self._missing = size

    async def wait(self) -> Literal[True]:
        self._missing -= 1
        if self._missing == 0:
            self.full.set()
        return await super().wait()


def photo(number: int, caption: str = "") -> MessageReceived:
    """One video of an album."""
    picture = Attachment(id=str(number), kind="video", file=str(number))
    return message(caption, number=number, album="a1", attachments=(picture,))


def said(core: Core) -> list[list[str]]:
    """What people said in every request so far."""
    return [
        [m.text for m in request.messages if isinstance(m, UserMessage)]
        for request in core.model.requests
    ]


async def waiting_for(clock: HandClock, seconds: float) -> None:
    """Wait until somebody waits for so long from now."""
    await clock.asleep_until(clock.monotonic() + seconds)


async def test_an_album_is_one_input(core: Core, clock: HandClock) -> None:
    """Its turn begins when no further picture came for a while; every row belongs to it."""
    core.answers("Nice.")
    await core.take(photo(1, "Sea"))
    await waiting_for(clock, 0.8)
    clock.advance(0.5)
    await core.take(photo(2), photo(3, "Sea"))
    await waiting_for(clock, 0.8)
    assert core.model.requests == []
    clock.advance(0.8)
    await core.shows("Nice.")
    picture = "[attached: a video; files of this kind can't be read here]"
    assert said(core) == [["\n\n".join(["Sea", picture, picture, picture])]]
    await core.finish()
    assert await inbox_states(core.store) == dict.fromkeys((1, 2, 3), ("done", None, 1))


async def test_a_restart_goes_on_waiting(make: Make, clock: HandClock) -> None:
    """The time is told by the rows: what has passed meanwhile is not waited for again."""
    core = make()
    await core.connect()
    await core.take(photo(1, "Sea"))
    await waiting_for(clock, 0.8)
    await core.close()
    clock.advance(0.5)
    again = make()
    again.answers("Nice.")
    await again.connect()
    await waiting_for(clock, 0.3)
    await again.take(photo(2, "Sun"))
    await waiting_for(clock, 0.8)
    clock.advance(0.8)
    await again.shows("Nice.")
    assert said(again)[0][0].startswith("Sea\nSun")


async def test_the_short_end_of_a_paste_is_not_waited_behind(core: Core, clock: HandClock) -> None:
    """A piece of the length at which clients cut is; the model reads one message."""
    core.answers("Read.")
    await core.take(message(LONG, number=1))
    await waiting_for(clock, 1.5)
    await core.take(message(LONG, number=2), message("end", number=3))
    await core.shows("Read.")
    assert said(core) == [[f"{LONG}\n{LONG}\nend"]]


async def test_a_long_message_alone_waits_its_window(core: Core, clock: HandClock) -> None:
    """And is answered then."""
    core.answers("Read.")
    await core.take(message(LONG))
    await waiting_for(clock, 1.5)
    clock.advance(1.5)
    await core.shows("Read.")


async def test_forwarded_messages_are_one_input(core: Core, clock: HandClock) -> None:
    """A burst of them."""
    core.answers("Read.")
    await core.take(message("one", number=1, forwarded=True))
    await waiting_for(clock, 0.3)
    clock.advance(0.2)
    await core.take(message("two", number=2, forwarded=True))
    await waiting_for(clock, 0.3)
    clock.advance(0.3)
    await core.shows("Read.")
    assert said(core) == [["one\n\ntwo"]]


async def test_a_queued_command_ends_the_wait(core: Core, clock: HandClock) -> None:
    """Both are done in their order, at once."""
    core.answers("Nice.")
    await core.take(photo(1, "Sea"))
    await waiting_for(clock, 0.8)
    await core.take(command("new", number=2))
    await core.shows("Nice.", "Fresh session. The old one is kept.")


async def test_hurrying_ends_the_wait(core: Core, clock: HandClock) -> None:
    """For what waits now, not for what comes later; elsewhere it does nothing."""
    core.answers("Nice.")
    core.sessions.hurry(KEY)
    await core.take(photo(1, "Sea"))
    await waiting_for(clock, 0.8)
    core.sessions.hurry(KEY)
    await core.shows("Nice.")
    await core.take(photo(2, "Sun"))
    await waiting_for(clock, 0.8)


async def test_with_queue_an_album_is_answered_once(make: Make, clock: HandClock) -> None:
    """One by one means one input, not one row."""
    core = make(busy="queue")
    await core.connect()
    core.answers("Nice.", "Two.")
    await core.take(photo(1, "Sea"), photo(2, "Sun"), message("two", number=3))
    await core.shows("Nice.", "Two.")
    assert len(said(core)) == 2


async def test_a_start_that_waits_for_more_can_be_stopped(core: Core, clock: HandClock) -> None:
    """All rows of the input go; the chat is told, and the next message is answered."""
    await core.take(photo(1), photo(2))
    await waiting_for(clock, 0.8)
    assert core.sessions.stoppable(KEY)
    assert core.sessions.stop(KEY, "Ann")
    await core.shows("Stopped.")
    gone = ("ignored", "withdrawn_by_stop", None)
    assert await inbox_states(core.store) == {1: gone, 2: gone}
    core.answers("Hello.")
    await core.take(message(number=3))
    await core.shows("Stopped.", "Hello.")
    await core.finish()
    assert not core.sessions.stoppable(KEY)


async def test_a_start_at_the_gate_can_be_stopped(make: Make) -> None:
    """It never runs, and whoever runs is not disturbed."""
    core = make(gate=TurnGate(Fairness(Limits(total=1))), config=EVERYONE)
    await core.connect()
    held = asyncio.Event()
    core.answers(says("Slow", held, " one."), "Later.")
    await core.take(message(number=1))
    await core.model.waits.wait()
    topic = replace(GROUP, thread_id="7")
    await core.take(message("two", number=2, chat=topic))
    key = "telegram:77|telegram:-100200/7"
    await core.adapter.until(lambda: core.sessions.stoppable(key))
    assert core.sessions.stop(key, "Ann")
    await core.shows("Stopped.", chat="-100200/7")
    held.set()
    await core.shows("Slow one.")
    assert said(core) == [["hello"]]


async def test_a_stop_before_the_turn_has_a_row(core: Core) -> None:
    """In the very moment it is taken: either the words go, or the turn ends at once."""
    core.answers("Never.")
    await core.take(message())
    assert core.sessions.stop(KEY, "Ann")
    await core.adapter.until(
        lambda: core.adapter.shown("1001") in (["Stopped."], ["Stopped by Ann."])
    )
    assert core.model.requests == []


async def test_a_flood_in_one_chat_delays_others_by_one_start(make: Make, clock: HandClock) -> None:
    """With 30 sessions of a group waiting for the only place, a direct chat is next but one."""
    core = make(gate=TurnGate(Fairness(Limits(total=1))), config=EVERYONE)
    await core.connect()
    held = asyncio.Event()
    core.answers(says("First", held), *(f"Answer {n}." for n in range(31)))
    for number in range(30):
        person = replace(ANN, id=str(number), name=f"P{number}")
        topic = replace(GROUP, thread_id=str(number + 1))
        await core.take(message(f"flood {number}", number=number, chat=topic, author=person))
    await core.model.waits.wait()
    await core.take(message("calm", number=99))
    await core.adapter.until(lambda: core.sessions.stoppable(KEY))
    await waiting_at_the_gate(core, 30)
    held.set()
    await core.adapter.until(lambda: len(core.model.requests) == 31)
    asked = [texts[-1] for texts in said(core)]
    assert asked.index("calm") <= 2
    assert len(asked) == 31


async def waiting_at_the_gate(core: Core, count: int) -> None:
    """Wait until so many sessions wait for a place."""
    async with asyncio.timeout(60):
        while core.sessions.queued < count:
            await core.store.read(lambda tx: tx.row("SELECT 1"))


async def test_draining_leaves_what_waits_to_its_rows(make: Make, clock: HandClock) -> None:
    """Neither an incomplete input nor a start at the gate holds the end up."""
    core = make(gate=TurnGate(Fairness(Limits(total=1))), config=EVERYONE)
    await core.connect()
    held = asyncio.Event()
    core.answers(says("Slow", held, " one."))
    await core.take(message(number=1, chat=replace(GROUP, thread_id="1")))
    await core.model.waits.wait()
    await core.take(message(number=2, chat=replace(GROUP, thread_id="2")))
    await core.take(photo(3))
    await waiting_for(clock, 0.8)
    await waiting_at_the_gate(core, 1)
    draining = asyncio.create_task(core.sessions.drain(60))
    held.set()
    await draining
    states = await inbox_states(core.store)
    assert [states[n][0] for n in (1, 2, 3)] == ["done", "new", "new"]


async def test_where_nothing_can_be_reacted_with_a_line_says_it(
    make: Make, clock: HandClock
) -> None:
    """Once in 30 s and chat, however much comes."""
    core = make(adapter=ScriptedAdapter(react=False))
    await core.connect()
    held = asyncio.Event()
    core.answers(says("Slow", held, " one."), "Rest.")
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    await core.take(message("two", number=2))
    await core.shows(BUSY_LINE)
    clock.advance(29)
    await core.take(message("three", number=3))
    clock.advance(1)
    await core.take(message("four", number=4))
    await core.shows(BUSY_LINE, BUSY_LINE)
    held.set()
    await core.shows(BUSY_LINE, BUSY_LINE, "Slow one.", "Rest.")


async def test_a_command_beside_turns_ends_the_wait(core: Core, clock: HandClock) -> None:
    """Whoever gives one is done with what they sent."""
    core.answers("Nice.")
    await core.take(photo(1, "Sea"))
    await waiting_for(clock, 0.8)
    await core.take(message("/whoami", number=2))
    await core.adapter.until(lambda: "Nice." in core.adapter.shown("1001"))


async def test_stop_takes_back_what_waits_to_begin(core: Core, clock: HandClock) -> None:
    """Said while the rest of an album is waited for: no turn answers it, and that is said once."""
    await core.take(photo(1))
    await waiting_for(clock, 0.8)
    await core.take(message("/stop", number=2))
    await core.adapter.until(
        lambda: core.adapter.shown("1001") in (["Stopped."], ["Stopped by Ann."])
    )
    await core.finish()
    assert len(core.adapter.shown("1001")) == 1
    assert core.model.requests == []


async def test_half_an_album_does_not_join_a_turn(make: Make, clock: HandClock) -> None:
    """What is not complete at the end of a step waits for the next turn, and is one input there."""
    began, go = asyncio.Event(), asyncio.Event()

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        began.set()
        await go.wait()
        return ToolOutput(text="ran")

    tool = ScriptedTool(name="pure", effect=EffectClass.PURE, does=body)
    core = make(tools={"pure": tool})
    await core.connect()
    core.answers(says("Look.", calls=(call("pure"),)), "Done.", "Nice.")
    await core.take(message("one", number=1))
    await began.wait()
    await core.take(photo(2, "Sea"))
    go.set()
    await core.shows("Look.\n\nDone.")
    await core.take(photo(3, "Sun"))
    await waiting_for(clock, 0.8)
    clock.advance(0.8)
    await core.shows("Look.\n\nDone.", "Nice.")
    assert [len(texts) for texts in said(core)] == [1, 1, 2]


@pytest.mark.parametrize("error", [QueryTooLong("a read took too long"), StoreError("busy")])
async def test_what_the_store_did_not_do_is_tried_again(
    store: SqliteStore, tmp_path: Path, clock: HandClock, error: StoreError
) -> None:
    """A message does not wait for the next one, and the gateway does not give itself up."""
    faltering = Faltering(store)
    core = Core(faltering, tmp_path, clock, timed=True)
    await core.connect()
    if isinstance(error, QueryTooLong):
        faltering.reads.append(error)
    else:
        faltering.writes.append(("session.taken", error))
    core.answers("Paris.")
    await core.take(message(number=1))
    await waiting_for(clock, STORE_AGAIN_S)
    clock.advance(STORE_AGAIN_S)
    await core.shows("Paris.")
    assert core.failures == []
    await core.close()


async def test_a_backlog_leaves_room_for_whoever_writes_now(make: Make) -> None:
    """Sessions of before the start are taken up a share at a time, and all of them in the end."""
    before, people = make(config=EVERYONE), BACKLOG_AT_ONCE + 5

    def said(number: int) -> MessageReceived:
        person = replace(ANN, id=str(2_000 + number))
        chat = replace(DM, chat_id=person.id)
        return message(number=number + 1, chat=chat, author=person, chat_kind="dm")

    await before.take(*(said(number) for number in range(people)))
    core, held = make(config=EVERYONE), Crowd(BACKLOG_AT_ONCE)
    core.answers(*(says(held, "Late.") for _ in range(BACKLOG_AT_ONCE)), "Now.")
    await core.connect()
    await asyncio.wait_for(held.full.wait(), 60)  # each has taken its answer
    await core.take(said(people))
    newest = f"telegram:{2_000 + people}"
    await core.shows("Now.", chat=str(2_000 + people))
    held_up = {turn.session_key for turn in core.sessions.running()} - {f"telegram:77|{newest}"}
    assert len(held_up) == BACKLOG_AT_ONCE
    core.answers(*("Late." for _ in range(people - BACKLOG_AT_ONCE)))
    held.set()
    for number in range(people):
        await core.shows("Late.", chat=str(2_000 + number))
