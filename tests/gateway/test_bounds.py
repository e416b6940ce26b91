"""Memory follows what is going on, not what has ever happened: many chats leave nothing behind."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.config.values import AccessConfig, Config
from gateway.crowding import ALL_MAX, Coming, Crowding
from gateway.ingest import UNWANTED_KEPT
from gateway.recent import Recent
from gateway.store.base import Store
from platforms.events import Author, ChatRef, MessageReceived, Receipt
from platforms.pacing import Budget, Limiter
from tests.gateway.core import Core
from tests.gateway.events import TELEGRAM, delivery, message
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import Intake

MANY = 20_000
ANYONE = Config(access=AccessConfig(dm="open"))


def from_person(number: int) -> MessageReceived:
    """Words of a person nobody has heard of, in a chat of their own."""
    chat = ChatRef(account=TELEGRAM, chat_id=str(5_000_000 + number))
    author = Author(id=chat.chat_id, name=f"Person {number}")
    return replace(message(number=number, chat=chat, author=author), chat_kind="dm")


def grown(root: object, size: int) -> Iterator[str]:
    """The containers of at least `size` entries that an object of ours holds, by their path.

    What bounds itself is left out. Only objects of the product are looked into.
    """
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [(type(root).__name__, root)]
    while waiting:
        path, thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        bounded = isinstance(thing, Recent) or (isinstance(thing, deque) and thing.maxlen)
        if isinstance(thing, dict | list | set | frozenset | tuple | deque) and not bounded:
            if len(thing) >= size:
                yield f"{path}: {len(thing)}"
            inside = thing.values() if isinstance(thing, dict) else thing
            waiting.extend((f"{path}[]", item) for item in inside)
        elif type(thing).__module__.startswith(("gateway.", "platforms.")):
            waiting.extend((f"{path}.{name}", item) for name, item in _fields(thing))


def _fields(thing: object) -> Iterator[tuple[str, Any]]:
    yield from vars(thing).items() if hasattr(thing, "__dict__") else ()
    for kind in type(thing).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(thing, name):
                yield name, getattr(thing, name)


def test_only_the_newest_are_remembered() -> None:
    """What is used again stays, what is not is forgotten in its order."""
    recent: Recent[int, None] = Recent(100)
    for number in range(MANY):
        recent[number] = None
        recent[0] = None
        assert len(recent) <= 100
    assert set(recent) == {0, *range(MANY - 99, MANY)}


def test_the_limiter_forgets_quiet_chats() -> None:
    """Twenty thousand chats in a day, and the buckets of the last minutes."""
    budgets = (
        Budget(kinds=frozenset({"post"}), per="account", rate_per_s=30.0, burst=30.0),
        Budget(kinds=frozenset({"post"}), per="chat", rate_per_s=1.0, burst=3.0),
    )
    limiter = Limiter(budgets)
    for number in range(MANY):
        now = 1_000.0 + number * 86_400 / MANY
        assert limiter.admit("post", number, group=False, priority=1, since=now, now=now) == 0
        limiter.penalise("post", number, scope="chat", until=now + 5, now=now, group=False)
    assert list(grown(limiter, 100)) == []


def test_the_count_of_what_waits_begins_anew() -> None:
    """Between two counts of the rows it knows as many chats as may wait in all, and no more."""
    crowding = Crowding()
    for number in range(MANY):
        coming = Coming(
            session_key=f"telegram:77|telegram:{number}",
            person=f"telegram:{number}",
            in_session=1,
            written_at=number * 1_000_000,
            now=number * 1_000_000,
        )
        assert crowding.enter(coming, lambda: {}) is None
    assert list(grown(crowding, ALL_MAX + 1)) == []


async def test_chats_nobody_listed_cost_no_row_and_little_memory(
    intake: Intake, store: Store
) -> None:
    """They are counted, the newest are known to `why`, and nothing is written."""
    commits = store.health().commits
    for number in range(MANY // 2):
        chat = ChatRef(account=TELEGRAM, chat_id=str(-5_000_000 - number))
        foreign = message(number=number, chat=chat, author=Author(id="5", name="Eve"))
        assert await intake.ingest(delivery(foreign)) is Receipt.UNWANTED
    assert store.health().commits == commits
    assert len(intake.ingest.unwanted) == UNWANTED_KEPT
    assert list(grown(intake.ingest, 100)) == []


async def test_a_conversation_leaves_nothing_in_memory(
    store: Store, tmp_path: Path, clock: HandClock
) -> None:
    """Every actor, queue and note of a chat is gone once its answer has left."""
    people = 150
    core = Core(store, tmp_path, clock, config=ANYONE)
    core.answers(*["Certainly."] * people)
    await core.connect()
    await asyncio.gather(*(core.take(from_person(number)) for number in range(people)))
    for number in range(people):
        await core.shows("Certainly.", chat=from_person(number).chat.chat_id)
    await core.finish()
    outside = {id(core.store), id(core.adapter), id(core.model)}
    parts = [part for part in vars(core).values() if id(part) not in outside]
    left = [path for part in parts for path in grown(part, people // 2)]
    assert [path for path in left if "._crowding._waiting:" not in path] == []  # bounded below
    await core.close()


async def test_what_is_held_is_found(store: Store, tmp_path: Path, clock: HandClock) -> None:
    """The search above sees what lies deep in an object."""
    core = Core(store, tmp_path, clock)
    core.ingest.admitted_at.update({str(number): 0.0 for number in range(100)})
    assert [path.endswith("_ingest.admitted_at: 100") for path in grown(core.operator, 100)] == [
        True
    ]
    await core.close()
