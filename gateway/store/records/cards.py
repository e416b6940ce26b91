"""Cards and their requests: what people are asked, and what they decided.

card:     queued --> open --> closed          one message; `rev` counts its contents
request:  pending --> approved | denied | answered | expired | superseded | withdrawn
             '------> undeliverable            one item of a card; all but pending are final
"""

from dataclasses import dataclass
from typing import Any, Literal

import orjson

from gateway.store.base import Row, Tx

CardKind = Literal["call", "question", "limit", "in_doubt"]
CardState = Literal["queued", "open", "closed"]
Kinds = tuple[CardKind, CardKind]
Tier = Literal["requester", "approver", "owner"]
RequestState = Literal[
    "pending",
    "approved",
    "denied",
    "answered",
    "expired",
    "superseded",
    "withdrawn",
    "undeliverable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One item to decide.

    `arguments` is canonical JSON; `ceiling` is micro-dollars, None where unknown (then `unknown`
    says why). `quote` and `detail` hold what a card shows of it. `words` are the reason of a
    denial or the text of an answer; `votes` the people who said yes where two must, and `typed`
    in `detail` the ceiling they said it to, if a person gave one.
    """

    id: str
    card_id: str
    ordinal: int
    call_id: str | None
    state: RequestState = "pending"
    tool: str
    operation: str = ""
    arguments: str = "{}"
    schema_hash: str = ""
    fingerprint: str = ""
    effect: str | None = None
    tags: tuple[str, ...] = ()
    rule: str = ""
    reason: str = ""
    ceiling: int | None = 0
    unknown: str | None = None
    quote: dict[str, Any]
    detail: dict[str, Any]
    votes: tuple[str, ...] = ()
    edited: str = ""
    earlier: str | None = None
    decided_at: int | None = None
    decided_by: str | None = None
    decided_name: str | None = None
    decided_from: str | None = None
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One card; times are microseconds since 1970.

    `account` and `chat` are where it stands, `origin_account` and `origin` where its turn answers.
    `seen` are the people who had its present revision shown in full. `detail` holds what it shows
    beside its items.
    """

    id: str
    code: str
    kind: CardKind
    state: CardState
    rev: int = 1
    account: str
    chat: str
    origin_account: str
    origin: str
    session_id: int
    turn_id: int
    step: int = 0
    tier: Tier
    two_person: bool = False
    requester: str
    requester_name: str
    policy: str = ""
    detail: dict[str, Any]
    seen: tuple[str, ...] = ()
    created_at: int
    opened_at: int | None = None
    posted_at: int | None = None
    expires_at: int | None = None
    remind_at: int | None = None
    closed_at: int | None = None
    session_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a turn answers."""

    account: str
    chat: str
    session_id: int
    turn_id: int


_CARD = (
    "SELECT card.id, card.code, card.kind, card.state, card.rev, card.account, card.chat,"
    " card.origin_account, card.origin, card.session_id, card.turn_id, card.step, card.tier,"
    " card.two_person, card.requester, card.requester_name, card.policy, card.detail, card.seen,"
    " card.created_at, card.opened_at, card.posted_at, card.expires_at, card.remind_at,"
    " card.closed_at, session.key FROM card JOIN session ON session.id = card.session_id"
)
_REQUEST = (
    "SELECT id, card_id, ordinal, call_id, state, tool, operation, arguments, schema_hash,"
    " fingerprint, effect, tags, rule, reason, ceiling, unknown, quote, detail, votes, edited,"
    " earlier, decided_at, decided_by, decided_name, decided_from, words FROM request"
)
_OF_LEAVE = (
    " WHERE call_id = ? AND state = 'approved'"
    " AND decided_by = (SELECT decided_by FROM tool_call WHERE id = request.call_id)"
    " AND (SELECT kind FROM card WHERE id = request.card_id) = 'call'"
)


def insert(tx: Tx, card: Card, requests: tuple[Request, ...]) -> None:
    """Store a card with its items."""
    tx.run(
        "INSERT INTO card (id, code, kind, state, rev, account, chat, origin_account, origin,"
        " session_id, turn_id, step, tier, two_person, requester, requester_name, policy, detail,"
        " created_at, opened_at, expires_at, remind_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        card.id,
        card.code,
        card.kind,
        card.state,
        card.rev,
        card.account,
        card.chat,
        card.origin_account,
        card.origin,
        card.session_id,
        card.turn_id,
        card.step,
        card.tier,
        int(card.two_person),
        card.requester,
        card.requester_name,
        card.policy,
        _json(card.detail),
        card.created_at,
        card.opened_at,
        card.expires_at,
        card.remind_at,
    )
    for request in requests:
        _insert_request(tx, request)


def _insert_request(tx: Tx, request: Request) -> None:
    tx.run(
        "INSERT INTO request (id, card_id, ordinal, call_id, state, tool, operation, arguments,"
        " schema_hash, fingerprint, effect, tags, rule, reason, ceiling, unknown, quote, detail,"
        " edited, earlier) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        request.id,
        request.card_id,
        request.ordinal,
        request.call_id,
        request.state,
        request.tool,
        request.operation,
        request.arguments,
        request.schema_hash,
        request.fingerprint,
        request.effect,
        _json(list(request.tags)),
        request.rule,
        request.reason,
        request.ceiling,
        request.unknown,
        _json(request.quote),
        _json(request.detail),
        request.edited,
        request.earlier,
    )


def get(tx: Tx, ident: str) -> Card | None:
    """A card by its id."""
    row = tx.row(_CARD + " WHERE card.id = ?", ident)
    return _card(row) if row else None


def by_code(tx: Tx, code: str) -> Card | None:
    """The newest card of a code; open ones have it for themselves."""
    row = tx.row(
        _CARD + " WHERE card.code = ? ORDER BY CASE card.state WHEN 'closed' THEN 1 ELSE 0 END,"
        " card.created_at DESC LIMIT 1",
        code,
    )
    return _card(row) if row else None


def code_taken(tx: Tx, code: str) -> bool:
    """Whether a card that can still be decided has this code."""
    found = tx.row("SELECT 1 FROM card WHERE code = ? AND state IN ('queued', 'open')", code)
    return found is not None


def requests_of(tx: Tx, card_id: str) -> tuple[Request, ...]:
    """The items of a card, in the model's order."""
    rows = tx.rows(_REQUEST + " WHERE card_id = ? ORDER BY ordinal", card_id)
    return tuple(_request(row) for row in rows)


def origin_of(tx: Tx, turn_id: int) -> Origin | None:
    """Where a turn answers, whatever has become of it."""
    row = tx.row(
        "SELECT session.account, turn.reply_to, session.id FROM turn"
        " JOIN session ON session.id = turn.session_id WHERE turn.id = ?",
        turn_id,
    )
    if row is None:
        return None
    account, chat, session_id = row
    return Origin(account=account, chat=chat, session_id=session_id, turn_id=turn_id)


def is_grouped(tx: Tx, turn_id: int) -> bool:
    """Whether several people write where a turn answers."""
    row = tx.row("SELECT grouped FROM turn WHERE id = ?", turn_id)
    return row is not None and bool(row[0])


def request_of_call(tx: Tx, call_id: str) -> Request | None:
    """The newest request about a call."""
    row = tx.row(
        _REQUEST + " WHERE call_id = ? ORDER BY CASE state WHEN 'pending' THEN 1 ELSE 0 END DESC,"
        " decided_at DESC LIMIT 1",
        call_id,
    )
    return _request(row) if row else None


def of_call(tx: Tx, call_id: str) -> tuple[str, ...]:
    """The ids of every card that ever asked about a call."""
    rows = tx.rows("SELECT DISTINCT card_id FROM request WHERE call_id = ?", call_id)
    return tuple(str(row[0]) for row in rows)


def approval_of(tx: Tx, call_id: str) -> Request | None:
    """The request by which people let a call run, if its leave is theirs."""
    row = tx.row(
        _REQUEST + _OF_LEAVE + " ORDER BY decided_at DESC LIMIT 1",
        call_id,
    )
    return _request(row) if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Who decided, from where (`button`, `form`, `command`, `shell`, `web`, `gateway`), and when.

    `by` is empty where no person did: time ran out, the chat went on.
    """

    by: str
    name: str
    source: str
    at: int
    words: str = ""


def decide(tx: Tx, request_id: str, state: RequestState, decided: Decided) -> bool:
    """Settle a pending request; False if it was settled before."""
    changed = tx.run(
        "UPDATE request SET state = ?, decided_at = ?, decided_by = ?, decided_name = ?,"
        " decided_from = ?, words = ? WHERE id = ? AND state = 'pending'",
        state,
        decided.at,
        decided.by,
        decided.name,
        decided.source,
        decided.words,
        request_id,
    )
    return changed == 1


def votes_for(request: Request, typed: int | None) -> tuple[str, ...]:
    """Who said yes so far to the ceiling a person typed, or where none was."""
    return request.votes if request.detail.get("typed") == typed else ()


def vote(tx: Tx, request: Request, person: str, *, typed: int | None = None) -> None:
    """Count one person's yes where two must say it; one to another ceiling starts anew."""
    votes = _json([*votes_for(request, typed), person])
    detail = {key: value for key, value in request.detail.items() if key != "typed"}
    if typed is not None:
        detail["typed"] = typed
    tx.run(
        "UPDATE request SET votes = ?, detail = ? WHERE id = ? AND state = 'pending'",
        votes,
        _json(detail),
        request.id,
    )


def revise(tx: Tx, request: Request) -> None:
    """Give a pending request new contents: an edit, another payer, another price."""
    tx.run(
        "UPDATE request SET arguments = ?, fingerprint = ?, tags = ?, rule = ?, reason = ?,"
        " ceiling = ?, unknown = ?, quote = ?, detail = ?, votes = '[]', edited = ?"
        " WHERE id = ? AND state = 'pending'",
        request.arguments,
        request.fingerprint,
        _json(list(request.tags)),
        request.rule,
        request.reason,
        request.ceiling,
        request.unknown,
        _json(request.quote),
        _json(request.detail),
        request.edited,
        request.id,
    )


def next_rev(tx: Tx, card: Card, *, tier: Tier | None = None, two: bool | None = None) -> bool:
    """Put a new revision of an open card in force; nobody has seen it in full yet."""
    changed = tx.run(
        "UPDATE card SET rev = rev + 1, seen = '[]', tier = ?, two_person = ?"
        " WHERE id = ? AND rev = ? AND state = 'open'",
        tier or card.tier,
        int(card.two_person if two is None else two),
        card.id,
        card.rev,
    )
    return changed == 1


def mark_seen(tx: Tx, card: Card, person: str) -> None:
    """A person had the present revision shown in full."""
    if person not in card.seen:
        seen = _json([*card.seen, person])
        tx.run("UPDATE card SET seen = ? WHERE id = ? AND rev = ?", seen, card.id, card.rev)


def change_detail(tx: Tx, card_id: str, detail: dict[str, Any]) -> None:
    """Store what a card shows beside its items."""
    tx.run("UPDATE card SET detail = ? WHERE id = ?", _json(detail), card_id)


def close(tx: Tx, card_id: str, *, now: int) -> bool:
    """Close a card once nothing on it is pending; False while something is, or if it was."""
    changed = tx.run(
        "UPDATE card SET state = 'closed', closed_at = ? WHERE id = ? AND state <> 'closed'"
        " AND NOT EXISTS (SELECT 1 FROM request WHERE card_id = card.id AND state = 'pending')",
        now,
        card_id,
    )
    return changed == 1


def open_queued(tx: Tx, card_id: str, *, expires_at: int, remind_at: int | None, now: int) -> None:
    """Let a card out of its queue: its clock starts."""
    tx.run(
        "UPDATE card SET state = 'open', opened_at = ?, expires_at = ?, remind_at = ?"
        " WHERE id = ? AND state = 'queued'",
        now,
        expires_at,
        remind_at,
        card_id,
    )


def posted(tx: Tx, card_id: str, *, now: int) -> None:
    """A card stands in its chat."""
    tx.run("UPDATE card SET posted_at = ? WHERE id = ?", now, card_id)


def reminded(tx: Tx, card_id: str) -> bool:
    """Its one reminder is out; False if it was before."""
    changed = tx.run(
        "UPDATE card SET remind_at = NULL WHERE id = ? AND remind_at IS NOT NULL", card_id
    )
    return changed == 1


def pending_of_turn(tx: Tx, turn_id: int) -> tuple[Card, ...]:
    """The cards of a turn that can still be decided."""
    rows = tx.rows(
        _CARD + " WHERE card.turn_id = ? AND card.state IN ('queued', 'open')"
        " ORDER BY card.created_at, card.id",
        turn_id,
    )
    return tuple(_card(row) for row in rows)


def of_ended_turns(tx: Tx, *, limit: int) -> tuple[Card, ...]:
    """Cards that could still be decided though their turn is over."""
    rows = tx.rows(
        _CARD + " JOIN turn ON turn.id = card.turn_id"
        " WHERE card.state IN ('queued', 'open') AND turn.closed_at IS NOT NULL"
        " ORDER BY card.code LIMIT ?",
        limit,
    )
    return tuple(_card(row) for row in rows)


def pending_in_chat(tx: Tx, account: str, chat: str) -> tuple[Card, ...]:
    """What can be decided in a chat, the oldest 50, to be listed; whatever they are about."""
    rows = tx.rows(
        _CARD + " WHERE card.account = ? AND card.chat = ? AND card.state IN ('queued', 'open')"
        " ORDER BY card.created_at, card.id LIMIT 50",
        account,
        chat,
    )
    return tuple(_card(row) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCount:
    """How many cards of some kinds stand open in a chat, and how many queue behind them."""

    open: int
    queued: int


def count_in_chat(tx: Tx, account: str, chat: str, kinds: Kinds) -> ChatCount:
    """Count the cards of some kinds that can be decided in a chat."""
    rows = tx.rows(
        "SELECT state, COUNT(*) FROM card WHERE account = ? AND chat = ?"
        " AND state IN ('queued', 'open') AND kind IN (?, ?) GROUP BY state",
        account,
        chat,
        *kinds,
    )
    found = {str(state): int(count) for state, count in rows}
    return ChatCount(open=found.get("open", 0), queued=found.get("queued", 0))


def next_queued(tx: Tx, account: str, chat: str, kinds: Kinds, *, limit: int) -> tuple[Card, ...]:
    """The cards of some kinds that have queued longest in a chat."""
    rows = tx.rows(
        _CARD + " WHERE card.account = ? AND card.chat = ? AND card.state IN ('queued', 'open')"
        " AND card.state = 'queued' AND card.kind IN (?, ?)"
        " ORDER BY card.created_at, card.id LIMIT ?",
        account,
        chat,
        *kinds,
        limit,
    )
    return tuple(_card(row) for row in rows)


def pending(tx: Tx, *, limit: int = 200) -> tuple[Card, ...]:
    """Everything that can be decided, those that close first in front."""
    rows = tx.rows(
        _CARD + " WHERE card.state = 'open' ORDER BY card.expires_at LIMIT ?",
        limit,
    )
    return tuple(_card(row) for row in rows)


def expired(tx: Tx, *, now: int, limit: int) -> tuple[Card, ...]:
    """Open cards whose time is over."""
    rows = tx.rows(
        _CARD + " WHERE card.state = 'open' AND card.expires_at <= ?"
        " ORDER BY card.expires_at LIMIT ?",
        now,
        limit,
    )
    return tuple(_card(row) for row in rows)


def to_remind(tx: Tx, *, now: int, limit: int) -> tuple[Card, ...]:
    """Open cards whose reminder is due."""
    rows = tx.rows(
        _CARD + " WHERE card.state = 'open' AND card.remind_at IS NOT NULL"
        " AND card.remind_at <= ? ORDER BY card.remind_at LIMIT ?",
        now,
        limit,
    )
    return tuple(_card(row) for row in rows)


def unposted(tx: Tx, *, limit: int) -> tuple[Card, ...]:
    """Open cards that are not known to stand in their chat, oldest first."""
    rows = tx.rows(
        _CARD + " WHERE card.state = 'open' AND card.posted_at IS NULL"
        " ORDER BY card.created_at LIMIT ?",
        limit,
    )
    return tuple(_card(row) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnCount:
    """How much a turn has asked of people."""

    cards: int
    denials: int


def count_of_turn(tx: Tx, turn_id: int) -> TurnCount:
    """Count a turn's cards and denials."""
    cards = tx.row("SELECT COUNT(*) FROM card WHERE turn_id = ? AND kind = 'call'", turn_id)
    denials = tx.row(
        "SELECT COUNT(*) FROM request JOIN card ON card.id = request.card_id"
        " WHERE card.turn_id = ? AND request.state = 'denied'",
        turn_id,
    )
    return TurnCount(cards=cards[0] if cards else 0, denials=denials[0] if denials else 0)


def denied_before(tx: Tx, turn_id: int, fingerprint_free: str) -> bool:
    """Whether the same tool and arguments were denied earlier in this turn."""
    found = tx.row(
        "SELECT 1 FROM request JOIN card ON card.id = request.card_id"
        " WHERE card.turn_id = ? AND request.state = 'denied'"
        " AND request.tool || ' ' || request.arguments = ? LIMIT 1",
        turn_id,
        fingerprint_free,
    )
    return found is not None


def _card(row: Row) -> Card:
    ident, code, kind, state, rev, account, chat, origin_account, origin, *rest = row
    session_id, turn_id, step, tier, two, requester, name, policy, detail, seen, *times = rest
    created, opened, posted_at, expires, remind, closed, key = times
    return Card(
        id=ident,
        code=code,
        kind=kind,
        state=state,
        rev=rev,
        account=account,
        chat=chat,
        origin_account=origin_account,
        origin=origin,
        session_id=session_id,
        turn_id=turn_id,
        step=step,
        tier=tier,
        two_person=bool(two),
        requester=requester,
        requester_name=name,
        policy=policy,
        detail=orjson.loads(detail),
        seen=tuple(orjson.loads(seen)),
        created_at=created,
        opened_at=opened,
        posted_at=posted_at,
        expires_at=expires,
        remind_at=remind,
        closed_at=closed,
        session_key=key,
    )


def _request(row: Row) -> Request:
    ident, card_id, ordinal, call_id, state, tool, operation, arguments, schema, *rest = row
    fingerprint, effect, tags, rule, reason, ceiling, unknown, quote, detail, *last = rest
    votes, edited, earlier, decided_at, decided_by, name, source, words = last
    return Request(
        id=ident,
        card_id=card_id,
        ordinal=ordinal,
        call_id=call_id,
        state=state,
        tool=tool,
        operation=operation,
        arguments=arguments,
        schema_hash=schema,
        fingerprint=fingerprint,
        effect=effect,
        tags=tuple(orjson.loads(tags)),
        rule=rule,
        reason=reason,
        ceiling=ceiling,
        unknown=unknown,
        quote=orjson.loads(quote),
        detail=orjson.loads(detail),
        votes=tuple(orjson.loads(votes)),
        edited=edited,
        earlier=earlier,
        decided_at=decided_at,
        decided_by=decided_by,
        decided_name=name,
        decided_from=source,
        words=words,
    )


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
