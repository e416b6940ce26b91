"""A one-time code makes whoever sends it an owner: once, soon, and nobody who guesses."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config.ids import parse_chat, parse_user
from gateway.config.values import AccessConfig, Config, GatewayConfig
from gateway.control_requests import AskOwners, MakeOwnerCode, RemoveOwner
from gateway.desk_assembly import find_owner_spot
from gateway.owner_codes import OPEN_FOR_US, TRIES_MAX, TRIES_OF_ACCOUNT_MAX, Made, digest_of
from gateway.owners import Owners
from gateway.shell_desk import Decided
from gateway.store.base import Tx
from gateway.store.records import owners, pairings
from gateway.store.sqlite import SqliteStore
from platforms.events import Author, ChatRef, InboundEvent, MessageReceived
from tests.gateway.core import Core
from tests.gateway.events import BEN, TELEGRAM, delivery, edited, in_group, message
from tests.gateway.hand_clock import HandClock

CONFIG = Config(access=AccessConfig(chats=(parse_chat("telegram:-100200"),)))
BENS = ChatRef(account=TELEGRAM, chat_id="1002")
BEN_ID = "telegram:1002"
WRONG = "AAAA-BBBB-CCCC"


@pytest.fixture
async def core(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Core]:
    """A connected gateway that nobody owns and nobody may write to."""
    core = Core(store, tmp_path, clock, config=CONFIG)
    await core.connect()
    yield core
    await core.close()


def said(text: str, *, number: int, author: Author = BEN, **fields: Any) -> MessageReceived:
    chat = replace(BENS, chat_id=author.id)
    return message(text, number=number, chat=chat, author=author, **{"chat_kind": "dm"} | fields)


async def code_of(core: Core) -> str:
    made = await core.access.answer(MakeOwnerCode(), by="shell:root")
    assert isinstance(made, Made)
    return made.code


async def told(core: Core, chat: str = "1002") -> list[str]:
    """What stands in a chat once all has left."""
    await core.router.settled()
    for outlet in core.deliveries.outlets():
        await outlet.flush()
    return core.adapter.shown(chat)


async def owning(core: Core) -> list[str]:
    rows = await core.store.read(owners.everybody)
    assert {row.person for row in rows} <= set(core.desk.owners)
    return [row.person for row in rows]


async def test_whoever_sends_the_code_owns_the_gateway(core: Core) -> None:
    """Though no list lets them in; at once, and after a restart."""
    await core.take(said("hello", number=1))
    assert await told(core) == []
    await core.take(said(await code_of(core), number=2))
    (answer,) = await told(core)
    assert answer.startswith("You are an owner of this gateway from now on; /help shows")
    await core.take(said("/pair list", number=3))
    assert (await told(core))[-1] == "Nobody has asked to talk to me."
    again = Owners(CONFIG)
    assert BEN_ID not in again
    await again.load(core.store)
    assert BEN_ID in again and list(again.people) == [parse_user(BEN_ID)]


async def test_words_behind_the_code_are_answered(core: Core) -> None:
    """The model reads them without it."""
    core.answers("At your service.")
    await core.take(said(f"`{(await code_of(core)).lower()}` What can you do?", number=1))
    await core.adapter.until(lambda: core.adapter.shown("1002")[1:] == ["At your service."])
    request = str(core.model.requests[0].messages)
    assert "What can you do?" in request and "-" not in request


@pytest.mark.parametrize("kind", ["good", "typo", "edit"])
async def test_the_code_is_stored_nowhere(core: Core, kind: str) -> None:
    """Neither in the event, nor in its payload, nor in the audit; a near miss neither."""
    code = await code_of(core)
    typed = code if kind == "good" else code[:-1] + ("A" if code[-1] != "A" else "B")
    event: InboundEvent = said(f"{typed} hello", number=1)
    if kind == "edit":  # it counts as it was sent, or not at all
        await core.take(event)
        typed = code
        event = edited(f"{typed} hello", of=1, number=2, chat=BENS, author=BEN)
    given = replace(delivery(event), raw=f'{{"text": "{typed} hello"}}'.encode())
    await core.ingest(given)

    def everything(tx: Tx) -> str:
        tables = ("inbox", "outbox", "audit", "owner", "owner_code", "owner_try", "pairing")
        return str([tx.rows(f"SELECT * FROM {table}") for table in tables])

    stored = (await core.store.read(everything)).upper()
    assert code not in stored and typed not in stored and "(A CODE)" in stored
    assert (digest_of(code).upper() in stored) and await owning(core) == (
        [BEN_ID] if kind == "good" else []
    )


async def test_what_was_held_of_a_new_owner_is_answered(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """They asked before there was an owner; nobody is asked about them any more."""
    pairing = AccessConfig(dm="pairing")
    core = Core(store, tmp_path, clock, config=replace(CONFIG, access=pairing))
    await core.connect()
    try:
        await core.take(said("May I?", number=1))
        core.answers("You may.")
        await core.take(said(await code_of(core), number=2))
        await core.adapter.until(lambda: core.adapter.shown("1002")[-1] == "You may.")
        assert await store.read(lambda tx: pairings.of(tx, "telegram:77", BEN_ID)) is None
    finally:
        await core.close()


async def test_a_code_is_good_once(core: Core) -> None:
    """Whoever sends it again reads that it is over; a repeat of the message changes nothing."""
    code = await code_of(core)
    first = said(code, number=1)
    await core.take(first, first)
    await core.take(said(code, number=2, author=replace(BEN, id="1003")))
    assert await owning(core) == [BEN_ID]
    assert len(await told(core)) == 1
    (over,) = await told(core, "1003")
    assert over.startswith("This code is over: each is good once, for ten minutes.")


async def test_a_code_is_good_for_ten_minutes(core: Core, clock: HandClock) -> None:
    """And only the newest one."""
    old, newest = await code_of(core), await code_of(core)
    clock.advance(OPEN_FOR_US / 1e6 - 1)
    await core.take(said(old, number=1))
    assert (await told(core))[-1].startswith("This code is over") and await owning(core) == []
    clock.advance(1)
    await core.take(said(newest, number=2))
    assert (await told(core))[-1].startswith("This code is over") and await owning(core) == []


async def test_nobody_guesses(core: Core) -> None:
    """After a few tries nothing is told, and not even the right code is taken; others may try."""
    code = await code_of(core)
    for number in range(TRIES_MAX + 2):
        await core.take(said(WRONG, number=number))
    answers = await told(core)
    assert len(answers) == TRIES_MAX
    assert answers[-1].startswith("This is not the code, and I take no further tries")
    assert {each[:20] for each in answers} == {"This is not the code"}
    await core.take(said(code, number=20))
    assert len(await told(core)) == TRIES_MAX and await owning(core) == []
    await core.take(said(await code_of(core), number=21))  # a new code, new tries
    assert await owning(core) == [BEN_ID]
    assert core.model.requests == []


async def test_nobody_guesses_from_many_accounts(core: Core) -> None:
    """Then even the right code is good for nothing; another one is made in a moment."""
    code = await code_of(core)
    for number in range(TRIES_OF_ACCOUNT_MAX):
        await core.take(said(WRONG, number=number, author=replace(BEN, id=str(5000 + number // 2))))
    await core.take(said(code, number=900))
    assert (await owning(core), await told(core)) == ([], [])


async def test_what_looks_like_a_code_is_words_while_none_is_open(core: Core) -> None:
    """A stranger's are ignored as ever."""
    await core.take(said(WRONG, number=1))
    assert core.ingest.counts == {"sender_not_listed": 1}


async def test_a_code_in_a_group_is_given_away(core: Core) -> None:
    """It ends, makes nobody anything, and whoever sent it reads why."""
    code = await code_of(core)
    await core.take(in_group(code, number=1, author=BEN))
    (answer,) = await told(core, "-100200")
    assert answer.startswith("Others can read this, so this code is over.")
    await core.take(said(code, number=2))
    assert await owning(core) == []


@pytest.mark.parametrize("author", [replace(BEN, external=True), replace(BEN, kind="bot")])
async def test_who_is_made_nothing(core: Core, author: Author) -> None:
    """People of other organisations, and whatever is no person."""
    await core.take(said(await code_of(core), number=1, author=author))
    assert (await owning(core), await told(core)) == ([], [])


async def test_an_owner_leaves_the_code_to_others(core: Core) -> None:
    """They read that they are one."""
    await core.take(said(await code_of(core), number=1))
    code = await code_of(core)
    await core.take(said(code, number=2))
    assert (await told(core))[-1].startswith("You are an owner already")
    await core.take(said(code, number=3, author=replace(BEN, id="1003")))
    assert await owning(core) == [BEN_ID, "telegram:1003"]


async def test_who_is_an_owner_is_listed_and_taken_back(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """Only the file takes back whom the file names; whoever is none any more gives no word."""
    named = GatewayConfig(owners=(parse_user("telegram:1001"),))
    core = Core(store, tmp_path, clock, config=replace(CONFIG, gateway=named))
    await core.connect()
    try:
        await core.take(said(await code_of(core), number=1))
        listed: Any = await core.access.answer(AskOwners(), by="shell:root")
        assert [(each.person, each.made_by) for each in listed] == [
            ("telegram:1001", ""), (BEN_ID, "shell:root"),
        ]  # fmt: skip

        async def removed(person: str) -> Decided:
            decided = await core.access.answer(RemoveOwner(person=person), by="shell:root")
            assert isinstance(decided, Decided)
            return decided

        assert await removed(BEN_ID) == Decided(text=f"{BEN_ID} is no owner any more.", done=True)
        assert not (await removed(BEN_ID)).done
        assert "gateway.owners" in (await removed("telegram:1001")).text
        await core.take(said("/pair list", number=2))
        assert len(await told(core)) == 1 and BEN_ID not in core.desk.owners
    finally:
        await core.close()


async def test_owners_are_asked_where_the_first_of_them_is(core: Core) -> None:
    """From the code on; whoever is an owner no more is asked no more."""
    found: asyncio.Queue[str] = asyncio.Queue()
    spot = core.desk.owner_spot

    async def there() -> None:
        if spot.spot is not None:
            found.put_nowait(spot.spot.chat)

    looking = asyncio.create_task(
        find_owner_spot(
            CONFIG,
            core.deliveries,
            spot,
            core.desk.owners,
            wait=core.clock.wait,
            found=there,
        )
    )
    try:
        await core.take(said(await code_of(core), number=1))
        assert await found.get() == BEN_ID
        another = replace(BEN, id="1003")
        await core.take(said(await code_of(core), number=2, author=another))
        assert await found.get() == BEN_ID
        await core.access.answer(RemoveOwner(person=BEN_ID), by="shell:root")
        assert await found.get() == "telegram:1003"
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
