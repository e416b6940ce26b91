"""What the way out knows of its chats by their ids: what stands there, and what they bear."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway import outgoing, refs
from gateway.clock import SystemClock
from gateway.outlet import Outlet
from gateway.store.records import outbox
from gateway.store.records.outbox import NewOutbox, OutboxRow
from gateway.store.sqlite import SqliteStore
from platforms.blocks import plain
from platforms.pacing import Limiter
from platforms.telegram.limits import CAPABILITIES
from tests.platforms.telegram.journal import ADA, TEAM, chat_of, connected
from tests.transitions import KEPT
from tests.wire.server import CutAfter
from tests.wire.telegram import TelegramServer

Put = Callable[[int, str, OutboxRow | None], Awaitable[OutboxRow]]
"""Store words for a chat, as a post or as the new state of one, and send them."""


@asynccontextmanager
async def way_out(
    server: TelegramServer, store: SqliteStore, limiter: Limiter | None = None
) -> AsyncIterator[tuple[Outlet, Put]]:
    """An outlet over the real adapter; without a limiter it keeps no rates."""
    async with connected(server) as adapter:
        account = chat_of(server, ADA).account
        clock = SystemClock()
        outlet = Outlet(
            account=account,
            adapter=adapter,
            limiter=limiter or Limiter(()),
            store=store,
            clock=clock,
        )

        async def put(chat: int, text: str, target: OutboxRow | None = None) -> OutboxRow:
            new = NewOutbox(
                dedupe_key=clock.nonce(),
                account=refs.account_text(account),
                chat=refs.chat_text(chat_of(server, chat)),
                turn_id=None,
                part=0,
                purpose="final",
                op="edit" if target else "post",
                target_id=target.id if target else None,
                content=outgoing.dump(outgoing.Words(body=plain(text))),
                nonce=clock.nonce(),
            )
            row = await store.write(
                lambda tx: outbox.insert(tx, new, now=clock.now()), transition=KEPT
            )
            assert row is not None
            await outlet.post(row)
            return row

        yield outlet, put
        await outlet.close()


async def test_equal_numbers_in_two_chats_are_two_messages(store: SqliteStore) -> None:
    """Telegram numbers the messages of every supergroup by itself: both get their answer."""
    async with TelegramServer() as server, way_out(server, store) as (_, put):
        for chat in (ADA, ADA, TEAM):
            await server.say(chat=chat, user=ADA, text="hello")
        rows = {chat: await put(chat, "Working on it ...", None) for chat in (ADA, TEAM)}
        ids = {chat: server.ours(chat)[0].message_id for chat in (ADA, TEAM)}
        assert ids[ADA] == ids[TEAM]
        for chat, row in rows.items():
            await put(chat, "Yes.", row)
        assert [server.ours(chat)[0].text for chat in (ADA, TEAM)] == ["Yes.", "Yes."]


async def test_an_edit_of_unknown_end_is_not_built_upon(store: SqliteStore) -> None:
    """An edit took effect and its answer was lost: the text before it is put back, not assumed."""
    async with TelegramServer() as server, way_out(server, store) as (outlet, put):
        await server.say(chat=ADA, user=ADA, text="hello")
        row = await put(ADA, "The answer", None)
        server.faults.add("editMessageText", CutAfter())
        message_id = str(server.ours(ADA)[0].message_id)
        assert not await outlet.stream_edit(row, message_id, plain("The answer and a sign of work"))
        assert server.ours(ADA)[0].text == "The answer and a sign of work"
        await put(ADA, "The answer", row)
        assert server.ours(ADA)[0].text == "The answer"


async def test_a_group_is_paced_as_one_from_its_first_word(store: SqliteStore) -> None:
    """Words nobody in the group asked for, sent right after a start, count for its minute."""
    limiter = Limiter(CAPABILITIES.budgets)
    async with TelegramServer() as server, way_out(server, store, limiter) as (_, put):
        for chat in (ADA, TEAM):
            await server.say(chat=chat, user=ADA, text="hello")
            began = time.monotonic()
            await put(chat, "One", None)
            await put(chat, "Two", None)
    now = time.monotonic()
    waits = {
        chat: limiter.admit(
            "post", f"telegram:{chat}", group=chat == TEAM, priority=1, since=now, now=now
        )
        for chat in (ADA, TEAM)
    }
    assert (waits[ADA] or 0) < 1.2
    assert (waits[TEAM] or 0) + (now - began) > 2.5
