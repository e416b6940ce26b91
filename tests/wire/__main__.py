"""`python -m tests.wire`: all loopback servers at once, for a person without accounts.

Each has a page on which to read, write and press. The gateway's state lies in a directory that
ends with the servers: they begin anew each time, and it must not remember an earlier life.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.wire.fakes import PORTS, Fakes

FIRST_PORT = 8801
DELTA_PAUSE_S = 0.005
WORDS = "train, delete notes, rewrite notes, spend, do it all, ask me"


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the servers, write the configuration, run until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.wire", description=__doc__)
    parser.add_argument("--file", type=Path, default=Path("fakes.toml"), help="what to write")
    ports = f"of {PORTS} in a row; 0: any"
    parser.add_argument("--first-port", type=int, default=FIRST_PORT, help=ports)
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
    async with Fakes(first_port=first_port, delta_pause_s=DELTA_PAUSE_S) as fakes:
        await asyncio.to_thread(fakes.furnish, place)
        await asyncio.to_thread(file.write_text, fakes.configuration(place))
        print("Loopback servers are up, each with a page; Ctrl-C ends them.", flush=True)
        for name, server in fakes.pages.items():
            print(f"  {name:9} {server.url}/", flush=True)
        print(f'{file} points at them. In another terminal: make run ARGS="--config {file}"')
        print("Then write on any of the pages; in groups and channels mention the bot.")
        print(f"At these words the model wants what people have to approve: {WORDS}.")
        print("Ada owns the gateway, Bob approves, Eve only talks.", end=" ")
        print("A job that was approved is started and finished on the Hub's page.", flush=True)
        await ended.wait()


if __name__ == "__main__":
    sys.exit(main())
