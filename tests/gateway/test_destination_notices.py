"""Notices to chats by name, over the real store and real turns."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config import ChatPattern, DestinationConfig
from gateway.destination_notices import DestinationNotices
from gateway.store.records.outbox import OutboxRow
from gateway.store.sqlite import SqliteStore
from tests.agent.scripted import unavailable
from tests.gateway.events import message
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import write
from tests.gateway.shell import Shell, at_the_shell

OPS = "-100300"
ALL = ("turn_done", "approval_waiting", "error", "budget")


@pytest.fixture
async def shell(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Shell]:
    """A gateway with a job that costs money."""
    async with at_the_shell(store, tmp_path, clock) as made:
        yield made


def notices(shell: Shell, *kinds: Any, chat: str = OPS, **parts: Any) -> DestinationNotices:
    """One named chat that hears of these, as after a start."""
    pattern = ChatPattern(platform="telegram", parts=(chat,))
    core = shell.core
    given = {"account_of": core.account_of, "enqueue": core.deliveries.enqueue} | parts
    return DestinationNotices(
        {"ops": DestinationConfig(chat=pattern, notices=kinds)},
        store=core.store,
        clock=core.clock,
        **given,
    )


async def said(shell: Shell, text: str, *, number: int) -> None:
    """Let ann write and the turn end: its last words are stored with its end."""
    await shell.core.take(message(text, number=number))
    await shell.core.adapter.until(lambda: len(shell.core.adapter.shown("1001")) == number)


async def test_a_turn_that_is_done_is_told_once(shell: Shell) -> None:
    """That and where, nothing of what was said; also not again after a restart."""
    shell.core.answers("The password is swordfish.")
    await said(shell, "what is the password?", number=1)
    told = notices(shell, "turn_done")
    await told.look()
    await told.look()
    await notices(shell, "turn_done").look()
    await shell.core.shows("The turn t1 of Ann in telegram:1001 is done after 0 s.", chat=OPS)


async def test_what_a_chat_does_not_want_it_is_not_told(shell: Shell) -> None:
    """Each chat has its own list; what happens in the chat itself it sees there."""
    shell.core.answers("Yes.")
    await said(shell, "hello?", number=1)
    await notices(shell, "error", "budget", "approval_waiting").look()
    await notices(shell, *ALL, chat="1001").look()
    await shell.core.finish()
    assert shell.core.adapter.shown(OPS) == []
    assert shell.core.adapter.shown("1001") == ["Yes."]
    assert not notices(shell).wanted


async def test_a_turn_that_failed_is_told_with_where_to_look(shell: Shell) -> None:
    """Provider's words stay in the log."""
    shell.core.model.script((unavailable(),))
    await said(shell, "hello?", number=1)
    await notices(shell, *ALL).look()
    await shell.core.shows("The turn t1 of Ann in telegram:1001 failed: gatepost why t1.", chat=OPS)


async def test_an_approval_that_waits_is_told(shell: Shell) -> None:
    """By its code; again and again it is the same one."""
    card = await shell.asked()
    told = notices(shell, "approval_waiting")
    await told.look()
    await told.look()
    await shell.core.shows(
        f"Approval {card.code} waits in telegram:1001 (demo_job run): gatepost show {card.code}.",
        chat=OPS,
    )
    await shell.decides("deny", card.code)
    await shell.ends()


async def test_a_limit_that_is_nearly_spent_is_told_once_a_window(
    shell: Shell, store: SqliteStore
) -> None:
    """Of windows that are over and of limits far from spent nothing is said."""
    now = shell.core.clock.now()
    for scope, span, ends_at, noticed in (
        ("org_month", "a", now + 1, 1),
        ("org_month", "b", now - 1, 1),
        ("background_day", "a", now + 1, 0),
        ("session:1", "a", None, 1),
    ):
        row = (scope, span, ends_at, 10_000_000, 8_500_000, noticed)
        await write(
            store,
            lambda tx, row=row: tx.run(  # type: ignore[misc]
                "INSERT INTO balance (scope, span, ends_at, cap, settled, noticed)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                *row,
            ),
        )
    told = notices(shell, "budget")
    await told.look()
    await told.look()
    await shell.core.shows(
        "Of the budget of everybody this month (org_month), $8.50 of $10.00 are spent:"
        " gatepost spend.",
        chat=OPS,
    )


async def test_what_a_platform_could_not_be_told_it_is_told_later(shell: Shell) -> None:
    """An approval that still waits when the platform is there."""
    card = await shell.asked()
    connected: dict[str, str] = {}
    told = notices(shell, *ALL, account_of=connected.get)
    await told.look()
    connected["telegram"] = shell.core.account_of("telegram")
    await told.look()
    await shell.core.adapter.until(lambda: len(shell.core.adapter.shown(OPS)) == 1)
    assert card.code in shell.core.adapter.shown(OPS)[0]
    await shell.decides("deny", card.code)
    await shell.ends()


async def test_more_than_one_look_takes_are_told_in_the_next(shell: Shell) -> None:
    """None is left out between two looks."""
    rows: list[OutboxRow] = []
    told = notices(shell, "turn_done", enqueue=rows.extend, at_once=2)
    for number in range(1, 4):
        shell.core.answers("Yes.")
        await said(shell, "hello?", number=number)
        shell.core.clock.advance(1)
    await told.look()
    assert len(rows) == 2
    await told.look()
    assert len(rows) == 3
