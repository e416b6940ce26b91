"""Looking anew at what is asked: today's rules and prices over what was stored.

What has changed since is the answer of a tool, a rule or a price; the row says what was asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent.calls import CallState
from agent.policy import Facts, parse_arguments
from agent.tools.base import Malformed, PreparedCall, QuotingTool, RiskTag, Snapshot, Verdict
from gateway.asked_items import SHOWN_MAX_BYTES, Item, shown_bytes
from gateway.facts import facts_of
from gateway.gate import Gate, Reweighed, Rules, item_of
from gateway.looks import looks
from gateway.quotes import quote_from
from gateway.store.base import Tx
from gateway.store.records import calls
from gateway.store.records.cards import Card, Request
from gateway.words import decisions as said
from gateway.words import outcomes
from gateway.words.phrase import Line, Phrase

LASTING_TAGS = frozenset({RiskTag.DESTRUCTIVE, RiskTag.RECURRING, RiskTag.OUTWARD})
"""Tags that looking at the world may have given; the others follow from price and turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A pending item with what it is by now."""

    request: Request
    item: Item
    prepared: PreparedCall


class Weighing:
    """Judges pending items; every method runs in the caller's unit."""

    def __init__(self, *, rules: Rules, gate: Gate) -> None:
        self._rules = rules
        self._gate = gate

    def weigh(
        self, tx: Tx, card: Card, request: Request, groups: Mapping[str, bool | None]
    ) -> Weighed | Phrase:
        """Judge a pending item by today's rules and prices, or say why it can't run any more."""
        stored = calls.get(tx, str(request.call_id))
        if stored is None or stored.state != CallState.ASKED.value:
            return outcomes.ITS_TURN_ENDED
        tool = self._rules.tools.get(request.tool)
        arguments = parse_arguments(request.arguments)
        if tool is None or isinstance(arguments, Malformed):
            return outcomes.TOOL_CHANGED
        prepared = tool.prepare(arguments)
        if (
            isinstance(prepared, Malformed)
            or self._rules.schema(request.tool) != request.schema_hash
        ):
            return outcomes.TOOL_CHANGED
        prepared = as_inspected(prepared, request, snapshots_of(tx, request))
        if isinstance(tool, QuotingTool):
            quote = tool.requote(prepared, prepared.quote)
            prepared = replace(prepared, quote=replace(quote, payer=prepared.quote.payer))
        facts = self._facts(tx, card, groups, prepared)
        weighed = self._gate.reweigh(tx, prepared, facts)
        item = self.as_item(card, request, weighed)
        return Weighed(request=request, item=item, prepared=weighed.prepared)

    def _facts(
        self, tx: Tx, card: Card, groups: Mapping[str, bool | None], prepared: PreparedCall
    ) -> Facts:
        return facts_of(tx, card, groups=groups, rights=self._rules.rights, prepared=(prepared,))

    def as_item(self, card: Card, request: Request, weighed: Reweighed) -> Item:
        """An item as its card would show it now."""
        return item_of(
            turn_key=(card.origin_account, card.origin, card.session_key, card.turn_id),
            call_id=str(request.call_id),
            weighed=weighed,
            schema=self._rules.schema(request.tool),
        )


def snapshots_of(tx: Tx, request: Request) -> tuple[Snapshot, ...]:
    """The bytes that an item would run."""
    found = calls.snapshots_of(tx, str(request.call_id))
    return tuple(Snapshot(name=name, data=data) for name, data in found.items())


def as_inspected(
    prepared: PreparedCall, request: Request, snapshots: tuple[Snapshot, ...]
) -> PreparedCall:
    """A call prepared anew, with what looking at the world had found when it was asked."""
    detail = request.detail
    tags = {RiskTag(tag) for tag in request.tags} & LASTING_TAGS
    return replace(
        prepared,
        quote=quote_from(request.quote),
        snapshots=snapshots,
        tags=prepared.tags | tags,
        declared=prepared.declared and detail.get("declared") is not False,
        summary=str(detail.get("summary", prepared.summary)),
        warnings=tuple(detail.get("warnings", prepared.warnings)),
        urls=tuple(detail.get("urls", prepared.urls)),
    )


def unaskable(item: Item) -> Line | None:
    """Why nobody can be asked about contents that somebody edited; None if people can."""
    if item.judgement.verdict is Verdict.DENY:
        return said.EDIT_NOT_ALLOWED.of(reason=item.judgement.reason)
    prepared = item.prepared
    names = looks(prepared.arguments, urls=prepared.urls, payer=prepared.quote.payer)
    if names.refusal:
        return said.EDIT_REFUSED.of(why=names.refusal)
    return said.EDIT_TOO_LONG.of() if shown_bytes(item) > SHOWN_MAX_BYTES else None
