"""The whole story of an approval, a call or a hold, for `gatepost why`. Reads only.

What happened comes from the audit, which has every verdict, card, press (refused ones too) and
movement of money in the order it was stored, and from the rows of what ran.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

import orjson

from agent.costs import dollars
from gateway.card_words import cut_inline
from gateway.chain import Entry
from gateway.scopes import scope_name
from gateway.store.base import Tx
from gateway.store.records import audit, calls, cards, model_calls, reservations
from gateway.store.records.call_words import call_line
from gateway.store.records.cards import Card, Request
from gateway.store.records.reservations import Reservation

WORDS_SHOWN = 200
ARGUMENTS_SHOWN = 400

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """One thing that happened; `seq` is its row of the audit, 0 for what only rows tell.

    `rank` orders the latter where times are equal.
    """

    at: int
    seq: int = 0
    rank: int = 0
    text: str


def of_code(tx: Tx, code: str, zone: tzinfo = UTC) -> Lines:
    """Everything about the newest approval of a code; () if there is none."""
    card = cards.by_code(tx, code)
    if card is None:
        return ()
    requests = cards.requests_of(tx, card.id)
    asked = [request.call_id for request in requests if request.call_id]
    told = [*_rows_of_card(card), *_audited(tx, card.id)]
    for ident in asked:
        told += _of_call(tx, ident)
    return (*_card_lines(tx, card, requests, zone), *_timeline(told, zone))


def of_call(tx: Tx, ident: str, zone: tzinfo = UTC) -> Lines:
    """Everything about a tool call; () if there is none."""
    call = calls.get(tx, ident)
    if call is None:
        return ()
    lines = [
        f"call {ident}: {_named(call.tool, call.operation)}, step {call.step} of turn"
        f" t{call.turn_id}, session {call.session_key}",
        f"  {call.state}" + (f", rule {call.rule}" if call.rule else "") + _effect(call.effect),
    ]
    told = _of_call(tx, ident)
    for code, card_id in _cards_of_call(tx, ident):
        lines.append(f"  asked as approval {code}")
        told += _audited(tx, card_id)
    lines += [f"  {_money_line(each)}" for each in _holds(tx, ident, call.turn_id)]
    return (*lines, *_timeline(told, zone))


def of_reservation(tx: Tx, ident: str, zone: tzinfo = UTC) -> Lines:
    """Everything about money that was put aside; () if none was under this id."""
    found = reservations.find(tx, ident)
    if found is None:
        return ()
    scopes = ", ".join(scope + (f" ({span})" if span else "") for scope, span in found.scopes)
    lines = [
        _money_line(found),
        f"  in {found.chat} for {found.requester or 'a clock'}, turn t{found.turn_id}"
        + (f", step {found.step}" if found.step is not None else "")
        + (f", call {found.call_id}" if found.call_id else ""),
        f"  counts in {scopes}",
    ]
    if found.kind == "model" and found.turn_id is not None:
        attempts = model_calls.of_turn(tx, found.turn_id)
        lines += [f"  {call_line(each)}" for each in attempts if each.reservation_id == ident]
    told = _audited(tx, ident)
    if found.call_id:
        told += _audited(tx, found.call_id)
        lines += [f"  asked as approval {code}" for code, _ in _cards_of_call(tx, found.call_id)]
    return (*lines, *_timeline(told, zone))


def of_subject(tx: Tx, subject: str, zone: tzinfo = UTC) -> Lines:
    """What the audit tells of anything else, such as a grant; () if nothing."""
    told = _audited(tx, subject) if subject else []
    return (f"{cut_inline(subject, WORDS_SHOWN)}:", *_timeline(told, zone)) if told else ()


def of_turn(tx: Tx, turn_id: int, zone: tzinfo = UTC) -> Lines:
    """What a turn asked of people and what it spent, a line each."""
    rows = tx.rows(
        "SELECT card.code, card.kind, card.created_at, card.state, request.ordinal, request.tool,"
        " request.operation, request.state, request.decided_name, request.decided_at FROM card"
        " JOIN request ON request.card_id = card.id WHERE card.turn_id = ?"
        " ORDER BY card.created_at, card.id, request.ordinal",
        turn_id,
    )
    lines = []
    for code, kind, asked, waits, _, tool, operation, state, name, decided in rows:
        ended = f" by {_inline(name)} {time_text(decided, zone)}" if decided else ""
        queued = " (queued)" if waits == "queued" else ""
        lines.append(
            f"  approval {code} ({kind}): {_named(tool, operation)}, asked"
            f" {time_text(asked, zone)}: {state}{queued}{ended}"
        )
    found = reservations.of_turn(tx, turn_id)
    if found:
        closed = (each.booked if each.actual is None else each.actual for each in found)
        spent = sum(closed)
        held = sum(each.left for each in found if each.state == "held")
        lines.append(f"  money: {money(spent)} spent, {money(held)} held, in {len(found)} holds")
    return tuple(lines)


def time_text(micros: int, zone: tzinfo) -> str:
    """A time to the second."""
    moment = datetime.fromtimestamp(micros / 1_000_000, tz=zone)
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z")


def money(amount: int | None) -> str:
    """An amount that may be nothing, or that nobody knows."""
    if amount is None:
        return "price unknown"
    return dollars(amount) if amount else "$0.00"


# -- what happened


def _of_call(tx: Tx, ident: str) -> list[_Told]:
    """The verdicts on a call, its money, and how it ran."""
    call = calls.get(tx, ident)
    if call is None:
        return []
    told = _audited(tx, ident)
    for each in _holds(tx, ident, call.turn_id):
        told += _audited(tx, each.id)
    if call.intended_at is not None:
        told.append(_Told(at=call.intended_at, rank=1, text=f"began: {_inline(call.label)}"))
    if call.finished_at is not None:
        told.append(_Told(at=call.finished_at, rank=4, text=f"ended: {call.state}"))
    row = tx.row(
        "SELECT label, handle, state, started_at, stop_by, stop_at, ended_at FROM remote_job"
        " WHERE call_id = ?",
        ident,
    )
    if row is not None:
        label, handle, state, started, stop_by, stop_at, ended = row
        where = f"{_inline(label)} (job {_inline(handle)})"
        told.append(_Told(at=started, rank=2, text=f"goes on elsewhere: {where}, now {state}"))
        if stop_at is not None:
            told.append(_Told(at=stop_at, rank=3, text=f"told to end: {_inline(stop_by)}"))
        if ended is not None:
            told.append(_Told(at=ended, rank=4, text="its end was seen"))
    return told


def _holds(tx: Tx, call_id: str, turn_id: int) -> list[Reservation]:
    return [each for each in reservations.of_turn(tx, turn_id) if each.call_id == call_id]


def _rows_of_card(card: Card) -> list[_Told]:
    told = []
    if card.posted_at is not None:
        told.append(_Told(at=card.posted_at, text=f"the card stands in {card.chat}"))
    if card.closed_at is not None:
        told.append(_Told(at=card.closed_at, rank=5, text="the card is closed"))
    return told


def _audited(tx: Tx, subject: str) -> list[_Told]:
    return [
        _Told(at=entry.link.at, seq=entry.seq, text=_entry_text(entry))
        for entry in audit.of_subject(tx, subject)
    ]


def _timeline(told: Iterable[_Told], zone: tzinfo) -> list[str]:
    """In the order of time; what only rows tell comes behind what was stored with it."""
    inner = sorted(set(told), key=lambda each: (each.at, each.seq == 0, each.seq, each.rank))
    return [
        f"  {time_text(each.at, zone)}  {each.text}" + (f"  [#{each.seq}]" if each.seq else "")
        for each in inner
    ]


def _entry_text(entry: Entry) -> str:
    link = entry.link
    detail: dict[str, Any] = orjson.loads(link.detail)
    actor = _inline(link.actor)
    match link.kind:
        case "verdict":
            text = _verdict_text(detail)
        case "card":
            text = f"asked: card rev {detail.get('rev')}, {detail.get('tier')} decides"
            text += ", behind others of its chat" if detail.get("state") == "queued" else ""
        case "press":
            text = _press_text(actor, detail)
        case "refused press":
            what = str(detail.get("decision", "a press")).lower().replace("_", " ")
            text = f"refused: {what} by {actor}: {_inline(detail.get('because'))}"
        case "shown":
            text = f"shown in full to {actor} ({detail.get('from')}, rev {detail.get('rev')})"
        case "hold" | "book" | "settle" | "release" | "charge" | "unheld":
            text = _movement_text(link.kind, detail)
        case _:
            text = f"{link.kind} by {actor}: {_inline(orjson.dumps(detail).decode())}"
    return text


def _verdict_text(detail: dict[str, Any]) -> str:
    quote = detail.get("quote") or {}
    flags = ", ".join(map(str, detail.get("tags", ()))) or "none"
    return (
        f"judged: {detail.get('verdict')} by rule {detail.get('rule')}"
        f" ({_inline(detail.get('reason'))}), at most {money(quote.get('ceiling'))},"
        f" flags {flags}, fingerprint {str(detail.get('fingerprint'))[:12]}"
    )


def _press_text(actor: str, detail: dict[str, Any]) -> str:
    said = [
        f"{name} {_inline(detail[name])}"
        for name in ("reason", "words", "because", "difference", "reservation")
        if detail.get(name)
    ]
    amount = [f"by {money(int(detail['amount']))}"] if detail.get("amount") else []
    extra = "; ".join([*amount, *said])
    return (
        f"{detail.get('decision')} by {actor} ({detail.get('from')}, rev {detail.get('rev')})"
        + (f": {extra}" if extra else "")
    )


def _movement_text(kind: str, detail: dict[str, Any]) -> str:
    settled, held = int(detail.get("settled", 0)), int(detail.get("held", 0))
    moved = [
        f"{money(abs(amount))} {word}"
        for amount, word in ((settled, "booked"), (held, "held" if held > 0 else "freed"))
        if amount
    ]
    after = ", ".join(
        f"{scope_name(str(scope))} {money(spent + kept)}"
        for scope, _, spent, kept, _ in detail.get("after", ())
        if not str(scope).startswith("whole:")
    )
    record = f", bill {_inline(detail['record'])}" if detail.get("record") else ""
    return (
        f"{kind}: {_inline(detail.get('what'))}, {' and '.join(moved) or 'nothing moved'}"
        f" by leave of {detail.get('leave')}{record}" + (f"; then {after}" if after else "")
    )


# -- what it is


def _card_lines(tx: Tx, card: Card, requests: tuple[Request, ...], zone: tzinfo) -> list[str]:
    who = f"{_inline(card.requester_name)} ({card.requester})" if card.requester else "a clock"
    closes = f", closes {time_text(card.expires_at, zone)}" if card.expires_at else ""
    two = " (two people)" if card.two_person else ""
    lines = [
        f"approval {card.code}: {card.kind}, asked {time_text(card.created_at, zone)} in"
        f" {card.chat} for {who}",
        f"  {card.state}{closes if card.state == 'open' else ''}, rev {card.rev},"
        f" {card.tier} decides{two}, turn t{card.turn_id}",
    ]
    if (card.account, card.chat) != (card.origin_account, card.origin):
        lines.append(f"  it came from {card.origin}")
    for request in requests:
        lines += _request_lines(tx, card, request, zone)
    return lines


def _request_lines(tx: Tx, card: Card, request: Request, zone: tzinfo) -> list[str]:
    most = money(request.ceiling) if request.ceiling is not None else "price unknown"
    ended = ""
    if request.decided_at is not None:
        ended = f" by {_inline(request.decided_name)} {time_text(request.decided_at, zone)}"
    lines = [
        f"  {request.ordinal + 1}. {_named(request.tool, request.operation)}, at most {most}:"
        f" {request.state}{ended}" + (f", {_inline(request.words)}" if request.words else "")
    ]
    if request.rule:
        flags = ", ".join(request.tags) or "none"
        lines.append(
            f"     rule {request.rule} ({_inline(request.reason)}), flags {flags}"
            + _effect(request.effect or "")
        )
    if request.fingerprint:
        arguments = cut_inline(request.arguments, ARGUMENTS_SHOWN)
        lines.append(f"     fingerprint {request.fingerprint[:12]}, arguments {arguments}")
    if request.votes:
        lines.append(f"     said yes: {', '.join(request.votes)}")
    if request.call_id is None:
        return lines
    call = calls.get(tx, request.call_id)
    if call is not None:
        lines.append(f"     call {request.call_id}: {call.state}")
        lines += [f"     {_money_line(each)}" for each in _holds(tx, call.id, call.turn_id)]
    lines += [
        f"     asked as approval {code} too"
        for code, ident in _cards_of_call(tx, request.call_id)
        if ident != card.id
    ]
    return lines


def _cards_of_call(tx: Tx, call_id: str) -> list[tuple[str, str]]:
    """Code and id of every card about a call, oldest first."""
    rows = tx.rows(
        "SELECT card.code, card.id FROM request JOIN card ON card.id = request.card_id"
        " WHERE request.call_id = ? ORDER BY card.created_at, card.id",
        call_id,
    )
    return [(code, ident) for code, ident in rows]


def _money_line(each: Reservation) -> str:
    booked = "" if each.actual is None else f", {money(each.actual)} booked"
    payer = f", payer {_inline(each.payer)}" if each.payer else ""
    flags = f", {each.flags}" if each.flags else ""
    return (
        f"hold {each.id}: {_inline(each.what)}, {money(each.amount)} by leave of"
        f" {each.leave.value}: {each.state}{booked}{payer}{flags}"
    )


def _named(tool: str, operation: str) -> str:
    return f"{tool} {operation}".strip()


def _effect(effect: str) -> str:
    return f", effect {effect}" if effect else ""


def _inline(text: object) -> str:
    """Words of a person, model or tool: on one line, nothing in them acts."""
    return cut_inline(str(text or ""), WORDS_SHOWN)
