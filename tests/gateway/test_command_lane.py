"""Commands of lane "now": what they do, where they answer, and that each is settled once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.credential_pool import CredentialPool, Key, KeyBook
from agent.credential_rests import LoginEnded
from agent.credentials import StaticKey
from agent.errors import ProviderRateLimited
from agent.tools.base import CallContext, EffectClass, PreparedCall, ToolOutput
from gateway.approvals import NOTHING
from gateway.store.base import Store
from gateway.store.records import inbox
from gateway.store.sqlite import SqliteStore
from platforms.content import AnswerPress, Post
from platforms.errors import PlatformUnavailable, PressExpired
from platforms.events import CommandInvoked, PressToken
from tests.agent.failures import failed
from tests.agent.scripted import ORIGIN, ScriptedProvider, ScriptedTool, call, entry
from tests.gateway.core import Core, says
from tests.gateway.events import (
    BEN,
    GROUP,
    OUR_MENTION,
    TOPIC,
    command,
    in_group,
    message,
    press,
)
from tests.gateway.hand_clock import START, HandClock
from tests.gateway.records.rows import arrival, arrived, inbox_states, opened
from tests.gateway.scripted_adapter import ScriptedAdapter

KEY = "telegram:77|telegram:1001"
UNDO = "/undo: take my last answer and its question back"


@pytest.fixture
async def core(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Core]:
    """A connected gateway."""
    core = Core(store, tmp_path, clock)
    await core.connect()
    yield core
    await core.close()


async def answer(core: Core, event: Any, chat: str = "1001") -> str:
    """Give a command and return the words that stand last in the chat then."""
    await core.take(event)
    await core.finish()
    return core.adapter.shown(chat)[-1]


def native(
    name: str, args: str = "", *, life: timedelta = timedelta(minutes=15), **fields: Any
) -> CommandInvoked:
    """A native command that can be answered for so long."""
    until = datetime.fromtimestamp(START / 1_000_000, tz=UTC) + life
    token = PressToken(kind="interaction", value="token", usable_until=until)
    return command(name, args, press=token, **fields)


async def test_help_lists_the_table(core: Core) -> None:
    """Answered where it was asked, as a row of its own."""
    text = await answer(core, message("/help"))
    assert "/stop [all]: stop what I am doing" in text
    story = await core.operator.why("e1")
    assert any("post (command)" in line and "sent" in line for line in story)


async def test_help_of_one_command(core: Core) -> None:
    """Its one line."""
    assert await answer(core, message("/help undo")) == UNDO


async def test_whoami_shows_ids(core: Core) -> None:
    """What an operator writes into lists."""
    text = await answer(core, message("/whoami"))
    assert "telegram:1001" in text
    assert KEY in text


async def test_commands_never_reach_the_model(core: Core) -> None:
    """No command, native or typed, known or not, is a turn."""
    for number, text in enumerate(("/help", "/status", "/stpo", "/stop", "/model"), start=1):
        await core.take(message(text, number=number))
    await core.finish()
    assert core.model.requests == []
    assert await core.store.read(lambda tx: tx.rows("SELECT 1 FROM turn")) == []


async def test_status_of_an_idle_session(core: Core) -> None:
    """Model, turns, what runs and what waits."""
    text = await answer(core, message("/status"))
    for line in ("Model: loopback-1", "This session: 0 turns", "nothing is running, 0 waiting"):
        assert line in text


async def test_status_beside_a_running_turn(core: Core) -> None:
    """It does not wait for the turn, and counts what waits behind it and runs elsewhere."""
    core.answers(says("One", asyncio.Event()), says("Group", asyncio.Event()))
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    core.model.waits.clear()
    await core.take(in_group("hi", number=2, mentions=(OUR_MENTION,)))
    await core.model.waits.wait()
    await core.take(message("two", number=3), message("/status", number=4))
    await core.adapter.until(lambda: bool(core.adapter.shown("1001")))
    (text,) = core.adapter.shown("1001")
    assert "This session: 1 turns" in text
    assert "an answer is being made, 1 waiting" in text
    assert "Elsewhere: 1 running" in text


async def test_stop_without_a_turn(core: Core) -> None:
    """It says that there is nothing."""
    assert await answer(core, message("/stop")) == "Nothing is running here."


async def test_stop_is_answered_by_the_reply_itself(core: Core, store: Store) -> None:
    """The stopped answer says by whom; no second message says it again."""
    core.answers(says("Once", asyncio.Event()))
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    await core.take(message("/stop", number=2))
    await core.shows("Once\n\nStopped by Ann.")
    await core.finish()
    assert core.adapter.shown("1001") == ["Once\n\nStopped by Ann."]
    assert (await inbox_states(store))[2][0] == "done"


async def test_stop_all_takes_back_what_waits(core: Core, store: Store) -> None:
    """The turn ends and the waiting messages are withdrawn."""
    core.answers(says("Once", asyncio.Event()))
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    await core.take(message("two", number=2), message("three", number=3))
    await core.take(message("/stop all", number=4))
    words = "Stopped; 2 waiting messages withdrawn."
    await core.adapter.until(lambda: words in core.adapter.shown("1001"))
    await core.finish()
    assert [state for state, _, _ in (await inbox_states(store)).values()] == [
        "done",
        "ignored",
        "ignored",
        "done",
    ]
    assert len(core.model.requests) == 1


class Slow:
    """What a tool does: it begins, and ends when it may."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self, prepared: PreparedCall, context: CallContext) -> ToolOutput:
        self.began.set()
        await self.may_end.wait()
        return ToolOutput(text="ran")


@pytest.fixture
async def slow() -> Slow:
    """What the tool of the asking gateway does."""
    return Slow()


@pytest.fixture
async def asking(
    store: SqliteStore, tmp_path: Path, clock: HandClock, slow: Slow
) -> AsyncIterator[Core]:
    """A connected gateway with a tool that is asked for where its call says so."""
    tool = ScriptedTool(name="once", effect=EffectClass.ONCE, does=slow)
    core = Core(store, tmp_path, clock, tools={"once": tool})
    await core.connect()
    yield core
    slow.may_end.set()
    await core.close()


ASKS = call("once", '{"verdict": "ask"}')


async def requests(core: Core) -> list[tuple[str, str | None]]:
    """State and decider of every request."""
    rows = await core.store.read(
        lambda tx: tx.rows("SELECT state, decided_name FROM request ORDER BY id")
    )
    return [(state, name) for state, name in rows]


async def test_stop_ends_a_wait_for_people(asking: Core) -> None:
    """What was asked is withdrawn, the turn ends by its stopper's name, and no model is called."""
    asking.answers(says("Look.", calls=(ASKS,)))
    await asking.take(message("do it", number=1))
    await asking.adapter.until(lambda: "Look." in asking.adapter.shown("1001"))
    await asking.take(message("/stop", number=2))
    await asking.adapter.until(lambda: "Stopped by Ann." in asking.adapter.shown("1001"))
    await asking.finish()
    assert await requests(asking) == [("withdrawn", "Ann")]
    turns = await asking.store.read(lambda tx: tx.rows("SELECT state, mark FROM turn"))
    assert turns == [("cancelled", "stopped")]
    assert len(asking.model.requests) == 1


async def test_stop_of_a_step_that_asks_and_runs(asking: Core, slow: Slow) -> None:
    """What runs is cut, what is asked is withdrawn: one end, and both have their result."""
    asking.answers(says("Look.", calls=(call("once"), ASKS)))
    await asking.take(message("do it", number=1))
    await slow.began.wait()
    await asking.take(message("/stop", number=2))
    await asking.finish()
    assert [state for state, _ in await requests(asking)] == ["withdrawn"]
    calls = await asking.store.read(
        lambda tx: tx.rows("SELECT state FROM tool_call ORDER BY ordinal")
    )
    assert calls == [("unknown",), ("not_run",)]
    assert "may have taken effect: once: do" in asking.adapter.shown("1001")[-1]


async def test_status_while_a_turn_waits(asking: Core) -> None:
    """Nothing of it runs, and what is asked can be listed."""
    asking.answers(says("Look.", calls=(ASKS,)))
    await asking.take(message("do it", number=1))
    await asking.adapter.until(lambda: "Look." in asking.adapter.shown("1001"))
    await asking.take(message("/status", number=2), message("/approvals", number=3))
    await asking.finish()
    shown = "\n".join(asking.adapter.shown("1001"))
    assert "nothing is running, 0 waiting" in shown
    assert "once do" in shown
    assert await requests(asking) == [("pending", None)]  # commands replace nothing


async def test_a_yes_in_words_is_no_press(asking: Core) -> None:
    """It approves nothing: as all words of who asked it replaces what is pending."""
    asking.answers(says("Look.", calls=(ASKS,)), "As you say.")
    await asking.take(message("do it", number=1))
    await asking.adapter.until(lambda: "Look." in asking.adapter.shown("1001"))
    await asking.take(message("yes, do it", number=2))
    await asking.adapter.until(lambda: "As you say." in asking.adapter.shown("1001"))
    assert await requests(asking) == [("superseded", "Ann")]


async def test_stop_in_a_chat_reaches_the_persons_thread(core: Core) -> None:
    """Native commands can't always be given inside the thread they are about; only one's own."""
    core.answers(says("Once", asyncio.Event()))
    await core.take(in_group("hi", number=1, chat=TOPIC, mentions=(OUR_MENTION,)))
    await core.model.waits.wait()
    await core.take(command("stop", number=2, chat=GROUP, author=BEN))
    await core.adapter.until(lambda: bool(core.adapter.shown("-100200")))
    assert core.adapter.shown("-100200") == ["Nothing is running here."]
    await core.take(command("stop", number=3, chat=GROUP))
    await core.shows("Once\n\nStopped by Ann.", chat="-100200/7")


async def test_model_shows_and_chooses(core: Core, store: Store) -> None:
    """Without a name the list, with one the choice, with an unknown one the names there are."""
    core.adapter.capabilities = replace(core.adapter.capabilities, part_soft=10_000)
    for number, text in enumerate(
        ("/model", "/model spare", "/model", "/model nope", "/model default", "/model"), start=1
    ):
        await core.take(message(text, number=number))
        await core.router.settled()
    await core.finish()
    first, chosen, second, unknown, default, third = core.adapter.shown("1001")
    assert "main: loopback-1 (this session)" in first
    assert chosen == default == "From the next turn on, this session uses loopback-1."
    assert "spare: loopback-1 (this session)" in second
    assert unknown == "There is no model nope here. There are: main, spare."
    assert "main: loopback-1 (this session)" in third
    (title,) = await store.read(lambda tx: tx.rows("SELECT title FROM session"))
    assert title == ("",)


# Where it answers.


async def test_a_native_command_is_answered_on_itself(core: Core, store: Store) -> None:
    """Only the presser sees it; no row is posted."""
    await core.take(native("whoami"))
    await core.finish()
    (operation,) = core.adapter.performed
    assert isinstance(operation, AnswerPress)
    assert operation.press.value == "token"
    assert "telegram:1001" in operation.text
    assert (await inbox_states(store))[1][0] == "done"


@pytest.mark.parametrize(
    "errors",
    [(PressExpired("late"),), (PlatformUnavailable("down"), PlatformUnavailable("down"))],
)
async def test_a_native_command_that_can_not_be_answered_gets_a_message(
    core: Core, errors: tuple[Exception, ...]
) -> None:
    """The words arrive in the chat instead."""
    core.adapter.then(AnswerPress, *errors)
    assert await answer(core, native("help", "undo")) == UNDO


async def test_a_native_command_after_its_life_gets_a_message(core: Core) -> None:
    """An answer that nobody could see is not even tried."""
    text = await answer(core, native("help", "undo", life=timedelta(seconds=-1)))
    assert text == UNDO
    assert not any(isinstance(op, AnswerPress) for op in core.adapter.performed)


async def test_a_native_stop_says_that_it_did(core: Core) -> None:
    """A native command always has words, so that its sign of work ends."""
    core.answers(says("Once", asyncio.Event()))
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    await core.take(native("stop", number=2))
    await core.finish()
    (told,) = [op for op in core.adapter.performed if isinstance(op, AnswerPress)]
    assert told.text == "Stopped."


async def test_a_press_that_decides_nothing_is_told_so(core: Core, store: Store) -> None:
    """It is answered on itself; too late for that, it is settled in silence."""
    await core.take(press(number=1))
    await core.finish()
    (told,) = core.adapter.performed
    assert isinstance(told, AnswerPress)
    assert told.text == NOTHING
    late = press(number=2)
    expired = replace(late.press, usable_until=datetime(2020, 1, 1, tzinfo=UTC))
    await core.take(replace(late, press=expired))
    await core.finish()
    assert core.adapter.performed == [told]
    assert [state for state, _, _ in (await inbox_states(store)).values()] == ["done", "done"]


async def test_a_press_in_work_is_not_handed_out_again(core: Core) -> None:
    """A platform that reconnects meanwhile does not make the answer leave twice."""
    held = asyncio.Event()
    core.adapter.then(AnswerPress, held)
    await core.take(press(number=1))
    await core.adapter.performing(1, AnswerPress)
    await core.router.resume("telegram:77")
    held.set()
    await core.finish()
    assert len([op for op in core.adapter.performed if isinstance(op, AnswerPress)]) == 1


@pytest.mark.parametrize(
    ("private", "only_for"), [("any", "1001"), ("on_press", None), (None, None)]
)
async def test_answers_in_a_group_are_private_where_they_can_be(
    store: SqliteStore, tmp_path: Path, clock: HandClock, private: Any, only_for: str | None
) -> None:
    """Not everybody needs to read who asked for the status."""
    core = Core(store, tmp_path, clock, adapter=ScriptedAdapter(private=private))
    await core.connect()
    await core.take(in_group("/whoami"))
    await core.finish()
    (post,) = core.adapter.performed
    assert isinstance(post, Post)
    assert post.only_for == only_for
    await core.close()


# Settled once.


async def left_behind(store: Store, name: str = "help", args: str = "undo") -> inbox.Waiting:
    """A command that was journaled, and that nobody has routed."""
    plain = arrival(9)
    content = replace(plain.content, kind="command", command=name, args=args, text=f"/{name}")
    await arrived(store, replace(plain, lane="now", content=content))
    (row,) = await store.read(inbox.waiting_now)
    return row


async def test_a_command_left_behind_is_carried_out_when_connected(
    core: Core, store: Store
) -> None:
    """Journaled and acknowledged, it is answered after the restart, once."""
    await left_behind(store)
    await core.connect()
    await core.connect()
    await core.finish()
    assert core.adapter.shown("1001") == [UNDO]
    assert (await inbox_states(store))[1][0] == "done"


async def test_a_stop_left_behind_reaches_the_turn_that_was_open(core: Core, store: Store) -> None:
    """Nobody runs that turn yet when the command is taken up; it ends without another word."""
    await opened(store, arrival(2))
    await left_behind(store, name="stop")
    await core.connect()
    await core.shows("Stopped by Ann.")
    await core.finish()
    assert await store.read(lambda tx: tx.rows("SELECT state FROM turn")) == [("cancelled",)]
    assert core.model.requests == []


async def test_a_command_that_fails_says_so(
    core: Core, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """A sentence with a reference, the cause in the log, and the row is settled."""
    await core.commands.handle(await left_behind(store, name="nonsense"))
    await core.finish()
    assert core.adapter.shown("1001") == ["This command failed on our side (ref e1)."]
    assert "nonsense" in caplog.text
    assert (await inbox_states(store))[1][0] == "done"


async def test_status_of_models_without_a_key(
    store: Store, tmp_path: Path, clock: HandClock
) -> None:
    """How long the first key of each rests, or that a person has to look."""
    book = KeyBook(now=clock.now)
    entries = []
    for name, error in (
        ("limited", failed(ProviderRateLimited, "rate_limited", retry_after_s=600)),
        ("ended", failed(LoginEnded, "auth")),
    ):
        key = Key(ident=name, label=name, source=StaticKey(label=name, key="k"))
        pool = CredentialPool((key,), book=book, provider=name, choose=lambda n: 0)
        lease = await pool.lease(session="s", model=f"{name}-1")
        await pool.failed(lease, error)
        origin = replace(ORIGIN, endpoint=f"http://{name}", model=f"{name}-1")
        entries.append(entry(ScriptedProvider(origin=origin), name, credential=pool))
    core = Core(store, tmp_path, clock, entries=tuple(entries))
    await core.connect()
    text = await answer(core, message("/status"))
    assert "limited-1 is at its limit or out of credit; its key rests for 10 min more" in text
    assert "ended-1 has no working key: its operator has to log in again" in text
    await core.close()
