"""`gatepost trigger`: run a job now."""

import os
import sys
from pathlib import Path

from gateway.cli.asking import hand_over
from gateway.cli.place import state_dir
from gateway.control_requests import TriggerJob
from gateway.errors import GatewayError

DATA_MAX_BYTES = 1 << 20


def trigger(config: Path | None, *, job: str, key: str | None, data: Path | None) -> int:
    """Have the running gateway run a job; its run is on disk when this returns 0."""
    request = TriggerJob(name=job, key=key or "", data=_read(data) if data else "")
    told = hand_over(state_dir(config, os.environ), request)
    done = "stored" if told["new"] else "known by its key, nothing new was stored"
    print(f"{done}; what becomes of it: gatepost why {told['fire']}")
    return 0


def _read(path: Path) -> str:
    """The text of a file, or of the input for `-`."""
    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as file:
            raw = file.read(DATA_MAX_BYTES + 1)
    except OSError as exc:
        raise GatewayError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    if len(raw) > DATA_MAX_BYTES:
        raise GatewayError(f"{path} is larger than 1 MiB; give the job a shorter one")
    return raw.decode("utf-8", "replace").replace("\x00", "\ufffd")
