"""What a running turn needs of the gate, the money and the cards; units of work throughout.

`StoredTurn` calls these inside the transactions in which it stores what it does itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, runtime_checkable

from agent.calls import CallState, JudgedCall
from agent.costs import Quote, Unknown
from agent.journal import Bill, Intended
from agent.messages import ResultStatus, ToolResult
from agent.tools.base import RemoteJob, Verdict
from gateway import superseding
from gateway.asking import Asking
from gateway.clock import Clock
from gateway.decisions import Decisions
from gateway.facts import facts_of
from gateway.gate import Gate, Rules, Verdicts, item_of
from gateway.money import Spender, spender_of
from gateway.painting import Painter
from gateway.roles import Roles
from gateway.store.base import Tx
from gateway.store.records import (
    allowances,
    calls,
    cards,
    freezes,
    inbox,
    jobs,
    ledger,
    reservations,
    sessions,
)
from gateway.store.records.calls import CallRow
from gateway.store.records.ledger import Frozen, NoRoom, Settled
from gateway.store.records.outbox import OutboxRow
from gateway.store.records.sessions import OpenTurn

START_WINDOW_US = 15 * 60 * 1_000_000

Short = NoRoom | Frozen | Unknown
"""Why a model call can't be paid for."""


@runtime_checkable
class SendingTool(Protocol):
    """A tool whose local calls store messages."""

    def stored(self, call_id: str) -> tuple[OutboxRow, ...]:
        """The rows of a committed call, once."""


class TurnDesk:
    """The desk as turns use it."""

    def __init__(
        self,
        *,
        rules: Rules,
        gate: Gate,
        asking: Asking,
        decisions: Decisions,
        painter: Painter,
        roles: Roles,
        clock: Clock,
        send: Callable[[tuple[OutboxRow, ...]], None],
        look_at_jobs: Callable[[], None],
        tell_owners: Callable[[str, str], None],
    ) -> None:
        """`tell_owners` takes a key that is told once, and a sentence."""
        self._rules = rules
        self._gate = gate
        self._asking = asking
        self.decisions = decisions
        self._painter = painter
        self._roles = roles
        self._clock = clock
        self.send = send
        self.look_at_jobs = look_at_jobs
        self._tell_owners = tell_owners

    async def groups(self, turn: OpenTurn) -> Mapping[str, bool | None]:
        """Which groups that rules name the requester is in."""
        return await self._roles.groups(
            self._rules.policy.groups,
            account=turn.account,
            chat=turn.reply_to,
            person=turn.requester,
        )

    # -- the model's own calls

    def reserve_model(
        self, tx: Tx, turn: OpenTurn, *, ident: str | None, step: int, quote: Quote, model: str
    ) -> Short | None:
        """Put a model call's ceiling aside; `ident` None is a call that costs nothing."""
        spender = spender_of(turn)
        money = self._rules.money
        if ident is None:
            frozen = money.frozen(tx, spender)
            if frozen is None:
                return None
            return Frozen(scope=frozen.scope, by=frozen.name, reason=frozen.reason)
        if isinstance(quote.ceiling, Unknown):
            return quote.ceiling
        now = self._clock.now()
        if because := self._too_fast(tx, spender, now):
            return because
        held = money.reserve_model(
            tx, spender, ident=ident, step=step, quote=quote, model=model, now=now
        )
        return held if isinstance(held, NoRoom | Frozen) else None

    def _too_fast(self, tx: Tx, spender: Spender, now: int) -> Frozen | None:
        """Freeze a chat that spends faster than people can follow, and tell owners why."""
        heard_at = inbox.heard_at(tx, spender.account, spender.chat)
        reason = ledger.velocity(
            tx,
            spender.account,
            spender.chat,
            now=now,
            limits=self._rules.money.limits,
            heard_at=heard_at,
        )
        if reason is None:
            return None
        scope = f"{spender.account}|{spender.chat}"
        freeze = freezes.Freeze(
            scope=scope, by="gateway", name="the velocity alarm", reason=reason, at=now
        )
        if freezes.freeze(tx, freeze):
            self._tell_owners(
                f"velocity:{scope}:{now}",
                f"{spender.chat} is frozen: {reason}. Look at /spend, then /unfreeze.",
            )
        return Frozen(scope=scope, by="the velocity alarm", reason=reason)

    def ask_for_money(
        self, tx: Tx, turn: OpenTurn, short: Short, *, model: str, quote: Quote
    ) -> tuple[OutboxRow, ...]:
        """Ask for what a model call lacks."""
        needs = quote.ceiling if isinstance(quote.ceiling, int) else 0
        what = f"the next answer of {model}"
        match short:
            case NoRoom():
                return self._asking.ask_limit(tx, turn, short, what=what, needs=needs)
            case Frozen(by=by, reason=reason):
                return self._asking.ask_frozen(tx, turn, by=by, reason=reason)
            case Unknown(text=text):
                return self._asking.ask_frozen(
                    tx, turn, by="the gateway", reason=text or f"nobody knows what {model} costs"
                )

    def model_spent(self, tx: Tx, turn: OpenTurn, ident: str, spent: int) -> None:
        """Book what a model call has cost."""
        settled = ledger.settle(tx, ident, actual=spent, now=self._clock.now())
        self._after(settled)

    # -- calls

    def judge(
        self,
        tx: Tx,
        turn: OpenTurn,
        judged: tuple[JudgedCall, ...],
        groups: Mapping[str, bool | None],
        words: str,
    ) -> Verdicts:
        """Judge the calls of a step."""
        facts = facts_of(
            tx,
            session_id=turn.session_id,
            turn_id=turn.turn_id,
            chat=turn.reply_to,
            requester=turn.requester,
            groups=groups,
        )
        return self._gate.judge(tx, turn, judged, facts, words=words)

    def check(
        self,
        tx: Tx,
        turn: OpenTurn,
        judged: tuple[JudgedCall, ...],
        groups: Mapping[str, bool | None],
    ) -> tuple[Intended, tuple[OutboxRow, ...]]:
        """The last look before the first byte leaves: freeze, rules, time, and what is stored."""
        begun: list[str] = []
        results: list[ToolResult] = []
        rows: list[OutboxRow] = []
        frozen = self._rules.money.frozen(tx, spender_of(turn))
        for each in judged:
            stored = calls.get(tx, each.call.id)
            if stored is None:
                raise LookupError(f"no call {each.call.id}")
            if stored.state == CallState.INTENT.value:
                begun.append(each.call.id)  # a harmless repeat after a crash
                continue
            late = self._clock.now() - (stored.decided_at or 0) > START_WINDOW_US
            if late:
                rows.extend(self._lapse(tx, turn, each, stored, groups))
            elif why := self._why_not(tx, turn, each, stored, groups=groups, frozen=frozen):
                results.append(self._turned_down(tx, each, stored, why))
            else:
                begun.append(each.call.id)
        return Intended(begun=frozenset(begun), results=tuple(results)), tuple(rows)

    def _why_not(
        self,
        tx: Tx,
        turn: OpenTurn,
        judged: JudgedCall,
        stored: CallRow,
        *,
        groups: Mapping[str, bool | None],
        frozen: freezes.Freeze | None,
    ) -> str:
        """Why a decided call may not begin after all; empty if it may."""
        if frozen is not None:
            return f"Not run: spending is frozen here by {frozen.name}."
        prepared = judged.prepared
        if prepared is None:
            return "Not run: it no longer fits its tool."
        facts = facts_of(
            tx,
            session_id=turn.session_id,
            turn_id=turn.turn_id,
            chat=turn.reply_to,
            requester=turn.requester,
            groups=groups,
        )
        weighed = self._gate.reweigh(tx, prepared, replace(facts, inspected=judged.inspected))
        if weighed.judgement.verdict is Verdict.DENY:
            return f"Not allowed (any more): {weighed.judgement.reason}."
        item = item_of(
            turn_key=(turn.account, turn.reply_to, turn.session_key, turn.turn_id),
            call_id=judged.call.id,
            weighed=weighed,
            schema=self._rules.schema(prepared.tool),
        )
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
        self,
        tx: Tx,
        turn: OpenTurn,
        judged: JudgedCall,
        stored: CallRow,
        groups: Mapping[str, bool | None],
    ) -> tuple[OutboxRow, ...]:
        """Give back the money of a call that could not begin in time, and have it judged anew."""
        if stored.reservation_id is not None:
            ledger.release(tx, stored.reservation_id, now=self._clock.now())
        if stored.state != CallState.APPROVED.value or judged.prepared is None:
            calls.propose_again(tx, stored.id)
            return ()
        calls.ask_again(tx, stored.id)
        facts = facts_of(
            tx,
            session_id=turn.session_id,
            turn_id=turn.turn_id,
            chat=turn.reply_to,
            requester=turn.requester,
            groups=groups,
        )
        weighed = self._gate.reweigh(tx, judged.prepared, facts)
        item = item_of(
            turn_key=(turn.account, turn.reply_to, turn.session_key, turn.turn_id),
            call_id=judged.call.id,
            weighed=weighed,
            schema=self._rules.schema(judged.prepared.tool),
        )
        when = self._painter.time(stored.decided_at)
        note = f"approved by {stored.decided_by} {when}, could not start"
        return self._asking.ask_again(tx, turn, stored, item, note)

    def began(self, tx: Tx, call_ids: list[str]) -> tuple[OutboxRow, ...]:
        """Say on their cards that calls run now."""
        return tuple(row for ident in call_ids for row in self._repaint(tx, ident))

    def left(self, tx: Tx, call_id: str, job: RemoteJob) -> None:
        """Keep the money of work that goes on elsewhere until that must have ended."""
        stored = calls.get(tx, call_id)
        if stored is not None and stored.reservation_id is not None:
            ends_at = self._clock.now() + int(job.deadline_s * 1_000_000)
            reservations.postpone(tx, stored.reservation_id, deadline_at=ends_at)

    def sent_by(self, result: ToolResult) -> tuple[OutboxRow, ...]:
        """The rows that a committed call of a tool on our own tables has put on their way."""
        tool = self._rules.tools.get(result.name)
        return tool.stored(result.call_id) if isinstance(tool, SendingTool) else ()

    def ended(self, tx: Tx, call_id: str, bill: Bill) -> tuple[OutboxRow, ...]:
        """Book what a call cost, and say on its card how it ended."""
        stored = calls.get(tx, call_id)
        if stored is None:
            return ()
        now = self._clock.now()
        if stored.reservation_id is not None:
            if not bill.began:
                ledger.release(tx, stored.reservation_id, now=now)
            elif bill.spent is not None:
                settled = ledger.settle(
                    tx, stored.reservation_id, actual=bill.spent, now=now, record=bill.record
                )
                self._after(settled)
        return self._repaint(tx, call_id)

    def _repaint(self, tx: Tx, call_id: str) -> tuple[OutboxRow, ...]:
        request = cards.request_of_call(tx, call_id)
        return self._painter.repaint(tx, request.card_id) if request is not None else ()

    def ask_in_doubt(
        self, tx: Tx, turn: OpenTurn, call_ids: tuple[str, ...]
    ) -> tuple[OutboxRow, ...]:
        """Ask about calls that a crash left in doubt, unless it was asked already."""
        new = tuple(each for each in call_ids if not _is_asked(tx, each))
        return self._asking.ask_in_doubt(tx, turn, new)

    # -- ends

    def written_on(self, tx: Tx, session_key: str) -> tuple[OutboxRow, ...]:
        """New words of the requester end what is pending."""
        return superseding.written_on(tx, session_key, self.decisions, now=self._clock.now())

    def turn_ends(self, tx: Tx, turn: OpenTurn, *, by: str, stopped: bool) -> tuple[OutboxRow, ...]:
        """Withdraw what is pending of a turn that ends, and end its work elsewhere.

        What it does not wait for ends with it only where somebody stopped it.
        """
        rows: list[OutboxRow] = []
        for card in cards.pending_of_turn(tx, turn.turn_id):
            text = "The turn ended before this was decided. It did not run."
            rows.extend(
                self.decisions.end(tx, card, "withdrawn", name=by, text=text, words="turn ended")
            )
        now = self._clock.now()
        jobs.stop_of_turn(tx, turn.turn_id, by=by, now=now, everything=stopped)
        return tuple(rows)

    def session_ends(self, tx: Tx, session_key: str, *, by: str) -> None:
        """What a session was allowed ends with it, and so does its work elsewhere."""
        session = sessions.current(tx, session_key)
        if session is None:
            return
        now = self._clock.now()
        allowances.end_of_session(tx, session.id, because=f"{by} began afresh", now=now)
        jobs.stop_of_session(tx, session.id, by=by, now=now)

    def _after(self, settled: Settled) -> None:
        """What a booking leads to: owners hear of alarms."""
        if settled.again:
            return
        if settled.alarm:
            self._tell_owners(
                f"overrun:{settled.reservation_id}",
                f"Something cost more than was put aside for it ({settled.alarm}):"
                f" gatepost why {settled.reservation_id}.",
            )


def _is_asked(tx: Tx, call_id: str) -> bool:
    request = cards.request_of_call(tx, call_id)
    if request is None or request.state != "pending":
        return False
    card = cards.get(tx, request.card_id)
    return card is not None and card.kind == "in_doubt"
