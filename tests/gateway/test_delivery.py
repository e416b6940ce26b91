"""Every way out: what waited is sent, what cannot leave stays, and closing loses nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.delivery import Deliveries
from gateway.outgoing import Words, dump
from gateway.store.base import Store
from gateway.store.records import outbox
from gateway.store.sqlite import SqliteStore
from platforms.content import Post, React
from platforms.errors import PlatformUnavailable
from platforms.events import MessageRef
from platforms.markup import parse
from tests.gateway.events import DM, SLACK
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import inserted, new_outbox
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.gateway.steady import SteadyStore
from tests.transitions import KEPT


@pytest.fixture
async def deliveries(store: SqliteStore, clock: HandClock) -> AsyncIterator[Deliveries]:
    deliveries = Deliveries(store=store, clock=clock)
    yield deliveries
    await deliveries.close(flush_s=0)


async def stored(store: Store, text: str, account: str = "telegram:77") -> outbox.OutboxRow:
    """A row for ann's chat, or for a Slack channel."""
    chat = "telegram:1001" if account == "telegram:77" else "slack:T1/C1"
    content = dump(Words(body=parse(text)))
    return await inserted(store, new_outbox(text, account=account, chat=chat, content=content))


async def states(store: Store) -> dict[int, str]:
    """The state of every row."""
    rows = await store.read(lambda tx: tx.rows("SELECT id, state FROM outbox ORDER BY id"))
    return {int(ident): str(state) for ident, state in rows}


async def test_connecting_sends_what_waited_in_order(store: Store, deliveries: Deliveries) -> None:
    """Only this account's rows; what is settled is left alone."""
    for text in ("one", "two", "three"):
        await stored(store, text)
    await stored(store, "elsewhere", "slack:A1")
    await store.write(
        lambda tx: outbox.settle(tx, 2, state="dead", message_id=None, reason="x", now=1),
        transition=KEPT,
    )
    adapter = ScriptedAdapter()
    await deliveries.attach(adapter.account, adapter)
    await adapter.shows("1001", "one", "three")
    for outlet in deliveries.outlets():
        await outlet.flush()
    assert await states(store) == {1: "sent", 2: "dead", 3: "sent", 4: "pending"}


async def test_rows_of_an_account_that_is_not_connected_wait(
    store: Store, deliveries: Deliveries
) -> None:
    """Nothing is lost: they leave when their account connects."""
    row = await stored(store, "hello", "slack:A1")
    deliveries.enqueue((row,))
    assert deliveries.outlet("slack:A1") is None
    slack = ScriptedAdapter(SLACK)
    await deliveries.attach(SLACK, slack)
    await slack.shows("C1", "hello")


async def test_an_account_has_one_way_out(store: Store, deliveries: Deliveries) -> None:
    """Connected anew it is the same one, so that no row is sent by two."""
    adapter = ScriptedAdapter()
    first = await deliveries.attach(adapter.account, adapter)
    await stored(store, "already waiting")
    assert await deliveries.attach(adapter.account, adapter) is first
    assert deliveries.outlets() == (first,)


@pytest.mark.warp
async def test_closing_sends_what_can_leave(store: SqliteStore, clock: HandClock) -> None:
    """Within its time; what is under way then is settled by the next start."""
    deliveries = Deliveries(store=SteadyStore(store), clock=clock)
    adapter, slack = ScriptedAdapter(), ScriptedAdapter(SLACK)
    slack.then(Post, asyncio.Event())
    await deliveries.attach(adapter.account, adapter)
    await deliveries.attach(SLACK, slack)
    deliveries.enqueue((await stored(store, "quick"), await stored(store, "slow", "slack:A1")))
    await slack.performing(1)
    await deliveries.close(flush_s=5)
    assert await states(store) == {1: "sent", 2: "in_flight"}


async def test_what_is_done_beside_the_rows_costs_nothing(
    store: Store, deliveries: Deliveries
) -> None:
    """A reaction that fails is nobody's failure, and closing ends what still runs."""
    adapter = ScriptedAdapter()
    outlet = await deliveries.attach(adapter.account, adapter)
    adapter.then(React, PlatformUnavailable("down"), asyncio.Event())
    react = React(message=MessageRef(chat=DM, message_id="1"), emoji="x")
    deliveries.spawn(outlet.sign(react))
    deliveries.spawn(outlet.sign(react))
    await adapter.performing(2)
    await deliveries.close(flush_s=0)
