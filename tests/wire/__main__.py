"""`python -m tests.wire`: all loopback servers at once, for a person without accounts.

Each has a page on which to read, write and press. The gateway's state lies in a directory that
ends with the servers: they begin anew each time, and it must not remember an earlier life.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.wire.discord import DiscordServer
from tests.wire.openai import OpenAIServer, converse
from tests.wire.server import LoopbackServer
from tests.wire.slack import SlackServer
from tests.wire.telegram import TelegramServer

FIRST_PORT = 8801
KEY = "sk-loopback"
MODEL = "loopback-1"
DELTA_PAUSE_S = 0.005


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the servers, write the configuration, run until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.wire", description=__doc__)
    parser.add_argument("--file", type=Path, default=Path("fakes.toml"), help="what to write")
    parser.add_argument(
        "--first-port", type=int, default=FIRST_PORT, help="of four in a row; 0: any"
    )
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(
            prefix="gatepost-fakes-", ignore_cleanup_errors=True
        ) as place:
            asyncio.run(serve(options.first_port, options.file, Path(place)))
    except OSError as error:
        print(f"The servers can't be started: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


async def serve(first_port: int, file: Path, place: Path) -> None:
    """Run all servers until SIGINT or SIGTERM."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    ports = [first_port + offset if first_port else 0 for offset in range(4)]
    telegram = TelegramServer(port=ports[0])
    telegram.world.room(1001)
    telegram.group(-1001500, "Team")
    slack = SlackServer(port=ports[1])
    discord = DiscordServer(port=ports[2])
    model = OpenAIServer(
        key=KEY,
        models=(MODEL,),
        default=converse,
        delta_pause_s=DELTA_PAUSE_S,
        port=ports[3],
    )
    pages: dict[str, LoopbackServer] = {
        "Telegram": telegram,
        "Slack": slack,
        "Discord": discord,
        "model": model,
    }
    async with contextlib.AsyncExitStack() as stack:
        for server in pages.values():
            stack.push_async_callback(server.close)
            await server.__aenter__()
        await asyncio.to_thread(
            file.write_text, configuration(telegram, slack, discord, model, place)
        )
        print("Loopback servers are up, each with a page; Ctrl-C ends them.", flush=True)
        for name, server in pages.items():
            print(f"  {name:9} {server.url}/", flush=True)
        print(f'{file} points at them. In another terminal: make run ARGS="--config {file}"')
        print("Then write on any of the pages; in groups and channels mention the bot.", flush=True)
        await ended.wait()


def configuration(
    telegram: TelegramServer,
    slack: SlackServer,
    discord: DiscordServer,
    model: OpenAIServer,
    place: Path,
) -> str:
    """The gateway's configuration for these servers, open to everybody on them."""
    return f"""\
# Written by `make fakes`; valid while it runs.

[gateway]
state_dir = "{place}/state"
owners = ["telegram:1001", "slack:T1/U1", "discord:{discord.ada.id}", "web:local"]

[platforms.telegram]
token = "{telegram.token}"
base_url = "{telegram.url}"

[platforms.slack]
bot_token = "{slack.bot_token}"
app_token = "{slack.app_token}"
base_url = "{slack.url}/api/"

[platforms.discord]
token = "{discord.token}"
base_url = "{discord.api_url}"

[access]
dm = "open"
chats = ["telegram:*", "slack:*", "discord:*"]

[[providers]]
name = "loopback"
api = "openai-chat"
base_url = "{model.base_url}"
model = "{MODEL}"
api_key = "{KEY}"

[tools]
workspace = "{place}/workspace"
"""


if __name__ == "__main__":
    sys.exit(main())
