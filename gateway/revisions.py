"""Another revision of a card: one of its items has other contents, or another price."""

from dataclasses import replace

from agent.calls import CallState
from gateway import audit
from gateway.asked_items import Item, request_of
from gateway.entitled import Needed, strictest
from gateway.store.base import Tx
from gateway.store.records import calls, cards
from gateway.store.records.cards import Card, Request


def revise(
    tx: Tx, card: Card, request: Request, item: Item, *, edited: str, by: str, now: int
) -> None:
    """Store an item anew, for those whose word it needs now.

    `edited` is what people changed of it so far, `by` who did last; `now` is in microseconds.
    """
    anew = request_of(item, ident=request.id, card_id=card.id)
    if changed_by := by or request.detail.get("edited_by"):
        anew = replace(anew, detail={**anew.detail, "edited_by": changed_by})
    cards.revise(tx, replace(anew, edited=edited))
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
            "quote": anew.quote,
        },
    )
