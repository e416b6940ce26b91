"""Cards as rows, asked of people about a turn's calls."""

from typing import Any

from gateway.store.base import Store
from gateway.store.records import cards
from gateway.store.records.cards import Card, CardKind, CardState, Request
from gateway.store.records.sessions import OpenTurn
from tests.gateway.records.rows import ACCOUNT, ANN, CHAT, NOW, write


async def ask(
    store: Store,
    turn: OpenTurn,
    code: str,
    *,
    kind: CardKind = "call",
    state: CardState = "open",
    closes_at: int | None,
    ceilings: tuple[int | None, ...] = (7,),
    **request: Any,
) -> str:
    """Store a card with an item for each ceiling; returns its id."""
    card = Card(
        id=f"card {code}",
        code=code,
        kind=kind,
        state=state,
        account=ACCOUNT,
        chat=CHAT,
        origin_account=ACCOUNT,
        origin=CHAT,
        session_id=turn.session_id,
        turn_id=turn.turn_id,
        tier="requester",
        requester=ANN,
        requester_name="Ann",
        detail={"words": "said"},
        created_at=NOW,
        expires_at=closes_at,
    )
    plain: dict[str, Any] = {
        "call_id": None,
        "tool": "shell",
        "arguments": '{"secret":1}',
        "quote": {},
        "detail": {"label": "shell: rm"},
    }
    items = tuple(
        Request(
            id=f"{card.id} {number}",
            card_id=card.id,
            ordinal=number,
            ceiling=ceiling,
            **{**plain, **request},
        )
        for number, ceiling in enumerate(ceilings)
    )
    await write(store, lambda tx: cards.insert(tx, card, items))
    return card.id
