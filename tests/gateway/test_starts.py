"""Runs of the process: what the last one left behind, and turns that kill one run after another."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.messages import ResultStatus, ToolResult, UserMessage
from agent.tools.base import CallContext, EffectClass, PreparedCall, Tool, ToolOutput
from gateway import starts
from gateway.starts import Start
from gateway.store.base import Tx
from gateway.store.records import chats
from gateway.store.records.explain import explain
from gateway.store.sqlite import SqliteStore
from tests.agent.scripted import ScriptedTool, call
from tests.gateway.core import Core, says
from tests.gateway.events import GROUP, OUR_MENTION, TOPIC, in_group, message
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import inbox_states
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.transitions import KEPT

BOOT = "boot-1"
GIVEN_UP = (
    "I gave up on your last message: working on it stopped me three times in a row. Its operator"
    " can look it up (ref t1). Other messages are answered as usual."
)


class Runs:
    """Runs of a gateway over one store and one platform, one after the other."""

    def __init__(self, store: SqliteStore, path: Path, clock: HandClock) -> None:
        self.store = store
        self.clock = clock
        self.adapter = ScriptedAdapter()
        self.tools: dict[str, Tool] = {}
        self.core: Core | None = None
        self._path = path

    async def start(self, boot: str = BOOT) -> Start:
        """Begin a run; whatever ran before has died without a word."""
        await self.die()
        return await starts.begin(self.store, self.clock, boot=boot)

    async def run(self, start: Start) -> Core:
        """The gateway of a run, not yet connected."""
        self.core = Core(
            self.store,
            self._path,
            self.clock,
            tools=self.tools,
            adapter=self.adapter,
            start=start,
        )
        return self.core

    async def end(self, start: Start) -> None:
        """End a run in order."""
        await self.die()
        await starts.end(self.store, self.clock, start)

    async def die(self) -> None:
        """End what runs now, without a word."""
        core, self.core = self.core, None
        if core is not None:
            await core.close()

    async def deaths(self, times: int, *, every_s: float = 5.0) -> None:
        """Let runs begin, take up what is open, and die in its model call."""
        for _ in range(times):
            core = await self.run(await self.start())
            core.answers(says("Once", asyncio.Event()))
            await core.connect()
            await core.model.waits.wait()
            await self.die()
            self.clock.advance(every_s)

    async def asked(self, *events: object) -> None:
        """Let messages wait for the first run."""
        core = await self.run(await self.start())
        await core.take(*events)
        await self.die()
        await self.store.write(lambda tx: tx.run("DELETE FROM start"), transition=KEPT)

    async def counted(self) -> list[tuple[str, int]]:
        """State and deaths of every turn."""
        rows = await self.store.read(
            lambda tx: tx.rows("SELECT state, deaths FROM turn ORDER BY id")
        )
        return [(state, deaths) for state, deaths in rows]


@pytest.fixture
async def runs(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Runs]:
    """No run yet."""
    made = Runs(store, tmp_path, clock)
    yield made
    await made.die()


# What a run finds.


async def test_the_first_run_finds_nothing(runs: Runs) -> None:
    """Nobody died before it."""
    start = await runs.start()
    begun = start.begun
    assert (begun.died, begun.rebooted, begun.suspects, begun.guilty) == (False, False, (), ())
    assert (start.doubt_before, start.quarantined) == (None, ())


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("boot", [BOOT, "boot-2"])
async def test_a_run_knows_how_the_last_one_ended(runs: Runs, ended: bool, boot: str) -> None:
    """Only a machine that went down with it takes the last marks of what left along."""
    first = await runs.start()
    if ended:
        await runs.end(first)
    start = await runs.start(boot)
    rebooted = not ended and boot != BOOT
    assert (start.begun.died, start.begun.rebooted) == (not ended, rebooted)
    assert start.doubt_before == (runs.clock.now() if rebooted else None)


async def test_a_run_knows_only_the_last_one(runs: Runs) -> None:
    """A death before a run that ended in order is history."""
    await runs.start()
    await runs.end(await runs.start())
    assert not (await runs.start()).begun.died


async def test_a_run_pauses_no_chat(runs: Runs) -> None:
    """Whoever paused one in the last run will again if need be; a dead one stays dead."""
    marks: tuple[tuple[str, chats.ChatState], ...] = (
        ("telegram:1", "paused"),
        ("telegram:2", "dead"),
    )

    def unit(tx: Tx) -> None:
        for chat, state in marks:
            chats.mark(tx, account="telegram:77", chat=chat, state=state, reason="x", now=1)

    await runs.store.write(unit, transition=KEPT)
    await runs.start()
    marked = await runs.store.read(lambda tx: chats.marked(tx, "telegram:77"))
    assert [(chat.chat, chat.state) for chat in marked] == [("telegram:2", "dead")]


def test_the_boot_has_one_id() -> None:
    """It is the same for as long as the machine runs."""
    assert starts.boot_id() == starts.boot_id()


# Deaths.


async def test_a_death_counts_for_what_was_taken(runs: Runs) -> None:
    """A turn the run never took up is not suspected of its death."""
    group = in_group("two", number=2, mentions=(OUR_MENTION,))
    await runs.asked(message("one", number=1), group)
    core = await runs.run(await runs.start())
    core.answers(says("Once", asyncio.Event()), says("Once", asyncio.Event()))
    await core.connect()
    await asked_for(core, 2)
    await runs.store.write(
        lambda tx: tx.run("UPDATE turn SET start_id = 0 WHERE id = 2"), transition=KEPT
    )
    await runs.start()
    assert await runs.counted() == [("open", 1), ("open", 0)]


async def test_a_run_that_ends_in_order_clears_its_turns(runs: Runs) -> None:
    """Whatever died before, it was not this turn."""
    await runs.asked(message())
    await runs.deaths(2)
    start = await runs.start()
    assert start.begun.suspects == ("telegram:77|telegram:1001",)
    await runs.end(start)
    start = await runs.start()
    assert (await runs.counted(), start.begun.suspects) == ([("open", 0)], ())


async def test_one_death_suspects_nobody(runs: Runs) -> None:
    """It may have been anything."""
    await runs.asked(message())
    await runs.deaths(1)
    start = await runs.start()
    assert (await runs.counted(), start.begun.suspects) == ([("open", 1)], ())


async def test_deaths_far_apart_are_no_loop(runs: Runs) -> None:
    """Three runs in more than a minute: the turn goes on, suspected for the last two."""
    await runs.asked(message())
    await runs.deaths(3, every_s=30.5)
    start = await runs.start()
    assert (len(start.begun.suspects), start.begun.guilty) == (1, ())
    assert await runs.counted() == [("open", 3)]


async def test_a_loop_is_one_however_long_after(runs: Runs) -> None:
    """The machine was off for a day after it: nobody tries a fourth time."""
    await runs.asked(message())
    await runs.deaths(3, every_s=30.0)
    runs.clock.advance(24 * 3600)
    assert (await runs.start()).begun.guilty == (1,)


async def test_a_clock_set_back_hides_no_loop(runs: Runs) -> None:
    """Runs follow each other by their number, not by their time."""
    await runs.asked(message())
    await runs.deaths(2)
    runs.clock.advance(-20.0)
    await runs.deaths(1)
    assert (await runs.start()).begun.guilty == (1,)


async def test_a_turn_people_decided_about_is_no_suspect(runs: Runs) -> None:
    """It waited for them in between and begins anew."""
    began = asyncio.Event()

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    runs.tools["once"] = ScriptedTool(name="once", effect=EffectClass.ONCE, does=body)
    await runs.asked(message("do it", number=1))
    core = await runs.run(await runs.start())
    core.answers(says("Look.", calls=(call("once"),)))
    await core.connect()
    await began.wait()
    core = await runs.run(await runs.start())
    await core.connect()
    await core.adapter.until(lambda: len(core.adapter.shown("1001")) == 2)  # card, words so far
    assert await runs.counted() == [("waiting", 1)]
    core.answers(says("Once", asyncio.Event()))
    await core.take(message("forget it", number=2))
    await core.model.waits.wait()
    assert await runs.counted() == [("open", 0)]


# Suspects, and the guilty one.


async def test_suspects_run_one_at_a_time(runs: Runs) -> None:
    """So that the next death names one; everyone else is served beside them."""
    chats_asked = (GROUP, TOPIC)
    suspects = [
        in_group(f"suspect {number}", number=number, chat=chat, mentions=(OUR_MENTION,))
        for number, chat in enumerate(chats_asked, start=1)
    ]
    await runs.asked(*suspects)
    for _ in range(2):
        core = await runs.run(await runs.start())
        core.answers(says("A", asyncio.Event()), says("B", asyncio.Event()))
        await core.connect()
        await asked_for(core, 2)
    start = await runs.start()
    assert len(start.begun.suspects) == 2
    core = await runs.run(start)
    held = asyncio.Event()
    core.answers(says("First", held, "."), "Beside.", "Second.")
    await core.connect()
    await core.model.waits.wait()
    await core.take(message("hello", number=3))
    await core.shows("Beside.")
    assert [people(core, n)[-1] for n in range(2)] == ["suspect 1", "hello"]
    held.set()
    await core.adapter.until(lambda: core.adapter.shown("-100200/7") == ["Second."])
    assert core.adapter.shown("-100200") == ["First."]


async def test_the_third_death_ends_the_turn_that_runs(runs: Runs) -> None:
    """Of two suspects the one that was taken up is guilty; the other one is answered."""
    events = [
        in_group(f"suspect {number}", number=number, chat=chat, mentions=(OUR_MENTION,))
        for number, chat in enumerate((GROUP, TOPIC), start=1)
    ]
    await runs.asked(*events)
    for begun in (2, 2, 1):
        core = await runs.run(await runs.start())
        core.answers(*(says("A", asyncio.Event()) for _ in range(begun)))
        await core.connect()
        await asked_for(core, begun)
    start = await runs.start()
    assert start.quarantined == ("t1",)
    assert await runs.counted() == [("failed", 3), ("open", 2)]
    core = await runs.run(start)
    core.answers("Second.")
    await core.connect()
    await core.shows(GIVEN_UP, chat="-100200")
    await core.shows("Second.", chat="-100200/7")


async def test_a_quarantined_turn_is_over(runs: Runs) -> None:
    """Its chat is told once, its message is done, `why` says it, and its session goes on."""
    await runs.asked(message("kill", number=1))
    await runs.deaths(3)
    start = await runs.start()
    assert start.quarantined == ("t1",)
    assert (await inbox_states(runs.store))[1] == ("done", None, 1)
    core = await runs.run(start)
    core.answers("Hello.")
    await core.connect()
    await core.shows(GIVEN_UP)
    await core.take(message("hello", number=2))
    await core.shows(GIVEN_UP, "Hello.")
    again = await runs.start()
    assert again.quarantined == ()
    core = await runs.run(again)
    await core.connect()
    await core.finish()
    await core.shows(GIVEN_UP, "Hello.")
    story = await runs.store.read(lambda tx: explain(tx, "t1"))
    assert "  failed" in story
    assert "  cause: quarantined: the gateway died with it three times within a minute" in story
    assert any(line.startswith("  step 1.3: loopback-1, the gateway ended in it") for line in story)


async def test_a_call_of_a_quarantined_turn_is_in_doubt(runs: Runs) -> None:
    """The model of the next turn reads that it may have taken effect; it is not run again."""
    ran: list[str] = []
    began = asyncio.Event()

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        ran.append(context.call_id)
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    runs.tools["keyed"] = ScriptedTool(name="keyed", effect=EffectClass.KEYED, does=body)
    await runs.asked(message("kill", number=1))
    for attempt in range(3):
        core = await runs.run(await runs.start())
        if attempt == 0:
            core.answers(says("Look.", calls=(call("keyed"),)))
        began.clear()
        await core.connect()
        await began.wait()
    core = await runs.run(await runs.start())
    core.answers("Hello.")
    await core.connect()
    await core.take(message("hello", number=2))
    await core.shows(GIVEN_UP, "Hello.")
    (result,) = [m for m in core.model.requests[0].messages if isinstance(m, ToolResult)]
    assert (result.status, result.call_id, len(ran)) == (ResultStatus.UNKNOWN, ran[0], 3)


async def asked_for(core: Core, count: int) -> None:
    """Wait until the model was asked so often."""
    async with asyncio.timeout(60):
        while len(core.model.requests) < count:
            await core.store.read(lambda tx: tx.row("SELECT 1"))


def people(core: Core, request: int) -> list[str]:
    """What people said, as a model read it."""
    messages = core.model.requests[request].messages
    return [m.text for m in messages if isinstance(m, UserMessage)]
