"""What stands on a card, read from its rows in a reader's language, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

import orjson

from agent.costs import Unknown, UnknownBecause, dollars
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
from gateway.entitled import deciders
from gateway.facts import taint_text
from gateway.looks import looks
from gateway.money import Money, spender_in
from gateway.quotes import ceiling_from, quote_from
from gateway.scopes import budget_name, scope_name
from gateway.store.base import Tx
from gateway.store.records import calls, cards, reservations
from gateway.store.records.cards import Card, Request
from gateway.words import card as said
from gateway.words import flags as flag_words
from gateway.words import outcomes
from gateway.words.phrase import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class CardReading:
    """Reads cards; times are those of `zone`."""

    money: Money
    zone: tzinfo
    clock: Clock

    def view(
        self,
        tx: Tx,
        card: Card,
        reader: Reader,
        *,
        item: int = 0,
        proposal: tuple[str, ...] = (),
    ) -> CardView:
        """Everything that may stand on a card; `item` (from 1) is the one that is looked at."""
        requests = cards.requests_of(tx, card.id)
        items = tuple(self._item(tx, card, request, reader) for request in requests)
        first = requests[0]
        meant = items[item - 1 : item] if item else items
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
            reader=reader,
            budget=self._budget(tx, card, requests, reader),
            decides=deciders(card.tier, two_person=card.two_person, reader=reader),
            asked_by=card.requester_name or card.requester,
            closes=self.time(card.expires_at),
            votes=_votes(first, reader),
            model_words=str(card.detail.get("words", "")),
            proposal=proposal,
            question=str(first.detail.get("question", "")),
            answers=tuple(first.detail.get("options", ())),
            limit=_limit(first, reader) if card.kind == "limit" else None,
            began=self.time(first.detail.get("intended_at")),
            two_person=card.two_person,
            free_text=bool(first.detail.get("free_text", True)),
            approvable=bounded,
            ceiling_wanted=bool(unknown) and bounded,
        )

    def _item(self, tx: Tx, card: Card, request: Request, reader: Reader) -> Item:
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
            quote=quote_text(quote, now=self.clock.now(), reader=reader) if quote else "",
            payer=quote.payer if quote else "",
            asked_payer=quote.asked_payer if quote else "",
            flags=self._flags(card, request, reader),
            editable=bool(detail.get("editable")),
            arguments=arguments_of(request.arguments) if runs else None,
            snapshots=snapshots_of(snapshots) if runs else (),
            edited_by=str(detail.get("edited_by", "")),
            difference=request.edited,
            earlier=str(card.detail.get("note", "")),
            outcome=self._outcome(tx, request, stored, reader),
        )

    def _flags(self, card: Card, request: Request, reader: Reader) -> tuple[Flag, ...]:
        """Why a person should look: tags, warnings, names that look odd."""
        detail = request.detail
        tainted = taint_text(tuple(detail.get("taint", ())), reader)
        flags = [Flag(name=tag, detail=tainted if tag == "tainted" else "") for tag in request.tags]
        if detail.get("declared") is False:
            nobody = flag_words.NOBODY_DECLARED.to(reader)
            flags.append(Flag(name=flag_words.UNDECLARED.en, detail=nobody))
        flags.extend(Flag(name=str(each)) for each in detail.get("warnings", ()))
        if card.kind == "call":
            arguments = orjson.loads(request.arguments)
            payer = str(request.quote.get("payer", ""))
            urls = detail.get("urls", ())
            flags.extend(looks(arguments, urls=urls, payer=payer, reader=reader).flags)
        return tuple(flags)

    def _outcome(
        self, tx: Tx, request: Request, stored: calls.CallRow | None, reader: Reader
    ) -> Outcome | None:
        at, by = self.time(request.decided_at), _decided_by(request, reader)
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

    def _budget(
        self, tx: Tx, card: Card, requests: tuple[Request, ...], reader: Reader
    ) -> tuple[str, ...]:
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
        for room in self.money.rooms(tx, spender, now=self.clock.now()):
            if room.limit is None:
                continue
            gone, limit = room.settled + room.held, room.limit + room.raised
            figures = {"gone": dollars(gone) if gone else "$0", "limit": dollars(limit)}
            match room.scope.partition(":")[0]:
                case "chat_day":
                    scope, after = scope_name(room.scope, reader), dollars(gone + sum(ceilings))
                    told = said.CHAT_BUDGET.to(reader, scope=scope, after=after, **figures)
                    chat.append(told)
                case "user_day":
                    name = card.requester_name or said.WHOEVER_ASKED.to(reader)
                    person.append(said.PERSON_BUDGET.to(reader, name=name, **figures))
        return (*chat, *person)

    def time(self, micros: int | None) -> str:
        """A time as people of this gateway read it; empty for none."""
        if not micros:
            return ""
        at = datetime.fromtimestamp(micros / 1_000_000, tz=self.zone)
        now = datetime.fromtimestamp(self.clock.now() / 1_000_000, tz=self.zone)
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


_OURS = {each.en: each for each in (outcomes.BY_GATEWAY, outcomes.BY_RULES, outcomes.BY_TIME)}


def _decided_by(request: Request, reader: Reader) -> str:
    """Who decided, as people call them; what was nobody's doing has a name of ours."""
    name = request.decided_name or ""
    ours = None if request.decided_by else _OURS.get(name)
    return name if ours is None else ours.to(reader)


def _because(detail: Mapping[str, Any], reader: Reader) -> str:
    """Why nothing may be spent."""
    if detail["scope"] != "frozen":
        return ""
    if "by" not in detail:
        return str(detail["what"])
    return said.STOPPED_BY.to(reader, name=detail["by"], reason=detail["reason"])


def _limit(request: Request, reader: Reader) -> LimitReached:
    detail = request.detail
    return LimitReached(
        scope=scope_name(detail["scope"], reader),
        limit=detail["limit"],
        spent=detail["spent"],
        held=detail["held"],
        needed=detail["needed"],
        short_by=detail["short_by"],
        auto=str(detail["scope"]).startswith("whole:"),
        because=_because(detail, reader),
        model=str(detail.get("model", "")),
        instead_of=str(detail.get("instead_of", "")),
        budget=budget_name(str(detail["scope"]), reader),
    )


def _votes(request: Request, reader: Reader) -> str:
    """Who said yes so far, and to which ceiling if a person gave one."""
    amount, names = request.detail.get("typed"), ", ".join(request.votes)
    if not (amount and names):
        return names
    return said.VOTES_TO.to(reader, names=names, amount=dollars(amount))
