"""Payloads at every parser: any of them gives a result, and a repeat of it adds nothing."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config.ids import parse_chat, parse_user
from gateway.config.values import AccessConfig, Config
from gateway.store import migrate
from gateway.store.base import Store
from gateway.store.sqlite import open_sqlite
from platforms.events import Delivery, Ignored, InboundEvent
from tests.contracts.platforms.payloads import PAYLOADS, Found, Payloads, raw_of
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import Intake

MUTATIONS = 1_000
SOAK_MUTATIONS = 100_000
PARSE_LIMIT_S = 0.010
"""What one payload may cost; held in the soak, where CPU seconds of this thread are counted."""

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**53, -(2**63), 2**63, 2**70, "", "0", "-1", "1e309", "\x00"),
    *("\ud800", "é" * 5_000, "<@U1>" * 500, "`" * 3_000, "9" * 500, "2026-02-30T00:00:00Z"),
    *([], {}, [None], {"id": None}, [[[[[[]]]]]], {"type": "message"}, {"text": {"text": 1}}),
)


@pytest.fixture(params=list(PAYLOADS))
def platform(request: pytest.FixtureRequest) -> str:
    """One platform after the other."""
    return str(request.param)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value, as its container and key."""
    if not isinstance(value, dict | list):
        return
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        yield from places(item)


def mutated(payload: Any, chance: random.Random) -> Any:
    """The payload with one to three of its places junk, gone, doubled or swapped."""
    payload = deepcopy(payload)
    for _ in range(chance.randint(1, 3)):
        found = list(places(payload))
        if not found:
            return deepcopy(chance.choice(JUNK))
        holder, key = chance.choice(found)
        match chance.randrange(5):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1:
                holder[key] = [holder[key], deepcopy(holder[key])]
            case 2:
                other, at = chance.choice(found)
                holder[key] = deepcopy(other[at])
            case _:
                holder[key] = deepcopy(chance.choice(JUNK))
    return payload


def check(found: Found) -> None:
    """A result is storable: keys that are text, whole orders, times with a zone."""
    if isinstance(found, Ignored):
        assert found.reason
        found.delivery_key.encode()
        return
    assert found
    for event in found:
        assert event.delivery_key
        assert event.logical_key
        assert f"{event.delivery_key}{event.logical_key}{event.chat.chat_id}".encode()
        assert event.reply_to.chat_id
        assert event.occurred_at.tzinfo is not None
        assert all(-(2**63) <= place < 2**63 for place in event.order)


def test_any_mutation_of_a_payload_gives_a_result(platform: str) -> None:
    """Whatever part of it is wrong, it becomes storable events or is ignored with a reason."""
    known = PAYLOADS[platform]
    cases, chance = list(known.cases.values()), random.Random(platform)
    for _ in range(MUTATIONS):
        payload = mutated(chance.choice(cases), chance)
        try:
            check(known.parse(payload))
        except Exception:
            print(json.dumps(payload))
            raise


@pytest.mark.soak
def test_mutations_at_length(platform: str) -> None:
    """A hundred thousand of them, none for more than ten milliseconds."""
    known = PAYLOADS[platform]
    cases, chance = list(known.cases.values()), random.Random(f"{platform} at length")
    slow: list[tuple[float, str]] = []
    for _ in range(SOAK_MUTATIONS):
        payload = mutated(chance.choice(cases), chance)
        took = min(_seconds(known, payload) for _ in range(2))
        if took > PARSE_LIMIT_S:
            slow.append((took, json.dumps(payload)[:500]))
    assert slow == []


def _seconds(known: Payloads, payload: Any) -> float:
    begun = time.thread_time()
    found = known.parse(payload)
    took = time.thread_time() - begun
    check(found)
    return took


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    """An empty store with the schema of this release."""
    opened = await open_sqlite(
        tmp_path / "state", migrate.packaged(), on_failure=lambda failure: pytest.fail(str(failure))
    )
    yield opened
    await opened.close()


def admitting(events: list[InboundEvent]) -> Config:
    """Everybody of these events is let in, wherever they are."""
    users, chats = set(), set()
    for event in events:
        where, who = event.chat, event.author
        scope = f"{where.space}/" if where.space else ""
        chats.add(f"{where.account.platform}:{scope}{where.chat_id}")
        own = f"{who.space}/" if who.space else ""
        users.add(f"{where.account.platform}:{own}{who.id}")
    access = AccessConfig(
        users=tuple(map(_user, sorted(users))), chats=tuple(map(_chat, sorted(chats)))
    )
    return Config(access=replace(access, users=_known(access.users), chats=_known(access.chats)))


def _user(text: str) -> Any:
    try:
        return parse_user(text)
    except ValueError:
        return None


def _chat(text: str) -> Any:
    try:
        return parse_chat(text)
    except ValueError:
        return None


def _known(found: Any) -> Any:
    return tuple(each for each in found if each is not None)


def deliveries_of(known: Payloads, read: Any) -> list[Delivery]:
    """Every payload as its adapter would hand it over."""
    found = [(payload, read(payload)) for payload in known.cases.values()]
    account = next(e[0].account for _, e in found if isinstance(e, tuple))
    return [
        Delivery(account=account, raw=raw_of(payload), events=events) for payload, events in found
    ]


async def rows(store: Store) -> list[tuple[Any, ...]]:
    """What the journal holds, whenever it came."""
    sql = "SELECT account, logical_key, state, reason FROM inbox ORDER BY account, logical_key"
    return [tuple(row) for row in await store.read(lambda tx: tx.rows(sql))]


def _events(deliveries: list[Delivery]) -> list[InboundEvent]:
    return [e for each in deliveries if isinstance(each.events, tuple) for e in each.events]


async def test_each_event_up_to_four_times_is_one_row(
    platform: str, store: Store, tmp_path: Path
) -> None:
    """Once, then again, then up to three more at once: the journal holds what one delivery left."""
    known = PAYLOADS[platform]
    once = deliveries_of(known, known.parse)
    intake = Intake(store, tmp_path, HandClock())
    ingest = intake.made(admitting(_events(once)), commit_limit_s=60.0)
    await asyncio.gather(*map(ingest, once))
    held, routed = await rows(store), len(intake.entered)
    assert len(held) >= len({event.logical_key for event in _events(once)}) / 2
    chance = random.Random(platform)
    again = [each for each in once for _ in range(chance.randint(1, 4))]
    chance.shuffle(again)
    await asyncio.gather(*map(ingest, again))
    assert await rows(store) == held
    assert len(intake.entered) == routed


async def test_the_same_ids_of_another_credential_are_other_rows(
    platform: str, store: Store, tmp_path: Path
) -> None:
    """Two bots, or two people of this machine, in chats of the same number: nothing is shared."""
    known = PAYLOADS[platform]
    ours = deliveries_of(known, known.parse)
    theirs = deliveries_of(known, known.elsewhere)
    places = [{(e.chat.account, e.chat.chat_id) for e in _events(each)} for each in (ours, theirs)]
    assert places[0]
    assert places[0].isdisjoint(places[1])
    if platform in {"web", "terminal"}:
        return  # their messages have keys of the client's own, which nobody draws twice
    intake = Intake(store, tmp_path, HandClock())
    ingest = intake.made(admitting(_events(ours)), commit_limit_s=60.0)
    await asyncio.gather(*map(ingest, ours))
    held = len(await rows(store))
    await asyncio.gather(*map(ingest, theirs))
    assert len(await rows(store)) == 2 * held
