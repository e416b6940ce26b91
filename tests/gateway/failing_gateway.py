"""`gatepost` on a disk that fails when SIGUSR1 comes: `python -m tests.gateway.failing_gateway
FAULT ARGUMENTS...`. FAULT: "full" (no file grows any more) or "syncs" (no sync succeeds)."""

import resource
import signal
import sys
from pathlib import Path

from gateway.cli.main import main
from tests.gateway.store.failing_syncs import fail_syncs


def _fail(fault: str) -> None:
    if fault == "syncs":
        fail_syncs()
        return
    largest = max(path.stat().st_size for path in Path("state").glob("gatepost.db*"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))


if __name__ == "__main__":
    fault, *arguments = sys.argv[1:]
    signal.signal(signal.SIGUSR1, lambda _number, _frame: _fail(fault))
    sys.exit(main(arguments))
