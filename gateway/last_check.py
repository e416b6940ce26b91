"""The last check of calls before the first byte leaves; units of work, like all of the desk.

decided                        begins, unless time, people, rules, money or contents say no
its leave can't be used        its money is free; it is judged anew, or asked by a new card
begun before a crash, absent   as if it had only been decided
begun before a crash, keyed    begins again; where it may not, people say what became of it
begun before a crash, pure     begins again; one that is paid is judged anew, on new money
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from agent.calls import CallState, JudgedCall
from agent.costs import is_paid
from agent.journal import Intended
from agent.messages import ResultStatus, ToolResult
from agent.policy import Facts
from agent.tools.base import EffectClass, Verdict
from gateway.asked_items import Item
from gateway.asking import Asking
from gateway.clock import Clock
from gateway.decisions import Decisions
from gateway.entitled import Standing, may_approve
from gateway.facts import facts_of
from gateway.gate import Gate, Reweighed, Rules, item_of
from gateway.money import spender_of
from gateway.painting import Painter
from gateway.roles import Roles
from gateway.store.base import Store, Tx
from gateway.store.records import allowances, calls, cards, cron, freezes, jobs, ledger
from gateway.store.records.calls import CallRow
from gateway.store.records.cards import Card
from gateway.store.records.ledger import Settled
from gateway.store.records.outbox import OutboxRow
from gateway.store.records.sessions import OpenTurn
from gateway.weighing import as_inspected
from gateway.words import card as phrases
from gateway.words import outcomes
from gateway.words.phrase import Phrase

START_WINDOW_US = 15 * 60 * 1_000_000

_DECIDED = (CallState.ALLOWED.value, CallState.APPROVED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLook:
    """Who is what just before calls begin: `approvals` are cards with who said yes on them."""

    groups: Mapping[str, bool | None]
    approvals: Mapping[str, tuple[Card, tuple[str, ...]]]
    standings: Mapping[str, Standing]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    turn: OpenTurn
    look: LastLook
    facts: Facts
    frozen: freezes.Freeze | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    begins: bool = False
    result: ToolResult | None = None
    rows: tuple[OutboxRow, ...] = ()


class LastCheck:
    """Says which calls begin now, and what becomes of the others."""

    def __init__(
        self,
        *,
        rules: Rules,
        gate: Gate,
        asking: Asking,
        decisions: Decisions,
        painter: Painter,
        roles: Roles,
        store: Store,
        clock: Clock,
        booked: Callable[[Tx, Settled], tuple[OutboxRow, ...]],
    ) -> None:
        """`booked` is what a booking leads to."""
        self._rules = rules
        self._gate = gate
        self._asking = asking
        self._decisions = decisions
        self._painter = painter
        self._roles = roles
        self._store = store
        self._clock = clock
        self._booked = booked

    async def look(
        self,
        turn: OpenTurn,
        judged: tuple[JudgedCall, ...],
        groups: Mapping[str, bool | None],
    ) -> LastLook:
        """What has to be asked outside a unit before calls begin: who is what by now."""
        ids = [each.call.id for each in judged]
        approvals = await self._store.read(lambda tx: _approvals(tx, ids))
        standings: dict[str, Standing] = {}
        for card, people in approvals.values():
            named = await self._store.read(lambda tx: cron.approver_of(tx, card))  # noqa: B023
            for person in people:
                if person not in standings:
                    standings[person] = await self._roles.standing(
                        account=turn.account,
                        chat=turn.reply_to,
                        person=person,
                        name="",
                        fresh=card.tier != "requester",
                        named=named,
                    )
        return LastLook(groups=groups, approvals=approvals, standings=standings)

    def check(
        self, tx: Tx, turn: OpenTurn, judged: tuple[JudgedCall, ...], look: LastLook
    ) -> tuple[Intended, tuple[OutboxRow, ...]]:
        """Decide call by call, in the model's order."""
        judged = tuple(_as_approved(tx, each) for each in judged)
        prepared = [each.prepared for each in judged if each.prepared is not None]
        moment = _Moment(
            turn=turn,
            look=look,
            facts=facts_of(
                tx, turn, groups=look.groups, rights=self._rules.rights, prepared=prepared
            ),
            frozen=self._rules.money.frozen(tx, spender_of(turn)),
        )
        begun: list[str] = []
        results: list[ToolResult] = []
        rows: list[OutboxRow] = []
        for each in judged:
            found = self._one(tx, each, moment)
            rows.extend(found.rows)
            if found.begins:
                begun.append(each.call.id)
            if found.result is not None:
                results.append(found.result)
        return Intended(begun=frozenset(begun), results=tuple(results)), tuple(rows)

    def ask_in_doubt(
        self, tx: Tx, turn: OpenTurn, call_ids: tuple[str, ...]
    ) -> tuple[OutboxRow, ...]:
        """Ask about calls that a crash left in doubt, unless it was asked already."""
        new = tuple(each for each in call_ids if _in_doubt(tx, each) and not _doubt(tx, each))
        return self._asking.ask_in_doubt(tx, turn, new)

    def cleared(self, tx: Tx, call_ids: Iterable[str]) -> tuple[OutboxRow, ...]:
        """Take back what people are asked about calls that are not in doubt any more."""
        rows: list[OutboxRow] = []
        for card in (_doubt(tx, ident) for ident in call_ids):
            if card is not None:
                why = outcomes.KNOWN_NOW.of()
                rows.extend(self._decisions.ends.end(tx, card, "withdrawn", name="", words=why))
        return tuple(rows)

    def _one(self, tx: Tx, judged: JudgedCall, moment: _Moment) -> _Found:
        stored = calls.get(tx, judged.call.id)
        if stored is None:
            raise LookupError(f"no call {judged.call.id}")
        if stored.state == CallState.INTENT.value:
            return self._begun_before(tx, judged, stored, moment)
        if stored.state not in _DECIDED:
            return _Found()  # it has its result, or is asked about, by now
        return self._decided(tx, judged, stored, moment)

    def _decided(self, tx: Tx, judged: JudgedCall, stored: CallRow, moment: _Moment) -> _Found:
        if again := self._asked_again(stored, moment.look):
            return _Found(rows=self._lapse(tx, judged, stored, moment, why=again))
        if why := self._why_not(tx, judged, stored, moment):
            return _Found(result=self._turned_down(tx, judged, stored, why))
        return _Found(begins=True)

    def _begun_before(self, tx: Tx, judged: JudgedCall, stored: CallRow, moment: _Moment) -> _Found:
        """What a crash cut in the middle: by what it would mean to run it again."""
        effect = judged.prepared.effect if judged.prepared is not None else None
        match effect:
            case EffectClass.PROBE:  # whoever was asked says that it did not happen
                cleared = self.cleared(tx, (stored.id,))
                jobs.forget_sought(tx, stored.id)
                if not _is_judged(judged, stored):
                    calls.propose_again(tx, stored.id)
                    return _Found(rows=cleared)
                found = self._decided(tx, judged, stored, moment)
                return replace(found, rows=(*cleared, *found.rows))
            case EffectClass.KEYED if self._why_not(tx, judged, stored, moment):
                return _Found(rows=self.ask_in_doubt(tx, moment.turn, (stored.id,)))
            case EffectClass.PURE if judged.prepared and is_paid(judged.prepared.quote.ceiling):
                return _Found(rows=self._paid_in_vain(tx, stored))
            case _:
                return _Found(begins=True)

    def _paid_in_vain(self, tx: Tx, stored: CallRow) -> tuple[OutboxRow, ...]:
        """Book a paid call that a crash cut in full, and have its repeat judged on new money."""
        calls.propose_again(tx, stored.id)
        if stored.reservation_id is None:
            return ()
        return self._booked(tx, ledger.charge(tx, stored.reservation_id, now=self._clock.now()))

    def _asked_again(self, stored: CallRow, look: LastLook) -> Phrase | None:
        """Why an approval can't be used (any more), as its next card says; None if it can."""
        if self._clock.now() - (stored.decided_at or 0) > START_WINDOW_US:
            return outcomes.NOT_IN_TIME
        if stored.id not in look.approvals:
            return None
        card, people = look.approvals[stored.id]
        for person in people:
            may = may_approve(
                look.standings[person],
                card.tier,
                two_person=card.two_person,
                requester=card.requester,
                rights=self._rules.rights,
            )
            if may is None:
                return outcomes.NOT_LOOKED_UP
            if not may:
                return outcomes.NOT_ENTITLED
        return None

    def _why_not(self, tx: Tx, judged: JudgedCall, stored: CallRow, moment: _Moment) -> str:
        """Why a decided call may not begin after all; empty if it may."""
        if moment.frozen is not None:
            return f"Not run: spending is frozen here by {moment.frozen.name}."
        prepared = judged.prepared
        if prepared is None:
            return "Not run: it no longer fits its tool."
        facts = replace(moment.facts, inspected=judged.inspected)
        weighed = self._gate.reweigh(tx, prepared, facts)
        if weighed.judgement.verdict is Verdict.DENY:
            return f"Not allowed (any more): {weighed.judgement.reason}."
        item = self._item(moment.turn, judged, weighed)
        if item.decided.fingerprint != stored.fingerprint:
            return "Not run: what would run is not what was decided. Ask again."
        ident = stored.decided_by.partition(" ")
        if ident[0] in ("grant", "auto") and allowances.get(tx, ident[2]) is None:
            return f"Not run: {stored.decided_by} was taken back."
        return ""

    def _turned_down(self, tx: Tx, judged: JudgedCall, stored: CallRow, why: str) -> ToolResult:
        if stored.reservation_id is not None:
            ledger.release(tx, stored.reservation_id, now=self._clock.now())
        return ToolResult(
            call_id=judged.call.id, name=judged.call.name, status=ResultStatus.REFUSED, text=why
        )

    def _lapse(
        self, tx: Tx, judged: JudgedCall, stored: CallRow, moment: _Moment, *, why: Phrase
    ) -> tuple[OutboxRow, ...]:
        """Give back the money of a call whose leave can't be used; it is judged or asked anew."""
        if stored.reservation_id is not None:
            ledger.release(tx, stored.reservation_id, now=self._clock.now())
        earlier = cards.approval_of(tx, stored.id)
        if earlier is None or judged.prepared is None:
            calls.propose_again(tx, stored.id)
            return ()
        calls.ask_again(tx, stored.id)
        name, at = (
            earlier.decided_name or phrases.SOMEONE.of(),
            self._painter.time(stored.decided_at),
        )
        note = phrases.APPROVED_BEFORE.of(name=name, at=at, because=why.of())
        weighed = self._gate.reweigh(tx, judged.prepared, moment.facts)
        item = self._item(moment.turn, judged, weighed)
        rows = self._asking.ask_again(tx, moment.turn, item, note, earlier=earlier)
        return (*rows, *self._painter.repaint(tx, earlier.card_id))

    def _item(self, turn: OpenTurn, judged: JudgedCall, weighed: Reweighed) -> Item:
        return item_of(
            turn_key=(turn.account, turn.reply_to, turn.session_key, turn.turn_id),
            call_id=judged.call.id,
            weighed=weighed,
            schema=self._rules.schema(weighed.prepared.tool),
        )


def _approvals(tx: Tx, call_ids: list[str]) -> dict[str, tuple[Card, tuple[str, ...]]]:
    """The cards by which calls were approved, and everybody whose yes that took."""
    found = {}
    for ident in call_ids:
        request = cards.approval_of(tx, ident)
        card = cards.get(tx, request.card_id) if request is not None else None
        if request is not None and card is not None:
            people = (*request.votes, request.decided_by or "")
            found[ident] = card, tuple(dict.fromkeys(people))
    return found


def _as_approved(tx: Tx, judged: JudgedCall) -> JudgedCall:
    """A call prepared anew, with what looking at the world had found when people were asked."""
    request = cards.approval_of(tx, judged.call.id)
    if request is None or judged.prepared is None:
        return judged
    prepared = as_inspected(judged.prepared, request, judged.prepared.snapshots)
    return replace(judged, prepared=prepared)


def _is_judged(judged: JudgedCall, stored: CallRow) -> bool:
    """Whether a begun call has the gate's word and its money; an older version asked for none."""
    if not stored.fingerprint or judged.prepared is None:
        return False
    return stored.reservation_id is not None or not is_paid(judged.prepared.quote.ceiling)


def _in_doubt(tx: Tx, call_id: str) -> bool:
    """Whether a call was begun and nothing more is known of it."""
    stored = calls.get(tx, call_id)
    return stored is not None and stored.state == CallState.INTENT.value


def _doubt(tx: Tx, call_id: str) -> Card | None:
    """The card that asks what became of a call, while it can be decided."""
    request = cards.request_of_call(tx, call_id)
    if request is None or request.state != "pending":
        return None
    card = cards.get(tx, request.card_id)
    return card if card is not None and card.kind == "in_doubt" else None
