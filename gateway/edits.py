"""Forms, and what people change of a call before it runs: fields it may have changed, who pays.

An edit is looked at by the call's tool outside any unit, and then stored as a new revision of the
card (`gateway.decisions`): it still needs its own approval.
"""

import asyncio
import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from agent.canonical import canonical
from agent.policy import parse_arguments
from agent.tools.base import (
    CallContext,
    InspectingTool,
    Malformed,
    PayingTool,
    PreparedCall,
    Tool,
)
from agent.tools.literal_secrets import Holds, literal_secret
from gateway.gate import Rules
from gateway.store.base import Store
from gateway.store.records import cards
from gateway.store.records.cards import Card, Request
from gateway.tokens import Decision
from gateway.words import controls as labels
from gateway.words import decisions as said
from gateway.words.phrase import ENGLISH, Line, Reader, Told
from platforms.content import Field, Form

REASON_MAX = 500
ANSWER_MAX = 2_000
INSPECT_S = 5.0
DIFFERENCE_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A pending call with other contents, and what is different."""

    request: Request
    prepared: PreparedCall
    difference: str


class Edits:
    """Makes other contents of pending calls."""

    def __init__(self, *, store: Store, rules: Rules, payers: tuple[str, ...]) -> None:
        self._store = store
        self._rules = rules
        self._payers = payers

    async def chosen(self, card: Card, option: int) -> Request | None:
        """The pending item of a card that is meant, else the first; None if nothing is."""
        requests = await self._store.read(lambda tx: cards.requests_of(tx, card.id))
        pending = [request for request in requests if request.state == "pending"]
        meant = (request for request in pending if request.ordinal + 1 == option)
        return next(meant, pending[0] if pending else None)

    async def of(
        self, card: Card, decision: Decision, *, option: int, values: Mapping[str, str]
    ) -> Edited | Told | None:
        """The call as edited, looked at by its tool; a sentence if it can't be."""
        if decision not in (Decision.EDIT, Decision.PAYER) or card.kind != "call":
            return None
        request = await self.chosen(card, option if decision is Decision.EDIT else 0)
        if request is None:
            return None
        arguments = parse_arguments(request.arguments)
        tool = self._rules.tools.get(request.tool)
        if isinstance(arguments, Malformed) or tool is None:
            return said.TOOL_GONE.of()
        payer: str | Line = str(request.quote.get("payer", ""))
        if decision is Decision.PAYER:
            payer = self._payer(tool, option)
            values = {}  # who pays is no argument
        if isinstance(payer, Line):
            return payer
        changed = _changed(request, dict(arguments), values, self._rules.holds)
        if isinstance(changed, Line):
            return changed
        prepared = tool.prepare(changed)
        if isinstance(prepared, Malformed):
            return said.DOES_NOT_FIT.of(why=prepared.text)
        found = await self._looked_at(tool, prepared, card, request, payer)
        if found is None:
            return said.NO_LOOK.of()
        if isinstance(found, Malformed):
            return found.text
        before, after = request.arguments, canonical(found.arguments).decode()
        if decision is Decision.EDIT and before == after:
            return said.NOTHING_CHANGED.of()
        difference = _difference(before, after) or f"Payer: {found.quote.payer}"
        return Edited(request=request, prepared=found, difference=difference)

    def _payer(self, tool: Tool, option: int) -> str | Line:
        """The account of a button, if it can pay for this."""
        if not 0 < option <= len(self._payers):
            return said.NO_PAYER.of()
        return self._payers[option - 1] if isinstance(tool, PayingTool) else said.PAYER_FIXED.of()

    async def _looked_at(
        self, tool: Tool, prepared: PreparedCall, card: Card, request: Request, payer: str
    ) -> PreparedCall | Malformed | None:
        """What its tool says of other contents; an edit keeps the payer that was chosen."""
        context = CallContext(
            call_id=str(request.call_id),
            session=str(card.session_id),
            account=card.origin_account,
            chat=card.origin,
            requester=card.requester,
        )
        try:
            async with asyncio.timeout(INSPECT_S):
                if isinstance(tool, PayingTool) and payer in self._payers:
                    return await tool.paid_by(prepared, context, payer=payer)
                if isinstance(tool, InspectingTool):
                    return await tool.inspect(prepared, context)
        except TimeoutError:
            return None
        return prepared


def _changed(
    request: Request, arguments: dict[str, object], values: Mapping[str, str], holds: Holds
) -> dict[str, object] | Line:
    """The arguments with what a person changed, or which field nobody may change."""
    editable = request.detail.get("editable", [])
    for name, text in values.items():
        if name not in editable:
            return said.FIELD_FIXED.of(field=name)
        if text == "" and name not in arguments:
            continue  # a field that was left as it was
        arguments[name] = _typed_like(arguments.get(name), text)
    if (place := literal_secret(arguments, holds=holds)) is not None:
        return said.SECRET.of(place=place)
    return arguments


def form_for(card: Card, request: Request, decision: Decision, reader: Reader = ENGLISH) -> Form:
    """The form that a button of a card opens, for whoever pressed it."""
    title = f"{card.code}: {request.tool} {request.operation}".strip()
    match decision:
        case Decision.EDIT:
            arguments = orjson.loads(request.arguments)
            fields = tuple(
                Field(
                    name=name,
                    label=name,
                    text=_as_text(arguments.get(name)),
                    multiline=len(_as_text(arguments.get(name))) > 60,
                    required=False,
                    max_length=3_000,
                )
                for name in list(request.detail.get("editable", ()))[:5]
            )
        case Decision.ANSWER:
            fields = (_long("answer", labels.YOUR_ANSWER.to(reader), ANSWER_MAX),)
        case Decision.CEILING:
            fields = (Field(name="amount", label=labels.CEILING.to(reader), max_length=12),)
        case _:
            fields = (_long("reason", labels.REASON.to(reader), REASON_MAX),)
    return Form(id="", title=title[:45], fields=fields, cancel=labels.CANCEL.to(reader))


def _long(name: str, label: str, most: int) -> Field:
    return Field(name=name, label=label, multiline=True, max_length=most)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _typed_like(before: object, text: str) -> object:
    """What a person typed, in the type the argument had."""
    if isinstance(before, str) or before is None:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _difference(before: str, after: str) -> str:
    """What an edit changed, line by line."""
    lines = [
        orjson.dumps(orjson.loads(each), option=orjson.OPT_INDENT_2) for each in (before, after)
    ]
    old, new = (line.decode().splitlines() for line in lines)
    shown = [
        line
        for line in difflib.unified_diff(old, new, lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    return "\n".join(shown)[:DIFFERENCE_MAX]
