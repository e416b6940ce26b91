"""The desk and the book as the web pages know them: everything a page shows and does is a row.

A page shows all that would run, so whoever decides there has seen it whole; what a choice asks
before it counts, the page has asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import orjson

from agent.costs import Unknown, UnknownBecause, dollars
from agent.policy import parse_arguments
from agent.tools.base import Malformed
from gateway.acts import WEB, Act
from gateway.approvals import Desk
from gateway.card_controls import AMOUNTS, END_AUTO, RAISE_FIVE, RAISE_NEEDED, RAISE_TWENTY
from gateway.clock import Clock
from gateway.edits import ANSWER_MAX, REASON_MAX
from gateway.entitled import Standing, may_approve, may_deny
from gateway.facts import facts_of
from gateway.gate import Rules
from gateway.painting import Painter
from gateway.quotes import quote_from
from gateway.roles import Roles
from gateway.scopes import scope_name
from gateway.spending import Spending
from gateway.store.base import Store, Tx
from gateway.store.records import cards, freezes, limits, model_calls, queue, spent
from gateway.store.records.cards import Card, Request
from gateway.store.records.model_calls import ModelUse
from gateway.store.records.queue import OpenCard
from gateway.tokens import Decision
from gateway.web.approvals import ApprovalsDesk, CardPage, Choice, QueueLine
from gateway.web.rule_draft import draft_rule
from gateway.web.spend import (
    DaySpend,
    Frozen,
    LimitState,
    ModelCalls,
    Share,
    Spend,
    SpendBook,
)
from gateway.words.phrase import ENGLISH
from platforms.content import Field

UNSURE = "To be sure: approve it?"


@dataclass(frozen=True, slots=True, kw_only=True)
class _May:
    """What the viewer may do with a card."""

    approve: bool
    deny: bool
    owner: bool


class PageDesk(ApprovalsDesk, SpendBook):
    """Fulfils both pages' protocols over the running gateway."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        desk: Desk,
        rules: Rules,
        roles: Roles,
        painter: Painter,
        spending: Spending,
        payers: tuple[str, ...],
    ) -> None:
        self._store = store
        self._clock = clock
        self._desk = desk
        self._rules = rules
        self._roles = roles
        self._painter = painter
        self._spending = spending
        self._payers = payers

    # -- approvals

    async def open_cards(self, *, by: str) -> tuple[QueueLine, ...]:
        """What waits for a decision; everything for owners, their own for everybody else."""
        owner = self._rules.rights.owns(by)
        found = await self._store.read(queue.listed)
        return tuple(_line(each) for each in found if owner or each.requester == by)

    async def card(self, code: str, *, by: str) -> CardPage | None:
        """A card with what the viewer may do with it now."""
        card = await self._store.read(lambda tx: cards.by_code(tx, code.strip().upper()))
        if card is None:
            return None
        standing = await self._standing(card, by)
        may = self._may(card, standing)
        if not (may.deny or may.owner):
            return None
        return await self._store.read(lambda tx: self._page(tx, card.id, may))

    async def act(
        self, code: str, rev: int, action: str, values: Mapping[str, str], *, by: str
    ) -> str:
        """Carry a choice out by the one press path there is."""
        fields = dict(values)
        option = fields.pop("option", "0")
        try:
            decision = Decision(action)
        except ValueError:
            return "That is nothing to decide."
        act = Act(
            account="",
            chat="",
            message=None,
            person=by,
            name=by.partition(":")[2] or by,
            source=WEB,
            at=self._clock.now(),
            decision=decision,
            option=int(option) if option.isascii() and option.isdigit() else 0,
            rev=rev,
            values=fields,
            confirmed=True,
            anywhere=True,
        )
        return (await self._desk.typed(code, act)).text or "Done."

    async def _standing(self, card: Card, by: str) -> Standing:
        return await self._roles.standing(
            account=card.origin_account, chat=card.origin, person=by, name=by, fresh=False
        )

    def _may(self, card: Card, standing: Standing) -> _May:
        rights = self._rules.rights
        approve = may_approve(
            standing,
            card.tier,
            two_person=card.two_person,
            requester=card.requester,
            rights=rights,
        )
        return _May(
            approve=bool(approve),
            deny=bool(may_deny(standing, card, rights=rights)),
            owner=standing.owner,
        )

    def _page(self, tx: Tx, card_id: str, may: _May) -> CardPage | None:
        card = cards.get(tx, card_id)
        if card is None:
            return None
        requests = cards.requests_of(tx, card.id)
        pending = [request for request in requests if request.state == "pending"]
        view = self._painter.view(tx, card, reader=ENGLISH)
        page = CardPage(view=view, rev=card.rev, chat=card.origin)
        if not pending or card.state != "open":
            return page
        batch = len(requests) > 1
        single = {
            request.ordinal + 1: self._call_choices(card, request, may, item=request.ordinal + 1)
            for request in pending
            if batch
        }
        whole = self._choices(card, requests, pending, may)
        draft = self._draft(tx, card, pending[0]) if may.owner and not batch else ""
        return CardPage(
            view=view,
            rev=card.rev,
            chat=card.origin,
            choices=whole,
            item_choices=single,
            rule_draft=draft,
        )

    def _choices(
        self, card: Card, requests: tuple[Request, ...], pending: list[Request], may: _May
    ) -> tuple[Choice, ...]:
        match card.kind:
            case "call" if len(requests) > 1:
                return self._batch_choices(card, pending, may)
            case "call":
                return self._call_choices(card, pending[0], may)
            case "question":
                return _question_choices(pending[0])
            case "limit":
                return _limit_choices(pending[0], may)
            case "in_doubt":
                return tuple(
                    Choice(action=decision.value, label=label)
                    for decision, label in (
                        (Decision.DONE, "Mark done"),
                        (Decision.AGAIN, "Run again"),
                        (Decision.SKIP, "Skip"),
                    )
                )

    def _batch_choices(self, card: Card, pending: list[Request], may: _May) -> tuple[Choice, ...]:
        found = [Choice(action=Decision.DENY_ALL.value, label="Deny all", style="danger")]
        if may.approve and all(request.unknown is None for request in pending):
            total = sum(request.ceiling or 0 for request in pending)
            found.append(self._yes(card, Decision.APPROVE_ALL, f"Approve all, {_at_most(total)}"))
        return tuple(found)

    def _call_choices(
        self, card: Card, request: Request, may: _May, *, item: int = 0
    ) -> tuple[Choice, ...]:
        fixed = {"option": str(item)}
        found = [Choice(action=Decision.DENY.value, label="Deny", style="danger", fixed=fixed)]
        because = (request.unknown or "").partition(":")[0]
        if may.approve and request.unknown is None:
            label = f"Approve once, {_at_most(request.ceiling or 0)}"
            found.append(self._yes(card, Decision.APPROVE, label, fixed=fixed, request=request))
        elif may.owner and because and because != UnknownBecause.LIMIT.value:
            amount = Field(name="amount", label="At most, in dollars", max_length=12)
            found.append(
                Choice(
                    action=Decision.CEILING.value,
                    label="Approve up to ...",
                    about="Nobody knows what it costs; this becomes what is put aside.",
                    fields=(amount,),
                    fixed=fixed,
                )
            )
        reason = _long("reason", "Why not? The model reads it.", REASON_MAX)
        answer = _long("answer", "The model reads this in place of a result.", ANSWER_MAX)
        found += [
            Choice(
                action=Decision.DENY_REASON.value,
                label="Deny with a reason",
                fields=(reason,),
                fixed=fixed,
            ),
            Choice(action=Decision.STOP.value, label="Deny and stop", fixed=fixed),
        ]
        if may.approve:
            found.append(
                Choice(
                    action=Decision.ANSWER.value,
                    label="Answer instead",
                    fields=(answer,),
                    fixed=fixed,
                )
            )
        found += self._changes(request, fixed)
        return tuple(found)

    def _changes(self, request: Request, fixed: dict[str, str]) -> list[Choice]:
        """Other contents for the card: edited arguments, another payer."""
        found = []
        arguments = orjson.loads(request.arguments)
        editable = [name for name in request.detail.get("editable", ()) if name in arguments]
        texts = {name: _as_text(arguments[name]) for name in editable}
        fields = tuple(
            Field(
                name=name,
                label=name,
                text=text,
                multiline=len(text) > 60,
                required=False,
                max_length=65_536,
            )
            for name, text in texts.items()
            if "\r" not in text  # a browser's text area can't hold it
        )
        if fields:
            found.append(
                Choice(
                    action=Decision.EDIT.value,
                    label="Edit",
                    about="The card then shows what you wrote, and still needs its approval.",
                    fields=fields,
                    fixed=fixed,
                )
            )
        payer = request.quote.get("payer", "")
        if payer and not fixed.get("option", "0").strip("0"):
            found += [
                Choice(
                    action=Decision.PAYER.value,
                    label=f"Charge {name}",
                    fixed={"option": str(number)},
                )
                for number, name in enumerate(self._payers, start=1)
                if name != payer
            ]
        return found

    def _yes(
        self,
        card: Card,
        decision: Decision,
        label: str,
        *,
        fixed: dict[str, str] | None = None,
        request: Request | None = None,
    ) -> Choice:
        tags = () if request is None else request.tags
        sure = card.two_person or any(tag in ("destructive", "recurring") for tag in tags)
        return Choice(
            action=decision.value,
            label=label,
            style="plain" if sure else "primary",
            confirm=UNSURE if sure else "",
            fixed=fixed or {},
        )

    def _draft(self, tx: Tx, card: Card, request: Request) -> str:
        """A rule that would allow exactly this call."""
        tool = self._rules.tools.get(request.tool)
        arguments = parse_arguments(request.arguments)
        if card.kind != "call" or tool is None or isinstance(arguments, Malformed):
            return ""
        prepared = tool.prepare(arguments)
        if isinstance(prepared, Malformed):
            return ""
        facts = facts_of(tx, card, groups={}, rights=self._rules.rights, prepared=(prepared,))
        call = replace(prepared, quote=quote_from(request.quote))
        name = f"{request.tool}-{card.code}".lower().replace("_", "-")
        return draft_rule(call, facts, self._rules.policy, ident=name)

    # -- money

    async def spend(self, *, days: int, by: str) -> Spend:
        """What the last days cost; everything for owners, nothing for everybody else."""
        if not self._rules.rights.owns(by):
            return Spend()
        return await self._store.read(lambda tx: self._spend(tx, days))

    def _spend(self, tx: Tx, days: int) -> Spend:
        now = self._clock.now()
        span = self._spending.days(now, days)
        since = span[0][1]
        return Spend(
            days=tuple(
                DaySpend(
                    day=date.fromisoformat(day),
                    amount=spent.total(tx, since=begins, until=ends).settled,
                )
                for day, begins, ends in span
            ),
            chats=tuple(_shares(tx, "chat", since)),
            people=tuple(_shares(tx, "requester", since)),
            models=tuple(_shares(tx, "model", since)),
            tools=tuple(_shares(tx, "tool", since)),
            calls=tuple(_calls_of(each) for each in model_calls.by_model(tx, since=since)),
            limits=tuple(
                LimitState(
                    name=_limit_name(each.scope),
                    limit=each.limit,
                    settled=each.settled,
                    held=each.held,
                    ends_at=_moment(each.ends_at),
                    raised=each.raised,
                )
                for each in limits.present(tx, now=now)
                if each.limit is not None
            ),
            freezes=tuple(
                Frozen(
                    where="everywhere" if each.scope == freezes.EVERYWHERE else each.scope,
                    by=each.name,
                    since=_moment(each.at),
                    reason=each.reason,
                )
                for each in freezes.every(tx)
            ),
        )


def _limit_name(scope: str) -> str:
    """A limit with whose it is."""
    kind, _, whose = scope.partition(":")
    match kind:
        case "chat_day":
            return f"{whose.partition('|')[2]}, today"
        case "user_day":
            return f"asked by {whose}, today"
        case _:
            return scope_name(scope)


def _line(card: OpenCard) -> QueueLine:
    unknown = Unknown(because=UnknownBecause.PRICE)
    more = f" and {card.items - 1} more" if card.items > 1 else ""
    return QueueLine(
        code=card.code,
        kind=card.kind,
        what=f"{card.tool} {card.operation}".strip() + more,
        at_most=unknown if card.at_most is None else card.at_most,
        asked_by=card.requester_name or card.requester,
        chat=card.origin,
        closes_at=_moment(card.closes_at) if card.closes_at else None,
    )


def _question_choices(request: Request) -> tuple[Choice, ...]:
    options = request.detail.get("options", ())
    found = [
        Choice(action=Decision.OPTION.value, label=str(text), fixed={"option": str(number)})
        for number, text in enumerate(options, start=1)
    ]
    if request.detail.get("free_text", True):
        answer = _long("answer", "Your answer", ANSWER_MAX)
        found.append(Choice(action=Decision.ANSWER.value, label="Answer", fields=(answer,)))
    return tuple(found)


def _limit_choices(request: Request, may: _May) -> tuple[Choice, ...]:
    found = [Choice(action=Decision.STOP.value, label="Stop", style="danger")]
    if not may.approve:
        return tuple(found)
    short = int(request.detail["short_by"])
    amounts = ((RAISE_NEEDED, short), (RAISE_FIVE, AMOUNTS[0]), (RAISE_TWENTY, AMOUNTS[1]))
    found += [
        Choice(
            action=Decision.RAISE.value,
            label=f"Go on with {dollars(amount)} more",
            fixed={"option": str(option)},
        )
        for option, amount in amounts
        if amount >= short > 0
    ]
    if str(request.detail["scope"]).startswith("whole:"):
        found.append(
            Choice(
                action=Decision.RAISE.value,
                label="End /auto and ask each time",
                fixed={"option": str(END_AUTO)},
            )
        )
    return tuple(found)


def _calls_of(use: ModelUse) -> ModelCalls:
    return ModelCalls(
        model=use.name,
        calls=use.calls,
        failed=use.failed,
        uncounted=use.uncounted,
        input=use.input,
        cached=use.cached,
        written=use.written,
        output=use.output,
        reasoning=use.reasoning,
        amount=use.spent,
        held=use.held,
        open=use.unsettled,
    )


def _shares(tx: Tx, field: spent.By, since: int) -> list[Share]:
    return [
        Share(name=each.name or "nobody", amount=each.settled)
        for each in spent.by(tx, field, since=since)
    ]


def _long(name: str, label: str, most: int) -> Field:
    return Field(name=name, label=label, multiline=True, max_length=most)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _at_most(amount: int) -> str:
    return f"at most {dollars(amount)}" if amount else "free"


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, tz=UTC)
