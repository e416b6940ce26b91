"""Presses and forms on their way in: who may be barred, and which reply fills in which form."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.config.ids import parse_chat
from gateway.config.values import AccessConfig, Config
from gateway.store.base import Store, Tx
from gateway.store.records import inbox, prompts
from platforms.events import Author, MessageReceived, MessageRef, Quote, Receipt
from tests.gateway.events import (
    ANN,
    BEN,
    GROUP,
    TOPIC,
    US,
    deleted,
    delivery,
    edited,
    form,
    in_group,
    message,
    press,
)
from tests.gateway.hand_clock import START, HandClock
from tests.gateway.intake import CONFIG, Intake
from tests.gateway.records.rows import inbox_states, write

TEN_MINUTES = 600 * 1_000_000
OPEN = Config(access=AccessConfig(dm="open", chats=(parse_chat("telegram:-100200"),)))


async def prompted(store: Store, *, chat: str = "telegram:1001", person: str = "") -> None:
    """Message 40 of a chat asks ann, or another, for a reason within ten minutes."""
    prompt = prompts.Prompt(
        form_id="token",
        field="reason",
        person=person or "telegram:1001",
        until_at=START + TEN_MINUTES,
    )

    def unit(tx: Tx) -> None:
        prompts.insert(tx, account="telegram:77", chat=chat, message_id="40", prompt=prompt)

    await write(store, unit)


def reply(text: str = "too dear", *, of: str = "40", **fields: Any) -> MessageReceived:
    """A reply to message 40 of ours."""
    plain = message(text, **fields)
    quoted = Quote(message=MessageRef(chat=plain.chat, message_id=of), author=US, text="Why not?")
    return replace(plain, quote=quoted)


async def refusals(store: Store) -> list[str]:
    """The words of every refusal."""
    rows = await store.read(lambda tx: tx.rows("SELECT content FROM outbox ORDER BY id"))
    return [str(row[0]) for row in rows]


# Who may press.


@pytest.mark.parametrize(
    ("config", "event", "barred"),
    [
        (CONFIG, press(author=ANN), False),
        (CONFIG, press(author=BEN), True),
        (OPEN, press(author=BEN), False),
        (OPEN, press(author=replace(BEN, guest=True)), True),
        (OPEN, press(author=replace(BEN, external=True)), True),
        (CONFIG, press(author=replace(ANN, external=True)), True),
        (CONFIG, form(author=replace(ANN, external=True)), True),
        (CONFIG, press(author=BEN, chat=GROUP), False),
        (CONFIG, press(author=BEN, chat=TOPIC), False),
        (CONFIG, press(author=replace(BEN, guest=True), chat=GROUP), True),
        (CONFIG, form(author=ANN), False),
        (CONFIG, form(author=BEN), True),
    ],
)
async def test_whoever_may_not_speak_may_not_decide(
    intake: Intake, config: Config, event: Any, barred: bool
) -> None:
    """A press of theirs is stored and answered, and marked: the desk turns it away."""
    assert await intake.made(config)(delivery(event)) is Receipt.STORED
    (row,) = intake.entered
    assert (row.lane, row.content.barred) == ("press", barred)


@pytest.mark.parametrize(
    "author",
    [
        Author(id="1001", kind="bot"),
        Author(id="1001", kind="webhook"),
        Author(id="1001", kind="channel"),
        Author(id="1001", kind="anonymous_admin"),
        US,
    ],
)
@pytest.mark.parametrize("make", [press, form])
async def test_nothing_but_people_press(
    intake: Intake, store: Store, make: Any, author: Author
) -> None:
    """Whatever id they have: kept, not handed on, and its spinner ends."""
    await intake.take(make(author=author))
    assert intake.entered == []
    assert [state for state, _, _ in (await inbox_states(store)).values()] == ["ignored"]


async def test_roles_in_a_press_are_kept(intake: Intake) -> None:
    """Where a platform says them with the press, nobody has to be asked."""
    await intake.take(press(author=replace(ANN, roles=("r1", "r2"))))
    (row,) = intake.entered
    assert row.content.roles == ("r1", "r2")


async def test_a_form_is_kept_whole(intake: Intake) -> None:
    """What its button carried, its fields, who filled it in, and where."""
    await intake.take(form())
    (row,) = intake.entered
    content = row.content
    assert (content.kind, content.args) == ("form", "token")
    assert content.values == (("reason", "too dear"),)
    assert (content.author, content.reply_to) == ("telegram:1001", "telegram:1001")
    again = inbox.Content.from_json(content.to_json())
    assert again == content


# Forms that are replies.


async def test_a_reply_to_a_prompt_fills_in_its_form(intake: Intake, store: Store) -> None:
    """It is no message to the model, and can neither be edited nor taken back any more."""
    await prompted(store)
    await intake.take(reply())
    (row,) = intake.entered
    assert (row.lane, row.content.kind, row.content.args) == ("press", "form", "token")
    assert row.content.values == (("reason", "too dear"),)
    assert row.message_id is None
    await intake.take(edited("yes", of=1))
    await intake.take(deleted(1))
    (waits,) = await store.read(inbox.waiting_now)
    assert waits.content.values == (("reason", "too dear"),)


@pytest.mark.parametrize("text", ["/approve K7Q2F", "/nonsense", "!stop", "y" * 200_000])
async def test_whatever_stands_in_a_form_is_words(intake: Intake, store: Store, text: str) -> None:
    """No command of it is carried out, and none is missing."""
    await prompted(store)
    await intake.take(reply(text))
    (row,) = intake.entered
    assert (row.content.kind, row.content.values) == ("form", (("reason", text),))
    assert await refusals(store) == []


async def test_only_its_own_person_fills_in_a_form(intake: Intake, store: Store) -> None:
    """Another's reply is a message like any other, and the form stays open."""
    await prompted(store, chat="telegram:-100200")
    await intake.take(reply("yes", number=1, chat=GROUP, author=BEN))
    await intake.take(reply("too dear", number=2, chat=GROUP))
    first, second = intake.entered
    assert (first.lane, first.content.kind, first.content.text) == ("turn", "message", "yes")
    assert (second.lane, second.content.values) == ("press", (("reason", "too dear"),))


async def test_a_late_reply_is_told_so(intake: Intake, store: Store, clock: HandClock) -> None:
    """It decides nothing, and neither is it taken for words that replace what is pending."""
    await prompted(store)
    clock.advance(600.0)
    await intake.take(reply("in time", number=1))
    assert [row.lane for row in intake.entered] == ["press"]
    await write(store, lambda tx: tx.run("UPDATE prompt SET form_id = 'token'"))
    clock.advance(0.001)
    await intake.take(reply("late", number=2))
    assert len(intake.entered) == 1
    assert (await inbox_states(store))[2][:2] == ("refused", "form_over")
    (told,) = await refusals(store)
    assert "too late" in told


async def test_a_second_answer_is_told_so(intake: Intake, store: Store) -> None:
    """The first one stands; one delivered twice is not even told."""
    await prompted(store)
    for _ in range(2):
        await intake.take(reply("first", number=1))
    assert await refusals(store) == []
    await intake.take(reply("second", number=2))
    (row,) = intake.entered
    assert row.content.values == (("reason", "first"),)
    assert len(await refusals(store)) == 1


@pytest.mark.parametrize(
    "event",
    [
        reply(of="41"),
        reply(chat=GROUP, chat_kind="group"),
        message("too dear"),
    ],
)
async def test_words_beside_a_prompt_are_words(intake: Intake, store: Store, event: Any) -> None:
    """A reply to another message or in another chat, and what replies to nothing."""
    await prompted(store)
    await intake.take(event)
    (row,) = intake.entered
    assert (row.lane, row.content.kind) == ("turn", "message")


async def test_a_prompt_in_a_thread_is_answered_there(intake: Intake, store: Store) -> None:
    """Message ids count through all of a chat."""
    await prompted(store, chat="telegram:-100200")
    await intake.take(reply(chat=TOPIC, chat_kind="group"))
    (row,) = intake.entered
    assert row.content.kind == "form"


async def test_whoever_may_not_speak_any_more_fills_in_nothing(
    intake: Intake, store: Store
) -> None:
    """Between the press and the reply they were taken off the list."""
    await prompted(store, person="telegram:1002")
    await intake.take(reply(author=BEN))
    assert intake.entered == []
    assert (await inbox_states(store))[1][:2] == ("ignored", "sender_not_listed")


async def test_a_reply_in_a_group_need_not_mention_us(intake: Intake, store: Store) -> None:
    """It answers our message, as every reply does that is meant for us."""
    await prompted(store, chat="telegram:-100200")
    await intake.take(replace(in_group("too dear"), quote=reply(chat=GROUP).quote))
    (row,) = intake.entered
    assert row.content.kind == "form"
