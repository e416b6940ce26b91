"""Every scenario runs on every surface that has what it needs."""

from collections.abc import Callable
from typing import Any

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


def only(names: frozenset[str]) -> list[Any]:
    """All surfaces; those without these names are for the soak."""
    return [
        name if name in names else pytest.param(name, marks=pytest.mark.soak) for name in SURFACES
    ]


@pytest.fixture(params=list(SURFACES))
def each_transport(request: pytest.FixtureRequest) -> Hands:
    """One surface, not yet open, where the ways in of one platform may differ."""
    return _made(request)


@pytest.fixture(params=only(frozenset(SURFACES) - OTHER_TRANSPORTS))
def surface(request: pytest.FixtureRequest) -> Hands:
    """One surface, not yet open; what comes in another way into a platform is the same."""
    return _made(request)


@pytest.fixture(params=only(frozenset({"web", "terminal", "slack"})))
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
