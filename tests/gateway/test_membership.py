"""Let into a chat, put out of it, closed, moved: what owners are asked and what rows make of it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.asking import Spot
from gateway.config.ids import parse_chat, parse_user
from gateway.config.values import AccessConfig, ApprovalsConfig, Config, GatewayConfig
from gateway.membership import chat_from, listing
from gateway.store.records import chats, cron, listed, memory, outbox
from gateway.store.records.cron import Definition, Job
from gateway.store.sqlite import SqliteStore
from platforms.content import Button, Post
from platforms.events import Account, ChatRef, Membership, Receipt
from tests.gateway.core import Core
from tests.gateway.events import (
    BEN,
    DM,
    GROUP,
    OUR_MENTION,
    TELEGRAM,
    TOPIC,
    changed,
    delivery,
    in_group,
    message,
    press,
    reaction,
)
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import Intake
from tests.gateway.records.rows import inbox_states, new_outbox, write
from tests.gateway.scripted_adapter import ScriptedAdapter

OWNERS = (parse_user("telegram:1001"),)
CONFIG = Config(
    gateway=GatewayConfig(owners=OWNERS),
    access=AccessConfig(users=OWNERS, chats=(parse_chat("telegram:-100200"),)),
)
NEW = ChatRef(account=TELEGRAM, chat_id="-900")
DAY_S = 24 * 3_600.0


@pytest.fixture
async def core(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Core]:
    """A connected gateway whose owner, ann, is asked in her direct chat."""
    core = Core(store, tmp_path, clock, config=CONFIG)
    await core.connect()
    core.desk.owner_spot.spot = Spot(account="telegram:77", chat="telegram:1001", owners=True)
    yield core
    await core.close()


async def posted(core: Core, chat: str) -> list[str]:
    """What stands in a chat once all has left."""
    for outlet in core.deliveries.outlets():
        await outlet.flush()
    return core.adapter.shown(chat)


def payload(core: Core, label: str) -> str:
    """What a button of the newest card carries."""
    posts = [op for op in core.adapter.performed if isinstance(op, Post) and op.controls]
    (found,) = [
        each.payload
        for row in posts[-1].controls
        for each in row
        if isinstance(each, Button) and each.label == label
    ]
    return found


async def state_of(core: Core, chat: str) -> str | None:
    """Whether a chat is dead."""
    return await core.store.read(lambda tx: chats.state_of(tx, account="telegram:77", chat=chat))


async def test_owners_are_asked_about_a_chat_once_a_day(core: Core, clock: HandClock) -> None:
    """On a card where they are asked, and nothing is said in the chat itself."""
    await core.take(changed("we_joined", chat=NEW))
    await core.take(changed("we_joined", chat=NEW, number=2))
    (card,) = await posted(core, "1001")
    assert "I was added to telegram:-900 by telegram:1002 (Ben, not verified)." in card
    assert await posted(core, "-900") == []
    assert (await inbox_states(core.store))[1] == ("ignored", "chat_not_listed", None)
    clock.advance(DAY_S)
    await core.take(changed("we_joined", chat=NEW, number=3))
    assert len(await posted(core, "1001")) == 2


async def test_an_allowed_chat_is_answered(core: Core) -> None:
    """From the press on, until an owner lets it be left; the platform is told so."""
    said = in_group("hello", chat=NEW, mentions=(OUR_MENTION,), number=10, author=BEN)
    assert await core.ingest(delivery(said)) is Receipt.UNWANTED
    await core.take(changed("we_joined", chat=NEW))
    await posted(core, "1001")
    core.answers("Hello, Ben.")
    await core.take(press(payload(core, "Allow"), number=11))
    await core.router.settled()
    assert (await posted(core, "1001"))[-1] == "telegram:-900: allowed by telegram:1001."
    await core.take(said)
    await core.shows("Hello, Ben.", chat="-900")
    await core.take(message("/leave telegram:-900", number=12))
    await core.router.settled()
    assert core.adapter.left == [NEW]
    again = in_group("hello", chat=NEW, mentions=(OUR_MENTION,), number=13, author=BEN)
    assert await core.ingest(delivery(again)) is Receipt.UNWANTED


async def test_cards_of_chats_come_once_it_is_known_where_owners_are(core: Core) -> None:
    """What called before that is asked about then, and only once."""
    spot, core.desk.owner_spot.spot = core.desk.owner_spot.spot, None
    await core.take(changed("we_joined", chat=NEW))
    core.desk.owner_spot.spot = spot
    await core.access.post_due_cards()
    await core.access.post_due_cards()
    (card,) = await posted(core, "1001")
    assert card.startswith("I was added to telegram:-900.")
    assert payload(core, "Allow") == "allow telegram:-900"


async def test_all_of_a_server_is_let_in(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """Where a bot is added to a whole one: every channel of it, and of no other."""
    account = Account(platform="discord", id="5")
    adapter = ScriptedAdapter(account)
    core = Core(store, tmp_path, clock, config=CONFIG, adapter=adapter)
    await core.connect()
    core.desk.owner_spot.spot = Spot(account="discord:5", chat="discord:1001", owners=True)
    server = ChatRef(account=account, space="42", chat_id="*")
    await core.take(changed("we_joined", chat=server))
    await posted(core, "1001")
    assert payload(core, "Allow") == "allow discord:42/*"
    await write(
        store,
        lambda tx: core.access.memberships.decide(
            tx, "allow", "discord:5", "discord:42/*", by="shell:ann"
        ),
    )
    await core.access.listed.load(store)
    for space, let_in in (("42", True), ("43", False)):
        channel = ChatRef(account=account, space=space, chat_id="7", thread_id="8")
        assert core.access.listed.lets_in(channel, CONFIG.access) is let_in
    await write(
        store,
        lambda tx: core.access.memberships.decide(
            tx, "leave", "discord:5", "discord:42/7", by="shell:ann"
        ),
    )
    await core.access.listed.load(store)
    for chat_id, let_in in (("7", False), ("9", True)):
        channel = ChatRef(account=account, space="42", chat_id=chat_id)
        assert core.access.listed.lets_in(channel, CONFIG.access) is let_in
    await core.close()


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("slack:T1/C1", True),
        ("slack:T1/*", True),
        ("discord:42/*", True),
        ("slack:*", False),
        ("telegram:*", False),
        ("telegram:-100200/*", False),
        ("@team", False),
    ],
)
def test_what_can_be_let_in(text: str, known: bool) -> None:
    """One chat, or all of one workspace or server; never everything there is."""
    assert (chat_from(text) is not None) is known


async def test_only_owners_let_a_chat_in(core: Core) -> None:
    """A press of anybody else changes nothing."""
    await core.take(changed("we_joined", chat=NEW))
    await posted(core, "1001")
    await core.take(press(payload(core, "Allow"), number=11, author=BEN))
    await core.router.settled()
    found = await core.store.read(lambda tx: listed.of(tx, "telegram:77", "telegram:-900"))
    assert found is not None and found.state == "asked"


async def test_a_typed_word_lets_a_chat_in_that_was_never_asked_about(core: Core) -> None:
    """Said twice it changes nothing more; what is no chat is told so."""
    for number, (text, answer) in enumerate(
        {
            "/allow telegram:-900": "telegram:-900: its members are answered from now on.",
            "/allow  telegram:-900": "telegram:-900 is allowed already, by telegram:1001.",
            "/allow @team": "Name a chat of several people by its id, as the log has it.",
            "/allow": "Write /allow CHAT, such as /allow slack:T1/C1.",
        }.items(),
        start=20,
    ):
        await core.take(message(text, number=number))
        await core.router.settled()
        assert (await posted(core, "1001"))[-1] == answer


@pytest.mark.parametrize("change", ["blocked", "we_left", "archived"])
async def test_a_closed_chat_is_dead_until_something_comes_from_it(
    core: Core, change: Membership
) -> None:
    """What waits for it dies, nothing is sent there, and a message revives it."""
    chat = DM if change == "blocked" else GROUP
    name = "telegram:1001" if change == "blocked" else "telegram:-100200"
    await write(
        core.store, lambda tx: outbox.insert(tx, new_outbox(chat=name), now=core.clock.now())
    )
    await core.take(changed(change, chat=chat))
    assert await state_of(core, name) == "dead"
    row = await core.store.read(lambda tx: outbox.get(tx, 1))
    assert row is not None and row.state == "dead"
    core.answers("I am back.")
    kind = "dm" if change == "blocked" else "group"
    await core.take(message("hello", chat=chat, chat_kind=kind, mentions=(OUR_MENTION,), number=5))
    assert await state_of(core, name) is None
    await core.adapter.until(lambda: core.adapter.shown(chat.chat_id)[-1:] == ["I am back."])


@pytest.mark.parametrize("change", ["we_joined", "unblocked"])
async def test_a_chat_is_alive_again(core: Core, change: Membership) -> None:
    """Without a word from it."""
    await core.take(changed("we_left"), changed(change, number=2))
    assert await state_of(core, "telegram:-100200") is None
    assert (await inbox_states(core.store))[2] == ("ignored", "membership", None)


@pytest.mark.parametrize("change", ["joined", "left", "rights", "renamed"])
async def test_what_changes_nothing_is_only_kept(core: Core, change: Membership) -> None:
    """Of a listed chat; of others it is not even stored."""
    await core.take(changed(change))
    assert core.ingest.counts == {"membership": 1}
    other = delivery(changed(change, chat=NEW, number=2))
    assert await core.ingest(other) is Receipt.UNWANTED


async def test_what_belongs_to_a_chat_follows_it(core: Core) -> None:
    """Lists, sessions with what was said, topics, what waits, notes; all in one commit."""
    core.answers("One.", "Two.", "Three.")
    await core.take(in_group("first", mentions=(OUR_MENTION,), number=1))
    await core.shows("One.", chat="-100200")
    await core.take(in_group("in a topic", chat=TOPIC, mentions=(OUR_MENTION,), number=2))
    await core.shows("Two.", chat="-100200/7")
    await core.sessions.drain(60)
    note = {"place": "telegram:77|telegram:-100200", "text": "note", "author": "a", "now": 1}
    await write(core.store, lambda tx: memory.write(tx, **note))
    await core.take(changed("moved", moved_to=NEW, number=3))
    rows = await core.store.read(lambda tx: tx.rows("SELECT key, chat FROM session ORDER BY id"))
    assert rows == [
        ("telegram:77|telegram:-900|telegram:1001", "telegram:-900"),
        ("telegram:77|telegram:-900/7", "telegram:-900/7"),
    ]
    found = await core.store.read(lambda tx: memory.of_place(tx, "telegram:77|telegram:-900"))
    assert [each.text for each in found] == ["note"]
    assert core.access.listed.lets_in(NEW, CONFIG.access)
    old = new_outbox("later", chat="telegram:-100200/7")
    row = await write(core.store, lambda tx: outbox.insert(tx, old, now=1))
    assert row is not None and row.chat == "telegram:-900/7"


async def test_a_session_of_before_goes_on_at_the_new_address(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """The next message there is answered with what was said before, also after a restart."""
    core = Core(store, tmp_path, clock, config=CONFIG)
    await core.connect()
    core.answers("One.")
    await core.take(in_group("the first question", mentions=(OUR_MENTION,), number=1))
    await core.shows("One.", chat="-100200")
    await core.take(changed("moved", moved_to=NEW, number=3))
    await core.close()
    again = Core(store, tmp_path, clock, config=CONFIG)
    await again.access.listed.load(store)
    await again.connect()
    again.answers("Two.")
    await again.take(in_group("the second", chat=NEW, mentions=(OUR_MENTION,), number=4))
    await again.shows("Two.", chat="-900")
    assert "the first question" in str(again.model.requests[0].messages)
    await again.close()


async def test_a_move_told_twice_is_one(core: Core) -> None:
    """Telegram tells it in both chats; a second address is led on from the first."""
    await core.take(changed("moved", moved_to=NEW))
    again = changed("moved", moved_to=NEW, delivery_key="other")
    await core.take(again)
    further = ChatRef(account=TELEGRAM, chat_id="-901")
    await core.take(changed("moved", chat=NEW, moved_to=further, number=3))
    assert core.access.listed.lets_in(further, CONFIG.access)
    moved = await core.store.read(lambda tx: listed.address(tx, "telegram:77", "telegram:-100200"))
    assert moved == "telegram:-901"


async def test_a_chat_that_was_left_after_its_move_stays_left(core: Core, clock: HandClock) -> None:
    """Its old address does not let it in against that word, nor does being added once more."""
    await core.take(changed("moved", moved_to=NEW))
    await core.take(message("/leave telegram:-900", number=12))
    await core.router.settled()
    assert not core.access.listed.lets_in(NEW, CONFIG.access)
    clock.advance(DAY_S)
    await core.take(changed("we_joined", chat=NEW, number=13))
    await core.access.listed.load(core.store)
    assert not core.access.listed.lets_in(NEW, CONFIG.access)
    assert "I was added to telegram:-900" in (await posted(core, "1001"))[-1]
    await core.take(press(payload(core, "Allow"), number=14))
    await core.router.settled()
    assert core.access.listed.lets_in(NEW, CONFIG.access)


async def test_a_word_about_an_address_of_before_is_about_the_new_one(core: Core) -> None:
    """It is the new chat that is left."""
    await core.take(changed("moved", moved_to=NEW))
    await core.take(message("/leave telegram:-100200", number=12))
    await core.router.settled()
    assert core.adapter.left == [NEW] and not core.access.listed.lets_in(NEW, CONFIG.access)
    assert (await posted(core, "1001"))[-1] == "telegram:-900: nobody is answered there."


async def test_what_the_configuration_lets_in_is_not_said_to_be_unanswered(core: Core) -> None:
    """Whoever leaves it reads what to change, also the second time; the bot is out of it."""
    for number in (12, 13):
        await core.take(message("/leave telegram:-100200", number=number))
        await core.router.settled()
        (*_, answer) = await posted(core, "1001")
        assert "lets it in as telegram:-100200: whoever is there is answered" in answer
        assert "nobody is answered" not in answer
    assert core.adapter.left == [GROUP, GROUP]


@pytest.mark.parametrize(
    ("chat", "patterns", "found"),
    [
        ("telegram:-900", ("telegram:-100200",), ""),
        ("telegram:-900", ("slack:*", "telegram:*"), "telegram:*"),
        ("slack:T1/C9", ("slack:T1/C1", "slack:T1/*"), "slack:T1/*"),
        ("slack:T1/C9", ("slack:T2/*",), ""),
        ("discord:42/7", ("discord:7",), "discord:7"),
        ("discord:42/*", ("discord:42/7",), "discord:42/7"),
        ("discord:42/*", ("discord:43/7",), ""),
    ],
)
def test_what_lets_a_chat_in(chat: str, patterns: tuple[str, ...], found: str) -> None:
    """The line of the configuration that has to go."""
    place = chat_from(chat)
    assert place is not None and listing(place, tuple(map(parse_chat, patterns))) == found


async def test_what_the_file_says_of_a_chat_holds_at_its_new_address(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """Who approves there, where owners are asked; jobs that were made there post there."""
    ben = parse_user("telegram:1002")
    approvals = ApprovalsConfig(chats=((parse_chat("telegram:-100200"), (ben,)),))
    core = Core(store, tmp_path, clock, config=replace(CONFIG, approvals=approvals))
    await core.connect()
    core.desk.owner_spot.spot = Spot(account="telegram:77", chat="telegram:-100200/7", owners=True)
    work = Definition(schedule="0 9 * * *", zone="UTC", prompt="Go!", deliver="telegram:-100200/7")
    made = Job(name="made", source="chat", definition=work, since=1)
    written = replace(made, name="written", source="config")
    await write(store, lambda tx: [cron.put(tx, each) for each in (made, written)])
    await core.take(changed("moved", moved_to=NEW))
    rights = core.desk.rules.rights
    assert rights.approvers_in("telegram:77", "telegram:-900/7") == (ben,)
    assert rights.approvers_in("telegram:77", "telegram:-901") == ()
    assert core.desk.owner_spot.spot is not None
    assert core.desk.owner_spot.spot.chat == "telegram:-900/7"
    jobs = await store.read(cron.every)
    assert [each.definition.deliver for each in jobs] == ["telegram:-900/7", "telegram:-100200/7"]
    forms = await store.read(lambda tx: listed.written_as(tx, "telegram:77", "telegram:-900/7"))
    assert forms == ("telegram:-900/7", "telegram:-100200/7")
    await core.close()


async def test_a_reaction_is_kept_and_does_nothing(core: Core) -> None:
    """Of a listed chat; elsewhere it is not stored."""
    await core.take(reaction())
    assert await inbox_states(core.store) == {1: ("ignored", "reaction", None)}
    assert await core.ingest(delivery(reaction(chat=NEW, number=2))) is Receipt.UNWANTED


async def test_whoever_hears_of_a_move_second_lets_the_chat_in_too(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """Both addresses tell it, side by side: words right behind the second are not lost."""
    intake = Intake(store, tmp_path, clock)
    await intake.take(changed("moved", moved_to=NEW))
    behind = intake.made()  # its lists are as they were before
    again = changed("moved", moved_to=NEW, delivery_key="other")
    assert await behind(delivery(again)) is Receipt.STORED
    said = in_group("hello?", chat=NEW, mentions=(OUR_MENTION,), number=4)
    assert await behind(delivery(said)) is Receipt.STORED
