"""What became of an event, a turn or a message, in lines for `gatepost why`. Reads only.

Ids: `e12` an inbox row, `t5` a turn, `o7` an outbox row, `f3` a fire of a job, `K7Q2F` an approval,
`K7QF-2M9P` somebody who asked to be let in, a call or a hold by its own id, or a message as
platforms name it (`telegram:-100200/55`, `slack:T1/C1/1699.2`). Of anything else the audit may
know: a grant, a freeze, a person or chat that was let in.
"""

import re
from datetime import UTC, tzinfo

from gateway.store.base import Row, Tx
from gateway.store.records import fire_story, fires, model_calls, pairings, retention, story
from gateway.store.records.call_words import call_line
from gateway.store.records.reasons import REASONS, ruled_by
from gateway.store.records.retention import Kind
from gateway.store.records.story import time_text as _time

_NUMBER = re.compile("[0-9]{1,18}")
_CODE = re.compile("[2-9A-HJ-NP-Z]{5}")
_REQUEST = re.compile("[2-9A-HJ-NP-Z]{8}")
HELD_COUNTED = 10

_RULED = frozenset({"ignored", "refused", "held"})
_EVENT = (
    "SELECT id, account, chat, author, state, reason, lane, session_key, received_at, repeats,"
    " turn_id, delivery_key, pruned_at FROM inbox"
)
_OUTBOX = (
    "SELECT id, purpose, op, account, chat, state, reason, message_id, attempts, created_at,"
    " settled_at, pruned_at, turn_id FROM outbox"
)


def explain(tx: Tx, ident: str, zone: tzinfo = UTC) -> tuple[str, ...]:
    """Tell the story of an id in lines, times in `zone`; () if nothing here has it."""
    kind, number = ident[:1], ident[1:]
    if _NUMBER.fullmatch(number) and kind in {"e", "t", "o", "f"}:
        match kind:
            case "e":
                row = tx.row(_EVENT + " WHERE id = ?", int(number))
                told = _event_story(tx, row, zone) if row else ()
                return told or _gone(tx, "e", int(number), zone)
            case "f":
                return _fire_story(tx, int(number), zone)
            case "t":
                told = _turn_story(tx, int(number), zone)
                return told or _gone(tx, "t", int(number), zone)
            case _:
                row = tx.row(_OUTBOX + " WHERE id = ?", int(number))
                if row is None:
                    return _gone(tx, "o", int(number), zone)
                return (_outbox_line(row, zone), *_of_turn(row[12]))
    return (
        (story.of_code(tx, ident.upper(), zone) if _CODE.fullmatch(ident.upper()) else ())
        or _request_story(tx, ident, zone)
        or story.of_call(tx, ident, zone)
        or story.of_reservation(tx, ident, zone)
        or _message_story(tx, ident, zone)
        or story.of_subject(tx, ident, zone)
    )


def person_of(tx: Tx, ident: str) -> str | None:
    """Who wrote what an id names, or asked for it; None if it is no message and no turn."""
    kind, number = ident[:1], ident[1:]
    if _NUMBER.fullmatch(number) and kind in {"e", "t", "o"}:
        match kind:
            case "e":
                row = tx.row("SELECT author FROM inbox WHERE id = ?", int(number))
            case "t":
                row = tx.row("SELECT requester FROM turn WHERE id = ?", int(number))
            case _:
                row = tx.row(
                    "SELECT turn.requester FROM outbox JOIN turn ON turn.id = outbox.turn_id"
                    " WHERE outbox.id = ?",
                    int(number),
                )
        return str(row[0]) if row and row[0] is not None else None
    chat, _, message_id = ident.rpartition("/")
    for account in _accounts(tx):
        row = tx.row(
            "SELECT author, state FROM inbox WHERE account = ? AND chat = ? AND message_id = ?",
            account,
            chat,
            message_id,
        )
        if row is not None and row[0] is not None:
            return str(row[0])
    return None


def _fire_story(tx: Tx, ident: int, zone: tzinfo) -> tuple[str, ...]:
    """A fire, and the turn that worked on it."""
    fire = fires.get(tx, ident)
    turn = fire.turn_id if fire is not None else None
    told = fire_story.of_fire(tx, ident, zone)
    return (*told, *(_turn_story(tx, turn, zone) if turn is not None else ()))


def _request_story(tx: Tx, text: str, zone: tzinfo) -> tuple[str, ...]:
    """Somebody who asked to be let in, by their code."""
    code = text.upper().replace("-", "")
    found = pairings.by_code(tx, code) if _REQUEST.fullmatch(code) else None
    if found is None:
        return ()
    held = pairings.held_count(tx, found.account, found.person, HELD_COUNTED)
    lines = [
        f"request {code[:4]}-{code[4:]}: {found.person} asked to talk on {found.account}"
        f" {_time(found.asked_at, zone)}",
        f"  {found.state}" + (f" by {found.decided_by}" if found.decided_by else ""),
    ]
    if found.state == "open":
        lines.append(f"  lapses {_time(found.until_at, zone)}")
    if held:
        lines.append(f"  {_count(held, 'message')} held")
    return (*lines, *story.of_subject(tx, found.person, zone)[1:])


def _message_story(tx: Tx, ref: str, zone: tzinfo) -> tuple[str, ...]:
    chat, _, message_id = ref.rpartition("/")
    space, _, thread = chat.rpartition("/")
    # A link may leave out the thread a message is stored under, or name one where none is stored;
    # Discord's names the thread and leaves out the channel that it is in. "0" follows "/".
    places: tuple[tuple[str, tuple[str | int, ...]], ...] = (
        ("chat = ?", (chat,)),
        ("chat = ?", (ref.rsplit("/", 2)[0],)),
        ("chat > ? AND chat < ?", (f"{chat}/", f"{chat}0")),
        (
            "chat > ? AND chat < ? AND substr(chat, length(chat) - ?) = ?",
            (f"{space}/", f"{space}0", len(thread), f"/{thread}"),
        ),
    )
    accounts = _accounts(tx)
    for place, params in places:
        for account in accounts:
            where = f" WHERE account = ? AND {place} AND message_id = ? ORDER BY id"
            if row := tx.row(_EVENT + where, account, *params, message_id):
                return _event_story(tx, row, zone)
            if row := tx.row(_OUTBOX + where, account, *params, message_id):
                return (_outbox_line(row, zone), *_of_turn(row[12]))
    return ()


def _accounts(tx: Tx) -> tuple[str, ...]:
    """The accounts that have heard or said anything, found by leaps in an index."""
    heard = tx.rows(
        "WITH RECURSIVE known (account) AS (SELECT MIN(account) FROM inbox UNION ALL"
        " SELECT (SELECT MIN(account) FROM inbox WHERE account > known.account) FROM known"
        " WHERE known.account IS NOT NULL) SELECT account FROM known WHERE account IS NOT NULL"
    )
    said = tx.rows(
        "WITH RECURSIVE known (account) AS (SELECT MIN(account) FROM outbox UNION ALL"
        " SELECT (SELECT MIN(account) FROM outbox WHERE account > known.account) FROM known"
        " WHERE known.account IS NOT NULL) SELECT account FROM known WHERE account IS NOT NULL"
    )
    return tuple(dict.fromkeys(str(account) for (account,) in (*heard, *said)))


def _event_story(tx: Tx, row: Row, zone: tzinfo) -> tuple[str, ...]:
    ident, account, chat, author, state, reason, lane, session, received, repeats, *rest = row
    turn, key, pruned = rest
    lines = [f"event e{ident}: came {_time(received, zone)} from {account}, delivery {key}"]
    if chat:
        lines.append(f"  in {chat}, by {author or 'a clock'}")
    outcome = f"  {state}" + (f": {reason}" if reason else "")
    lines.append(outcome + (f" ({REASONS[reason]})" if reason in REASONS else ""))
    if (ruled := ruled_by(reason)) and state in _RULED:
        lines.append(f"  {ruled}")
    if lane:
        lines.append(f"  lane {lane}, session {session}")
    if pruned:
        lines.append(f"  its words were pruned {_time(pruned, zone)}")
    if repeats:
        lines.append(
            f"  delivered again {_count(repeats, 'time')}; dropped each time as a duplicate"
        )
    if turn is not None:
        return (*lines, *_turn_story(tx, int(turn), zone))
    answers = tx.rows(
        _OUTBOX + " WHERE dedupe_key = ? OR dedupe_key = ?", f"e{ident}:answer", f"e{ident}:refusal"
    )
    return (*lines, *(_outbox_line(answer, zone) for answer in answers))


def _turn_story(tx: Tx, turn_id: int, zone: tzinfo) -> tuple[str, ...]:
    row = tx.row(
        "SELECT turn.number, turn.state, turn.mark, turn.error, turn.served_by, turn.attempt,"
        " turn.opened_at, turn.closed_at, turn.requester, session.key, turn.deaths,"
        " turn.stopped_by, turn.pruned_at"
        " FROM turn JOIN session ON session.id = turn.session_id WHERE turn.id = ?",
        turn_id,
    )
    if row is None:
        return ()
    number, state, mark, error, served, attempt, opened, closed, requester, key, *ends = row
    deaths, stopped_by, pruned = ends
    lines = [
        f"turn t{turn_id}: number {number} of session {key}, asked by {requester or 'a clock'}",
        f"  opened {_time(opened, zone)}" + (f", closed {_time(closed, zone)}" if closed else ""),
        f"  {state}"
        + (f" ({mark})" if mark and mark != "none" else "")
        + (f", served by {served}" if served else ""),
    ]
    if attempt > 1:
        lines.append(f"  taken up {attempt} times (after a restart, a decision or a command)")
    if deaths:
        lines.append(f"  open in the last {_count(deaths, 'death')} of the gateway")
    if stopped_by:
        lines.append(f"  /stop by {stopped_by}")
    if error:
        lines.append(f"  cause: {error}")
    if pruned:
        lines.append(f"  what its calls were given was pruned {_time(pruned, zone)}")
    lines += fire_story.of_turn(tx, turn_id)
    lines += _steps(tx, turn_id)
    lines += story.of_turn(tx, turn_id, zone)
    rows = tx.rows(_OUTBOX + " WHERE turn_id = ? ORDER BY id", turn_id)
    return (*lines, *(_outbox_line(out, zone) for out in rows))


def _steps(tx: Tx, turn_id: int) -> list[str]:
    told = {(each.step, each.attempt): each for each in model_calls.of_turn(tx, turn_id)}
    lines = []
    for number, attempt, model, state, reason, usage in tx.rows(
        "SELECT number, attempt, model, state, reason, usage FROM step WHERE turn_id = ?"
        " ORDER BY number, attempt",
        turn_id,
    ):
        known = told.get((number, attempt))
        if known is not None:
            lines.append(f"  {call_line(known)}")
            continue
        lines.append(
            f"  step {number}.{attempt}: {model}, {state}"
            + (f" ({reason})" if reason else "")
            + (f", tokens {usage}" if usage else "")
        )
    lines += [
        f"  tool {label or tool} ({effect or 'not run'}): {state}"
        for tool, label, effect, state in tx.rows(
            "SELECT tool, label, effect, state FROM tool_call WHERE turn_id = ?"
            " ORDER BY step, ordinal",
            turn_id,
        )
    ]
    return lines


def _gone(tx: Tx, kind: Kind, number: int, zone: tzinfo) -> tuple[str, ...]:
    """That a row was deleted for its age; () if there never was one of this number."""
    gone = retention.gone(tx, kind, number)
    if gone is None:
        return ()
    return (f"{kind}{number}: pruned for its age, {_time(gone.at, zone)} at the latest",)


def _of_turn(turn_id: int | None) -> tuple[str, ...]:
    return (f"  of turn t{turn_id}",) if turn_id is not None else ()


def _outbox_line(row: Row, zone: tzinfo) -> str:
    ident, purpose, op, account, chat, state, reason, message_id, attempts, *times, _turn = row
    created, settled, pruned = times
    return (
        f"outbox o{ident}: {op} ({purpose}) to {chat} on {account}: {state}"
        + (f" ({reason})" if reason else "")
        + (f", message {message_id}" if message_id else "")
        + f", {_count(attempts, 'attempt')}, made {_time(created, zone)}"
        + (f", settled {_time(settled, zone)}" if settled else "")
        + (f", words pruned {_time(pruned, zone)}" if pruned else "")
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
