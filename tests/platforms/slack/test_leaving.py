"""Leaving a channel, by an owner's word."""

import pytest

from platforms import errors
from tests.platforms.slack.journal import GENERAL, chat_of, connected
from tests.wire.slack import SlackServer


async def test_a_channel_is_left() -> None:
    """Once; where we are not any more there is nothing to leave."""
    async with SlackServer() as server, connected(server) as adapter:
        chat, channel = chat_of(server, GENERAL), server.channel(GENERAL)
        assert server.world.bot_user in channel.members
        await adapter.leave(chat)
        assert server.world.bot_user not in channel.members
        await adapter.leave(chat)
        assert len(server.requests("conversations.leave")) == 2


async def test_without_the_right_it_says_which() -> None:
    """The scope is named, so that a person can add it."""
    async with SlackServer() as server, connected(server) as adapter:
        server.methods.scopes.discard("channels:manage")
        with pytest.raises(errors.RightsMissing, match="channels:manage"):
            await adapter.leave(chat_of(server, GENERAL))
