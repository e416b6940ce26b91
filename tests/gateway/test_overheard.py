"""Where nothing can be read back: what was said to others in a group is kept for a day."""

import asyncio
from dataclasses import replace
from pathlib import Path

from gateway.control_requests import DecidePairing
from gateway.retention import DAY, EVERY_S, FIRST_AFTER_S, Retention
from gateway.store.base import Store
from gateway.store.blobs import Blobs
from gateway.store.records import overheard
from gateway.store.records.earlier import HEAD
from platforms.events import Attachment, Author
from tests.gateway.core import Core
from tests.gateway.events import BEN, GROUP, OUR_MENTION, TOPIC, edited, in_group, message
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import ACCOUNT, NOW, arrival, arrived
from tests.gateway.test_context import given

EVE = Author(id="666", name="Eve")
PHOTO = Attachment(id="u1", kind="image", file="f1", name="disk.png")
HOUR_US = 3_600_000_000
GROUP_KEY = f"{ACCOUNT}|telegram:-100200|telegram:1001"


async def test_a_turn_begins_with_what_was_said_to_others(
    store: Store, tmp_path: Path, clock: HandClock
) -> None:
    """As it stands now, quoted and marked; each only once, and none of other topics."""
    core = Core(store, tmp_path, clock)
    await core.connect()
    core.answers("Empty the bin.", "It is the logs.")
    await core.take(in_group("the disk is ful", number=3, author=BEN))
    await core.take(edited("the disk is full", of=3, number=900, chat=GROUP, author=BEN))
    await core.take(in_group("look", number=4, author=EVE, attachments=(PHOTO,)))
    await core.take(in_group("elsewhere", number=5, author=BEN, chat=TOPIC))
    await core.take(in_group("what now?", number=6, mentions=(OUR_MENTION,)))
    await core.shows("Empty the bin.", chat=GROUP.chat_id)
    assert given(core, 0) == [
        f"{HEAD}\n> Ben: the disk is full\n> Eve: look (file: disk.png)",
        "what now?",
    ]
    await core.take(in_group("it is full again", number=9, author=BEN))
    await core.take(in_group("why?", number=10, mentions=(OUR_MENTION,)))
    await core.shows("Empty the bin.", "It is the logs.", chat=GROUP.chat_id)
    assert given(core, 1)[2:] == [f"{HEAD}\n> Ben: it is full again", "why?"]
    rows = await store.read(
        lambda tx: tx.rows("SELECT content FROM inbox WHERE message_id IN ('6', '10') ORDER BY id")
    )
    assert ['"telegram:666"' in content for (content,) in rows] == [True, False]
    await core.finish()


async def test_who_was_blocked_since_is_not_among_them(
    store: Store, tmp_path: Path, clock: HandClock
) -> None:
    """Nor does what they say from then on become part of it."""
    core = Core(store, tmp_path, clock)
    await core.connect()
    core.answers("Hi.")
    await core.take(in_group("a", number=3, author=EVE))
    await core.access.answer(DecidePairing(verb="block", whom="telegram:666"), by="shell:ann")
    await core.take(in_group("b", number=4, author=EVE))
    await core.take(in_group("c", number=5, author=BEN))
    await core.take(in_group("you there?", number=6, mentions=(OUR_MENTION,)))
    await core.shows("Hi.", chat=GROUP.chat_id)
    assert given(core, 0) == [f"{HEAD}\n> Ben: c", "you there?"]
    await core.finish()


async def test_a_direct_chat_has_nothing_else(
    store: Store, tmp_path: Path, clock: HandClock
) -> None:
    """All that is said there is said to us."""
    core = Core(store, tmp_path, clock)
    await core.connect()
    core.answers("Hi.")
    await core.take(in_group("hello everybody", number=3, author=BEN))
    await core.take(message("you there?", number=5))
    await core.shows("Hi.")
    assert given(core, 0) == ["you there?"]
    await core.finish()


async def test_the_last_twenty_of_a_day(store: Store) -> None:
    """Neither older ones nor those that came after the question."""
    said = {"state": "ignored", "reason": "not_addressed", "lane": None, "session_key": None}
    group = {"chat": "telegram:-100200"}
    await arrived(
        store,
        arrival(1, received_at=NOW - overheard.KEPT_US - 1, **said, **group),
        *(arrival(number, **said, **group) for number in range(2, 25)),
        arrival(25, session_key=GROUP_KEY, **group),
        arrival(26, **said, **group),
        arrival(27, **{**said, "reason": "bot_sender"}, **group),
    )
    since = NOW - overheard.KEPT_US
    found = await store.read(lambda tx: overheard.before(tx, 25, GROUP_KEY, since=since, limit=20))
    assert [each.message_id for each in found] == [str(number) for number in range(5, 25)]


async def test_the_words_go_after_a_day(store: Store, tmp_path: Path) -> None:
    """Those that were said to us stay for as long as all others."""
    said = arrival(1, state="ignored", reason="not_addressed", lane=None)
    await arrived(store, said, arrival(2, state="ignored", reason="bot_sender"))
    await arrived(store, replace(arrival(3), state="refused", reason="not_entitled"))
    pruning = Retention(store=store, blobs=Blobs(tmp_path), clock=HandClock(), keep_days=90)
    assert (await pruning.prune(now=NOW + DAY)).words == 0
    assert (await pruning.prune(now=NOW + DAY + 1)).words == 1
    rows = await store.read(lambda tx: tx.rows("SELECT id FROM inbox WHERE content IS NULL"))
    assert rows == [(1,)]


async def test_every_hour_it_is_looked_whether_a_day_is_over(
    store: Store, tmp_path: Path, clock: HandClock
) -> None:
    """What was said an hour after the daily pass does not wait for the next one."""
    said = {"state": "ignored", "reason": "not_addressed", "lane": None}
    await arrived(store, arrival(1, received_at=clock.now() - 23 * HOUR_US, **said))

    async def sleep(seconds: float) -> None:
        if seconds >= 1:
            await clock.sleep(seconds)

    pruning = Retention(store=store, blobs=Blobs(tmp_path), clock=clock, keep_days=90, sleep=sleep)
    running = asyncio.create_task(pruning.run())
    found = []
    for seconds in (FIRST_AFTER_S, EVERY_S):
        await clock.asleep()
        clock.advance(seconds)
        await clock.asleep()
        found += await store.read(lambda tx: tx.rows("SELECT content IS NULL FROM inbox"))
    running.cancel()
    assert [bool(gone) for (gone,) in found] == [False, True]
