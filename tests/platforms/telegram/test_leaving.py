"""Leaving a group, by an owner's word."""

import pytest

from platforms import errors
from tests.platforms.telegram.journal import connected
from tests.platforms.telegram.test_roles import ADA, TEAM, chat_of
from tests.wire.server import CutBefore
from tests.wire.telegram import TelegramServer


async def test_a_group_is_left() -> None:
    """Once; where we are not any more there is nothing to leave."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.group(TEAM)
        await adapter.leave(chat_of(server, TEAM))
        assert server.world.room(TEAM).bot_status == "left"
        await adapter.leave(chat_of(server, TEAM))
        assert len(server.requests("leaveChat")) == 2


async def test_a_direct_chat_is_not_left() -> None:
    """And a failure is told as what it is."""
    async with TelegramServer() as server, connected(server) as adapter:
        with pytest.raises(errors.MessageRejected):
            await adapter.leave(chat_of(server, ADA))
        assert server.requests("leaveChat") == []
        server.group(TEAM)
        server.faults.add("leaveChat", CutBefore())
        with pytest.raises(errors.PlatformError):
            await adapter.leave(chat_of(server, TEAM))
