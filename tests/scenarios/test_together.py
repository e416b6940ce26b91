"""All surfaces at once are one agent in one process."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.scenarios.discord import DiscordSurface
from tests.scenarios.slack import SlackSurface
from tests.scenarios.stage import Stage, Surface
from tests.scenarios.telegram import TelegramSurface
from tests.scenarios.terminal import TerminalSurface
from tests.scenarios.web import WebSurface
from tests.wire.openai import Reply


def recall(request: Mapping[str, Any]) -> Reply:
    """An answer that repeats all that was said in the session."""
    said = [message["content"] for message in request["messages"] if message["role"] == "user"]
    return Reply(deltas=("You said: ", " Then: ".join(said)))


async def test_one_gateway_serves_all_surfaces(tmp_path: Path) -> None:
    """Everybody talks at the same time; each is answered there, and in a session of their own."""
    surfaces: tuple[Surface, ...] = (
        WebSurface(),
        TerminalSurface(),
        TelegramSurface(),
        DiscordSurface(),
        SlackSurface(),
    )
    async with Stage(*surfaces, path=tmp_path, default=recall) as stage:
        await asyncio.gather(*(s.say(f"I am at {s.name}.") for s in surfaces))
        for surface in surfaces:
            await stage.reads(f"You said: I am at {surface.name}.", at=surface)
        await asyncio.gather(*(s.say("Where am I?") for s in surfaces))
        for surface in surfaces:
            first = f"You said: I am at {surface.name}."
            await stage.reads(first, f"{first} Then: Where am I?", at=surface)
        status = await stage.running.operator.status()
        assert {each.platform for each in status.platforms if each.connected} == {
            "web", "terminal", "telegram", "discord", "slack"
        }  # fmt: skip
        assert len(stage.model.asked) == 2 * len(surfaces)
