"""Every scenario runs on every surface that has what it needs."""

from collections.abc import Callable

import pytest

from tests.scenarios.discord import DiscordSurface
from tests.scenarios.slack import SlackHttpSurface, SlackSurface
from tests.scenarios.stage import Surface
from tests.scenarios.telegram import TelegramSurface, TelegramWebhookSurface
from tests.scenarios.terminal import TerminalSurface
from tests.scenarios.web import WebSurface

SURFACES: dict[str, Callable[[], Surface]] = {
    "web": WebSurface,
    "terminal": TerminalSurface,
    "telegram": TelegramSurface,
    "telegram-webhook": TelegramWebhookSurface,
    "discord": DiscordSurface,
    "slack": SlackSurface,
    "slack-http": SlackHttpSurface,
}


@pytest.fixture(params=list(SURFACES))
def surface(request: pytest.FixtureRequest) -> Surface:
    """One surface, not yet open."""
    made = SURFACES[request.param]()
    wants = request.node.get_closest_marker("needs")
    for ability in wants.args if wants else ():
        if not getattr(made, ability):
            pytest.skip(f"{made.name}: no {ability.removeprefix('has_').replace('_', ' ')}")
    return made
