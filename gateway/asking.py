"""Cards are made here: what is asked on them, where they go, until when, and when they queue.

Everything asked of one step is one card. A chat has at most three open ones; further ones queue
without a clock, and beyond ten of those nothing more is asked. What is asked about budgets and
calls in doubt queues apart from them, and is never left unasked.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent.calls import CallState
from agent.messages import ToolResult
from gateway import audit, refs
from gateway.asked_items import SHOWN_MAX_BYTES, Item, refused_of, request_of, shown_bytes
from gateway.asker import Asker, asked_before
from gateway.card_words import most, so_far
from gateway.clock import Clock
from gateway.config.ids import UserId
from gateway.entitled import Needed, Rights, needed_to_raise, strictest
from gateway.painting import Painter
from gateway.store.base import Tx
from gateway.store.records import calls, cards, cron, fires, inbox, reservations
from gateway.store.records.allowances import Allowance
from gateway.store.records.cards import Card, CardKind, Kinds, Origin, Request, Tier
from gateway.store.records.ledger import NoRoom
from gateway.store.records.outbox import OutboxRow
from gateway.store.records.sessions import OpenTurn
from gateway.tongues import Tongues
from gateway.words import card as said
from gateway.words.phrase import Line, Reader

OPEN_MAX = 3
QUEUED_MAX = 10
WAITING_MAX = 10
"""Open cards of a chat about budgets and calls in doubt; each of them keeps a turn waiting."""

REMINDER_FROM_S = 600
IN_DOUBT_S = 86_400

ASKED: Kinds = ("call", "question")
ROOM: tuple[tuple[Kinds, int], ...] = ((ASKED, OPEN_MAX), (("limit", "in_doubt"), WAITING_MAX))
"""How many cards of which kinds a chat has open at once; further ones queue."""

TOO_LARGE = "Not asked: what it would run is over 256 KiB, more than anybody can look at."
CROWDED = "Not asked: too many approvals wait in this chat. Try again when some are decided."

CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""31 letters and digits that nobody confuses when reading them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What asking led to: rows to send, and results of what can't be asked."""

    rows: tuple[OutboxRow, ...] = ()
    refused: tuple[ToolResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long people have, in seconds."""

    expire_s: int = 3600
    owner_expire_s: int = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where a card goes; `owners` if that is the owners' own place, `person` who reads it there."""

    account: str
    chat: str
    owners: bool = False
    person: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A card that takes the place of another, and rows to send."""

    code: str
    rows: tuple[OutboxRow, ...]


def _as_it_was(account: str, chat: str) -> str:
    return chat


class OwnerSpot:
    """Where owners are asked, once it is known; a connection may have to open a chat for it."""

    def __init__(self, address: Callable[[str, str], str] = _as_it_was) -> None:
        """`address` tells where a chat of an account is by now."""
        self._spot: Spot | None = None
        self._address = address

    @property
    def spot(self) -> Spot | None:
        """The chat, by the address it has now."""
        spot = self._spot
        return spot and replace(spot, chat=self._address(spot.account, spot.chat))

    @spot.setter
    def spot(self, spot: Spot | None) -> None:
        self._spot = spot


class Asking:
    """Makes cards; every method runs in the caller's unit."""

    def __init__(
        self,
        *,
        rights: Rights,
        times: Times,
        owner_spot: OwnerSpot,
        painter: Painter,
        clock: Clock,
        tongues: Tongues,
        policy: str = "",
    ) -> None:
        """`policy` is the version of the rules in force."""
        self._tongues = tongues
        self._policy = policy
        self._rights = rights
        self._times = times
        self._owner_spot = owner_spot
        self._painter = painter
        self._clock = clock

    def has_approver(self, turn: OpenTurn) -> bool:
        """Whether somebody is named who decides for a turn nobody attends."""
        return bool(turn.requester) or (turn.fire is not None and turn.fire.approver_chat != "")

    def ask(self, tx: Tx, turn: OpenTurn, items: tuple[Item, ...], words: str = "") -> Asked:
        """Ask people about calls; `words` are the model's own beside them."""
        rows: list[OutboxRow] = []
        refused: list[ToolResult] = []
        fitting = []
        for item in items:
            if shown_bytes(item) > SHOWN_MAX_BYTES:
                refused.append(refused_of(item, TOO_LARGE))
            else:
                fitting.append(item)
        questions = [item for item in fitting if item.prepared.asking is not None]
        gated = tuple(item for item in fitting if item.prepared.asking is None)
        for batch in (*([gated] if gated else []), *((item,) for item in questions)):
            asked = self._ask_batch(tx, turn, batch, words)
            rows.extend(asked.rows)
            refused.extend(asked.refused)
        return Asked(rows=tuple(rows), refused=tuple(refused))

    def ask_limit(
        self,
        tx: Tx,
        turn: OpenTurn,
        short: NoRoom,
        *,
        what: str,
        needs: int,
        model: str = "",
        instead_of: str = "",
    ) -> tuple[OutboxRow, ...]:
        """Ask for more money, since `what` comes next and needs so many micro-dollars.

        `instead_of`: that model can't be had, and `model` would answer in its place.
        """
        tier = needed_to_raise(short.scope, shared=_is_shared(turn))
        detail = {
            "scope": short.scope,
            "span": short.span,
            "limit": short.limit,
            "spent": short.spent,
            "held": short.held,
            "short_by": short.short_by,
            "needed": needs,
            "what": what,
            "model": model,
            "instead_of": instead_of,
        }
        return self._ask_for_money(tx, turn, tier, detail)

    def ask_frozen(self, tx: Tx, turn: OpenTurn, *, by: str, reason: str) -> tuple[OutboxRow, ...]:
        """Leave a turn waiting that nothing may be spent on for now; an owner lets it go on."""
        detail = {
            "scope": "frozen",
            "span": "",
            **dict.fromkeys(("limit", "spent", "held", "short_by", "needed"), 0),
            "what": f"spending is stopped by {by}: {reason}",
            "by": by,
            "reason": reason,
        }
        return self._ask_for_money(tx, turn, "owner", detail)

    def _ask_for_money(
        self, tx: Tx, turn: OpenTurn, tier: Tier, detail: dict[str, Any]
    ) -> tuple[OutboxRow, ...]:
        card = self._card(tx, turn, "limit", Needed(tier=tier), {}, expire_s=None)
        request = Request(
            id=self._ident(),
            card_id=card.id,
            ordinal=0,
            call_id=None,
            tool="budget",
            operation=detail["scope"].partition(":")[0].replace("_", " "),
            quote={},
            detail=detail,
        )
        return self._put(tx, card, (request,))

    def ask_in_doubt(
        self, tx: Tx, turn: OpenTurn, call_ids: tuple[str, ...]
    ) -> tuple[OutboxRow, ...]:
        """Ask about calls that a crash left in doubt, each on a card of its own."""
        rows: list[OutboxRow] = []
        for call_id in call_ids:
            row = calls.get(tx, call_id)
            if row is None:
                raise LookupError(f"no call {call_id}")
            tier: Tier = "requester" if turn.requester else "approver"
            card = self._card(tx, turn, "in_doubt", Needed(tier=tier), {}, expire_s=IN_DOUBT_S)
            held = reservations.find(tx, row.reservation_id) if row.reservation_id else None
            request = Request(
                id=self._ident(),
                card_id=card.id,
                ordinal=0,
                call_id=call_id,
                tool=row.tool,
                operation=row.operation,
                arguments=row.arguments,
                fingerprint=row.fingerprint,
                effect=row.effect,
                ceiling=held.amount if held else 0,
                quote={},
                detail={"label": row.label, "intended_at": row.intended_at},
            )
            rows.extend(self._put(tx, card, (request,)))
        return tuple(rows)

    def ask_again(
        self, tx: Tx, turn: OpenTurn, item: Item, note: Line, *, earlier: Request
    ) -> tuple[OutboxRow, ...]:
        """Ask once more about a call whose approval, `earlier`, could not be used in time."""
        card = self._card(tx, turn, "call", item.needed, {}, note=note, expire_s=None)
        request = request_of(item, ident=self._ident(), card_id=card.id, earlier=earlier.id)
        if earlier.edited:
            detail = {**request.detail, "edited_by": earlier.detail.get("edited_by", "")}
            request = replace(request, edited=earlier.edited, detail=detail)
        return self._put(tx, card, (request,))

    def move(self, tx: Tx, card: Card) -> Moved | None:
        """Ask again where those are who have to decide since a card has changed.

        None if they decide where it stands; else whoever calls withdraws what is pending on it.
        """
        asker = asked_before(tx, card)
        spot = self._spot(tx, asker, card.tier)
        if not spot.owners or (spot.account, spot.chat) == (card.account, card.chat):
            return None
        needs = Needed(tier=card.tier, two_person=card.two_person)
        note = said.ASKED_BEFORE.of(code=card.code)
        new = self._card(tx, asker, card.kind, needs, card.detail, note=note, expire_s=None)
        pending = [each for each in cards.requests_of(tx, card.id) if each.state == "pending"]
        requests = tuple(
            replace(each, id=self._ident(), card_id=new.id, ordinal=at, votes=(), earlier=each.id)
            for at, each in enumerate(pending)
        )
        return Moved(code=new.code, rows=self._put(tx, new, requests))

    def receipt(
        self, tx: Tx, turn: OpenTurn, item: Item, auto: Allowance, *, left: int
    ) -> tuple[OutboxRow, ...]:
        """One line about a call that runs under `/auto`, with what is left."""
        reader = self._painter.reader(tx, turn.account, turn.requester)
        text = said.RECEIPT.to(
            reader,
            what=item.prepared.label,
            cost=most(item.prepared.quote.ceiling, reader),
            left=so_far(left),
            at=self._painter.time(auto.until_at),
        )
        key = f"auto:{item.decided.call_id}:{self._clock.nonce()}"
        origin = Origin(
            account=turn.account,
            chat=turn.reply_to,
            session_id=turn.session_id,
            turn_id=turn.turn_id,
        )
        return self._painter.line(tx, origin, key, text)

    def let_out(self, tx: Tx, account: str, chat: str) -> tuple[OutboxRow, ...]:
        """Put the next queued card of a chat before people, if there is room for it."""
        rows: list[OutboxRow] = []
        for kinds, at_once in ROOM:
            count = cards.count_in_chat(tx, account, chat, kinds)
            if not count.queued or count.open >= at_once:
                continue
            for card in cards.next_queued(tx, account, chat, kinds, limit=at_once - count.open):
                rows.extend(self._let_out(tx, card))
        return tuple(rows)

    def _let_out(self, tx: Tx, card: Card) -> tuple[OutboxRow, ...]:
        now = self._clock.now()
        seconds = self._seconds(owners=self._is_owner_spot(card.account, card.chat))
        if card.kind == "in_doubt":
            seconds = IN_DOUBT_S
        expires_at, remind_at = _times(now, seconds)
        cards.open_queued(tx, card.id, expires_at=expires_at, remind_at=remind_at, now=now)
        return self._painter.post(tx, card.id)

    def _ask_batch(self, tx: Tx, turn: OpenTurn, batch: tuple[Item, ...], words: str) -> Asked:
        needs = strictest(tuple(item.needed for item in batch))
        asking = batch[0].prepared.asking
        kind: CardKind = "question" if asking is not None else "call"
        detail: dict[str, Any] = {"words": words}
        card = self._card(tx, turn, kind, needs, detail, expire_s=None)
        if card.state == "queued" and self._queue_full(tx, card):
            return Asked(refused=tuple(refused_of(item, CROWDED) for item in batch))
        requests = tuple(
            request_of(item, ident=self._ident(), card_id=card.id, ordinal=at)
            for at, item in enumerate(batch)
        )
        now = self._clock.now()
        for item in batch:
            calls.decide(tx, item.decided, state=CallState.ASKED, by="", now=now)
        return Asked(rows=self._put(tx, card, requests))

    def _queue_full(self, tx: Tx, card: Card) -> bool:
        return cards.count_in_chat(tx, card.account, card.chat, ASKED).queued >= QUEUED_MAX

    def _put(self, tx: Tx, card: Card, requests: tuple[Request, ...]) -> tuple[OutboxRow, ...]:
        cards.insert(tx, card, requests)
        audit.append(
            tx,
            at=card.created_at,
            kind="card",
            actor="gateway",
            account=card.account,
            chat=card.chat,
            subject=card.id,
            detail={
                "code": card.code,
                "kind": card.kind,
                "rev": card.rev,
                "state": card.state,
                "tier": card.tier,
                "items": [
                    {"call": r.call_id, "fingerprint": r.fingerprint, "quote": r.quote}
                    for r in requests
                ],
            },
        )
        return self._painter.post(tx, card.id)

    def _card(
        self,
        tx: Tx,
        turn: Asker,
        kind: CardKind,
        needs: Needed,
        detail: Mapping[str, Any],
        *,
        note: Line | None = None,
        expire_s: int | None,
    ) -> Card:
        now = self._clock.now()
        spot = self._spot(tx, turn, needs.tier)
        language = self._tongues.of_person(tx, spot.person or turn.requester)
        detail = {**detail, "language": language}
        if note is not None:
            detail["note"] = note.to(Reader(language=language))
        seconds = expire_s if expire_s is not None else self._seconds(owners=spot.owners)
        queued = any(
            kind in kinds
            and cards.count_in_chat(tx, spot.account, spot.chat, kinds).open >= at_once
            for kinds, at_once in ROOM
        )
        expires_at, remind_at = _times(now, seconds)
        return Card(
            id=self._ident(),
            code=self._code(tx),
            kind=kind,
            state="queued" if queued else "open",
            account=spot.account,
            chat=spot.chat,
            origin_account=turn.account,
            origin=turn.reply_to,
            session_id=turn.session_id,
            turn_id=turn.turn_id,
            tier=needs.tier,
            two_person=needs.two_person,
            requester=turn.requester,
            requester_name=turn.requester_name,
            policy=self._policy,
            detail=detail,
            created_at=now,
            opened_at=None if queued else now,
            expires_at=None if queued else expires_at,
            remind_at=None if queued else remind_at,
        )

    def _spot(self, tx: Tx, turn: Asker, tier: Tier) -> Spot:
        """The chat itself if somebody there can decide, else where owners are asked.

        What a clock's job asks goes to whoever it names.
        """
        here = self._named_by_job(tx, turn) or Spot(account=turn.account, chat=turn.reply_to)
        there = self._owner_spot.spot
        if there is None or self._decides_here(tx, turn, tier):
            return here
        return here if here.chat != turn.reply_to and tier == "approver" else there

    def _named_by_job(self, tx: Tx, turn: Asker) -> Spot | None:
        fire = None if turn.requester else fires.of_turn(tx, turn.turn_id)
        if fire is None or not fire.approver_chat:
            return None
        return Spot(
            account=fire.approver_account,
            chat=fire.approver_chat,
            person=cron.approver_of_turn(tx, turn.turn_id),
        )

    def _decides_here(self, tx: Tx, turn: Asker, tier: Tier) -> bool:
        if tier == "requester" or self._rights.owns(turn.requester):
            return True
        named = self._rights.approvers_in(turn.account, turn.reply_to)
        approvers = named if tier == "approver" else ()
        if self._rights.is_named(turn.requester, approvers):
            return True
        if not turn.grouped:
            return False
        if any(not isinstance(each, UserId) for each in approvers):
            return True  # a group, whose members nobody knows beforehand
        known = (*self._rights.owners, *(str(each) for each in approvers))
        places = {turn.reply_to, refs.root_text(turn.reply_to)}
        return any(
            inbox.wrote_in(tx, turn.account, place, person) for place in places for person in known
        )

    def _is_owner_spot(self, account: str, chat: str) -> bool:
        spot = self._owner_spot.spot
        return spot is not None and (spot.account, spot.chat) == (account, chat)

    def _seconds(self, *, owners: bool) -> int:
        return self._times.owner_expire_s if owners else self._times.expire_s

    def _ident(self) -> str:
        """128 random bits in 22 characters."""
        bits = bytes.fromhex(self._clock.nonce() + self._clock.nonce())[:16]
        return urlsafe_b64encode(bits).decode().rstrip("=")

    def _code(self, tx: Tx) -> str:
        """Five clear characters that no card which can still be decided has."""
        while True:
            number = int(self._clock.nonce(), 16)
            code = ""
            for _ in range(5):
                number, digit = divmod(number, len(CODE_ALPHABET))
                code += CODE_ALPHABET[digit]
            if not cards.code_taken(tx, code):
                return code


def _times(now: int, seconds: int) -> tuple[int, int | None]:
    """When a card closes, and when people are reminded of it."""
    expires_at = now + seconds * 1_000_000
    return expires_at, now + seconds * 500_000 if seconds >= REMINDER_FROM_S else None


def _is_shared(turn: OpenTurn) -> bool:
    """Whether several people write in the session of a turn."""
    own = turn.session_key.endswith(f"|{turn.requester}")
    return turn.grouped and not own
