"""The gate inside one transaction: verdicts, money put aside, cards, results of what is refused.

Per call, in the model's order: judge (pure); a deny is a result at once. An ask that a live grant
or `/auto` covers is an allow. What is allowed and costs something takes its hold; without room it
is asked. Everything asked of one step stands on one card.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

import orjson

from agent.calls import CallState, JudgedCall
from agent.canonical import canonical, fingerprint, schema_hash
from agent.costs import Unknown, UnknownBecause, dollars, is_paid
from agent.effects import Gated
from agent.messages import ResultStatus, ToolResult
from agent.policy import Facts, Judgement, Policy, judge, relaxable
from agent.tools.base import PlacedTool, PreparedCall, ReaskedTool, Snapshot, Tool, Verdict
from agent.tools.literal_secrets import Holds, holds_none
from gateway import audit, refs
from gateway.asked_items import Item
from gateway.asking import Asking
from gateway.clock import Clock
from gateway.entitled import Needed, Rights, needed
from gateway.ledger import Leave
from gateway.looks import looks
from gateway.money import Money, Spender, spender_of
from gateway.quotes import quote_row
from gateway.scopes import scope_line
from gateway.store.base import Tx
from gateway.store.records import allowances, calls, cards, freezes, ledger
from gateway.store.records.allowances import Allowance
from gateway.store.records.ledger import Frozen, NoRoom, Reserved
from gateway.store.records.outbox import OutboxRow
from gateway.store.records.sessions import OpenTurn
from gateway.words import decisions as said
from gateway.words.phrase import ENGLISH, Line, spoken

DENIALS_MAX = 3
CARDS_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the gate goes by: the policy in force, the tools it knows, and who may what.

    `holds` says whether a text holds a configured secret.
    """

    policy: Policy
    tools: Mapping[str, Tool]
    rights: Rights
    money: Money
    holds: Holds = holds_none

    def schema(self, tool: str) -> str:
        """The hash of a tool's schema and place, empty for a tool that is gone."""
        known = self.tools.get(tool)
        if known is None:
            return ""
        return schema_hash(known.spec, place=known.place if isinstance(known, PlacedTool) else "")

    def schemas(self) -> dict[str, str]:
        """The hash of every tool's schema, by its name."""
        return {name: self.schema(name) for name in sorted(self.tools)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reweighed:
    """A call judged anew: the gate's word, and the quote with what nobody trusts made unknown."""

    prepared: PreparedCall
    judgement: Judgement
    needed: Needed
    taint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What the gate stored: for the turn, and what is to be sent."""

    gated: Gated
    rows: tuple[OutboxRow, ...] = ()


@dataclass(slots=True)
class _Sum:
    allowed: list[JudgedCall] = field(default_factory=list)
    results: list[ToolResult] = field(default_factory=list)
    asked: list[Item] = field(default_factory=list)
    rows: list[OutboxRow] = field(default_factory=list)


class Gate:
    """Judges the calls of one step; every method runs in the caller's unit."""

    def __init__(self, *, rules: Rules, asking: Asking, clock: Clock) -> None:
        self._rules = rules
        self._asking = asking
        self._clock = clock

    def judge(
        self,
        tx: Tx,
        turn: OpenTurn,
        judged: tuple[JudgedCall, ...],
        facts: Facts,
        *,
        words: str = "",
    ) -> Verdicts:
        """Decide every call and store what follows from it; `words` are the model's own."""
        found = _Sum()
        for each in judged:
            self._one(tx, turn, each, facts=replace(facts, inspected=each.inspected), found=found)
        halted = self._enough(tx, turn, found)
        if found.asked and not halted:
            asked = self._asking.ask(tx, turn, tuple(found.asked), words)
            found.results.extend(asked.refused)
            found.rows.extend(asked.rows)
        for result in found.results:
            self._refuse(tx, turn, result)
        gated = Gated(allowed=tuple(found.allowed), results=tuple(found.results), halted=halted)
        return Verdicts(gated=gated, rows=tuple(found.rows))

    def reweigh(self, tx: Tx, prepared: PreparedCall, facts: Facts) -> Reweighed:
        """Judge a call by today's rules and prices."""
        prepared = _trusted(tx, prepared)
        judgement = judge(prepared, facts, self._rules.policy)
        return Reweighed(
            prepared=prepared,
            judgement=judgement,
            needed=needed(
                ceiling=prepared.quote.ceiling,
                tags=judgement.tags,
                declared=prepared.declared,
                rights=self._rules.rights,
                unattended=facts.unattended,
            ),
            taint=facts.taint,
        )

    def _one(self, tx: Tx, turn: OpenTurn, judged: JudgedCall, facts: Facts, found: _Sum) -> None:
        if judged.prepared is None:
            if judged.refusal is None:
                raise ValueError(f"{judged.call.id} is neither prepared nor refused")
            found.results.append(judged.refusal)
            return
        weighed = self.reweigh(tx, judged.prepared, facts)
        names = looks(
            judged.prepared.arguments,
            urls=judged.prepared.urls,
            payer=judged.prepared.quote.payer,
        )
        if names.refusal:
            why = f"Not run: {spoken(names.refusal, ENGLISH)}"
            found.results.append(_refused(judged, why))
            return
        item = self._item(turn, judged, weighed)
        audit.append(
            tx,
            at=self._clock.now(),
            kind="verdict",
            actor="gateway",
            account=turn.account,
            chat=turn.reply_to,
            subject=judged.call.id,
            detail=_verdict_detail(item),
        )
        match weighed.judgement.verdict:
            case Verdict.DENY:
                why = f"Not allowed: {weighed.judgement.reason} ({weighed.judgement.rule})."
                found.results.append(_refused(judged, why))
            case Verdict.ALLOW if item.prepared.asking is not None:
                # A question is allowed, and is itself a card: nothing of it ever runs.
                self._ask(tx, turn, judged, item, facts=facts, found=found)
            case Verdict.ALLOW:
                self._allow(tx, turn, judged, item, leave=Leave.POLICY, covering=None, found=found)
            case Verdict.ASK:
                self._ask(tx, turn, judged, item, facts=facts, found=found)

    def _ask(
        self,
        tx: Tx,
        turn: OpenTurn,
        judged: JudgedCall,
        item: Item,
        *,
        facts: Facts,
        found: _Sum,
    ) -> None:
        if cards.denied_before(tx, turn.turn_id, f"{item.prepared.tool} {item.arguments}"):
            text = "Denied earlier in this turn; it was not asked again. Do something else."
            found.results.append(_refused(judged, text))
            return
        late = self._late(tx, turn, item)
        if late and self._allow(
            tx, turn, judged, item, leave=Leave.PERSON, covering=None, found=found, by=late
        ):
            self._used(tx, turn, item, late)
            return
        covering = None if late else self._leave(tx, turn, item)
        if covering is not None:
            leave = Leave.AUTO if covering.kind == "auto" else Leave.GRANT
            if self._allow(tx, turn, judged, item, leave=leave, covering=covering, found=found):
                return
        elif facts.unattended and not self._asking.has_approver(turn):
            text = "Not allowed: nobody is named to approve what a clock's job asks for."
            found.results.append(_refused(judged, text))
            return
        found.asked.append(item)

    def _allow(
        self,
        tx: Tx,
        turn: OpenTurn,
        judged: JudgedCall,
        item: Item,
        *,
        leave: Leave,
        covering: Allowance | None,
        found: _Sum,
        by: str = "",
    ) -> bool:
        """Let a call run on money put aside; False if there is none, then it is asked."""
        now = self._clock.now()
        reservation = None
        if is_paid(item.prepared.quote.ceiling):
            spender = spender_of(turn)
            held = self.hold(tx, spender, item, leave=leave, grant=covering, now=now)
            match held:
                case Reserved(id=ident):
                    reservation = ident
                case NoRoom():
                    item = replace(item, reason=no_room(held).to(ENGLISH))
                    if covering is None and not by:
                        found.asked.append(item)
                    return False
                case Frozen(by=by):
                    text = f"Not run: spending is frozen here by {by}. Nothing that costs runs."
                    found.results.append(_refused(judged, text))
                    return True
        if covering is not None:
            allowances.use(tx, covering.id)
        by = by or (f"{covering.kind} {covering.id}" if covering else item.rule)
        decided = replace(item.decided, reservation_id=reservation)
        calls.decide(tx, decided, state=CallState.ALLOWED, by=by, now=now)
        found.allowed.append(replace(judged, prepared=item.prepared))
        if covering is not None:
            self._passed(tx, turn, item, covering, found)
        return True

    def _passed(self, tx: Tx, turn: OpenTurn, item: Item, covering: Allowance, found: _Sum) -> None:
        """Keep by whose leave a call runs that would be asked; `/auto` says so in the chat."""
        audit.append(
            tx,
            at=self._clock.now(),
            kind="leave",
            actor=covering.giver,
            account=turn.account,
            chat=turn.reply_to,
            subject=item.decided.call_id,
            detail={
                "by": f"{covering.kind} {covering.id}",
                "fingerprint": item.decided.fingerprint,
                "quote": quote_row(item.prepared.quote),
            },
        )
        if covering.kind == "auto":
            left = max(0, covering.cap - ledger.session_spent(tx, turn.session_id))
            receipt = self._asking.receipt(tx, turn, item, covering, left=left)
            found.rows.extend(receipt)

    def hold(
        self,
        tx: Tx,
        spender: Spender,
        item: Item,
        *,
        leave: Leave,
        now: int,
        grant: Allowance | None = None,
        amount: int | None = None,
    ) -> Reserved | NoRoom | Frozen:
        """Put aside what a call can cost."""
        return self._rules.money.reserve_call(
            tx,
            spender,
            ident=self._clock.nonce(),
            call_id=item.decided.call_id,
            label=item.prepared.label,
            tool=item.prepared.tool,
            quote=item.prepared.quote,
            leave=leave,
            now=now,
            amount=amount,
            grant=grant if leave is Leave.GRANT else None,
        )

    def _late(self, tx: Tx, turn: OpenTurn, item: Item) -> str:
        """By whose approval a call runs that was approved before, too late for it to run then.

        Empty where there is none. Each holds for one call: the row of that call says so.
        """
        tool = self._rules.tools.get(item.prepared.tool)
        if not isinstance(tool, ReaskedTool):
            return ""
        wanted = tool.bound(item.prepared.arguments)
        for each in calls.turned_down(tx, turn.turn_id):
            same = each.late and each.tool == item.prepared.tool
            if same and tool.bound(orjson.loads(each.arguments)) == wanted:
                return f"{calls.LATE} {each.id}"
        return ""

    def _used(self, tx: Tx, turn: OpenTurn, item: Item, late: str) -> None:
        audit.append(
            tx,
            at=self._clock.now(),
            kind="leave",
            actor=turn.requester or "gateway",
            account=turn.account,
            chat=turn.reply_to,
            subject=item.decided.call_id,
            detail={
                "by": late,
                "fingerprint": item.decided.fingerprint,
                "quote": quote_row(item.prepared.quote),
            },
        )

    def _leave(self, tx: Tx, turn: OpenTurn, item: Item) -> Allowance | None:
        """The live grant or `/auto` that covers a call that would be asked."""
        now = self._clock.now()
        chat = refs.root_text(turn.reply_to)
        for grant in allowances.grants_in(tx, turn.account, chat, now=now):
            fits = relaxable(item.prepared, item.judgement, auto=False)
            if fits and covers(grant, item, turn.requester, self._rules.policy.version):
                return grant
        auto = self._rules.money.auto(tx, turn.session_id, now=now)
        if auto is None or turn.fire is not None:
            return None
        if auto.bounds.get("schemas", {}).get(item.prepared.tool) != item.schema:
            return None  # a tool of that time, and as it was
        return auto if relaxable(item.prepared, item.judgement, auto=True) else None

    def _item(self, turn: OpenTurn, judged: JudgedCall, weighed: Reweighed) -> Item:
        return item_of(
            turn_key=(turn.account, turn.reply_to, turn.session_key, turn.turn_id),
            call_id=judged.call.id,
            weighed=weighed,
            schema=self._rules.schema(weighed.prepared.tool),
        )

    def _enough(self, tx: Tx, turn: OpenTurn, found: _Sum) -> str:
        """Why the turn must not ask any more; then nothing of the step is asked."""
        if not found.asked:
            return ""
        count = cards.count_of_turn(tx, turn.turn_id)
        if count.denials >= DENIALS_MAX:
            return f"I stopped: {count.denials} of my calls were denied."
        if count.cards >= CARDS_MAX:
            return f"I stopped: I have asked {count.cards} times in one turn."
        return ""

    def _refuse(self, tx: Tx, turn: OpenTurn, result: ToolResult) -> None:
        calls.settle(
            tx,
            session_id=turn.session_id,
            turn_id=turn.turn_id,
            result=result,
            now=self._clock.now(),
        )


def item_of(
    *, turn_key: tuple[str, str, str, int], call_id: str, weighed: Reweighed, schema: str
) -> Item:
    """A call as it stands on a card and in its row, with the fingerprint of what would run."""
    prepared, judgement = weighed.prepared, weighed.judgement
    account, chat, session, turn_id = turn_key
    text = canonical(prepared.arguments)
    mark = fingerprint(
        account=account,
        chat=chat,
        session=session,
        turn=str(turn_id),
        call_id=call_id,
        tool=prepared.tool,
        schema=schema,
        payer=prepared.quote.payer,
        arguments=text,
        snapshots=snapshot_hashes(prepared.snapshots),
    )
    decided = calls.Decided(
        call_id=call_id,
        operation=prepared.operation,
        canonical=text.decode(),
        fingerprint=mark,
        quote=prepared.quote,
        snapshots=prepared.snapshots,
        rule=judgement.rule,
        taints=prepared.taints,
        finds=prepared.finds,
    )
    return Item(
        prepared=prepared,
        judgement=judgement,
        needed=weighed.needed,
        decided=decided,
        schema=schema,
        reason=judgement.reason,
        taint=weighed.taint,
    )


def snapshot_hashes(snapshots: tuple[Snapshot, ...]) -> dict[str, str]:
    """The SHA-256 of each snapshot by its name."""
    return {each.name: sha256(each.data).hexdigest() for each in snapshots}


def covers(grant: Allowance, item: Item, requester: str, policy: str) -> bool:
    """Whether a grant is for this very kind of call: every bound holds, and the price fits."""
    prepared = item.prepared
    ceiling = prepared.quote.ceiling
    if isinstance(ceiling, Unknown) or ceiling > grant.ceiling:
        return False
    if (grant.tool, grant.operation) != (prepared.tool, prepared.operation):
        return False
    if grant.requester and grant.requester != requester:
        return False
    if grant.schema_hash != item.schema or grant.policy != policy:
        return False
    payer = str(grant.bounds.get("payer", ""))
    return prepared.quote.payer == payer and grant.bounds.get("arguments") == item.arguments


def no_room(held: NoRoom) -> Line:
    """Why a call that is allowed is asked all the same."""
    left = max(0, held.limit - held.spent - held.held)
    return said.ROOM_LEFT.of(
        scope=scope_line(held.scope),
        left=dollars(left) if left else said.NO_MONEY.of(),
        limit=dollars(held.limit),
        held=dollars(held.held) if held.held else said.NO_MONEY.of(),
    )


def _trusted(tx: Tx, prepared: PreparedCall) -> PreparedCall:
    """The call with its price unknown if the last figure of its tool was too low."""
    quote = prepared.quote
    if not is_paid(quote.ceiling) or not freezes.is_suspect(tx, prepared.tool):
        return prepared
    text = "its last estimate was too low; an owner has to clear it"
    unknown = Unknown(because=UnknownBecause.SUSPECT, text=text)
    return replace(prepared, quote=replace(quote, ceiling=unknown))


def _verdict_detail(item: Item) -> dict[str, object]:
    return {
        "tool": item.prepared.tool,
        "operation": item.prepared.operation,
        "verdict": item.judgement.verdict.value,
        "rule": item.judgement.rule,
        "reason": item.judgement.reason,
        "tags": sorted(tag.value for tag in item.judgement.tags),
        "fingerprint": item.decided.fingerprint,
        "quote": quote_row(item.prepared.quote),
    }


def _refused(judged: JudgedCall, text: str) -> ToolResult:
    call = judged.call
    return ToolResult(call_id=call.id, name=call.name, status=ResultStatus.REFUSED, text=text)
