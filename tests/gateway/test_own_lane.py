"""/export and /forget: what people may do with the words of their own chats."""

import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.messages import Note, UserMessage
from agent.tools.base import EffectClass
from gateway.config.ids import parse_user
from gateway.config.values import GatewayConfig
from gateway.store.base import Row, Store, Tx
from gateway.store.sqlite import SqliteStore
from platforms.content import Upload
from platforms.events import ChatRef, Receipt
from tests.agent.scripted import ScriptedTool, call
from tests.gateway.core import Core, says
from tests.gateway.events import (
    BEN,
    OUR_MENTION,
    TELEGRAM,
    TOPIC,
    changed,
    delivery,
    in_group,
    message,
)
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import CONFIG

KEY = "telegram:77|telegram:1001"
OWNED = replace(CONFIG, gateway=GatewayConfig(owners=(parse_user("telegram:1002"),)))
NUMBERS = itertools.count(1)


@pytest.fixture
async def core(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Core]:
    """A connected gateway with one tool; Ben owns it."""
    tool = ScriptedTool(name="post", effect=EffectClass.ONCE)
    core = Core(store, tmp_path, clock, tools={"post": tool}, config=OWNED)
    await core.connect()
    yield core
    await core.close()


async def answer(core: Core, text: str) -> str:
    """Write something and return the words that stand last in the chat then."""
    return await after(core, message(text, number=next(NUMBERS)), "1001")


async def after(core: Core, event: Any, chat: str) -> str:
    """Let something come in, and return the next words that stand in a chat."""

    def words() -> list[str]:
        return [text for text in core.adapter.shown(chat) if not text.startswith("file ")]

    before = len(words())
    await core.take(event)
    await core.adapter.until(lambda: len(words()) > before)
    await core.router.settled()
    return words()[-1]


async def told(core: Core) -> None:
    """A turn with a call, so that every kind of words is stored."""
    core.model.script(says("Look.", calls=(call("post", '{"verdict": "allow"}'),)), says("Posted."))
    await answer(core, "tell `them` about it")


def files(core: Core) -> list[Upload]:
    """What was sent as a file."""
    return [op for op in core.adapter.performed if isinstance(op, Upload)]


async def test_a_session_is_sent_as_a_file(core: Core) -> None:
    """Every message in order, with what tools were given and gave back."""
    await told(core)
    assert "newest 4 messages" in await answer(core, "/export")
    (file,) = files(core)
    text = file.data.decode()
    assert (file.name, file.mime) == ("session.md", "text/markdown")
    call_ = '{"verdict": "allow"}'
    order = ("## You", "tell `them`", "## Answer", call_, "## Result of post", "Posted.")
    places = [text.index(each) for each in order]
    assert places == sorted(places)
    await answer(core, "/export json")
    made = orjson.loads(files(core)[-1].data)
    assert [each["is"] for each in made["messages"]] == ["user", "answer", "result", "answer"]
    assert made["messages"][1]["calls"] == [{"tool": "post", "arguments": '{"verdict": "allow"}'}]
    assert "`/export json`" not in await answer(core, "/export pdf")
    assert len(files(core)) == 2


async def test_in_a_group_the_file_goes_to_whoever_asked(core: Core) -> None:
    """Their own session there, in their direct chat; nothing of it stands in the group."""
    core.model.script(says("Hello."))
    hello = in_group("hi", number=next(NUMBERS), mentions=(OUR_MENTION,))
    assert await after(core, hello, "-100200") == "Hello."
    words = await after(core, in_group("/export", number=next(NUMBERS)), "-100200")
    assert "2 messages in our direct chat" in words
    (file,) = files(core)
    assert file.chat.chat_id == "1001"


async def test_what_several_share_is_not_one_persons(core: Core) -> None:
    """In a thread approvers take it along, and owners alone delete it."""
    core.model.script(says("Hello."))
    for text in ("hi", "/export", "/forget"):
        number = next(NUMBERS)
        event = in_group(text, number=number, chat=TOPIC, mentions=(OUR_MENTION,))
        await after(core, event, "-100200/7")
    assert core.adapter.shown("-100200/7")[-2:] == [
        "Only approvers of this chat and owners can use /export here.",
        "Only owners of this gateway can use /forget.",
    ]
    assert files(core) == []


async def code_of(core: Core) -> str:
    """Ask to forget, and read the code."""
    found = re.search(r"/forget (\w{4})\.", await answer(core, "/forget"))
    assert found is not None
    return found[1]


async def test_words_are_deleted_after_asking_twice(core: Core, store: Store) -> None:
    """Bodies go everywhere they were stored; who decided what for how much stays."""
    await told(core)
    await answer(core, "/new")
    core.model.script(says("Again."))
    await answer(core, "secret two")
    code = await code_of(core)
    assert "Nobody can bring it back" in await answer(core, f"/forget {code.lower()}")
    assert (await answer(core, f"/forget {code} {code}")).startswith("Forgotten.")

    def left(tx: Tx) -> dict[str, list[Row]]:
        asked = {
            "messages": "SELECT body FROM message",
            "calls": "SELECT arguments, state FROM tool_call",
            "titles": "SELECT title, closed_at IS NULL FROM session",
            "inbox": "SELECT content FROM inbox WHERE raw <> '' OR content IS NOT NULL",
            "outbox": "SELECT content FROM outbox WHERE content <> ''",
            "turns": "SELECT state FROM turn ORDER BY id",
            "audit": "SELECT actor, subject FROM audit WHERE kind = 'forget'",
        }
        return {name: tx.rows(sql) for name, sql in asked.items()}

    found = await store.read(left)
    assert found["messages"] == []
    assert found["calls"] == [("", "done")]
    assert found["titles"] == [("", 0), ("", 0)]
    assert [each for each in found["inbox"] if "secret" in str(each)] == []
    assert len(found["inbox"]) == 1  # the last command, which was still in work
    assert "Forgotten" in str(found["outbox"]) and len(found["outbox"]) == 1
    assert found["turns"] == [("done",), ("done",)]
    assert found["audit"] == [("telegram:1001", KEY)]
    core.model.script(says("Fresh."))
    assert await answer(core, "three") == "Fresh."
    said = [m.text for m in core.model.requests[-1].messages if isinstance(m, UserMessage | Note)]
    assert said == ["three"]


async def test_in_a_shared_thread_everybodys_words_go(core: Core, store: Store) -> None:
    """Also commands that others gave, what was refused, what was only heard, of before a move."""
    core.model.script(says("Hello."))
    place: dict[str, Any] = {"chat": TOPIC, "mentions": (OUR_MENTION,)}
    heard = in_group("a secret that was heard", chat=TOPIC, number=next(NUMBERS))
    assert await core.ingest(delivery(heard)) is Receipt.STORED
    for text in ("hi", "/why secret", "/export secret", "/forget"):
        event = in_group(text, number=next(NUMBERS), **place)
        await after(core, event, "-100200/7")
    moved = changed("moved", moved_to=ChatRef(account=TELEGRAM, chat_id="-900"))
    await core.take(replace(moved, delivery_key="m", logical_key="m"))
    place["chat"] = ChatRef(account=TELEGRAM, chat_id="-900", thread_id="7")
    place["author"] = BEN
    asks = await after(core, in_group("/forget", number=next(NUMBERS), **place), "-900/7")
    found = re.search(r"/forget (\w{4})\.", asks)
    assert found is not None
    words = f"/forget {found[1]} {found[1]}"
    done = await after(core, in_group(words, number=next(NUMBERS), **place), "-900/7")
    assert done.startswith("Forgotten.")
    left = await store.read(
        lambda tx: tx.rows("SELECT state, content FROM inbox WHERE content IS NOT NULL")
    )
    assert "secret" not in str(left) and words in str(left)  # itself was still in work


async def test_what_was_said_meanwhile_is_asked_about_anew(core: Core, store: Store) -> None:
    """The code stands for what is stored: with a further message it is another one."""
    core.model.script(says("One."), says("Two."))
    await answer(core, "one")
    code = await code_of(core)
    await answer(core, "two")
    assert "4 messages" in await answer(core, f"/forget {code} {code}")
    assert len(await store.read(lambda tx: tx.rows("SELECT 1 FROM message"))) == 4


async def test_owners_name_another_session(core: Core, store: Store) -> None:
    """Others can't; without a past there is nothing to ask about."""
    assert await answer(core, "/forget") == "Nothing of this session is stored."
    core.model.script(says("One."))
    await answer(core, "one")
    assert await answer(core, "/export md telegram:77|telegram:1002") == (
        "Only owners can name another session than this one."
    )
    group: dict[str, Any] = {"author": BEN, "mentions": (OUR_MENTION,)}
    asks = await after(core, in_group(f"/forget {KEY}", number=next(NUMBERS), **group), "-100200")
    found = re.search(rf"/forget {re.escape(KEY)} (\w{{4}})", asks)
    assert found is not None
    words = f"/forget {KEY} {found[1]} {found[1]}"
    done = await after(core, in_group(words, number=next(NUMBERS), **group), "-100200")
    assert done.startswith("Forgotten.")
    assert await store.read(lambda tx: tx.rows("SELECT 1 FROM message")) == []
