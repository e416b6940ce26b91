"""All loopback servers together, and the configuration with which a gateway uses them."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.wire.discord import DiscordServer
from tests.wire.hub import HubServer
from tests.wire.openai import OpenAIServer, converse
from tests.wire.search_api import KEY as SEARCH_KEY
from tests.wire.search_api import SearchApiServer
from tests.wire.server import LoopbackServer
from tests.wire.slack import SlackServer
from tests.wire.telegram import TelegramServer

PORTS = 6
KEY = "sk-loopback"
MODEL = "loopback-1"
TEAM = -1001500

_SCRIPT = """\
import sys

epochs = int(sys.argv[sys.argv.index("--epochs") + 1])
for epoch in range(epochs):
    print(f"epoch {epoch + 1} of {epochs}")
print("saved to acme-research/model-7")
"""
_NOTES = """\
# Notes

- ask Dana about the new split
- train again on Friday
"""
_FOUND = (
    ("Schedules, measured", "https://example.org/schedules", "Cosine with a short warm-up."),
    ("A survey", "https://example.org/survey", "Thirty schedules on ten tasks."),
)


class Fakes:
    """Six servers and the people at them: Ada owns the gateway, Bob approves, Eve only talks.

    Ports are six in a row from `first_port`; 0 means any.
    """

    def __init__(self, *, first_port: int = 0, delta_pause_s: float = 0.0) -> None:
        ports = [first_port + offset if first_port else 0 for offset in range(PORTS)]
        self.telegram = TelegramServer(port=ports[0])
        self.slack = SlackServer(port=ports[1])
        self.discord = DiscordServer(port=ports[2])
        self.model = OpenAIServer(
            key=KEY,
            models=(MODEL,),
            default=converse,
            delta_pause_s=delta_pause_s,
            port=ports[3],
        )
        self.hub = HubServer(port=ports[4])
        self.search = SearchApiServer(port=ports[5])
        self._stack = contextlib.AsyncExitStack()
        self._people()

    def _people(self) -> None:
        for number, name in enumerate(("ada", "bob", "eve"), start=1):
            self.telegram.person(1000 + number, name)
            self.telegram.world.room(1000 + number)
            self.slack.person(f"U{number}", name)
        self.telegram.group(TEAM, "Team")
        self.bob = self.discord.add_person("bob")
        self.discord.add_person("eve")
        self.search.results = [
            {"title": title, "url": url, "description": words} for title, url, words in _FOUND
        ]

    @property
    def pages(self) -> Mapping[str, LoopbackServer]:
        """The servers that have a page for people."""
        return {
            "Telegram": self.telegram,
            "Slack": self.slack,
            "Discord": self.discord,
            "model": self.model,
            "Hub": self.hub,
        }

    async def __aenter__(self) -> Self:
        for server in (*self.pages.values(), self.search):
            self._stack.push_async_callback(server.close)
            await server.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def furnish(self, place: Path) -> None:
        """Put the files into the workspace that the model speaks of."""
        workspace = place / "workspace"
        workspace.mkdir(exist_ok=True)
        (workspace / "notes.md").write_text(_NOTES)
        (workspace / "train.py").write_text(_SCRIPT)

    def configuration(self, place: Path) -> str:
        """The gateway's configuration for these servers, open to everybody on them."""
        return f"""\
# Written by `make fakes`; valid while it runs.

[gateway]
state_dir = "{place}/state"
owners = ["telegram:1001", "slack:T1/U1", "discord:{self.discord.ada.id}", "web:local"]

[platforms.telegram]
token = "{self.telegram.token}"
base_url = "{self.telegram.url}"

[platforms.slack]
bot_token = "{self.slack.bot_token}"
app_token = "{self.slack.app_token}"
base_url = "{self.slack.url}/api/"

[platforms.discord]
token = "{self.discord.token}"
base_url = "{self.discord.api_url}"

[access]
dm = "open"
chats = ["telegram:*", "slack:*", "discord:*"]

# Ada owns, Bob approves (so does who administers a Telegram group), Eve only talks.
[approvals]
approvers = ["telegram:1002", "slack:T1/U2", "discord:{self.bob.id}", "admins"]

[payers]
default = "acme-research"
others = ["dana"]

[[providers]]
name = "loopback"
api = "openai-chat"
base_url = "{self.model.base_url}"
model = "{MODEL}"
api_key = "{KEY}"
price = "included"

[tools]
enabled = ["files", "web_search", "memory", "ask_user", "hf_jobs"]
workspace = "{place}/workspace"

[tools.web_search]
base_url = "{self.search.url}/res/v1"
api_key = "{SEARCH_KEY}"
price = 0.05

[tools.huggingface]
token = "{self.hub.token}"
base_url = "{self.hub.url}"
"""
