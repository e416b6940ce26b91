"""The commands about a chat's past: what is taken back, tried again, condensed, and how hard."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.messages import AssistantMessage, Note, Summary, Text, UserMessage
from agent.providers.base import ModelRequest
from agent.tools.base import EffectClass, Tool
from gateway.past_lane import BUSY, CONTINUE_NOTE, NOTHING, RETRY_NOTE
from gateway.store.base import Store
from gateway.store.records import sessions, transcript
from gateway.store.sqlite import SqliteStore
from tests.agent.scripted import ScriptedTool, call
from tests.gateway.core import Core, says
from tests.gateway.events import message
from tests.gateway.hand_clock import HandClock

KEY = "telegram:77|telegram:1001"


@pytest.fixture
async def core(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Core]:
    """A connected gateway with a tool that only reads and one that has an effect."""
    tools: dict[str, Tool] = {
        "look": ScriptedTool(name="look", effect=EffectClass.PURE),
        "post": ScriptedTool(name="post", effect=EffectClass.ONCE),
    }
    core = Core(store, tmp_path, clock, tools=tools)
    await core.connect()
    yield core
    await core.close()


NUMBERS = itertools.count(1)


async def write(core: Core, text: str) -> None:
    """Write something, as a message of its own."""
    await core.take(message(text, number=next(NUMBERS)))


async def answer(core: Core, text: str) -> str:
    """Write something and return the words that stand last in the chat then."""
    before = len(core.adapter.shown("1001"))
    await write(core, text)
    await core.adapter.until(lambda: len(core.adapter.shown("1001")) > before)
    return core.adapter.shown("1001")[-1]


def words(request: ModelRequest) -> list[str]:
    """What people and the gateway said in a request."""
    return [m.text for m in request.messages if isinstance(m, UserMessage | Note)]


async def test_the_newest_turn_is_taken_back(core: Core, store: Store) -> None:
    """No model reads it again; it stays stored."""
    core.model.script(says("one"), says("two"), says("three"))
    await answer(core, "first")
    await answer(core, "second")
    assert await answer(core, "/undo") == "Taken back: second."
    assert await answer(core, "third") == "three"
    assert words(core.model.requests[-1]) == ["first", "third"]
    stored = await store.read(lambda tx: transcript.load(tx, 1))
    assert UserMessage(text="second") in [each for _, each in stored]


async def test_one_turn_after_the_other_is_taken_back(core: Core) -> None:
    """Up to the beginning, and then there is nothing more."""
    core.model.script(says("one"), says("two"))
    await answer(core, "first")
    await answer(core, "second")
    await answer(core, "/undo")
    assert await answer(core, "/undo") == "Taken back: first."
    assert await answer(core, "/undo") == NOTHING


async def test_an_answer_that_ended_too_early_goes_on(core: Core) -> None:
    """The model reads what it has said and done, and a word to go on from there."""
    core.model.script(says(calls=(call("post"),)), says("Half"), says("and the rest."))
    await answer(core, "post it")
    assert await answer(core, "/continue") == "and the rest."
    assert words(core.model.requests[-1]) == ["post it", CONTINUE_NOTE]
    assert any(
        isinstance(part, Text) and part.text == "Half"
        for m in core.model.requests[-1].messages
        if isinstance(m, AssistantMessage)
        for part in m.parts
    )


async def test_what_words_do_meanwhile_is_chosen_for_a_session(core: Core) -> None:
    """Shown, refused, and from the next turn on a message waits for an answer of its own."""
    assert "join: what is written" in await answer(core, "/busy")
    assert (await answer(core, "/busy later")).startswith("There is no such mode.")
    told = await answer(core, "/busy queue")
    assert told == "From the next turn on: what is written while I answer waits for its own answer."
    held = asyncio.Event()
    core.model.script(says("One", held, "."), says("Two."), says("Three."))
    await write(core, "one")
    await core.model.waits.wait()
    await write(core, "two")
    await write(core, "three")
    held.set()
    await core.adapter.until(lambda: "Three." in core.adapter.shown("1001"))
    assert words(core.model.requests[-1]) == ["one", "two", "three"]
    assert len(core.model.requests) == 3
    assert await answer(core, "/busy default") == (
        "From the next turn on: what is written while I answer joins that answer."
    )


@pytest.mark.parametrize("name", ["/undo", "/retry", "/continue"])
async def test_without_a_past_there_is_nothing(core: Core, name: str) -> None:
    """And nothing is stored for it."""
    assert await answer(core, name) == NOTHING


async def test_what_had_an_effect_is_named(core: Core) -> None:
    """It stays done; what only read is not named."""
    core.model.script(says(calls=(call("look"), call("post"))), says("Posted."))
    await answer(core, "post it")
    text = await answer(core, "/undo")
    assert text.startswith("Taken back: post it. What was done stays done:")
    assert "post: do" in text
    assert "look: do" not in text


async def test_the_past_of_an_open_turn_is_left_alone(core: Core) -> None:
    """While an answer is made both are refused."""
    core.model.script(says("one"))
    await answer(core, "first")
    hold = asyncio.Event()
    core.model.script(says("Let me", hold, " see."))
    await write(core, "second")
    await core.model.waits.wait()
    for name in ("/undo", "/retry"):
        await write(core, name)
        await core.adapter.until(lambda: BUSY.replace("`", "") in core.adapter.shown("1001"))
    hold.set()
    await core.finish()


async def test_the_past_of_a_turn_that_waits_is_left_alone(core: Core) -> None:
    """An approval that waits has to be decided or stopped first."""
    core.model.script(says(calls=(call("post", '{"verdict": "ask"}'),)))
    await write(core, "post it")
    await core.finish()
    assert BUSY.replace("`", "") in await answer(core, "/undo")


async def test_the_same_words_are_answered_again(core: Core) -> None:
    """As if the first answer had not been given."""
    core.model.script(says("one"), says(calls=(call("look"),)), says("bad"), says("good"))
    await answer(core, "first")
    await answer(core, "second")
    assert await answer(core, "/retry") == "good"
    assert words(core.model.requests[-1]) == ["first", "second"]


async def test_after_effects_it_goes_on_behind_them(core: Core) -> None:
    """Nothing is done twice: the results stand, and a note says so."""
    core.model.script(says(calls=(call("post"),)), says("Hm."), says("All done."))
    await answer(core, "post it")
    assert await answer(core, "/retry") == "All done."
    assert words(core.model.requests[-1]) == ["post it", RETRY_NOTE]
    text = await answer(core, "/undo")
    assert "Taken back: post it." in text
    assert "post: do" in text


async def settings_of(store: Store) -> dict[str, Any]:
    session = await store.read(lambda tx: sessions.current(tx, KEY))
    return session.settings if session else {}


async def test_effort_belongs_to_the_session(core: Core, store: Store) -> None:
    """A level, the list of levels, and back to the default."""
    assert "thinks at default" in await answer(core, "/effort")
    assert "no such level" in await answer(core, "/effort huge")
    assert await settings_of(store) == {}
    assert "thinks at high" in await answer(core, "/effort High")
    assert await settings_of(store) == {"effort": "high"}
    assert "thinks at high" in await answer(core, "/effort")
    await answer(core, "/effort default")
    assert await settings_of(store) == {}


async def test_condensing_is_done_with_the_next_answer(core: Core, store: Store) -> None:
    """It is asked for once: after the next turn nothing of it is left."""
    assert await answer(core, "/compact") == "There is nothing to condense yet."
    core.model.script(says("one"), says("two"))
    await answer(core, "first")
    assert "before my next answer" in await answer(core, "/compact")
    assert await settings_of(store) == {"fold": True}
    await answer(core, "second")
    assert await settings_of(store) == {}


async def test_a_long_chat_is_condensed_and_stays_so(core: Core, store: Store) -> None:
    """The summary is a call of its own; later turns begin with it, and it can be taken back."""
    for number in range(8):
        core.model.script(says(f"answer {number} " + "word " * 200))
        await answer(core, f"question {number} " + "word " * 200)
    await answer(core, "/compact")
    core.model.script(says("They talked about words."), says("here"), says("there"))
    assert await answer(core, "now?") == "here"
    summing, first = core.model.requests[-2:]
    assert "question 3" in str(summing.messages)
    assert summing.tools == ()
    summary = Summary(text="They talked about words.")
    assert first.messages[1] == summary
    assert len(first.messages) < 8
    assert await answer(core, "and then?") == "there"
    then = core.model.requests[-1]
    assert then.messages[: len(first.messages)] == first.messages
    await answer(core, "/undo")
    await answer(core, "/undo")
    core.model.script(says("as before"))
    assert await answer(core, "now?") == "as before"
    assert len(core.model.requests[-1].messages) == 17
    rows = await store.read(lambda tx: tx.rows("SELECT kind, undone_at IS NULL FROM fold"))
    assert [(str(kind), bool(live)) for kind, live in rows] == [("summary", False)]
