"""`gatepost backup` and `gatepost restore`: the state in one file, and back."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway.cli.asking import Conversation, NotRunning
from gateway.cli.place import state_dir
from gateway.cli.status import size
from gateway.clock import SystemClock
from gateway.control_requests import BackedUp, BackUp
from gateway.errors import GatewayError, StoreLocked
from gateway.store import backup as copies
from gateway.store import lock, migrate
from gateway.store.directory import DATABASE

COPY_WITHIN_S = 6 * 3600.0
_OURS = re.compile(r"gatepost-\d{8}T\d{6}Z\.tar")


def backup(config: Path | None, *, target: Path, keep: int | None) -> int:
    """Copy the state of the running or stopped gateway into a file.

    0 if all is well, 1 if the copy was made and holds a payload that had been changed.
    """
    place = state_dir(config, os.environ)
    made = datetime.now(UTC)
    file = target / f"gatepost-{_stamp(made)}.tar" if target.is_dir() else target
    if not file.parent.is_dir():
        raise GatewayError(f"there is no directory {file.parent}; make it first")
    if file.suffix != ".tar":
        raise GatewayError(f"{target} is no directory, and no file that ends in .tar")
    with _staged(place, file) as folder:
        packed = copies.pack(folder, file, made_at=made.isoformat(), progress=_progress("packing"))
    _say_done()
    print(f"{packed.path}: {size(packed.bytes)}, {packed.manifest.blobs} payloads, checked")
    if keep is not None and target.is_dir():
        _prune(target, keep)
    for name in packed.damaged:
        print(f"gatepost: payload {name} had been changed on disk; it is copied as it is",
              file=sys.stderr)  # fmt: skip
    return 1 if packed.damaged else 0


def restore(config: Path | None, *, file: Path, replace: bool) -> int:
    """Put a backup into the configuration's state directory; refuses while a gateway runs."""
    place = state_dir(config, os.environ)
    aside = copies.REPLACED + _stamp(datetime.now(UTC)) if replace else None
    manifest, kept = copies.restore(
        file, place, migrate.packaged(), aside=aside, progress=_progress("unpacking")
    )
    _say_done()
    print(f"{place} is as it was at {manifest.made_at}; the next start goes on from there")
    if kept is not None:
        print(f"what was there before is in {kept}; remove it when it is no longer needed")
    return 0


@contextmanager
def _staged(place: Path, file: Path) -> Iterator[Path]:
    """A copy of the state for as long as it is packed; noted as a backup if that succeeds."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(Conversation(place, answer_within_s=COPY_WITHIN_S))
        except NotRunning:
            yield _stopped(place, stack)
            copies.note(place, at=SystemClock().now(), path=str(file.absolute()))
        else:
            yield Path(running.ask(BackUp()))
            running.ask(BackedUp(path=str(file.absolute())))


def _stopped(place: Path, stack: ExitStack) -> Path:
    """The copy of a gateway that does not run, and that can't start while the stack is open."""
    if not (place / DATABASE).exists():
        raise GatewayError(
            f"there is no gateway's state in {place}; name its configuration with --config"
        )
    try:
        stack.callback(lock.hold(place).release)
    except StoreLocked as exc:
        raise GatewayError(
            f"the gateway in {place} is starting or stopping; try again in a moment"
        ) from exc
    stack.callback(copies.discard, place)
    return copies.stage(place, running=False)


def _prune(folder: Path, keep: int) -> None:
    """Remove all but the newest of the files this command has named."""
    ours = sorted(path for path in folder.iterdir() if _OURS.fullmatch(path.name))
    for path in ours[: max(0, len(ours) - keep)]:
        path.unlink()
        print(f"{path}: removed, {keep} newer ones are kept")


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"


def _progress(what: str) -> copies.Progress:
    """Shows how far it is, at a terminal only."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            share = 100 * done // max(total, 1)
            print(f"\r{what}: {size(done)} of {size(total)}, {share} %", end="", file=sys.stderr)

    return show


def _say_done() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
