"""Cards as rows of the outbox: the first post of a card, and an edit for every change of it.

Painting happens inside the unit that changed something, so a card that says "approved" stands in
the outbox if and only if its row says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

import orjson

from agent.costs import Unknown, UnknownBecause, dollars
from gateway import outgoing, refs, tokens
from gateway.card import INLINE, INLINE_SMALL, Face, face
from gateway.card_controls import controls
from gateway.card_fence import full
from gateway.card_view import (
    Answered,
    Approved,
    CardView,
    Closed,
    Denied,
    Ended,
    Flag,
    Item,
    LimitReached,
    Outcome,
    arguments_of,
    snapshots_of,
)
from gateway.card_words import quote_text, time_text
from gateway.clock import Clock
from gateway.delivery import Deliveries
from gateway.entitled import deciders
from gateway.facts import taint_text
from gateway.looks import looks
from gateway.money import Money, spender_in
from gateway.quotes import ceiling_from, quote_from
from gateway.scopes import budget_name, scope_name
from gateway.shown import shown
from gateway.store.base import Tx
from gateway.store.records import calls, cards, outbox, reservations
from gateway.store.records.cards import Card, Origin, Request
from gateway.store.records.outbox import NewOutbox, Op, OutboxRow
from platforms import blocks
from platforms.blocks import Blocks
from platforms.content import Controls
from platforms.markup import parse

EVIDENCE_SHOWN = 1_500
SHORT_MESSAGES = 4_000
"""A platform whose messages are shorter than this shows less of the arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What of a card is looked at: a page or one item of a batch, the further choices."""

    page: int = 0
    item: int = 0
    more: bool = False
    proposal: tuple[str, ...] = ()
    confirm: str = ""


class Painter:
    """Turns cards into messages."""

    def __init__(
        self,
        *,
        deliveries: Deliveries,
        money: Money,
        keys: Sequence[bytes],
        zone: tzinfo,
        clock: Clock,
        payers: tuple[str, ...] = (),
    ) -> None:
        """`keys` seal the buttons, the newest last."""
        self._deliveries = deliveries
        self._money = money
        self._keys = tuple(keys)
        self._zone = zone
        self._clock = clock
        self._payers = payers

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What buttons may be sealed with."""
        return self._keys

    def post(self, tx: Tx, card_id: str) -> tuple[OutboxRow, ...]:
        """The message of a new card; one that queues is one line."""
        card = _known(tx, card_id)
        rows = []
        if card.state == "queued":
            text = f"Approval {card.code} waits until others here are decided."
            rows.append(self._row(card, op="post", key="queued", words=_line(text)))
        else:
            rows.append(self._row(card, op="post", key="post", words=self.words(tx, card, Look())))
            away = (card.account, card.chat) != (card.origin_account, card.origin)
            if away and card.requester:  # of a clock's job nobody there waits for anything
                rows.append(self._elsewhere(card))
        stored = (outbox.insert(tx, row, now=self._clock.now()) for row in rows)
        return tuple(row for row in stored if row is not None)

    def repaint(self, tx: Tx, card_id: str, look: Look | None = None) -> tuple[OutboxRow, ...]:
        """The card as it stands now, in place of what its message shows."""
        card = _known(tx, card_id)
        target = outbox.by_key(tx, f"card:{card.id}:post")
        if target is None and card.state == "closed":
            target = outbox.by_key(tx, f"card:{card.id}:queued")  # it never came before anybody
        if target is None:
            return ()
        words = self.words(tx, card, look or Look())
        row = self._row(card, op="edit", key=self._clock.nonce(), words=words, target=target)
        stored = outbox.insert(tx, row, now=self._clock.now())
        return (stored,) if stored is not None else ()

    def repaint_call(self, tx: Tx, call_id: str) -> tuple[OutboxRow, ...]:
        """Every card that asked about a call: the one it was approved on tells its end too."""
        asked = cards.of_call(tx, call_id)
        rows = tuple(row for card_id in asked for row in self.repaint(tx, card_id))
        stored = calls.get(tx, call_id)
        leave, _, approved = stored.decided_by.partition(" ") if stored is not None else ("",) * 3
        return (*rows, *self.repaint_call(tx, approved)) if leave == calls.LATE else rows

    def in_full(self, tx: Tx, card: Card) -> tuple[OutboxRow, ...]:
        """All of a card as messages of their own, in order; not again for the same revision."""
        outlet = self._deliveries.outlet(card.account)
        fits = outlet.adapter.fits if outlet is not None else _fits_anywhere
        bars = outlet is None or not outlet.adapter.capabilities.code
        rows = []
        for number, body in enumerate(full(self.view(tx, card), fits, bars=bars)):
            key = f"full:{card.rev}:{number}"
            row = self._row(card, op="post", key=key, words=outgoing.Words(body=body))
            rows.append(outbox.insert(tx, row, now=self._clock.now()))
        return tuple(row for row in rows if row is not None)

    def evidence(self, tx: Tx, card: Card) -> tuple[OutboxRow, ...]:
        """What is known of a call in doubt, once."""
        (request,) = cards.requests_of(tx, card.id)
        stored = calls.get(tx, str(request.call_id))
        began = self.time(stored.intended_at) if stored else ""
        text = (
            f"Tool {request.tool}, call {request.call_id}, turn t{card.turn_id}, asked for by"
            f" {card.requester_name or card.requester}.\nBegun: {began}. It was cut"
            f" off before it ended; no result was stored. Found at: {self.time(card.created_at)}.\n"
            "Arguments:"
        )
        code = blocks.Code(text=shown(request.arguments)[:EVIDENCE_SHOWN], language="json")
        words = outgoing.Words(body=(*blocks.plain(text), code))
        row = self._row(card, op="post", key="evidence", words=words)
        stored_row = outbox.insert(tx, row, now=self._clock.now())
        return (stored_row,) if stored_row is not None else ()

    def line(self, tx: Tx, origin: Origin, key: str, text: str) -> tuple[OutboxRow, ...]:
        """One line of our own where a turn answers; a key is told once."""
        new = NewOutbox(
            dedupe_key=key,
            account=origin.account,
            chat=origin.chat,
            line=f"s{origin.session_id}",
            turn_id=origin.turn_id,
            part=0,
            purpose="notice",
            op="post",
            target_id=None,
            content=outgoing.dump(_line(text)),
            nonce=self._clock.nonce(),
        )
        stored = outbox.insert(tx, new, now=self._clock.now())
        return (stored,) if stored is not None else ()

    def words(self, tx: Tx, card: Card, look: Look) -> outgoing.Words:
        """What stands in the chat of a card."""
        view = self.view(tx, card, look)
        shown = self.face(view, card, look)
        return outgoing.Words(body=shown.body, controls=self._controls(view, card, look, shown))

    def face(self, view: CardView, card: Card, look: Look) -> Face:
        """The text of a card for the platform it stands on."""
        outlet = self._deliveries.outlet(card.account)
        small = outlet is not None and outlet.adapter.capabilities.text_max < SHORT_MESSAGES
        fenced = outlet is not None and outlet.adapter.capabilities.code
        return face(
            view,
            inline=INLINE_SMALL if small else INLINE,
            fits=outlet.adapter.fits if outlet is not None else _fits_anywhere,
            sigil="" if fenced else "/",
            page=look.page,
            item=look.item,
        )

    def view(self, tx: Tx, card: Card, look: Look | None = None) -> CardView:
        """Everything that may stand on a card, read from its rows."""
        look = look or Look()
        requests = cards.requests_of(tx, card.id)
        items = tuple(self._item(tx, card, request) for request in requests)
        first = requests[0]
        meant = items[look.item - 1 : look.item] if look.item else items
        unknown = [
            item.ceiling
            for item in meant
            if item.outcome is None and isinstance(item.ceiling, Unknown)
        ]
        bounded = all(each.because is not UnknownBecause.LIMIT for each in unknown)
        return CardView(
            code=card.code,
            kind=card.kind,
            items=items,
            budget=self._budget(tx, card, requests),
            decides=deciders(card.tier, two_person=card.two_person),
            asked_by=card.requester_name or card.requester,
            closes=self.time(card.expires_at),
            votes=_votes(first),
            model_words=str(card.detail.get("words", "")),
            proposal=look.proposal,
            question=str(first.detail.get("question", "")),
            answers=tuple(first.detail.get("options", ())),
            limit=_limit(first) if card.kind == "limit" else None,
            began=self.time(first.detail.get("intended_at")),
            two_person=card.two_person,
            free_text=bool(first.detail.get("free_text", True)),
            approvable=bounded,
            ceiling_wanted=bool(unknown) and bounded,
        )

    def _item(self, tx: Tx, card: Card, request: Request) -> Item:
        detail = request.detail
        quote = quote_from(request.quote) if request.quote else None
        stored = calls.get(tx, request.call_id) if request.call_id else None
        snapshots = calls.snapshots_of(tx, request.call_id) if request.call_id else {}
        runs = card.kind in ("call", "in_doubt")
        return Item(
            tool=request.tool,
            operation=request.operation,
            # A question has no words of its tool's beside its own.
            summary=str(detail.get("summary") or detail.get("label", "")) if runs else "",
            ceiling=ceiling_from(request.ceiling, request.unknown),
            quote=quote_text(quote, now=self._clock.now()) if quote else "",
            payer=quote.payer if quote else "",
            asked_payer=quote.asked_payer if quote else "",
            flags=self._flags(card, request),
            editable=bool(detail.get("editable")),
            arguments=arguments_of(request.arguments) if runs else None,
            snapshots=snapshots_of(snapshots) if runs else (),
            edited_by=str(detail.get("edited_by", "")),
            difference=request.edited,
            earlier=str(card.detail.get("note", "")),
            outcome=self._outcome(tx, request, stored),
        )

    def _flags(self, card: Card, request: Request) -> tuple[Flag, ...]:
        """Why a person should look: tags, warnings, names that look odd."""
        detail = request.detail
        tainted = taint_text(tuple(detail.get("taint", ())))
        flags = [Flag(name=tag, detail=tainted if tag == "tainted" else "") for tag in request.tags]
        if detail.get("declared") is False:
            flags.append(Flag(name="undeclared", detail="nobody has declared what it does"))
        flags.extend(Flag(name=str(each)) for each in detail.get("warnings", ()))
        if card.kind == "call":
            arguments = orjson.loads(request.arguments)
            payer = str(request.quote.get("payer", ""))
            flags.extend(looks(arguments, urls=detail.get("urls", ()), payer=payer).flags)
        return tuple(flags)

    def _outcome(self, tx: Tx, request: Request, stored: calls.CallRow | None) -> Outcome | None:
        at, by = self.time(request.decided_at), request.decided_name or ""
        match request.state:
            case "pending":
                return None
            case "approved":
                return self._ran(tx, request, stored) or Approved(
                    by=by, at=at, running=stored is not None and stored.state in _RUNNING
                )
            case "denied":
                return Denied(by=by, at=at, reason=request.words)
            case "answered":
                return Answered(by=by, at=at, words=request.words)
            case "expired":
                return Closed(how="expired", at=at)
            case "superseded":
                return Closed(how="replaced", at=at, by=by)
            case "withdrawn":
                return Closed(how="withdrawn", at=at, by=by, because=request.words)
            case "undeliverable":
                return Closed(how="undeliverable", at=at, because=request.words)

    def _ran(self, tx: Tx, request: Request, stored: calls.CallRow | None) -> Outcome | None:
        """How an approved call ended, with what it cost; or the one that ran in its place."""
        if stored is not None and (later := calls.run_late(tx, stored)) is not None:
            return self._ran(tx, request, later) or Approved(
                by=request.decided_name or "",
                at=self.time(request.decided_at),
                running=later.state in _RUNNING,
            )
        if stored is not None and _was_asked_again(tx, request):
            return Ended(
                how="lapsed", at=self.time(request.decided_at), by=request.decided_name or ""
            )
        if stored is None or stored.state not in _ENDED:
            return None
        money = reservations.find(tx, stored.reservation_id) if stored.reservation_id else None
        took = (
            (stored.finished_at - stored.intended_at) / 1_000_000
            if stored.finished_at and stored.intended_at
            else None
        )
        return Ended(
            how=_ENDED[stored.state],
            at=self.time(stored.finished_at),
            ran_s=took,
            spent=money.actual if money else 0,
            held=money.amount if money else 0,
            by=request.decided_name or "",
        )

    def _budget(self, tx: Tx, card: Card, requests: tuple[Request, ...]) -> tuple[str, ...]:
        """How the day's limits stand, and would with this."""
        ceilings = [r.ceiling for r in requests if r.state == "pending" and r.ceiling]
        if card.kind != "call" or not ceilings:
            return ()
        spender = spender_in(
            card.origin_account,
            card.origin,
            requester=card.requester,
            session_id=card.session_id,
            turn_id=card.turn_id,
        )
        chat, person = [], []
        for room in self._money.rooms(tx, spender, now=self._clock.now()):
            if room.limit is None:
                continue
            gone, limit = room.settled + room.held, room.limit + room.raised
            figures = f"{dollars(gone) if gone else '$0'} of {dollars(limit)}"
            match room.scope.partition(":")[0]:
                case "chat_day":
                    after = f", at most {dollars(gone + sum(ceilings))} with this"
                    chat.append(f"{scope_name(room.scope)} {figures}{after}")
                case "user_day":
                    person.append(f"{card.requester_name or 'whoever asked'} today {figures}")
        return (*chat, *person)

    def _controls(self, view: CardView, card: Card, look: Look, shown: Face) -> Controls:
        outlet = self._deliveries.outlet(card.account)
        if outlet is None or not view.is_open:
            return ()

        place = refs.root_text(card.chat)

        def seal(decision: tokens.Decision, option: int = 0) -> str:
            token = tokens.Token(id=card.id, rev=card.rev, decision=decision, option=option)
            return tokens.seal(token, key=self._keys[-1], account=card.account, chat=place)

        return controls(
            view,
            can=outlet.adapter.capabilities,
            seal=seal,
            look=look,
            payers=self._payers,
            cut=shown.cut,
        )

    def _elsewhere(self, card: Card) -> NewOutbox:
        """The one line where a card was asked for that others decide elsewhere."""
        text = (
            f"Approval {card.code} is asked of {deciders(card.tier, two_person=False)} elsewhere."
        )
        return NewOutbox(
            dedupe_key=f"card:{card.id}:elsewhere",
            account=card.origin_account,
            chat=card.origin,
            line=f"s{card.session_id}",
            turn_id=card.turn_id,
            part=0,
            purpose="notice",
            op="post",
            target_id=None,
            content=outgoing.dump(_line(text)),
            nonce=self._clock.nonce(),
        )

    def _row(
        self,
        card: Card,
        *,
        op: Op,
        key: str,
        words: outgoing.Words,
        target: int | None = None,
    ) -> NewOutbox:
        here = (card.account, card.chat) == (card.origin_account, card.origin)
        return NewOutbox(
            dedupe_key=f"card:{card.id}:{key}",
            account=card.account,
            chat=card.chat,
            line=f"s{card.session_id}" if here else f"c{card.id}",
            turn_id=card.turn_id,
            part=0,
            purpose="notice",
            op=op,
            target_id=target,
            content=outgoing.dump(words),
            nonce=self._clock.nonce(),
        )

    def time(self, micros: int | None) -> str:
        """A time as people of this gateway read it; empty for none."""
        if not micros:
            return ""
        at = datetime.fromtimestamp(micros / 1_000_000, tz=self._zone)
        now = datetime.fromtimestamp(self._clock.now() / 1_000_000, tz=self._zone)
        return time_text(at, now=now)


def _was_asked_again(tx: Tx, request: Request) -> bool:
    """Whether an approval could not be used, and its call was put before people once more."""
    newest = cards.request_of_call(tx, str(request.call_id))
    return newest is not None and newest.id != request.id and newest.earlier is not None


_RUNNING = frozenset({"intent", "running"})
_ENDED: dict[str, Any] = {
    "done": "done",
    "failed": "failed",
    "not_run": "cancelled",
    "unknown": "unknown",
    "malformed": "failed",
    "refused": "cancelled",
}


def _limit(request: Request) -> LimitReached:
    detail = request.detail
    return LimitReached(
        scope=scope_name(detail["scope"]),
        limit=detail["limit"],
        spent=detail["spent"],
        held=detail["held"],
        needed=detail["needed"],
        short_by=detail["short_by"],
        auto=str(detail["scope"]).startswith("whole:"),
        because=str(detail["what"]) if detail["scope"] == "frozen" else "",
        model=str(detail.get("model", "")),
        instead_of=str(detail.get("instead_of", "")),
        budget=budget_name(str(detail["scope"])),
    )


def _votes(request: Request) -> str:
    """Who said yes so far, and to which ceiling if a person gave one."""
    amount = request.detail.get("typed")
    to = f" (at most {dollars(amount)})" if amount and request.votes else ""
    return ", ".join(request.votes) + to


def _known(tx: Tx, card_id: str) -> Card:
    card = cards.get(tx, card_id)
    if card is None:
        raise LookupError(f"no card {card_id}")
    return card


def _line(text: str) -> outgoing.Words:
    return outgoing.Words(body=parse(text))


def _fits_anywhere(body: Blocks) -> bool:
    return True
