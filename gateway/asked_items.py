"""Pure: one call that people are asked about, as its row holds it."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from agent.costs import Unknown
from agent.messages import ResultStatus, ToolResult
from agent.policy import Judgement
from agent.tools.base import PreparedCall
from gateway.entitled import Needed
from gateway.quotes import quote_row, unknown_row
from gateway.store.records.calls import Decided
from gateway.store.records.cards import Request

SHOWN_MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One call that is asked, as judged; `reason` is why it asks."""

    prepared: PreparedCall
    judgement: Judgement
    needed: Needed
    decided: Decided
    schema: str
    reason: str
    taint: tuple[str, ...] = ()

    @property
    def arguments(self) -> str:
        """The canonical arguments."""
        return self.decided.canonical

    @property
    def rule(self) -> str:
        """The rule that spoke."""
        return self.judgement.rule


def request_of(
    item: Item, *, ident: str, card_id: str, ordinal: int = 0, earlier: str | None = None
) -> Request:
    """The row of a call that is asked."""
    prepared = item.prepared
    ceiling = prepared.quote.ceiling
    return Request(
        id=ident,
        card_id=card_id,
        ordinal=ordinal,
        call_id=item.decided.call_id,
        tool=prepared.tool,
        operation=prepared.operation,
        arguments=item.arguments,
        schema_hash=item.schema,
        fingerprint=item.decided.fingerprint,
        effect=prepared.effect.value,
        tags=tuple(sorted(tag.value for tag in item.judgement.tags)),
        rule=item.rule,
        reason=item.reason,
        ceiling=None if isinstance(ceiling, Unknown) else ceiling,
        unknown=unknown_row(ceiling),
        quote=quote_row(prepared.quote),
        detail=request_detail(prepared, item.taint),
        earlier=earlier,
    )


def request_detail(prepared: PreparedCall, taint: tuple[str, ...]) -> dict[str, Any]:
    """What a card shows of a call beside its arguments and price."""
    asking = prepared.asking
    return {
        "label": prepared.label,
        "summary": prepared.summary,
        "warnings": list(prepared.warnings),
        "editable": list(prepared.editable),
        "declared": prepared.declared,
        "urls": list(prepared.urls),
        "snapshots": [_snapshot(each.name, each.data) for each in prepared.snapshots],
        "question": asking.question if asking else "",
        "options": list(asking.options) if asking else [],
        "free_text": bool(asking and asking.free_text),
        "taint": list(taint),
    }


def _snapshot(name: str, data: bytes) -> dict[str, Any]:
    lines = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    return {"name": name, "bytes": len(data), "lines": lines, "sha256": sha256(data).hexdigest()}


def shown_bytes(item: Item) -> int:
    """How much there is to read of what would run."""
    snapshots = sum(len(each.data) for each in item.prepared.snapshots)
    return len(item.arguments.encode()) + snapshots


def refused_of(item: Item, text: str) -> ToolResult:
    """What the model reads of a call that nobody was asked about."""
    return ToolResult(
        call_id=item.decided.call_id,
        name=item.prepared.tool,
        status=ResultStatus.REFUSED,
        text=text,
    )
