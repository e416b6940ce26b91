"""The gateway as it is measured: Telegram and one model, on a fresh state directory.

`python -m benchmarks.subject CONFIG [--unpaced] [--gated]`. `--unpaced` drops the platform's
rates, as the floor has none; with them, a burst takes what Telegram allows, not what the gateway
needs. `--gated` adds the tool of `benchmarks.gated`. SIGUSR1 has the number of asyncio tasks
written beside CONFIG.
"""

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import gated
from gateway import logs
from gateway.app import Gateway
from gateway.config import Config, load
from gateway.process import run

TASKS = "tasks"
"""The file of that count."""


def main() -> None:
    """Serve until killed."""
    if "--unpaced" in sys.argv:
        from platforms.telegram import client

        client.CAPABILITIES = replace(client.CAPABILITIES, budgets=())
    logs.set_up("text", secrets=(), level=30)
    path = Path(sys.argv[1])
    extra = {gated.NAME: gated.WorkTool()} if "--gated" in sys.argv else {}

    def made(config: Config) -> Gateway:
        told = path.with_name(TASKS)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _count, told)
        return Gateway(config, extra_tools=extra)

    run(load(path, {}), demo=False, ready=lambda _running: None, make=made)


def _count(told: Path) -> None:
    draft = told.with_suffix(".draft")
    draft.write_text(str(len(asyncio.all_tasks())))
    draft.rename(told)


if __name__ == "__main__":
    main()
