"""Every scenario runs on every surface that has what it needs."""

from collections.abc import Callable

import pytest

from tests.scenarios.cards import Hands
from tests.scenarios.discord import DiscordSurface
from tests.scenarios.slack import SlackHttpSurface, SlackSurface
from tests.scenarios.telegram import TelegramSurface, TelegramWebhookSurface
from tests.scenarios.terminal import TerminalSurface
from tests.scenarios.web import WebSurface

SURFACES: dict[str, Callable[[], Hands]] = {
    "web": WebSurface,
    "terminal": TerminalSurface,
    "telegram": TelegramSurface,
    "telegram-webhook": TelegramWebhookSurface,
    "discord": DiscordSurface,
    "slack": SlackSurface,
    "slack-http": SlackHttpSurface,
}


OTHER_TRANSPORTS = frozenset({"telegram-webhook", "slack-http"})


@pytest.fixture(params=list(SURFACES))
def surface(request: pytest.FixtureRequest) -> Hands:
    """One surface, not yet open."""
    return _made(request)


@pytest.fixture(params=[name for name in SURFACES if name not in OTHER_TRANSPORTS])
def each_platform(request: pytest.FixtureRequest) -> Hands:
    """One surface, not yet open, where another transport of the same platform adds nothing."""
    return _made(request)


@pytest.fixture(params=["web", "terminal", "slack"])
def few_surfaces(request: pytest.FixtureRequest) -> Hands:
    """One surface of each kind: forms and menus of the page, words only, somebody else's pace.

    For long stories: Telegram and Discord take a second for every message and change of one.
    """
    return _made(request)


def _made(request: pytest.FixtureRequest) -> Hands:
    made = SURFACES[request.param]()
    wants = request.node.get_closest_marker("needs")
    for ability in wants.args if wants else ():
        if not getattr(made, ability):
            pytest.skip(f"{made.name}: no {ability.removeprefix('has_').replace('_', ' ')}")
    return made
