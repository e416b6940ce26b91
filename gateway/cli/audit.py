"""`gatepost audit`: check, pin and hand out the record, of the running gateway or of files.

Files are only read: a state directory whose gateway is stopped, or what `gatepost backup` made.
"""

import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from gateway import audit
from gateway.chain import Broken, Progress, finished, follow
from gateway.cli.asking import Conversation, NotRunning, ask
from gateway.cli.place import state_dir
from gateway.cli.tables import print_json
from gateway.config import load
from gateway.control_requests import AskAuditHead, ExportAudit, Request, VerifyAudit
from gateway.errors import GatewayError
from gateway.redaction import Redaction, secrets_of
from gateway.store import backup, lock, migrate
from gateway.store.base import Tx
from gateway.store.connection import SqliteTx
from gateway.store.directory import DATABASE
from gateway.store.records import audit as rows

VERIFY_WITHIN_S = 3600.0
PAGE_WITHIN_S = 60.0
TOLD_EVERY = 20
"""Pages of rows between two words about how far it is."""


def verify(config: Path | None, *, source: Path | None, as_json: bool) -> int:
    """Follow the chain and say what was found; 1 if it is broken."""
    place = source or state_dir(config, os.environ)
    found = None if source else _asked(place, VerifyAudit(), within_s=VERIFY_WITHIN_S)
    if found is None:
        with opened(place) as tx:
            found = followed(tx, _progress())
    if as_json:
        print_json(found)
    elif found["whole"]:
        print(f"whole: {found['rows']} rows, the last is {found['seq']} {found['head']}")
    else:
        print(f"BROKEN at row {found['seq']}: {found['reason']}", file=sys.stderr)
    return 0 if found["whole"] else 1


def head(config: Path | None, *, source: Path | None) -> int:
    """Print the number and hash of the last row."""
    place = source or state_dir(config, os.environ)
    found = None if source else _asked(place, AskAuditHead(), within_s=PAGE_WITHIN_S)
    if found is None:
        with opened(place) as tx:
            last = rows.head(tx)
        found = {"seq": last.seq, "hash": last.hash}
    print(f"{found['seq']} {found['hash']}")
    return 0


def export(config: Path | None, *, source: Path | None) -> int:
    """Print every row as a line of JSON."""
    place = source or state_dir(config, os.environ)
    if source is None:
        try:
            _export_running(place)
        except NotRunning:
            pass
        else:
            return 0
    hide = Redaction(secrets_of(load(config, os.environ)))
    with opened(place) as tx:
        _export_stored(tx, hide)
    return 0


def _asked(place: Path, request: Request, *, within_s: float) -> Any:
    """What the running gateway answers, None if none runs."""
    try:
        return ask(place, request, answer_within_s=within_s)
    except NotRunning:
        return None


def _export_running(place: Path) -> None:
    with Conversation(place, answer_within_s=PAGE_WITHIN_S) as running:
        after: int | None = 0
        while after is not None:
            page = running.ask(ExportAudit(after=after))
            for line in page["lines"]:
                print(line)
            after = page["after"]


def _export_stored(tx: Tx, hide: Callable[[str], str]) -> None:
    after = 0
    while page := rows.page(tx, after=after):
        for entry in page:
            print(audit.exported(entry, hide=hide))
        after = page[-1].seq


def followed(tx: Tx, told: Callable[[int], None]) -> dict[str, Any]:
    """Follow a chain from its first row to its last; `told` hears how many rows were read."""
    progress: Progress | Broken = Progress()
    while isinstance(progress, Progress):
        told(progress.rows)
        page = rows.page(tx, after=progress.seq)
        if not page:
            break
        progress = follow(progress, page)
    found = finished(progress)
    if isinstance(found, Broken):
        return {"whole": False, "rows": 0, "seq": found.seq, "head": "", "reason": found.reason}
    return {"whole": True, "rows": found.rows, "seq": found.seq, "head": found.head, "reason": ""}


@contextmanager
def opened(place: Path) -> Iterator[Tx]:
    """The database of a stopped state directory, or inside a backup; nothing can be changed.

    Raises GatewayError where there is none, where a gateway runs, or without an audit.
    """
    if place.is_dir():
        with _unheld(place), _read_only(place / DATABASE) as tx:
            yield tx
        return
    if not place.is_file():
        raise GatewayError(f"there is no state directory and no backup at {place}")
    with tempfile.TemporaryDirectory(prefix="gatepost-audit-") as folder:
        inside = Path(folder) / "state"
        backup.unpack(place, inside, migrate.packaged(), progress=lambda _done, _of: None)
        with _read_only(inside / DATABASE) as tx:
            yield tx


@contextmanager
def _unheld(place: Path) -> Iterator[None]:
    """Keep a gateway from starting there meanwhile, where that can be done."""
    if not (place / DATABASE).exists():
        raise GatewayError(f"there is no database in {place}")
    if not os.access(place, os.W_OK):
        yield  # a copy on a disk that can only be read: nobody runs there
        return
    held = lock.hold(place)
    try:
        yield
    finally:
        held.release()


@contextmanager
def _read_only(database: Path) -> Iterator[Tx]:
    # Without a log beside it nothing else is to be read, and no file need be made to read it.
    alone = not database.with_name(f"{database.name}-wal").exists()
    uri = f"{database.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            tx = SqliteTx(connection)
            if tx.row("SELECT 1 FROM sqlite_master WHERE name = 'audit'") is None:
                raise GatewayError(f"{database} is from before this version: it has no audit")
            yield tx
    except sqlite3.Error as exc:
        raise GatewayError(f"{database} cannot be read: {exc}") from exc


def _progress() -> Callable[[int], None]:
    calls = 0

    def told(count: int) -> None:
        nonlocal calls
        calls += 1
        if calls % TOLD_EVERY == 0 and sys.stderr.isatty():
            print(f"\r{count} rows", end="", file=sys.stderr, flush=True)

    return told
