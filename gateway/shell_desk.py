"""What the shell may look at and decide: approvals, money, leave and the audit.

Whoever speaks on the control socket is the gateway's own user or root: an owner, who stands in no
chat. They are told apart by their login (`shell:ann`), and their word goes the way of every other
decision.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, assert_never

from gateway import audit, refs
from gateway.acts import Act
from gateway.approvals import Desk
from gateway.card import plain
from gateway.chain import Broken, Intact
from gateway.clock import Clock
from gateway.control_requests import (
    AboutDesk,
    ActAtDesk,
    AskApprovals,
    AskAuditHead,
    AskGrants,
    AskSpend,
    ClearEstimator,
    Decide,
    ExportAudit,
    FreezeSpending,
    LookAtDesk,
    Revoke,
    ShowCard,
    UnfreezeSpending,
    VerifyAudit,
)
from gateway.entitled import Standing
from gateway.errors import GatewayError
from gateway.grants import GrantsDesk
from gateway.ledger import Limits
from gateway.logins import SOURCE
from gateway.painting import Painter
from gateway.redaction import Redaction
from gateway.spending import Spending
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import allowances, cards, freezes, limits, model_calls, queue, spent
from gateway.store.records import audit as audit_rows
from gateway.store.records.audit import Head
from gateway.store.records.cards import Card
from gateway.store.records.freezes import Freeze, Suspect
from gateway.store.records.limits import LimitNow
from gateway.store.records.model_calls import ModelUse
from gateway.store.records.overview import LeaveGiven, leaves
from gateway.store.records.queue import OpenCard
from gateway.store.records.spent import By, Spent
from gateway.tokens import OPTION_MAX, Decision
from gateway.words.phrase import ENGLISH

Stretch = Literal["day", "month"]

_BY: tuple[By, ...] = ("chat", "requester", "what", "kind", "payer")
_DOUBTS = {"done": Decision.DONE, "again": Decision.AGAIN, "skip": Decision.SKIP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What came of a decision: the sentence for whoever decided, and whether it counts."""

    text: str
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendTable:
    """What was spent in a stretch of time and what limits it now; micro-dollars.

    Times are microseconds since 1970. `by` has the dearest of each way to split it. Limits are
    those of days and months in their present window. `models` and `kinds` are model calls, those
    without an answer among them, with their tokens: None where nobody has counted.
    """

    stretch: Stretch
    since: int
    total: Spent
    by: dict[str, tuple[Spent, ...]]
    limits: tuple[LimitNow, ...]
    freezes: tuple[Freeze, ...]
    suspects: tuple[Suspect, ...]
    models: tuple[ModelUse, ...] = ()
    kinds: tuple[ModelUse, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Whether the audit's chain holds; `seq` is the last row, or the first broken one."""

    whole: bool
    rows: int
    seq: int
    head: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Some rows of the audit as lines of JSON, and the last one's number; None at the end."""

    lines: tuple[str, ...]
    after: int | None


class ShellDesk:
    """Answers for the running gateway; every `by` is a person, `shell:LOGIN`."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        desk: Desk,
        painter: Painter,
        grants: GrantsDesk,
        spending: Spending,
        limits: Limits,
        account_of: Callable[[str], str | None],
        freeze: Callable[[str, str], Awaitable[None]],
        hide: Redaction,
    ) -> None:
        """`account_of` names a platform's connected account; `freeze` stops what runs in a scope.

        `limits` are the configured ones; `hide` takes secrets out of what is exported.
        """
        self._store = store
        self._clock = clock
        self._desk = desk
        self._painter = painter
        self._grants = grants
        self._spending = spending
        self._limits = limits
        self._account_of = account_of
        self._freeze = freeze
        self._hide = hide

    async def answer(self, request: AboutDesk, *, by: str) -> object:
        """Carry a request of the command line out; see `gateway.control_requests`."""
        if isinstance(request, ActAtDesk):
            return await self._act_on(request, by)
        return await self._look_for(request, by)

    async def _act_on(self, request: ActAtDesk, by: str) -> Decided:
        match request:
            case Decide():
                return await self.decide(request, by=by)
            case FreezeSpending(chat=chat):
                return await self.freeze(chat, by)
            case UnfreezeSpending(chat=chat):
                return await self.unfreeze(chat, by)
            case ClearEstimator(name=name):
                return await self.clear_estimator(name, by)
            case Revoke(ident=ident):
                return await self.revoke(ident, by)
            case _:
                assert_never(request)

    async def _look_for(self, request: LookAtDesk, by: str) -> object:
        match request:
            case AskApprovals():
                return await self.approvals()
            case ShowCard(code=code):
                return await self.show(code, by=by)
            case AskSpend(stretch=stretch, by=split):
                return await self.spend(stretch, split)
            case AskGrants():
                return await self.grants()
            case AskAuditHead():
                return await self.audit_head()
            case VerifyAudit():
                return await self.verify_audit()
            case ExportAudit(after=after):
                return await self.export_audit(after)
            case _:
                assert_never(request)

    # -- approvals

    async def approvals(self) -> tuple[OpenCard, ...]:
        """What can be decided, those that close first in front."""
        return await self._store.read(queue.listed)

    async def show(self, code: str, *, by: str) -> str:
        """A card in full, nothing of what runs left out; it counts as seen by whoever asks.

        Raises GatewayError for no such code.
        """

        def unit(tx: Tx) -> str | None:
            card = cards.by_code(tx, _code(code))
            if card is None:
                return None
            if card.state == "open":
                self._seen(tx, card, by)
            return plain(self._painter.view(tx, card, reader=ENGLISH), sigil="gatepost ")

        shown = await self._store.write(unit, transition=transitions.REQUEST_DECIDED)
        if shown is None:
            raise GatewayError(_no_code(code))
        return shown

    def _seen(self, tx: Tx, card: Card, by: str) -> None:
        cards.mark_seen(tx, card, by)
        audit.append(
            tx,
            at=self._clock.now(),
            kind="shown",
            actor=by,
            account=card.account,
            chat=card.chat,
            subject=card.id,
            detail={"rev": card.rev, "from": SOURCE},
        )

    async def decide(self, order: Decide, *, by: str) -> Decided:
        """Decide a card by its code.

        Raises GatewayError for a code nobody has, and where the verb means nothing.
        """
        card = await self._store.read(lambda tx: cards.by_code(tx, _code(order.code)))
        if card is None:
            raise GatewayError(_no_code(order.code))
        act = replace(self._act(by), confirmed=order.confirmed)
        answer = await self._desk.typed(card.code, _meant(act, card, order))
        done = await self._store.read(lambda tx: _counts(tx, card.id, order.verb, by))
        return Decided(text=answer.text, done=done)

    def _act(self, by: str) -> Act:
        return Act(
            account="",
            chat="",
            message=None,
            person=by,
            name=_name(by),
            source=SOURCE,
            at=self._clock.now(),
            decision=Decision.SHOW,
            anywhere=True,
        )

    # -- money

    async def spend(self, stretch: Stretch, by: str) -> SpendTable:
        """What was spent today or this month; `by` one way to split it, or empty for three."""
        now = self._clock.now()
        since = self._spending.month(now) if stretch == "month" else self._spending.day(now)
        ways = tuple(way for way in _BY if way == by) or _BY[:3]

        def query(tx: Tx) -> SpendTable:
            return SpendTable(
                stretch=stretch,
                since=since,
                total=spent.total(tx, since=since),
                by={way: tuple(spent.by(tx, way, since=since)) for way in ways},
                limits=self._limits_now(tx, now),
                freezes=tuple(freezes.every(tx)),
                suspects=tuple(freezes.suspects(tx)),
                models=tuple(model_calls.by_model(tx, since=since)),
                kinds=tuple(model_calls.by_kind(tx, since=since)),
            )

        return await self._store.read(query)

    def _limits_now(self, tx: Tx, now: int) -> tuple[LimitNow, ...]:
        """The limits in use, that of the month in front though nothing was spent in it."""
        found = limits.present(tx, now=now)
        if any(each.scope == "org_month" for each in found):
            return found
        month = datetime.fromtimestamp(now / 1_000_000, tz=self._spending.zone)
        unused = LimitNow(
            scope="org_month",
            span=f"{month:%Y-%m}",
            begins_at=self._spending.month(now),
            ends_at=0,
            limit=self._limits.org_month,
            raised=0,
            settled=0,
            held=0,
        )
        return (unused, *found)

    async def freeze(self, chat: str, by: str) -> Decided:
        """Let no new money move in a chat, or anywhere (`all`), and stop what runs there."""
        scope, where = self._scope(chat)
        now = self._clock.now()
        new = Freeze(scope=scope, by=by, name=_name(by), reason="gatepost freeze", at=now)
        fresh = await self._store.write(
            lambda tx: freezes.freeze(tx, new), transition=transitions.FREEZE_CHANGED
        )
        await self._freeze(scope, _name(by))
        told = "is frozen" if fresh else "was frozen before"
        return Decided(text=f"Spending {told} {where}.", done=True)

    async def unfreeze(self, chat: str, by: str) -> Decided:
        """Lift one freeze, and say what else stands."""
        scope, where = self._scope(chat)
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[bool, list[Freeze]]:
            return freezes.unfreeze(tx, scope, by=by, now=now), freezes.every(tx)

        lifted, left = await self._store.write(unit, transition=transitions.FREEZE_CHANGED)
        text = f"Spending goes on {where}." if lifted else f"Nothing was frozen {where}."
        if left:
            others = ", ".join(_place(each.scope) for each in left)
            text += f" Still frozen: {others}."
        return Decided(text=text, done=lifted)

    async def clear_estimator(self, name: str, by: str) -> Decided:
        """Trust an estimator's figures again."""
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[bool, list[Suspect]]:
            return freezes.clear(tx, name, by=by, now=now), freezes.suspects(tx)

        cleared, left = await self._store.write(unit, transition=transitions.FREEZE_CHANGED)
        if cleared:
            return Decided(text=f"The figures of {name} count again.", done=True)
        names = ", ".join(each.name for each in left) or "none"
        return Decided(text=f"{name} is trusted anyway; not trusted are: {names}.", done=False)

    def _scope(self, chat: str) -> tuple[str, str]:
        """A chat as freezes name it, and in words. Raises GatewayError for one that is none."""
        if chat == freezes.EVERYWHERE:
            return freezes.EVERYWHERE, "everywhere"
        platform = chat.partition(":")[0]
        account = self._account_of(platform)
        if account is None:
            raise GatewayError(f"{chat} names no connected platform, and is not `all`")
        try:
            refs.chat_from(chat, refs.account_from(account))
        except ValueError as error:
            raise GatewayError(str(error)) from error
        return f"{account}|{chat}", f"in {chat}"

    # -- leave given for several calls

    async def grants(self) -> tuple[LeaveGiven, ...]:
        """Every live grant and `/auto`, those that end first in front."""
        now = self._clock.now()
        return await self._store.read(lambda tx: leaves(tx, now=now))

    async def revoke(self, ident: str, by: str) -> Decided:
        """Take a grant or `/auto` back."""
        standing = Standing(person=by, name=_name(by), owner=True, approver=True)

        def unit(tx: Tx) -> Decided:
            if allowances.get(tx, ident) is None:
                text = f"There is no live grant {ident}; gatepost grants lists them."
                return Decided(text=text, done=False)
            return Decided(text=self._grants.revoke(tx, ident, standing, chat=""), done=True)

        return await self._store.write(unit, transition=transitions.ALLOWANCE_CHANGED)

    # -- the audit

    async def audit_head(self) -> Head:
        """The end of the audit's chain."""
        return await self._store.read(audit_rows.head)

    async def verify_audit(self) -> Verified:
        """Follow the whole chain."""
        return verified(await audit.verify(self._store))

    async def export_audit(self, after: int) -> Exported:
        """The rows behind one, as many as fit a page, secrets removed."""
        page = await self._store.read(lambda tx: audit_rows.page(tx, after=after))
        lines = tuple(audit.exported(entry, hide=self._hide) for entry in page)
        return Exported(lines=lines, after=page[-1].seq if page else None)


def verified(found: Intact | Broken) -> Verified:
    """What following the chain has shown, as one value."""
    match found:
        case Intact(rows=rows, seq=seq, head=head):
            return Verified(whole=True, rows=rows, seq=seq, head=head)
        case Broken(seq=seq, reason=reason):
            return Verified(whole=False, rows=0, seq=seq, head="", reason=reason)
        case _:
            assert_never(found)


def _meant(act: Act, card: Card, order: Decide) -> Act:
    """What a verb stands for on a card of this kind. Raises GatewayError for nothing."""
    words = order.words
    match order.verb, card.kind:
        case "approve", "call" if order.at_most:
            return replace(act, decision=Decision.CEILING, values={"amount": order.at_most})
        case "approve", "call":
            return replace(act, decision=Decision.APPROVE, option=order.item)
        case "approve", "limit":
            return replace(act, decision=Decision.RAISE, option=1)
        case "deny", "call" | "question" | "limit":
            values = {"reason": words}
            return replace(act, decision=Decision.DENY, option=order.item, values=values)
        case "answer", "question" if words.strip().isdecimal() and int(words) <= OPTION_MAX:
            return replace(act, decision=Decision.OPTION, option=int(words))
        case "answer", "call" | "question":
            return replace(act, decision=Decision.ANSWER, values={"answer": words})
        case "answer", "in_doubt" if words.strip().lower() in _DOUBTS:
            return replace(act, decision=_DOUBTS[words.strip().lower()])
        case _:
            raise GatewayError(_INSTEAD[card.kind].format(code=card.code))


_INSTEAD = {
    "call": "it is a call: gatepost approve {code}, gatepost deny {code} REASON",
    "in_doubt": "it may have run; say what to do: gatepost answer {code} done, again, or skip",
    "question": "it is a question: gatepost answer {code} TEXT, or the number of an answer",
    "limit": "a budget is used up: gatepost approve {code} raises it, gatepost deny {code} stops",
}


def _counts(tx: Tx, card_id: str, verb: str, by: str) -> bool:
    """Whether a person's decision stands on a card; the same one again stands, too."""
    states = {
        "approve": {"approved"},
        "deny": {"denied"},
        "answer": {"answered", "approved", "denied"},
    }[verb]
    return any(
        (request.decided_by == by and request.state in states)
        or (verb == "approve" and by in request.votes)
        for request in cards.requests_of(tx, card_id)
    )


def _code(text: str) -> str:
    return text.strip().upper()


def _no_code(code: str) -> str:
    return f"there is no approval {_code(code)}; gatepost approvals lists them"


def _name(by: str) -> str:
    return by.partition(":")[2]


def _place(scope: str) -> str:
    return scope if scope == freezes.EVERYWHERE else scope.partition("|")[2]
