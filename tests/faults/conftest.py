"""Every fault happens on every surface that can suffer it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.store import migrate
from gateway.store.sqlite import SqliteStore, open_sqlite
from tests.faults.wires import (
    WHY_NOT,
    WIRES,
    DiscordWire,
    SlackHttpWire,
    SlackWire,
    TelegramWebhookWire,
    TelegramWire,
    TerminalWire,
    WebWire,
    Wire,
)


@pytest.fixture(params=list(WIRES))
def wire(request: pytest.FixtureRequest) -> Wire:
    """One surface, not yet open."""
    made = WIRES[request.param]()
    wants = request.node.get_closest_marker("needs")
    for ability in wants.args if wants else ():
        if not getattr(made, ability):
            pytest.skip(f"{made.name}: {WHY_NOT[ability]}")
    return made


@pytest.fixture(params=["connections", "requests"])
def wires(request: pytest.FixtureRequest) -> tuple[Wire, ...]:
    """Every surface, in two gateways: by connections of the gateway's own, or by requests to it."""
    if request.param == "connections":
        return WebWire(), TerminalWire(), TelegramWire(), DiscordWire(), SlackWire()
    telegram, slack = TelegramWebhookWire(), SlackHttpWire()
    slack.port = telegram.port
    return telegram, slack


SENDERS: dict[str, Callable[[], Any]] = {
    "telegram": TelegramWire,
    "discord": DiscordWire,
    "slack": SlackWire,
}
"""The ways out. None depends on how events come in, and the web page and the terminal have none:
what is said there is pushed to whoever looks."""


@pytest.fixture(params=list(SENDERS))
def sender(request: pytest.FixtureRequest) -> Any:
    """One platform, not yet open."""
    return SENDERS[request.param]()


@pytest.fixture
def senders() -> tuple[Any, ...]:
    """All of them."""
    return tuple(make() for make in SENDERS.values())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """An empty store with the schema of this release."""
    opened = await open_sqlite(
        tmp_path / "state", migrate.packaged(), on_failure=lambda failure: pytest.fail(str(failure))
    )
    yield opened
    await opened.close()
