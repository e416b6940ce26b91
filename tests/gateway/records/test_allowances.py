"""Allowances: who and what they let through, and how each of them ends once."""

from dataclasses import replace
from typing import Any

import pytest

from agent.costs import DOLLAR
from gateway.store.base import Store, Tx
from gateway.store.records import allowances
from gateway.store.records.allowances import Allowance
from tests.gateway.records.rows import ACCOUNT, ANN, CHAT, NOW, write

HOUR = 3_600_000_000


def a_grant(ident: str = "g1", **fields: Any) -> Allowance:
    """Ben's grant for one kind of call of ann's, for an hour."""
    plain = Allowance(
        id=ident,
        kind="grant",
        session_id=3,
        account=ACCOUNT,
        chat=CHAT,
        requester=ANN,
        giver="telegram:1002",
        giver_name="Ben",
        tool="hf_jobs",
        operation="run",
        bounds={"arguments": '{"n":1}', "payer": "acme"},
        ceiling=DOLLAR,
        uses_left=2,
        cap=2 * DOLLAR,
        schema_hash="s1",
        policy="p1",
        request_id="A0",
        created_at=NOW,
        until_at=NOW + HOUR,
    )
    return replace(plain, **fields)


def an_auto(ident: str = "a1", **fields: Any) -> Allowance:
    """`/auto` of session 3."""
    plain = a_grant(ident, kind="auto", tool="", operation="", bounds={}, requester="")
    return replace(plain, **fields)


async def put(store: Store, *given: Allowance) -> None:
    """Store allowances."""

    def unit(tx: Tx) -> None:
        for each in given:
            allowances.insert(tx, each)

    await write(store, unit)


async def in_chat(store: Store, now: int = NOW, chat: str = CHAT) -> str:
    """The ids of the grants that are live in a chat."""
    found = await store.read(lambda tx: allowances.grants_in(tx, ACCOUNT, chat, now=now))
    return " ".join(each.id for each in found)


async def end(store: Store, because: str, now: int) -> bool:
    """End grant g1."""
    return await write(store, lambda tx: allowances.end(tx, "g1", because=because, now=now))


async def ended(store: Store) -> dict[str, tuple[int, str]]:
    """When and why allowances ended."""
    rows = await store.read(
        lambda tx: tx.rows("SELECT id, ended_at, ended_because FROM allowance WHERE state='ended'")
    )
    return {ident: (at, because) for ident, at, because in rows}


@pytest.mark.parametrize("given", [a_grant("x"), an_auto("x")], ids=["grant", "auto"])
async def test_an_allowance_is_read_back_whole(store: Store, given: Allowance) -> None:
    """Every bound of it."""
    await put(store, given)
    assert await store.read(lambda tx: allowances.get(tx, "x")) == given
    assert await store.read(lambda tx: allowances.live(tx, now=NOW)) == (given,)
    assert await store.read(lambda tx: allowances.get(tx, "y")) is None


async def test_grants_are_of_one_chat_and_in_time(store: Store) -> None:
    """Oldest first; `/auto` is none, nor is one of another chat, used up, or over."""
    await put(
        store,
        a_grant("g2", created_at=NOW + 1),
        a_grant("g1"),
        a_grant("far", chat="telegram:9"),
        a_grant("used", uses_left=0),
        a_grant("over", until_at=NOW),
        an_auto(),
    )
    assert await in_chat(store) == "g1 g2"
    assert await in_chat(store, NOW + HOUR) == ""
    assert await in_chat(store, chat="telegram:9") == "far"


async def test_uses_are_taken_one_by_one(store: Store) -> None:
    """The last one is the last one."""
    await put(store, a_grant())
    took = [await write(store, lambda tx: allowances.use(tx, "g1")) for _ in range(3)]
    assert took == [True, True, False]
    assert await in_chat(store) == ""


async def test_auto_is_of_one_session_and_can_grow(store: Store) -> None:
    """A grant of that session is none; a larger cap and a later end take the old ones' place."""
    await put(store, a_grant(), an_auto())
    found = await store.read(lambda tx: allowances.auto_of(tx, 3, now=NOW))
    assert found == an_auto()
    assert await store.read(lambda tx: allowances.auto_of(tx, 4, now=NOW)) is None
    assert await store.read(lambda tx: allowances.auto_of(tx, 3, now=NOW + HOUR)) is None
    until = NOW + 2 * HOUR
    await write(store, lambda tx: allowances.enlarge(tx, "a1", cap=7 * DOLLAR, until_at=until))
    found = await store.read(lambda tx: allowances.auto_of(tx, 3, now=NOW + HOUR))
    assert found == an_auto(cap=7 * DOLLAR, until_at=until)


async def test_an_allowance_ends_once(store: Store) -> None:
    """Its first end stands; it lets nothing through and can't be enlarged any more."""
    await put(store, a_grant())
    assert await end(store, "taken back by Ben", NOW + 5)
    assert not await end(store, "its time is over", NOW + 6)
    assert not await write(store, lambda tx: allowances.use(tx, "g1"))
    await write(store, lambda tx: allowances.enlarge(tx, "g1", cap=9, until_at=NOW + 9 * HOUR))
    assert await store.read(lambda tx: allowances.get(tx, "g1")) is None
    assert await ended(store) == {"g1": (NOW + 5, "taken back by Ben")}


async def test_what_time_uses_up(store: Store) -> None:
    """Only what is past; the rest goes on."""
    await put(store, a_grant("short", until_at=NOW + 1), a_grant("long"))
    assert not await store.read(lambda tx: allowances.any_past(tx, now=NOW))
    assert await store.read(lambda tx: allowances.any_past(tx, now=NOW + 1))
    over = await write(store, lambda tx: allowances.end_past(tx, now=NOW + 1))
    assert [each.id for each in over] == ["short"]
    assert not await store.read(lambda tx: allowances.any_past(tx, now=NOW + 1))
    assert await ended(store) == {"short": (NOW + 1, "its time is over")}


async def test_a_session_takes_its_leave_with_it(store: Store) -> None:
    """A new session begins without any; other sessions keep theirs."""
    await put(store, a_grant(), an_auto(), an_auto("a2", session_id=4))
    gone = await write(
        store, lambda tx: allowances.end_of_session(tx, 3, because="Ann began afresh", now=NOW)
    )
    assert gone == 2
    assert set(await ended(store)) == {"g1", "a1"}


async def test_other_rules_end_what_was_given_under_these(store: Store) -> None:
    """What the present policy has given stays."""
    await put(store, a_grant(), a_grant("g2", policy="p2"), an_auto())
    assert await write(store, lambda tx: allowances.end_of_policy(tx, "p2", now=NOW + 3)) == 2
    assert await ended(store) == dict.fromkeys(("g1", "a1"), (NOW + 3, "the rules changed"))
    assert await in_chat(store) == "g2"
