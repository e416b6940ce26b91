"""`python -m tests.soak.child CONFIG EFFECTS`: the gateway, with tools that count their runs."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway import logs
from gateway.app import Gateway, Running
from gateway.config import Config, load
from gateway.process import run
from tests.kill.effects import counting_tools


def main(arguments: Sequence[str]) -> int:
    """Run until told to stop; "ready" on the standard output says that messages are taken."""
    config_file, effects = (Path(each) for each in arguments)

    def make(config: Config) -> Gateway:
        return Gateway(config, extra_tools=counting_tools(effects))

    def ready(_: Running) -> None:
        print("ready", flush=True)

    logs.set_up("text", secrets=())
    return run(load(config_file, os.environ), demo=False, ready=ready, make=make)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
