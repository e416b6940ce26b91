"""Runs of the process, and which turns they died with.

A turn that was open when several runs in a row died is suspected of having killed them.
"""

from dataclasses import dataclass
from itertools import takewhile

from gateway.store.base import Tx

LOOP_WINDOW_MICROS = 60 * 1_000_000
LOOP_DEATHS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A run that begins, and what the runs before it left behind.

    `died`: the last run ended without a word; `rebooted`: so did the machine. A boot loop is
    runs that begin within a minute and die. `suspects` are session keys whose turn was open in
    two deaths of one: they are run one at a time, so that a third death names one of them.
    `guilty` are turns open in all three.
    """

    id: int
    died: bool
    rebooted: bool
    suspects: tuple[str, ...]
    guilty: tuple[int, ...]


def begin(tx: Tx, *, now: int, boot: str) -> Begun:
    """Store that a run begins and look at how the last ones ended."""
    last = tx.row("SELECT id, stopped_at, boot FROM start ORDER BY id DESC LIMIT 1")
    died = last is not None and last[1] is None
    if died and last is not None:
        tx.run("UPDATE turn SET deaths = deaths + 1 WHERE state = 'open' AND start_id = ?", last[0])
    else:
        tx.run("UPDATE turn SET deaths = 0 WHERE state = 'open' AND deaths > 0")
    deaths = _deaths(tx)
    made = tx.row("INSERT INTO start (at, boot) VALUES (?, ?) RETURNING id", now, boot)
    if made is None:
        raise LookupError("a run got no id")
    return Begun(
        id=int(made[0]),
        died=died,
        rebooted=died and last is not None and last[2] != boot,
        suspects=_suspects(tx) if deaths >= LOOP_DEATHS - 1 else (),
        guilty=_guilty(tx) if deaths >= LOOP_DEATHS else (),
    )


def end(tx: Tx, ident: int, *, now: int) -> None:
    """Store that a run ended in order."""
    tx.run("UPDATE start SET stopped_at = ? WHERE id = ?", now, ident)


def _deaths(tx: Tx) -> int:
    """How many of the last runs died in a row, and began within a minute of the last one."""
    last = tx.rows("SELECT at, stopped_at FROM start ORDER BY id DESC LIMIT ?", LOOP_DEATHS)
    in_loop = takewhile(
        lambda run: run[1] is None and abs(last[0][0] - run[0]) <= LOOP_WINDOW_MICROS, last
    )
    return sum(1 for _ in in_loop)


def _suspects(tx: Tx) -> tuple[str, ...]:
    rows = tx.rows(
        "SELECT session.key FROM turn JOIN session ON session.id = turn.session_id"
        " WHERE turn.state = 'open' AND turn.deaths >= ? ORDER BY turn.id",
        LOOP_DEATHS - 1,
    )
    return tuple(str(row[0]) for row in rows)


def _guilty(tx: Tx) -> tuple[int, ...]:
    rows = tx.rows(
        "SELECT id FROM turn WHERE state = 'open' AND deaths >= ? ORDER BY id", LOOP_DEATHS
    )
    return tuple(int(row[0]) for row in rows)
