"""Cards and their requests: one decision each, revisions, queues, and what time looks for."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import ConstraintViolated
from gateway.store.base import Store
from gateway.store.records import cards
from gateway.store.records.cards import Card, Decided, Request, RequestState, TurnCount
from gateway.store.records.sessions import OpenTurn
from tests.gateway.records.rows import ACCOUNT, ANN, CHAT, KEY, NOW, arrival, opened, write

ANN_SAYS = Decided(by=ANN, name="Ann", source="button", at=NOW + 9, words="not now")
FINAL: tuple[RequestState, ...] = (
    "approved",
    "denied",
    "answered",
    "expired",
    "superseded",
    "withdrawn",
    "undeliverable",
)


@pytest.fixture
async def turn(store: Store) -> OpenTurn:
    """Ann's turn."""
    return await opened(store, arrival(1))


def a_card(turn: OpenTurn, ident: str = "A", **fields: Any) -> Card:
    """An open card of a turn; its code is its id five times."""
    plain = Card(
        id=ident,
        code=ident * 5,
        kind="call",
        state="open",
        account=ACCOUNT,
        chat=CHAT,
        origin_account=ACCOUNT,
        origin=CHAT,
        session_id=turn.session_id,
        turn_id=turn.turn_id,
        tier="approver",
        requester=ANN,
        requester_name="Ann",
        detail={"words": "as agreed"},
        created_at=NOW,
        opened_at=NOW,
        expires_at=NOW + 100,
        remind_at=NOW + 50,
    )
    return replace(plain, **fields)


def a_request(card: str = "A", ordinal: int = 0, **fields: Any) -> Request:
    """One item of a card, about a call of its own."""
    plain = Request(
        id=f"{card}{ordinal}",
        card_id=card,
        ordinal=ordinal,
        call_id=f"c{card}{ordinal}",
        tool="hf_jobs",
        operation="run",
        arguments='{"n":1}',
        fingerprint="f1",
        effect="probe",
        tags=("outward", "paid"),
        rule="default",
        reason="it costs",
        ceiling=2_090_000,
        quote={"ceiling": 2_090_000},
        detail={"label": "hf_jobs: run"},
    )
    return replace(plain, **fields)


async def put(store: Store, card: Card, *requests: Request) -> None:
    """Store a card; with one item if none is given."""
    items = requests or (a_request(card.id),)
    await write(store, lambda tx: cards.insert(tx, card, items))


async def got(store: Store, ident: str = "A") -> Card:
    """A card as it stands."""
    found = await store.read(lambda tx: cards.get(tx, ident))
    assert found is not None
    return found


async def items(store: Store, ident: str = "A") -> tuple[Request, ...]:
    """Its items as they stand."""
    return await store.read(lambda tx: cards.requests_of(tx, ident))


async def decide(store: Store, ident: str, state: RequestState = "approved") -> bool:
    """Ann decides an item."""
    return await write(store, lambda tx: cards.decide(tx, ident, state, ANN_SAYS))


async def close(store: Store, ident: str = "A") -> bool:
    """Close a card if it can be."""
    return await write(store, lambda tx: cards.close(tx, ident, now=NOW + 10))


def names(found: tuple[Card, ...]) -> str:
    """The ids of cards, in order."""
    return "".join(card.id for card in found)


async def test_a_card_is_read_back_whole(store: Store, turn: OpenTurn) -> None:
    """With its items in the model's order; an unknown ceiling is no number."""
    unknown = a_request("A", 1, ceiling=None, unknown="price: nobody knows", earlier="X0")
    await put(store, a_card(turn), unknown, a_request("A", 0))
    assert await got(store) == a_card(turn, session_key=KEY)
    assert await items(store) == (a_request("A", 0), unknown)
    assert await store.read(lambda tx: cards.get(tx, "B")) is None


@pytest.mark.parametrize("first", FINAL)
async def test_an_item_is_decided_once(store: Store, turn: OpenTurn, first: RequestState) -> None:
    """Whatever came first stands, with who, whence, when and their words."""
    await put(store, a_card(turn))
    assert await decide(store, "A0", first)
    for again in FINAL:
        assert not await decide(store, "A0", again)
    (item,) = await items(store)
    assert (item.state, item.decided_by, item.decided_name) == (first, ANN, "Ann")
    assert (item.decided_from, item.decided_at, item.words) == ("button", NOW + 9, "not now")


async def test_what_is_decided_can_not_be_revised_nor_voted_on(
    store: Store, turn: OpenTurn
) -> None:
    """Not by an edit that comes too late, nor by a second person's yes."""
    await put(store, a_card(turn))
    await decide(store, "A0")
    (before,) = await items(store)
    await write(store, lambda tx: cards.revise(tx, replace(before, arguments="{}", ceiling=0)))
    await write(store, lambda tx: cards.vote(tx, before, "telegram:2"))
    assert await items(store) == (before,)


async def test_other_contents_forget_earlier_votes(store: Store, turn: OpenTurn) -> None:
    """Who said yes said it to what stood there then."""
    await put(store, a_card(turn))
    (item,) = await items(store)
    await write(store, lambda tx: cards.vote(tx, item, "telegram:2"))
    (item,) = await items(store)
    assert item.votes == ("telegram:2",)
    edited = replace(item, arguments='{"n":2}', fingerprint="f2", edited='+"n": 2', ceiling=1)
    await write(store, lambda tx: cards.revise(tx, edited))
    assert await items(store) == (replace(edited, votes=()),)


async def test_a_card_closes_with_its_last_item(store: Store, turn: OpenTurn) -> None:
    """Not before, and once."""
    await put(store, a_card(turn), a_request("A", 0), a_request("A", 1))
    assert not await close(store)
    await decide(store, "A0")
    assert not await close(store)
    await decide(store, "A1", "denied")
    assert await close(store)
    assert not await close(store)
    card = await got(store)
    assert (card.state, card.closed_at) == ("closed", NOW + 10)


async def test_a_new_revision_was_seen_by_nobody(store: Store, turn: OpenTurn) -> None:
    """Only who had this revision shown in full has seen it; one of two writers makes the next."""
    await put(store, a_card(turn))
    first = await got(store)
    await write(store, lambda tx: cards.mark_seen(tx, first, ANN))
    await write(store, lambda tx: cards.mark_seen(tx, replace(first, seen=(ANN,)), ANN))
    assert (await got(store)).seen == (ANN,)
    assert await write(store, lambda tx: cards.next_rev(tx, first, tier="owner", two=True))
    assert not await write(store, lambda tx: cards.next_rev(tx, first))
    card = await got(store)
    assert (card.rev, card.seen, card.tier, card.two_person) == (2, (), "owner", True)
    await write(store, lambda tx: cards.mark_seen(tx, first, ANN))
    assert (await got(store)).seen == ()
    assert await write(store, lambda tx: cards.next_rev(tx, card))
    assert ((await got(store)).tier, (await got(store)).two_person) == ("owner", True)


async def test_a_code_is_one_card_s_while_it_can_be_decided(store: Store, turn: OpenTurn) -> None:
    """A closed one's may be given again, and names the one that is open."""
    await put(store, a_card(turn, code="K7Q2F"))
    assert await store.read(lambda tx: cards.code_taken(tx, "K7Q2F"))
    with pytest.raises(ConstraintViolated):
        await put(store, a_card(turn, "B", code="K7Q2F"))
    await decide(store, "A0")
    await close(store)
    assert not await store.read(lambda tx: cards.code_taken(tx, "K7Q2F"))
    found = await store.read(lambda tx: cards.by_code(tx, "K7Q2F"))
    assert found is not None
    assert found.id == "A"
    await put(store, a_card(turn, "B", code="K7Q2F", state="queued", created_at=NOW - 5))
    found = await store.read(lambda tx: cards.by_code(tx, "K7Q2F"))
    assert found is not None
    assert found.id == "B"
    assert await store.read(lambda tx: cards.by_code(tx, "22222")) is None


async def test_the_newest_word_on_a_call(store: Store, turn: OpenTurn) -> None:
    """What is pending comes before what was decided, of that the latest."""
    await put(store, a_card(turn), a_request("A", call_id="c1"))
    await put(store, a_card(turn, "B"), a_request("B", call_id="c1", earlier="A0"))
    await decide(store, "A0")
    found = await store.read(lambda tx: cards.request_of_call(tx, "c1"))
    assert found is not None
    assert found.id == "B0"
    later = replace(ANN_SAYS, at=NOW + 20)
    await write(store, lambda tx: cards.decide(tx, "B0", "denied", later))
    found = await store.read(lambda tx: cards.request_of_call(tx, "c1"))
    assert found is not None
    assert found.id == "B0"
    assert await store.read(lambda tx: cards.request_of_call(tx, "c2")) is None


async def test_a_queued_card_has_no_clock(store: Store, turn: OpenTurn) -> None:
    """It neither expires nor reminds nor counts as late before it is let out."""
    queued = a_card(turn, state="queued", opened_at=None, expires_at=None, remind_at=None)
    await put(store, queued)
    for query in (
        lambda tx: cards.expired(tx, now=NOW * 2, limit=9),
        lambda tx: cards.to_remind(tx, now=NOW * 2, limit=9),
        lambda tx: cards.unposted(tx, limit=9),
        cards.pending,
    ):
        assert await store.read(query) == ()
    assert names(await store.read(lambda tx: cards.pending_in_chat(tx, ACCOUNT, CHAT))) == "A"

    def let_out(tx: Any) -> None:
        cards.open_queued(tx, "A", expires_at=NOW + 30, remind_at=None, now=NOW + 20)

    await write(store, let_out)
    await write(
        store, lambda tx: cards.open_queued(tx, "A", expires_at=1, remind_at=1, now=NOW + 25)
    )
    card = await got(store)
    assert (card.state, card.opened_at, card.expires_at, card.remind_at) == (
        "open",
        NOW + 20,
        NOW + 30,
        None,
    )
    assert names(await store.read(cards.pending)) == "A"


async def test_what_time_looks_for(store: Store, turn: OpenTurn) -> None:
    """Those that are due, the longest first; a reminder once, a posted card no more."""
    for number, ident in enumerate("ABC"):
        at = {"created_at": NOW + number, "expires_at": NOW + 100 - number}
        await put(store, a_card(turn, ident, remind_at=NOW + 50 - number, **at))
    assert names(await store.read(lambda tx: cards.expired(tx, now=NOW + 99, limit=9))) == "CB"
    assert names(await store.read(lambda tx: cards.expired(tx, now=NOW + 99, limit=1))) == "C"
    assert names(await store.read(lambda tx: cards.to_remind(tx, now=NOW + 49, limit=9))) == "CB"
    assert await write(store, lambda tx: cards.reminded(tx, "C"))
    assert not await write(store, lambda tx: cards.reminded(tx, "C"))
    assert names(await store.read(lambda tx: cards.to_remind(tx, now=NOW + 49, limit=9))) == "B"
    assert names(await store.read(lambda tx: cards.unposted(tx, limit=9))) == "ABC"
    await write(store, lambda tx: cards.posted(tx, "A", now=NOW + 3))
    assert (await got(store)).posted_at == NOW + 3
    assert names(await store.read(lambda tx: cards.unposted(tx, limit=9))) == "BC"
    assert names(await store.read(cards.pending)) == "CBA"
    assert names(await store.read(lambda tx: cards.pending_of_turn(tx, turn.turn_id))) == "ABC"
    await decide(store, "B0", "expired")
    await close(store, "B")
    assert names(await store.read(cards.pending)) == "CA"
    assert names(await store.read(lambda tx: cards.pending_of_turn(tx, turn.turn_id))) == "AC"
    assert names(await store.read(lambda tx: cards.pending_in_chat(tx, ACCOUNT, CHAT))) == "AC"
    elsewhere = "telegram:9"
    assert await store.read(lambda tx: cards.pending_in_chat(tx, ACCOUNT, elsewhere)) == ()


async def test_how_much_a_turn_has_asked(store: Store, turn: OpenTurn) -> None:
    """Cards about calls, and denials on any; the same call denied is known by its arguments."""
    await put(store, a_card(turn), a_request("A", 0), a_request("A", 1, arguments='{"n":2}'))
    await put(store, a_card(turn, "B", kind="question"))
    await decide(store, "A0", "denied")
    count = await store.read(lambda tx: cards.count_of_turn(tx, turn.turn_id))
    assert count == TurnCount(cards=1, denials=1)
    assert await store.read(lambda tx: cards.count_of_turn(tx, 99)) == TurnCount(cards=0, denials=0)

    async def denied(words: str, turn_id: int = turn.turn_id) -> bool:
        return await store.read(lambda tx: cards.denied_before(tx, turn_id, words))

    assert await denied('hf_jobs {"n":1}')
    assert not await denied('hf_jobs {"n":2}')  # still pending
    assert not await denied('hf_jobs {"n":1}', 99)


async def test_what_a_card_shows_beside_its_items(store: Store, turn: OpenTurn) -> None:
    """It can be changed whole."""
    await put(store, a_card(turn))
    await write(store, lambda tx: cards.change_detail(tx, "A", {"note": "again"}))
    assert (await got(store)).detail == {"note": "again"}
