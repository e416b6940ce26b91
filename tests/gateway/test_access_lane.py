"""What people ask about themselves: what became of their words, what is kept of them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.access_lane import privacy_text
from gateway.config.ids import parse_chat, parse_user
from gateway.config.values import AccessConfig, Config, GatewayConfig, ProviderConfig
from gateway.store.records import listed
from gateway.store.sqlite import SqliteStore
from gateway.words.phrase import ENGLISH, Reader
from tests.gateway.core import Core
from tests.gateway.events import ANN, BEN, in_group, message
from tests.gateway.hand_clock import HandClock

CONFIG = Config(
    gateway=GatewayConfig(owners=(parse_user("telegram:1001"),)),
    access=AccessConfig(
        users=(parse_user("telegram:1001"), parse_user("telegram:1002")),
        chats=(parse_chat("telegram:-100200"),),
    ),
)


@pytest.fixture
async def core(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Core]:
    """A connected gateway that ann owns and ben may write to."""
    core = Core(store, tmp_path, clock, config=CONFIG)
    await core.connect()
    yield core
    await core.close()


async def answer(core: Core, text: str, *, number: int, author: object = BEN) -> str:
    """Give a command directly and return what it is answered with."""
    chat = "1002" if author == BEN else "1001"
    event = message(text, number=number)
    place = replace(event.chat, chat_id=chat)
    said = replace(event, author=author, chat=place, reply_to=place)
    await core.take(said)
    await core.router.settled()
    for outlet in core.deliveries.outlets():
        await outlet.flush()
    return core.adapter.shown(chat)[-1]


async def test_why_of_ones_own_words(core: Core) -> None:
    """By event and by message; with the check that decided and its key."""
    await core.take(in_group("hello", author=BEN, number=7))
    story = await answer(core, "/why e1", number=20)
    assert "ignored: not_addressed" in story
    assert "check 6 of 10, whom it means, decided by access.require_mention" in story
    assert await answer(core, "/why telegram:-100200/7", number=21) == story


async def test_why_of_others_words_is_for_owners(core: Core) -> None:
    """So is what has no author."""
    await core.take(in_group("hello", author=ANN, number=7))
    refused = "You can ask about what you wrote yourself; owners about everything."
    for number, ident in enumerate(("e1", "telegram:-100200/7", "e99", "o1", "t1"), start=20):
        assert await answer(core, f"/why {ident}", number=number) == refused
    assert "not_addressed" in await answer(core, "/why e1", number=30, author=ANN)
    assert await answer(core, "/why e99", number=31, author=ANN) == "Nothing here has this id."
    assert "ids look like" in await answer(core, "/why", number=32)


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ("/pair list", "Only owners of this gateway can use /pair."),
        ("/allow telegram:-900", "Only owners of this gateway can use /allow."),
        ("/budget user_day $90", None),
        ("/unfreeze", None),
    ],
)
async def test_people_of_another_organisation_give_no_owners_word(
    core: Core, words: str, refused: str | None
) -> None:
    """Not even one who is an owner here: they read what whoever is none reads."""
    told = await answer(core, words, number=20, author=replace(ANN, external=True))
    assert told == (refused or await answer(core, words, number=21, author=BEN))
    assert await core.store.read(listed.everything) == []
    assert told != await answer(core, words, number=22, author=ANN)


async def test_people_of_another_organisation_ask_about_their_own_words(core: Core) -> None:
    """Others' words are none of theirs, whoever they are here."""
    await core.take(in_group("hello", author=BEN, number=7))
    refused = "You can ask about what you wrote yourself; owners about everything."
    assert await answer(core, "/why e1", number=20, author=replace(ANN, external=True)) == refused


def test_what_is_kept_is_told() -> None:
    """How long, who sees it, which model is given it, how it ends; in one's own language."""
    config = replace(
        CONFIG,
        gateway=replace(CONFIG.gateway, retention_days=30),
        providers=(ProviderConfig(name="main", api="demo", model="small-1"),),
    )
    text = privacy_text(config, grouped=True, reader=ENGLISH)
    for words in ("for 30 days", "`small-1`", "everybody in this chat", "`/forget` deletes"):
        assert words in text
    alone = privacy_text(CONFIG, grouped=False, reader=Reader(language="de", mark="!"))
    assert "90 Tage" in alone and "`!new`" in alone
    forever = replace(CONFIG, gateway=replace(CONFIG.gateway, retention_days=0))
    without_end = privacy_text(forever, grouped=False, reader=ENGLISH)
    assert "until somebody deletes it" in without_end
    assert "24 hours" in text and "24 hours" not in without_end


async def test_who_may_read_what_in_a_shared_chat(core: Core) -> None:
    """What ben asks about in a group is his own all the same."""
    await core.take(in_group("hello", author=BEN, number=7))
    await core.take(in_group("/why e1", author=BEN, number=8))
    await core.router.settled()
    await core.adapter.until(lambda: "not_addressed" in "".join(core.adapter.shown("-100200")))
