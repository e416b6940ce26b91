"""The gateway as it is measured: Telegram and one model, on a fresh state directory.

`python -m benchmarks.subject CONFIG [--unpaced]`. `--unpaced` drops the platform's rates, as the
floor has none; with them, a burst takes what Telegram allows, not what the gateway needs.
"""

import sys
from dataclasses import replace
from pathlib import Path

from gateway import logs
from gateway.config import load
from gateway.process import run


def main() -> None:
    """Serve until killed."""
    if "--unpaced" in sys.argv:
        from platforms.telegram import client

        client.CAPABILITIES = replace(client.CAPABILITIES, budgets=())
    logs.set_up("text", secrets=(), level=30)
    config = load(Path(sys.argv[1]), {})
    run(config, demo=False, ready=lambda _running: None)


if __name__ == "__main__":
    main()
