"""Posts in doubt: repeated under their nonce, looked for, or told as unknown; never blindly."""

import asyncio
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from gateway import outgoing
from gateway.store.records.outbox import OutboxRow, Purpose
from gateway.store.sqlite import SqliteStore
from platforms import blocks
from platforms.content import Operation, Outcome, Post, Sent, Upload
from platforms.errors import (
    ChatUnavailable,
    CredentialsRejected,
    MessageRejected,
    PlatformError,
    PlatformUnavailable,
    RightsMissing,
    SendUncertain,
    TooLong,
)
from platforms.events import MessageRef
from tests.gateway.events import DM
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import NOW
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.gateway.way_out import WayOut, limited

Make = Callable[..., WayOut]

THERE = MessageRef(chat=DM, message_id="77")
"""Where a look finds what was in doubt."""


async def in_flight(way: WayOut, *, seconds_ago: float, purpose: Purpose = "final") -> OutboxRow:
    """Hand over a row that began to leave so long ago, before the gateway was started again."""
    row = await way.stored(purpose=purpose)
    way.clock.advance(1_000)
    departed = way.clock.now() - int(seconds_ago * 1_000_000)
    await way._write(
        lambda tx: tx.run(
            "UPDATE outbox SET state = 'in_flight', departed_at = ? WHERE id = ?", departed, row.id
        )
    )
    row = await way.row(row)
    way.outlet.enqueue((row,))
    return row


def posts(way: WayOut) -> list[Post]:
    """Every post that was tried."""
    return [op for op in way.adapter.performed if isinstance(op, Post)]


# While the platform knows the nonce.


@pytest.mark.parametrize("purpose", ["anchor", "final"])
async def test_left_in_flight_with_a_fresh_nonce_it_is_repeated(
    make_way: Make, purpose: Purpose
) -> None:
    """Its age counts from when it left, however long it had waited before."""
    way = make_way(nonce_life_s=120.0, read_back=True)
    row = await in_flight(way, seconds_ago=108, purpose=purpose)
    await way.slept(1.0)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    assert [post.nonce for post in posts(way)] == [row.nonce]
    assert way.adapter.lookups == []


@pytest.mark.parametrize("seconds_ago", [111, -3_600], ids=["old", "by-a-clock-set-back"])
async def test_left_in_flight_with_an_old_nonce_it_is_looked_for(
    make_way: Make, seconds_ago: int
) -> None:
    """A moment before its end the nonce is not relied upon any more; what stands is found."""
    way = make_way(nonce_life_s=120.0, read_back=True)
    way.adapter.found.append(THERE)
    row = await in_flight(way, seconds_ago=seconds_ago)
    await way.settled()
    assert await way.fate(row) == ("sent", "77", None)
    assert posts(way) == []


@pytest.mark.parametrize(("purpose", "state"), [("anchor", "unknown"), ("final", "sent")])
async def test_an_old_nonce_without_a_look(make_way: Make, purpose: Purpose, state: str) -> None:
    """An answer is worth one possible double, a placeholder is not."""
    way = make_way(nonce_life_s=120.0)
    row = await in_flight(way, seconds_ago=111, purpose=purpose)
    if purpose == "final":
        await way.slept(1.0)
    await way.settled()
    assert (await way.fate(row))[0] == state
    assert len(posts(way)) == (purpose == "final")


@pytest.mark.parametrize("error", [PlatformUnavailable("down"), limited(600.0)])
async def test_a_repeat_that_waited_beyond_its_nonce_is_looked_for(
    make_way: Make, error: PlatformError
) -> None:
    """The first try may stand and the platform has forgotten it: once more would double it."""
    way = make_way(nonce_life_s=120.0, read_back=True)
    way.adapter.then(Post, SendUncertain("cut"), error)
    way.adapter.found.append(THERE)
    (row,) = await way.send("hello")
    await way.slept(1.0)
    await way.clock.asleep()
    way.clock.advance(600.0)
    await way.settled()
    assert await way.fate(row) == ("sent", "77", None)
    assert len(posts(way)) == 2
    assert [since for _, since in way.adapter.lookups] == [moment(NOW)]


async def test_while_it_waits_a_doubt_stays_in_the_store(make_way: Make) -> None:
    """A crash meanwhile finds it in flight since its first try, not certainly unsent."""
    way = make_way(nonce_life_s=120.0, read_back=True)
    way.adapter.then(Post, SendUncertain("cut"), PlatformUnavailable("down"))
    (row,) = await way.send("hello")
    await way.slept(1.0)
    await way.clock.asleep()
    stored = await way.row(row)
    assert (stored.state, stored.departed_at) == ("in_flight", NOW)
    await way.slept(1.0)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"


async def test_three_uncertain_repeats_are_looked_for(make_way: Make) -> None:
    """Where both are possible, the look has the last word."""
    way = make_way(nonce_life_s=120.0, read_back=True)
    way.adapter.then(Post, *(SendUncertain("cut") for _ in range(3)))
    way.adapter.found.append(THERE)
    (row,) = await way.send("hello")
    await way.slept(1.0, 2.0)
    await way.settled()
    assert await way.fate(row) == ("sent", "77", None)


async def test_three_uncertain_repeats_without_a_look_are_unknown(make_way: Make) -> None:
    """Where the nonce is all there is, it ends there."""
    way = make_way(nonce_life_s=120.0)
    way.adapter.then(Post, *(SendUncertain("cut") for _ in range(3)))
    (row,) = await way.send("hello")
    await way.slept(1.0, 2.0)
    await way.settled()
    assert await way.fate(row) == ("unknown", None, "cut")


# Looking into the chat.


@pytest.mark.parametrize("late", [False, True])
async def test_what_a_look_finds_is_not_sent_again(make_way: Make, late: bool) -> None:
    """Also if only the second look shows it, a moment later."""
    way = make_way(read_back=True)
    way.adapter.then(Post, SendUncertain("cut"))
    way.adapter.found.extend([None, THERE] if late else [THERE])
    (row,) = await way.send("hello")
    if late:
        await way.slept(2.0)
    await way.settled()
    assert await way.fate(row) == ("sent", "77", None)
    assert len(posts(way)) == 1


async def test_the_id_a_look_gives_is_the_message_s(make_way: Make) -> None:
    """What is edited later is what was found."""
    way = make_way(read_back=True)
    way.adapter.then(Post, SendUncertain("cut"))
    way.adapter.found.append(THERE)
    (anchor,) = await way.send("Working", purpose="anchor", turn_id=1)
    await way.send("Done.", op="edit", target=anchor, turn_id=1)
    await way.settled()
    assert way.adapter.chats["1001"] == {"77": "Done."}


async def test_what_is_not_there_is_sent_again(make_way: Make) -> None:
    """After two looks, under the same nonce; until then it is in flight, then certainly unsent."""
    way = make_way(read_back=True)
    way.adapter.then(Post, SendUncertain("cut"))
    (row,) = await way.send("hello")
    await way.clock.asleep()
    assert (await way.row(row)).state == "in_flight"
    await way.slept(2.0)
    await way.clock.asleep()
    assert await way.fate(row) == ("pending", None, "not in the chat after all")
    await way.slept(1.0)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    assert {post.nonce for post in posts(way)} == {row.nonce}
    assert way.adapter.shown("1001") == ["hello"]


async def test_a_platform_that_loses_every_post_is_tried_on(make_way: Make) -> None:
    """Each try is settled by a look, so that it is a failure like any other: for a day."""
    way = make_way(read_back=True)
    way.adapter.then(Post, *(SendUncertain("cut") for _ in range(6)))
    (row,) = await way.send("hello")
    for pause in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0):
        await way.slept(2.0, pause)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    assert len(way.adapter.lookups) == 12


async def test_a_file_is_looked_for_too(make_way: Make) -> None:
    """An upload is a post like any other."""
    way = make_way(read_back=True)
    way.adapter.then(Upload, SendUncertain("cut"))
    way.adapter.found.append(THERE)
    file = outgoing.File(data=b"x", name="answer.md", mime="text/markdown")
    (row,) = await way.send("", op="upload", content=file)
    await way.settled()
    assert await way.fate(row) == ("sent", "77", None)


@pytest.mark.parametrize(
    "error",
    [
        MessageRejected("no such method"),
        ChatUnavailable("not in it", reason="no_rights"),
        RightsMissing("channels:history"),
    ],
)
async def test_where_nobody_may_look_an_answer_is_made_once_more(
    make_way: Make, error: PlatformError
) -> None:
    """A right to read that is missing stops nothing but the look."""
    way = make_way(read_back=True)
    way.adapter.then(Post, SendUncertain("cut"))
    way.adapter.found.append(error)
    (row,) = await way.send("hello")
    await way.slept(1.0)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    assert (len(posts(way)), way.outlet.problem) == (2, "")


async def test_where_nobody_may_look_a_placeholder_is_left_alone(make_way: Make) -> None:
    """It may stand; nobody posts it twice."""
    way = make_way(read_back=True)
    way.adapter.then(Post, SendUncertain("cut"))
    way.adapter.found.append(MessageRejected("no"))
    (row,) = await way.send("Working", purpose="anchor", turn_id=1)
    await way.settled()
    assert await way.fate(row) == ("unknown", None, "cut")


async def test_a_look_that_is_rate_limited_waits(make_way: Make) -> None:
    """As long as told; it is no failure."""
    way = make_way(read_back=True)
    way.adapter.then(Post, SendUncertain("cut"))
    way.adapter.found.extend([*(limited(9.0) for _ in range(7)), THERE])
    (row,) = await way.send("hello")
    await way.slept(*(9.0 for _ in range(7)))
    await way.settled()
    assert await way.fate(row) == ("sent", "77", None)


async def test_a_look_waits_for_the_platform_to_be_reachable(make_way: Make) -> None:
    """However long: nothing could be sent meanwhile, and sending blindly then may double it."""
    way = make_way(read_back=True)
    way.adapter.then(Post, SendUncertain("cut"))
    way.adapter.found.extend([*(PlatformUnavailable("down") for _ in range(8)), THERE])
    (row,) = await way.send("hello")
    await way.slept(1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0)
    await way.settled()
    assert await way.fate(row) == ("sent", "77", None)
    assert len(posts(way)) == 1


async def test_a_look_that_is_not_answered_is_given_up(make_way: Make) -> None:
    """The platform takes posts and shows nothing: after six tries the answer leaves once more."""
    way = make_way(read_back=True)
    way.adapter.then(Post, SendUncertain("cut"))
    way.adapter.found.extend(SendUncertain("502") for _ in range(6))
    (row,) = await way.send("hello")
    await way.slept(1.0, 2.0, 4.0, 8.0, 16.0, 1.0)
    await way.settled()
    assert (await way.fate(row))[0] == "sent"
    assert len(posts(way)) == 2


async def test_rejected_credentials_leave_a_doubt_as_it_is(make_way: Make) -> None:
    """The account waits; connected anew, it looks before it sends."""
    way = make_way(read_back=True)
    way.adapter.then(Post, SendUncertain("cut"))
    way.adapter.found.extend([CredentialsRejected("revoked"), THERE])
    (row,) = await way.send("hello")
    await way.settled()
    assert (way.outlet.problem, (await way.row(row)).state) == ("revoked", "in_flight")
    way.outlet.resume()
    await way.settled()
    assert await way.fate(row) == ("sent", "77", None)
    assert len(posts(way)) == 1


async def test_a_refused_repeat_leaves_the_first_in_doubt(make_way: Make) -> None:
    """The repeat was certainly not sent, which says nothing about the try before it."""
    way = make_way(nonce_life_s=120.0, read_back=True)
    way.adapter.then(Post, SendUncertain("cut"), CredentialsRejected("revoked"))
    way.adapter.found.append(THERE)
    (row,) = await way.send("hello")
    await way.slept(1.0)
    await way.settled()
    assert (await way.row(row)).state == "in_flight"
    way.clock.advance(600.0)
    way.outlet.resume()
    await way.settled()
    assert await way.fate(row) == ("sent", "77", None)
    assert len(posts(way)) == 2


async def test_words_for_one_person_are_not_looked_for(make_way: Make) -> None:
    """They stand in nobody's history; like where nothing can be looked up, once more."""
    way = make_way(read_back=True, private="any")
    way.adapter.then(Post, SendUncertain("cut"), SendUncertain("cut again"))
    words = outgoing.Words(body=blocks.plain("psst"), only_for="1001")
    (row,) = await way.send("", content=words, purpose="command")
    await way.slept(1.0)
    await way.settled()
    assert await way.fate(row) == ("unknown", None, "cut again")
    assert way.adapter.lookups == []


async def test_words_for_one_person_become_no_file_for_all(make_way: Make) -> None:
    """What is too long for a private message is not shown to the chat instead."""
    way = make_way(private="any")
    way.adapter.then(Post, TooLong("4096 at most"))
    words = outgoing.Words(body=blocks.plain("psst"), only_for="1001")
    (row,) = await way.send("", content=words, purpose="command")
    await way.settled()
    assert await way.fate(row) == ("dead", None, "4096 at most")
    assert way.adapter.shown("1001") == []


# Whatever happens, one message stands.

MISHAPS = {
    "d": PlatformUnavailable("down"),
    "l": limited(600.0),
    "b": SendUncertain("lost before it was taken"),
    "a": SendUncertain("lost after it was taken"),
}
"""What a try can meet, by its letter in the chat's name."""


class Lossy(ScriptedAdapter):
    """A platform whose chats are named after what befalls a post in them, try by try.

    It knows a nonce for as long as it says, and shows what was posted under it.
    """

    def __init__(self, clock: HandClock, **capabilities: Any) -> None:
        super().__init__(**capabilities)
        self._clock = clock
        self._mishaps: dict[str, Iterator[str]] = {}
        self._known: dict[str, tuple[int, Outcome]] = {}

    async def perform(self, operation: Operation) -> Outcome:
        """Meet the next mishap of the chat's name; nothing after the last."""
        assert isinstance(operation, Post)
        name = operation.chat.chat_id
        mishap = next(self._mishaps.setdefault(name, iter(name)), "")
        if mishap in {"d", "l", "b"}:
            raise MISHAPS[mishap]
        outcome = self._posted_once(operation)
        if mishap == "a":
            raise MISHAPS[mishap]
        return outcome

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """What was posted under the nonce, if not before `since`."""
        at, outcome = self._known.get(operation.nonce, (0, None))
        shown = isinstance(outcome, Sent) and at >= int(since.timestamp() * 1_000_000)
        return outcome.message if isinstance(outcome, Sent) and shown else None

    def _posted_once(self, post: Post) -> Outcome:
        life, now = self.capabilities.nonce_life_s, self._clock.now()
        at, outcome = self._known.get(post.nonce, (0, None))
        if outcome is None or life is None or now - at >= life * 1_000_000:
            outcome = self._effect(post)
            self._known[post.nonce] = (now, outcome)
        return outcome


async def pass_time(way: WayOut) -> None:
    """Let every wait pass until all is settled."""
    settled = asyncio.ensure_future(way.settled())
    while not settled.done():
        asleep = asyncio.ensure_future(way.clock.asleep())
        await asyncio.wait((settled, asleep), return_when=asyncio.FIRST_COMPLETED)
        if asleep.done():
            way.clock.advance(asleep.result()[0])
        asleep.cancel()


@pytest.mark.parametrize(
    ("capabilities", "most"),
    [
        ({"nonce_life_s": 120.0, "read_back": True}, 1),
        ({"read_back": True}, 1),
        ({"nonce_life_s": math.inf}, 1),
        ({}, 2),
    ],
    ids=["nonce_and_look", "look", "nonce_for_ever", "neither"],
)
@pytest.mark.parametrize("first", MISHAPS)
async def test_whatever_befalls_it_an_answer_stands_once(
    store: SqliteStore, clock: HandClock, capabilities: dict[str, Any], most: int, first: str
) -> None:
    """After any three mishaps; only where the platform tells nothing there may be a double."""
    way = WayOut(store, clock, Lossy(clock, **capabilities))
    for second, third in product(MISHAPS, repeat=2):
        chat = first + second + third
        (row,) = await way.send("hello", chat=f"telegram:{chat}")
        await pass_time(way)
        state = (await way.row(row)).state
        shown = len(way.adapter.shown(chat))
        assert shown <= most, chat
        assert state == "sent" or (state == "unknown" and "read_back" not in capabilities), chat
        assert shown or state == "unknown", chat
    await way.outlet.close()


def moment(micros: int) -> datetime:
    """A time of the clock as adapters are given it."""
    return datetime.fromtimestamp(micros / 1_000_000, tz=UTC)
