"""Strangers who write directly: held, asked about, let in, answered; or not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway import audit
from gateway.asking import CODE_ALPHABET, Spot
from gateway.chain import Intact
from gateway.config.ids import parse_chat, parse_user
from gateway.config.values import AccessConfig, Config, GatewayConfig
from gateway.control_requests import AskPairings, DecidePairing
from gateway.pairing import LASTS_US, TELL_EVERY_US, code_of
from gateway.shell_desk import Decided
from gateway.store.records import audit as audit_rows
from gateway.store.records import cron, fires, pairings
from gateway.store.records.cron import Definition, Job
from gateway.store.records.fires import NewFire
from gateway.store.records.pairings import Pairing
from gateway.store.sqlite import SqliteStore
from platforms.content import Button, Edit, Post
from platforms.events import Author, ButtonPressed, ChatRef, MessageReceived
from tests.gateway.core import Core
from tests.gateway.events import BEN, TELEGRAM, deleted, delivery, edited, in_group, message, press
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import inbox_states, write

OWNERS = (parse_user("telegram:1001"),)
CONFIG = Config(
    gateway=GatewayConfig(owners=OWNERS),
    access=AccessConfig(dm="pairing", users=OWNERS, chats=(parse_chat("telegram:-100200"),)),
)
HOUR_S, DAY_S = TELL_EVERY_US / 1e6, LASTS_US / 1e6
BENS = ChatRef(account=TELEGRAM, chat_id="1002")
BEN_ID = "telegram:1002"
DUE_AT = 1_767_000_000_000_000


@pytest.fixture
async def core(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Core]:
    """A connected gateway whose owner, ann, is asked in her direct chat."""
    core = Core(store, tmp_path, clock, config=CONFIG)
    await core.connect()
    core.desk.owner_spot.spot = Spot(account="telegram:77", chat="telegram:1001", owners=True)
    yield core
    await core.close()


def from_ben(text: str = "hello", *, number: int, **fields: Any) -> MessageReceived:
    return message(text, number=number, chat=BENS, author=BEN, chat_kind="dm", **fields)


async def posted(core: Core, chat: str) -> list[str]:
    """What stands in a chat once all has left."""
    for outlet in core.deliveries.outlets():
        await outlet.flush()
    return core.adapter.shown(chat)


def buttons(core: Core) -> dict[str, str]:
    """What the newest card's buttons carry, by their labels."""
    posts = [op for op in core.adapter.performed if isinstance(op, Post) and op.controls]
    return {
        each.label: each.payload
        for row in posts[-1].controls
        for each in row
        if isinstance(each, Button)
    }


async def ask(core: Core) -> Pairing:
    """Ben writes for the first time."""
    await core.take(from_ben("May I ask something?", number=10))
    await posted(core, "1001")
    found = await core.store.read(lambda tx: pairings.of(tx, "telegram:77", BEN_ID))
    assert found is not None
    return found


async def allow(core: Core, *answers: str) -> None:
    """Ann lets ben in; what he wrote is answered with these words."""
    core.answers(*answers)
    await core.take(pressing(core, "Allow"))
    await core.adapter.until(lambda: core.adapter.shown("1002")[1:] == list(answers))


def pressing(core: Core, label: str, **fields: Any) -> ButtonPressed:
    """A press by ann on the newest card, or by somebody else."""
    return press(buttons(core)[label], **{"number": 50} | fields)


async def test_a_stranger_waits_for_an_owner(core: Core) -> None:
    """Held, told a code once, and shown to owners with what they wrote; no model is asked."""
    pairing = await ask(core)
    code = f"{pairing.code[:4]}-{pairing.code[4:]}"
    assert len(pairing.code) == 8 and set(pairing.code) <= set(CODE_ALPHABET)
    assert await posted(core, "1002") == [f"I have asked the owner; your code is {code}."]
    (card,) = await posted(core, "1001")
    for words in (BEN_ID, "Ben", "not verified", "May I ask something?", code):
        assert words in card
    assert list(buttons(core)) == ["Allow", "Deny", "Block"]
    assert await inbox_states(core.store) == {1: ("held", "pairing", None)}
    assert core.ingest.counts == {"held": 1}
    assert core.model.requests == []


async def test_a_stranger_reads_their_own_language(core: Core) -> None:
    """As their platform tells it, before anything is known of them."""
    await core.take(replace(from_ben(number=10), author=replace(BEN, locale="de-DE")))
    (told,) = await posted(core, "1002")
    assert told.startswith("Ich habe den Eigentümer gefragt; dein Code ist ")


async def test_allow_lets_in_what_was_held(core: Core) -> None:
    """In the order it was written, answered, and the card says who allowed it."""
    await ask(core)
    await core.take(from_ben("And one more thing.", number=11))
    await allow(core, "At your service.")
    words = str(core.model.requests[0].messages)
    assert words.index("May I ask something?") < words.index("And one more thing.")
    (card,) = await posted(core, "1001")
    assert card.endswith("allowed by telegram:1001.")
    assert not [op for op in core.adapter.performed if isinstance(op, Edit) and op.controls]


async def test_whoever_was_let_in_stays_in(core: Core) -> None:
    """The next message is answered like anybody's."""
    await ask(core)
    await allow(core, "One.")
    core.answers("Two.")
    await core.take(from_ben("again", number=12))
    await core.adapter.until(lambda: core.adapter.shown("1002")[1:] == ["One.", "Two."])


@pytest.mark.parametrize(
    ("label", "state", "reason"),
    [("Deny", "denied", "pairing_denied"), ("Block", "blocked", "blocked")],
)
async def test_whoever_is_turned_away_hears_nothing(
    core: Core, label: str, state: str, reason: str
) -> None:
    """What was held is dropped, and so is what comes after it."""
    await ask(core)
    await core.take(pressing(core, label), from_ben("please", number=12))
    await core.router.settled()
    found = await core.store.read(lambda tx: pairings.of(tx, "telegram:77", BEN_ID))
    assert found is not None and (found.state, found.words) == (state, "")
    await core.take(from_ben("please!", number=13))
    states = await inbox_states(core.store)
    assert states[1] == ("ignored", reason, None)
    assert states[4] == ("ignored", reason, None)
    assert len(await posted(core, "1002")) == 1


async def test_a_denial_rests_for_a_day(core: Core, clock: HandClock) -> None:
    """Then they may ask again, under another code."""
    before = await ask(core)
    await core.take(pressing(core, "Deny"))
    await core.router.settled()
    clock.advance(DAY_S)
    await core.take(from_ben("again", number=12))
    after = await core.store.read(lambda tx: pairings.of(tx, "telegram:77", BEN_ID))
    assert after is not None and after.state == "open" and after.code != before.code


async def test_a_request_lapses(core: Core, clock: HandClock) -> None:
    """Nobody decided in a day: the code is worth nothing, and the next message asks anew."""
    before = await ask(core)
    allow = pressing(core, "Allow")
    clock.advance(DAY_S)
    await core.take(allow)
    await core.router.settled()
    assert (await inbox_states(core.store))[1] == ("held", "pairing", None)
    await core.take(from_ben("again", number=12))
    after = await core.store.read(lambda tx: pairings.of(tx, "telegram:77", BEN_ID))
    assert after is not None and after.code != before.code
    assert (await inbox_states(core.store))[1] == ("ignored", "pairing_lapsed", None)


async def test_they_are_told_once_an_hour(core: Core, clock: HandClock) -> None:
    """However often they write."""
    await ask(core)
    await core.take(from_ben(number=11))
    assert len(await posted(core, "1002")) == 1
    clock.advance(HOUR_S)
    await core.take(from_ben(number=12))
    assert len(await posted(core, "1002")) == 2


async def test_three_messages_are_held(core: Core, clock: HandClock) -> None:
    """The rest is dropped in silence, and counted."""
    for number in range(10, 15):
        await core.take(from_ben(number=number))
        clock.advance(HOUR_S)
    assert core.ingest.counts == {"held": 3, "pairing_waits": 2}
    assert len(await posted(core, "1002")) == 3


async def test_owners_are_asked_about_ten_people(core: Core) -> None:
    """The eleventh is dropped in silence, and counted."""
    for number in range(11):
        person = Author(id=str(2000 + number), name="Somebody")
        chat = ChatRef(account=TELEGRAM, chat_id=person.id)
        await core.take(message(number=number, chat=chat, author=person, chat_kind="dm"))
    assert core.ingest.counts == {"held": 10, "pairing_full": 1}
    assert len(await posted(core, "1001")) == 10
    assert await posted(core, "2010") == []


async def test_only_owners_decide(core: Core) -> None:
    """A press by anybody else, forged or from a listed chat, changes nothing."""
    pairing = await ask(core)
    await core.take(pressing(core, "Allow", chat=BENS, author=BEN))
    await core.router.settled()
    found = await core.store.read(lambda tx: pairings.of(tx, "telegram:77", BEN_ID))
    assert found == pairing


async def test_a_command_of_a_stranger_is_carried_out_once_allowed(core: Core) -> None:
    """What clients send on a first meeting is answered with what there is."""
    await core.take(from_ben("/start", number=10))
    await posted(core, "1001")
    await core.take(pressing(core, "Allow"))
    await core.adapter.until(lambda: "what I can do here" in core.adapter.shown("1002")[-1])
    assert core.model.requests == []


async def test_typed_words_of_owners(core: Core) -> None:
    """The list, a code with or without its hyphen, and a person by id."""
    pairing = await ask(core)
    await core.take(message("/pair", number=51))
    await core.router.settled()
    assert "asks: May I ask something?" in (await posted(core, "1001"))[-1]
    await core.take(message(f"/pair deny {pairing.code.lower()}", number=52))
    await core.router.settled()
    assert "can ask again in a day" in (await posted(core, "1001"))[-1]
    await core.take(message(f"/pair allow {BEN_ID}", number=53))
    await core.router.settled()
    assert "may talk to me directly" in (await posted(core, "1001"))[-1]


async def test_only_owners_give_the_command(core: Core) -> None:
    """Whoever was let in holds no tier: they are told so, and `why` names the reason."""
    await ask(core)
    await allow(core, "Yes?")
    await core.take(from_ben("/pair list", number=12))
    assert (await posted(core, "1002"))[-1] == "Only owners of this gateway can use /pair."
    story = "\n".join(await core.operator.why("e3"))
    assert "refused: not_entitled" in story


async def test_the_shell_says_the_same(core: Core) -> None:
    """Listed with its code, decided, and in the audit with who decided."""
    pairing = await ask(core)
    assert await core.access.answer(AskPairings(), by="shell:ann") == [pairing]
    core.answers("Yes?")
    request = DecidePairing(verb="allow", whom=f"{pairing.code[:4]}-{pairing.code[4:]}")
    told = await core.access.answer(request, by="shell:ann")
    assert told == Decided(
        text="telegram:1002 (Ben): may talk to me directly from now on.", done=True
    )
    again = await core.access.answer(request, by="shell:ann")
    assert again == Decided(
        text="telegram:1002 (Ben) is allowed already, by shell:ann.", done=False
    )
    entries = await core.store.read(audit_rows.page)
    (entry,) = [each.link for each in entries if each.link.kind == "pairing"]
    assert (entry.actor, entry.subject) == ("shell:ann", BEN_ID)
    assert orjson.loads(entry.detail) == {"verb": "allow", "code": pairing.code, "released": 1}
    assert isinstance(await audit.verify(core.store), Intact)
    await core.finish()


async def test_why_tells_of_a_request(core: Core) -> None:
    """By its code, before and after it was decided."""
    pairing = await ask(core)
    code = f"{pairing.code[:4]}-{pairing.code[4:]}"
    told = await core.operator.why(code)
    assert told[0].startswith(f"request {code}: telegram:1002 asked to talk on telegram:77 ")
    assert told[1] == "  open"
    assert told[-1] == "  1 message held"
    await core.access.answer(DecidePairing(verb="deny", whom=code), by="shell:ann")
    told = await core.operator.why(pairing.code.lower())
    assert told[1] == "  denied by shell:ann"
    assert "pairing by shell:ann" in told[-1]


async def test_an_owner_is_never_turned_away(core: Core) -> None:
    """Nor is a code that nobody asks under taken for a person."""
    said = await core.access.answer(
        DecidePairing(verb="block", whom="telegram:1001"), by="shell:ann"
    )
    assert said == Decided(text="telegram:1001 is an owner.", done=False)
    nobody = await core.access.answer(DecidePairing(verb="allow", whom="K7QF-2M9P"), by="s")
    assert nobody == Decided(text="Nobody asks under K7QF-2M9P.", done=False)
    neither = await core.access.answer(DecidePairing(verb="allow", whom="@ben"), by="s")
    assert isinstance(neither, Decided) and "by id such as" in neither.text


async def test_a_blocked_person_is_ignored_in_groups_too(core: Core) -> None:
    """Blocked beforehand, without ever having asked; allow takes it back."""
    await core.access.answer(DecidePairing(verb="block", whom=BEN_ID), by="shell:ann")
    await core.take(from_ben(number=10))
    await core.ingest(delivery(in_group("said to all", author=BEN, number=12)))
    states = await inbox_states(core.store)
    assert states[1] == states[2] == ("ignored", "blocked", None)
    await core.access.answer(DecidePairing(verb="allow", whom=BEN_ID), by="shell:ann")
    core.answers("Hello.")
    await core.take(from_ben(number=11))
    await core.shows("Hello.", chat="1002")


async def test_jobs_of_a_blocked_person_rest(core: Core) -> None:
    """Those they made, what waits of them too; whoever blocks them reads which, and what to do."""
    work = Definition(schedule="0 9 * * *", zone="UTC", prompt="Report!", deliver="telegram:1002")
    job = Job(name="report", source="chat", definition=work, since=1, maker=BEN_ID, next_at=DUE_AT)
    others = replace(job, name="standup", maker="telegram:1001")
    await write(core.store, lambda tx: [cron.put(tx, each) for each in (job, others)])
    due = NewFire(job="report", slot=DUE_AT, fold=0, state="due", by="clock")
    await write(core.store, lambda tx: fires.insert(tx, due, now=DUE_AT))
    await core.take(message(f"/pair block {BEN_ID}", number=10))
    await core.router.settled()
    (*_, answer) = await posted(core, "1001")
    assert answer == (
        f"{BEN_ID}: is ignored from now on, everywhere. Jobs of theirs that are paused by that:"
        " report. /cron resume NAME lets one go on, /cron remove NAME ends it."
    )
    rests, works = await core.store.read(cron.every)
    assert (rests.state, works.state) == ("paused", "active")
    assert rests.reason == f"paused by telegram:1001: {BEN_ID}, who made it, is blocked"
    (fire,) = await core.store.read(lambda tx: fires.latest(tx, "report", limit=2))
    assert (fire.state, fire.reason) == ("skipped", "paused")


async def test_who_asks_is_not_read_out_in_a_group(core: Core) -> None:
    """Where nothing can be shown to one person alone, an owner reads how many there are."""
    await ask(core)
    await core.take(in_group("/pair list", number=40))
    await core.router.settled()
    (told,) = await posted(core, "-100200")
    assert told.startswith("1 ask to talk to me, about 0 an owner has decided.")
    assert BEN_ID not in told and "May I ask" not in told
    await core.take(message("/pair list", number=41))
    await core.router.settled()
    assert "May I ask something?" in (await posted(core, "1001"))[-1]


async def test_a_person_is_blocked_where_they_write_now(core: Core) -> None:
    """The account of before, which knew them too, was another bot's."""
    before = Pairing(
        account="telegram:76",
        person=BEN_ID,
        state="allowed",
        code="AAAAAAAA",
        chat=BEN_ID,
        asked_at=1,
    )
    await write(core.store, lambda tx: pairings.put(tx, before))
    await core.take(message(f"/pair block {BEN_ID}", number=10))
    await core.router.settled()
    await core.take(from_ben(number=11))
    assert (await inbox_states(core.store))[2] == ("ignored", "blocked", None)


async def test_cards_come_once_it_is_known_where_owners_are(core: Core) -> None:
    """Who wrote before that is asked about then, and only once."""
    spot, core.desk.owner_spot.spot = core.desk.owner_spot.spot, None
    await ask(core)
    assert await posted(core, "1001") == []
    core.desk.owner_spot.spot = spot
    await core.access.post_due_cards()
    await core.access.post_due_cards()
    assert len(await posted(core, "1001")) == 1


async def test_an_edit_changes_what_is_held(core: Core) -> None:
    """And a deletion takes it back, so that there is nothing left to answer."""
    await ask(core)
    await core.take(edited("Never mind.", of=10, number=20, chat=BENS, author=BEN))
    rows = await core.store.read(lambda tx: tx.rows("SELECT content FROM inbox WHERE id = 1"))
    assert "Never mind." in rows[0][0]
    await core.take(deleted(10, number=21, chat=BENS, author=BEN))
    assert (await inbox_states(core.store))[1] == ("ignored", "deleted_by_author", None)


def test_codes_are_read_as_people_write_them() -> None:
    """With a hyphen or without, in any case; letters that look like digits are none."""
    assert code_of(" k7qf-2m9p ") == "K7QF2M9P"
    assert code_of("`K7QF2M9P`") == "K7QF2M9P"
    assert code_of("K7QF-2M9") == ""
    assert code_of("K0QF-2M9P") == ""
