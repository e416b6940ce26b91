"""Model calls: one row for every attempt at a provider, with what is known of it.

What an attempt has cost stands with its reservation; one without a reservation cost nothing by
itself. NULL is unknown, and no sum takes it for zero: a sum says of how many calls it is not.
"""

from dataclasses import dataclass
from typing import Literal

from agent.attempts import AttemptRecord
from agent.messages import Usage
from agent.model_prices import is_absurd
from gateway.store.base import Row, Tx
from gateway.store.records import reservations

ORPHAN = "orphan"
"""The outcome of an attempt that the gateway died in."""

ANSWERED = ("done", "tool_calls", "length", "paused")
"""Outcomes of attempts that were answered; every other one gave no answer."""

_END = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One attempt as stored; `state`, `reserved` and `spent` are those of its money.

    `state` is empty for one that costs nothing by itself; `spent` is None while nobody knows.
    """

    step: int
    attempt: int
    kind: str
    entry: str
    asked: str
    served: str
    credential: str
    usage: Usage | None
    outcome: str
    status: int | None
    move: str
    first_byte_ms: int | None
    total_ms: int | None
    price_source: str
    flags: str
    request_id: str
    at: int
    reservation_id: str | None = None
    state: str = ""
    reserved: int = 0
    spent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """What attempts came to, by model or by kind: tokens, and micro-dollars.

    `failed` gave no answer. `uncounted` told no tokens: they are in no sum, and a sum of nothing
    but those is None. `unsettled` have no figure yet: up to `held` may come of them.
    """

    name: str
    calls: int
    failed: int
    uncounted: int
    input: int | None
    cached: int | None
    written: int | None
    output: int | None
    reasoning: int | None
    spent: int
    held: int
    unsettled: int


def insert(
    tx: Tx, turn_id: int, record: AttemptRecord, *, now: int, flags: tuple[str, ...] = ()
) -> None:
    """Store what came of the running attempt of a step, while it runs as far as rows know."""
    usage = record.usage
    if usage is not None and is_absurd(usage):
        usage = None
    tx.run(
        "INSERT INTO model_call (session_id, turn_id, requester, chat, step, attempt, kind, entry,"
        " asked, served, credential, input_tokens, cached_tokens, cache_write_tokens,"
        " cache_write_long_tokens, output_tokens, reasoning_tokens, outcome, status, move,"
        " first_byte_ms, total_ms, reservation_id, price_source, flags, request_id, at)"
        " SELECT turn.session_id, turn.id, turn.requester, step.chat, step.number, step.attempt,"
        " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, step.reservation_id, ?, ?, ?, ?"
        " FROM step JOIN turn ON turn.id = step.turn_id"
        " WHERE step.turn_id = ? AND step.number = ? AND step.state = 'intent'",
        record.kind.value,
        record.entry,
        record.asked,
        record.served,
        record.credential,
        *_tokens(usage),
        record.outcome,
        record.status,
        record.move,
        record.first_byte_ms,
        record.total_ms,
        record.price_source,
        " ".join(dict.fromkeys((*record.flags, *flags))),
        record.request_id,
        now,
        turn_id,
        record.step,
    )


def orphan(tx: Tx, turn_id: int, *, now: int) -> int:
    """Store that nobody will ever tell how the running attempts of a turn ended.

    Their money stays held for a while, and is then charged in full. Returns how many there were.
    """
    found = tx.rows(
        "SELECT reservation_id FROM step WHERE turn_id = ? AND state = 'intent'", turn_id
    )
    if not found:
        return 0
    tx.run(
        "INSERT INTO model_call (session_id, turn_id, requester, chat, step, attempt, kind, entry,"
        " asked, served, credential, outcome, move, reservation_id, price_source, flags,"
        " request_id, at) SELECT turn.session_id, turn.id, turn.requester, step.chat, step.number,"
        " step.attempt, step.kind, '', step.model, '', '', 'orphan', '', step.reservation_id, '',"
        " 'orphan', '', ? FROM step JOIN turn ON turn.id = step.turn_id"
        " WHERE step.turn_id = ? AND step.state = 'intent'",
        now,
        turn_id,
    )
    for (reservation_id,) in found:
        if reservation_id is not None:
            reservations.await_figure(tx, reservation_id, estimate=None, now=now)
    tx.run(
        "UPDATE step SET state = 'failed', reason = ?, closed_at = ?"
        " WHERE turn_id = ? AND state = 'intent'",
        ORPHAN,
        now,
        turn_id,
    )
    return len(found)


def of_turn(tx: Tx, turn_id: int) -> list[ModelCall]:
    """The attempts of a turn in the order of their ends."""
    rows = tx.rows(
        "SELECT model_call.step, model_call.attempt, model_call.kind, model_call.entry,"
        " model_call.asked, model_call.served, model_call.credential, model_call.outcome,"
        " model_call.status, model_call.move, model_call.first_byte_ms, model_call.total_ms,"
        " model_call.price_source, model_call.flags, model_call.request_id, model_call.at,"
        " model_call.reservation_id, reservation.state, reservation.amount, reservation.actual,"
        " reservation.flags,"
        " model_call.input_tokens, model_call.output_tokens, model_call.cached_tokens,"
        " model_call.reasoning_tokens, model_call.cache_write_tokens,"
        " model_call.cache_write_long_tokens FROM model_call"
        " LEFT JOIN reservation ON reservation.id = model_call.reservation_id"
        " WHERE model_call.turn_id = ? ORDER BY model_call.id",
        turn_id,
    )
    return [_call(row) for row in rows]


_USE = (
    " COUNT(*),"
    " SUM(CASE WHEN model_call.outcome IN ('done', 'tool_calls', 'length', 'paused')"
    " THEN 0 ELSE 1 END),"
    " SUM(CASE WHEN model_call.input_tokens IS NULL THEN 1 ELSE 0 END),"
    " SUM(model_call.input_tokens), SUM(model_call.cached_tokens),"
    " SUM(model_call.cache_write_tokens + model_call.cache_write_long_tokens),"
    " SUM(model_call.output_tokens), SUM(model_call.reasoning_tokens),"
    " SUM(COALESCE(reservation.actual, reservation.booked, 0)),"
    " SUM(CASE WHEN reservation.state = 'held' AND reservation.amount > reservation.booked"
    " THEN reservation.amount - reservation.booked ELSE 0 END),"
    " SUM(CASE WHEN reservation.state = 'held' THEN 1 ELSE 0 END)"
    " FROM model_call LEFT JOIN reservation ON reservation.id = model_call.reservation_id"
)
_SINCE = " WHERE model_call.at >= ? AND model_call.at < ?"
_ORDER = " ORDER BY 10 DESC, 2 DESC, 1 LIMIT 50"


def by_model(tx: Tx, *, since: int, until: int = _END) -> list[ModelUse]:
    """What attempts came to, model by model, the dearest first."""
    rows = tx.rows(
        "SELECT model_call.asked," + _USE + _SINCE + " GROUP BY model_call.asked" + _ORDER,
        since,
        until,
    )
    return [_use(row) for row in rows]


def by_kind(tx: Tx, *, since: int, until: int = _END) -> list[ModelUse]:
    """The same by what the calls were for."""
    rows = tx.rows(
        "SELECT model_call.kind," + _USE + _SINCE + " GROUP BY model_call.kind" + _ORDER,
        since,
        until,
    )
    return [_use(row) for row in rows]


def of_chat(tx: Tx, account: str, chat: str, *, since: int) -> list[ModelUse]:
    """What attempts came to in one chat, its threads included, model by model."""
    rows = tx.rows(
        "SELECT model_call.asked,"
        + _USE
        + " WHERE model_call.chat = ? AND model_call.at >= ?"
        + " GROUP BY model_call.asked"
        + _ORDER,
        f"{account}|{chat}",
        since,
    )
    return [_use(row) for row in rows]


def last_use(tx: Tx, entry: str) -> int | None:
    """When an attempt at an entry last ended; None if none ever has."""
    row = tx.row("SELECT MAX(at) FROM model_call WHERE entry = ?", entry)
    return int(row[0]) if row is not None and row[0] is not None else None


def change_of(
    tx: Tx, account: str, chat: str, *, served: str, primary: str
) -> Literal["", "switched", "back"]:
    """What a chat has not been told yet of who answers; nothing is stored by asking."""
    if not served or not primary:
        return ""
    told = tx.row(
        "SELECT 1 FROM resting WHERE account = ? AND chat = ? AND model = ?", account, chat, primary
    )
    if served == primary:
        return "" if told is None else "back"
    return "switched" if told is None else ""


def told_switched(tx: Tx, account: str, chat: str, *, primary: str, now: int) -> None:
    """A chat was told that its primary rests: once until it is told the contrary."""
    tx.run(
        "INSERT INTO resting (account, chat, model, at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, chat, model) DO NOTHING",
        account,
        chat,
        primary,
        now,
    )


def told_back(tx: Tx, account: str, chat: str, *, primary: str) -> None:
    """A chat was told that its primary is back."""
    tx.run(
        "DELETE FROM resting WHERE account = ? AND chat = ? AND model = ?", account, chat, primary
    )


def _tokens(usage: Usage | None) -> tuple[int | None, ...]:
    """In the order of their columns."""
    if usage is None:
        return (None,) * 6
    return (
        usage.input,
        usage.cached_input,
        usage.cache_write,
        usage.cache_write_long,
        usage.output,
        usage.reasoning,
    )


def _call(row: Row) -> ModelCall:
    step, attempt, kind, entry, asked, served, credential, outcome, status, move, *rest = row
    first_ms, total_ms, source, flags, request_id, at, ident, state, *last = rest
    reserved, spent, noted, read, written, cached, reasoning, kept, kept_long = last
    usage = None
    if read is not None:
        usage = Usage(
            input=read,
            output=written,
            cached_input=cached,
            reasoning=reasoning,
            cache_write=kept,
            cache_write_long=kept_long,
        )
    return ModelCall(
        step=step,
        attempt=attempt,
        kind=kind,
        entry=entry,
        asked=asked,
        served=served,
        credential=credential,
        usage=usage,
        outcome=outcome,
        status=status,
        move=move,
        first_byte_ms=first_ms,
        total_ms=total_ms,
        price_source=source,
        flags=" ".join(dict.fromkeys(f"{flags} {noted or ''}".split())),
        request_id=request_id,
        at=at,
        reservation_id=ident,
        state=state or "",
        reserved=reserved or 0,
        spent=spent,
    )


def _use(row: Row) -> ModelUse:
    name, calls, failed, uncounted, read, cached, kept, written, thought, spent, held, late = row
    return ModelUse(
        name=name,
        calls=calls,
        failed=failed,
        uncounted=uncounted,
        input=_whole(read),
        cached=_whole(cached),
        written=_whole(kept),
        output=_whole(written),
        reasoning=_whole(thought),
        spent=int(spent or 0),
        held=int(held or 0),
        unsettled=int(late or 0),
    )


def _whole(found: int | None) -> int | None:
    """A sum as a number of tokens; some databases sum whole numbers as decimals."""
    return None if found is None else int(found)
