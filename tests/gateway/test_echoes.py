"""Own messages that come back: explained by the outbox, or written by somebody else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway import outgoing
from gateway.config.ids import UserId
from gateway.delivery import Deliveries
from gateway.echoes import EXPLAIN_WITHIN_S, PAUSE_S, Echoes
from gateway.errors import StoreError
from gateway.notices import Notices
from gateway.store.base import Store
from gateway.store.records import chats, outbox
from gateway.store.records.outbox import NewOutbox, OutboxRow
from platforms import blocks
from platforms.content import Post
from platforms.events import Account, Attachment, ChatRef, MessageReceived, MessageRef
from tests.gateway.events import ANN, SLACK, message
from tests.gateway.faltering import Faltering
from tests.gateway.hand_clock import HandClock
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.transitions import KEPT

ROOM = ChatRef(account=SLACK, space="T1", chat_id="C1")
OWNER = Account(platform="telegram", id="77")


class Watched:
    """A gateway's way out, and who looks at what comes back."""

    def __init__(self, store: Store, clock: HandClock) -> None:
        self.store = store
        self.clock = clock
        self.room = ScriptedAdapter(SLACK)
        self.owner = ScriptedAdapter(OWNER)
        self.deliveries = Deliveries(store=store, clock=clock)
        self.notices = Notices(
            store=store,
            deliveries=self.deliveries,
            clock=clock,
            owners=(UserId(platform="telegram", id="9"),),
        )
        self.echoes = Echoes(
            store=store,
            deliveries=self.deliveries,
            notices=self.notices,
            clock=clock,
            sleep=clock.sleep,
        )
        self._number = 0

    async def stored(self, text: str) -> OutboxRow:
        """A message of ours in the room."""
        self._number += 1
        new = NewOutbox(
            dedupe_key=f"k{self._number}",
            account="slack:A1",
            chat="slack:T1/C1",
            turn_id=None,
            part=0,
            purpose="send",
            op="post",
            target_id=None,
            content=outgoing.dump(outgoing.Words(body=blocks.plain(text))),
            nonce=self.clock.nonce(),
        )
        row = await self.store.write(
            lambda tx: outbox.insert(tx, new, now=self.clock.now()), transition=KEPT
        )
        assert row is not None
        return row

    async def sent(self, text: str) -> OutboxRow:
        """A message of ours that stands in the room."""
        row = await self.stored(text)
        self.deliveries.enqueue((row,))
        outlet = self.deliveries.outlet("slack:A1")
        assert outlet is not None
        await outlet.flush()
        return row

    async def state(self, row: OutboxRow) -> str:
        """How a row stands."""
        found = await self.store.read(lambda tx: outbox.get(tx, row.id))
        assert found is not None
        return found.state


def echo(message_id: str, nonce: str | None = None) -> MessageReceived:
    """A message of our own account in the room."""
    return replace(
        message(author=replace(ANN, is_us=True)),
        account=SLACK,
        chat=ROOM,
        reply_to=ROOM,
        message=MessageRef(chat=ROOM, message_id=message_id),
        nonce=nonce,
    )


@pytest.fixture
async def watched(store: Store, clock: HandClock) -> AsyncIterator[Watched]:
    """Both accounts connected."""
    it = Watched(store, clock)
    await it.deliveries.attach(SLACK, it.room)
    await it.deliveries.attach(OWNER, it.owner)
    yield it
    await it.notices.close()
    await it.deliveries.close(flush_s=1)


async def test_what_we_sent_is_explained(watched: Watched) -> None:
    """By its id or by its nonce; nothing is paused and nobody is told."""
    row = await watched.sent("hello")
    watched.echoes.saw(echo("1"))
    watched.echoes.saw(echo("2", nonce=row.nonce))
    await watched.echoes.look()
    assert await watched.store.read(lambda tx: chats.marked(tx, "slack:A1")) == []
    assert watched.owner.performed == []


async def test_what_comes_back_is_given_time(watched: Watched) -> None:
    """An echo that is faster than its own row is looked up after that row is settled."""
    running = asyncio.create_task(watched.echoes.run())
    watched.echoes.saw(echo("1"))
    assert await watched.clock.asleep() == [EXPLAIN_WITHIN_S]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await watched.sent("hello")
    await watched.echoes.look()
    assert await watched.store.read(lambda tx: chats.marked(tx, "slack:A1")) == []


async def test_a_foreign_message_pauses_its_chat(watched: Watched) -> None:
    """Owners hear of it elsewhere, what is to be said there waits, and goes on after the pause."""
    watched.echoes.saw(echo("999"))
    await watched.echoes.look()
    await watched.owner.until(lambda: bool(watched.owner.shown("9")))
    assert "Somebody else writes with my token" in watched.owner.shown("9")[0]
    row = await watched.stored("held")
    watched.deliveries.enqueue((row,))
    marked = await watched.store.read(lambda tx: chats.marked(tx, "slack:A1"))
    assert [(m.chat, m.state, m.reason) for m in marked] == [
        ("slack:T1/C1", "paused", "foreign_writer")
    ]
    assert await watched.state(row) == "pending"
    watched.clock.advance(PAUSE_S - 1)
    await watched.echoes.look()
    assert await watched.state(row) == "pending"
    watched.clock.advance(1)
    await watched.echoes.look()
    await watched.room.until(lambda: watched.room.shown("C1") == ["held"])
    assert await watched.store.read(lambda tx: chats.marked(tx, "slack:A1")) == []


async def test_a_pause_whose_end_is_not_stored_ends_with_the_next_look(
    store: Store, clock: HandClock
) -> None:
    """What waits for the chat does not wait for the next start."""
    faltering = Faltering(store)
    watched = Watched(faltering, clock)
    await watched.deliveries.attach(SLACK, watched.room)
    watched.echoes.saw(echo("999"))
    await watched.echoes.look()
    watched.deliveries.enqueue((await watched.stored("held"),))
    clock.advance(PAUSE_S)
    faltering.writes.append(("chat.resumed", StoreError("busy")))
    with pytest.raises(StoreError):
        await watched.echoes.look()
    assert watched.room.shown("C1") == []
    await watched.echoes.look()
    await watched.room.shows("C1", "held")
    await watched.notices.close()
    await watched.deliveries.close(flush_s=1)


async def test_an_uncertain_post_that_comes_back_stands(watched: Watched) -> None:
    """A row given up as unknown is settled by its own echo."""
    row = await watched.stored("maybe")
    await watched.store.write(
        lambda tx: outbox.settle(tx, row.id, state="unknown", message_id=None, reason="cut", now=1),
        transition=KEPT,
    )
    watched.echoes.saw(echo("5", nonce=row.nonce))
    await watched.echoes.look()
    assert await watched.state(row) == "sent"


async def test_a_file_of_ours_is_not_looked_up(watched: Watched) -> None:
    """Platforms give files ids of their own; they explain nothing and accuse nobody."""
    file = Attachment(id="F1", kind="document", file="F1")
    watched.echoes.saw(replace(echo("999"), attachments=(file,)))
    await watched.echoes.look()
    assert not [op for op in watched.owner.performed if isinstance(op, Post)]
