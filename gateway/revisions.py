"""Another revision of a card: one of its items has other contents, or another price."""

from dataclasses import replace

from agent.calls import CallState
from agent.costs import Unknown
from gateway import audit
from gateway.asked_items import Item, request_detail
from gateway.entitled import Needed, strictest
from gateway.quotes import quote_row, unknown_row
from gateway.store.base import Tx
from gateway.store.records import calls, cards
from gateway.store.records.cards import Card, Request


def revise(
    tx: Tx, card: Card, request: Request, item: Item, *, edited: str, by: str, now: int
) -> None:
    """Store an item anew, for those whose word it needs now.

    `edited` is what people changed of it so far, `by` who did last; `now` is in microseconds.
    """
    prepared = item.prepared
    ceiling = prepared.quote.ceiling
    detail = request_detail(prepared, item.taint)
    if changed_by := by or request.detail.get("edited_by"):
        detail["edited_by"] = changed_by
    cards.revise(
        tx,
        replace(
            request,
            arguments=item.arguments,
            fingerprint=item.decided.fingerprint,
            tags=tuple(sorted(tag.value for tag in item.judgement.tags)),
            rule=item.rule,
            reason=item.reason,
            ceiling=None if isinstance(ceiling, Unknown) else ceiling,
            unknown=unknown_row(ceiling),
            quote=quote_row(prepared.quote),
            detail=detail,
            edited=edited,
        ),
    )
    calls.decide(tx, item.decided, state=CallState.ASKED, by="", now=now)
    fresh = cards.get(tx, card.id) or card
    siblings = [r for r in cards.requests_of(tx, card.id) if r.id != request.id]
    before = Needed(tier=fresh.tier, two_person=fresh.two_person)
    needs = strictest((item.needed, *([before] if siblings else [])))
    cards.next_rev(tx, fresh, tier=needs.tier, two=needs.two_person)
    audit.append(
        tx,
        at=now,
        kind="card",
        actor="gateway",
        account=card.account,
        chat=card.chat,
        subject=card.id,
        detail={
            "code": card.code,
            "rev": fresh.rev + 1,
            "tier": needs.tier,
            "call": request.call_id,
            "fingerprint": item.decided.fingerprint,
            "quote": quote_row(prepared.quote),
        },
    )
