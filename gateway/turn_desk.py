"""What a running turn needs of the gate, the money and the cards; units of work throughout.

`StoredTurn` calls these inside the transactions in which it stores what it does itself.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, runtime_checkable

from agent.calls import JudgedCall
from agent.costs import Quote, Unknown, dollars
from agent.journal import Bill, Intended
from agent.messages import ToolResult
from agent.policy import Facts
from agent.tools.base import ProbingTool, ReaskedTool, RemoteJob, RemoteTool, Tool
from agent.tools.literal_secrets import Holds
from gateway import render, superseding
from gateway.asking import Asking
from gateway.attempt_alerts import AttemptAlerts
from gateway.clock import Clock
from gateway.decisions import Decisions
from gateway.facts import facts_of
from gateway.gate import Gate, Rules, Verdicts
from gateway.last_check import LastCheck, LastLook
from gateway.ledger import VELOCITY_WINDOW_US, Leave
from gateway.money import Spender, spender_of
from gateway.painting import Painter
from gateway.render import Undone
from gateway.roles import Roles
from gateway.scopes import scope_line
from gateway.store.base import Store, Tx
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
    transcript,
)
from gateway.store.records.balances import Notice
from gateway.store.records.calls import CallRow, TurnedDown
from gateway.store.records.cards import Origin
from gateway.store.records.ledger import Frozen, NoRoom, Settled
from gateway.store.records.outbox import OutboxRow
from gateway.store.records.reservations import MODEL_WAIT_US
from gateway.store.records.sessions import OpenTurn
from gateway.words import notices as said
from gateway.words import outcomes
from gateway.words.phrase import Told

_OF_OWNERS = ("org_month", "background_day")

Short = NoRoom | Frozen | Unknown
"""Why a model call can't be paid for."""


def _nobody_asks() -> None:
    """Where no clock runs nobody asks how its jobs stand."""


@runtime_checkable
class SendingTool(Tool, Protocol):
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
        store: Store,
        clock: Clock,
        send: Callable[[tuple[OutboxRow, ...]], None],
        look_at_jobs: Callable[[], None],
        tell_owners: Callable[[str, Told], None],
    ) -> None:
        """`tell_owners` takes a key that is told once, and a sentence.

        `fire_rests` may be set by whoever wants to know that a job's turn has ended or waits.
        """
        self._rules = rules
        self._gate = gate
        self._asking = asking
        self.decisions = decisions
        self._painter = painter
        self._roles = roles
        self._clock = clock
        self.send = send
        self.look_at_jobs = look_at_jobs
        self.fire_rests: Callable[[], None] = _nobody_asks
        self._tell_owners = tell_owners
        self._last_check = LastCheck(
            rules=rules,
            gate=gate,
            asking=asking,
            decisions=decisions,
            painter=painter,
            roles=roles,
            store=store,
            clock=clock,
            booked=self.booked,
        )

    @property
    def holds(self) -> Holds:
        """Whether a text holds a configured secret."""
        return self._rules.holds

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
        self,
        tx: Tx,
        turn: OpenTurn,
        *,
        ident: str | None,
        step: int | None,
        quote: Quote,
        model: str,
    ) -> Short | None:
        """Put a model call's ceiling aside; `ident` None is a call that costs nothing."""
        spender = spender_of(turn)
        money = self._rules.money
        now = self._clock.now()
        if isinstance(quote.ceiling, Unknown):
            return quote.ceiling
        if ident is None and (frozen := money.frozen(tx, spender)) is not None:
            return Frozen(scope=frozen.scope, by=frozen.name, reason=frozen.reason)
        because = self._too_fast(tx, spender, now)
        if ident is None or because is not None:
            return because
        held = money.reserve_model(
            tx, spender, ident=ident, step=step, quote=quote, model=model, now=now
        )
        return held if isinstance(held, NoRoom | Frozen) else None

    def _too_fast(self, tx: Tx, spender: Spender, now: int) -> Frozen | None:
        """Freeze a chat that spends faster than people can follow, and tell owners why."""
        lately = now - VELOCITY_WINDOW_US
        heard_at = inbox.heard_at(tx, spender.account, spender.chat, since=lately)
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
        scope = spender.scope
        freeze = freezes.Freeze(
            scope=scope, by="gateway", name="the velocity alarm", reason=reason, at=now
        )
        if freezes.freeze(tx, freeze):
            self._tell_owners(
                f"velocity:{scope}:{now}",
                said.TOO_FAST.of(chat=spender.chat, reason=reason),
            )
        return Frozen(scope=scope, by="the velocity alarm", reason=reason)

    def ask_for_money(
        self,
        tx: Tx,
        turn: OpenTurn,
        short: Short,
        *,
        model: str,
        quote: Quote,
        instead_of: str = "",
    ) -> tuple[OutboxRow, ...]:
        """Ask for what a model call lacks; `instead_of` is the model that can't be had."""
        needs = quote.ceiling if isinstance(quote.ceiling, int) else 0
        what = f"the next answer of {model}"
        match short:
            case NoRoom():
                return self._asking.ask_limit(
                    tx, turn, short, what=what, needs=needs, model=model, instead_of=instead_of
                )
            case Frozen(by=by, reason=reason):
                return self._asking.ask_frozen(tx, turn, by=by, reason=reason)
            case Unknown(text=text):
                return self._asking.ask_frozen(
                    tx, turn, by="the gateway", reason=text or f"nobody knows what {model} costs"
                )

    def affords(self, tx: Tx, turn: OpenTurn, quote: Quote) -> bool:
        """Whether a model call with this ceiling would be paid for now; nothing is written."""
        if isinstance(quote.ceiling, Unknown):
            return False
        spender, money = spender_of(turn), self._rules.money
        if money.frozen(tx, spender) is not None:
            return False
        rooms = money.rooms(tx, spender, now=self._clock.now(), leave=Leave.POLICY)
        return not any(room.short_by(quote.ceiling) for room in rooms)

    def spent_so_far(
        self, tx: Tx, turn: OpenTurn, ident: str, *, spent: int, needs: int
    ) -> tuple[bool, tuple[OutboxRow, ...]]:
        """Book a part of what a model call costs; whether `needs` is held for what follows."""
        now = self._clock.now()
        rows: tuple[OutboxRow, ...] = ()
        stored = reservations.find(tx, ident)
        if stored is not None and (part := spent - stored.booked) > 0:
            rows = self.booked(tx, ledger.book(tx, ident, amount=part, now=now))
        if self._too_fast(tx, spender_of(turn), now) is not None:
            return False, rows
        return ledger.enlarge(tx, ident, left=needs, now=now), rows

    def model_spent(self, tx: Tx, ident: str, bill: Bill, *, exact: bool) -> tuple[OutboxRow, ...]:
        """Book what a model call has cost, or keep its hold for as long as the bill says.

        What never began is free. Without a figure the hold is charged in full when that time is
        over. `exact`: the figure is what the provider counted.
        """
        now = self._clock.now()
        if not bill.began:
            ledger.release(tx, ident, now=now)
            return ()
        if bill.hold_s or bill.spent is None:
            hold_us = int(bill.hold_s * 1_000_000) or MODEL_WAIT_US
            ends_at = now + hold_us - MODEL_WAIT_US  # overdue so long after its end
            reservations.await_figure(tx, ident, estimate=bill.spent, now=ends_at)
            return ()
        flags = "" if exact else "estimated"
        return self.booked(tx, ledger.settle(tx, ident, actual=bill.spent, now=now, flags=flags))

    def condensed(self, tx: Tx, turn: OpenTurn, reference: str) -> tuple[OutboxRow, ...]:
        """Tell a chat, once in a turn, that its past could not be summed up."""
        origin = Origin(
            account=turn.account,
            chat=turn.reply_to,
            session_id=turn.session_id,
            turn_id=turn.turn_id,
        )
        reader = self._painter.reader(tx, turn.account, "" if turn.grouped else turn.requester)
        text = render.condensed_text(reference, reader)
        return self._painter.line(tx, origin, f"condensed:{turn.turn_id}", text)

    def undone(self, tx: Tx, turn: OpenTurn) -> tuple[Undone, ...]:
        """What an agent of this host asked for in a turn and was not let do."""
        found = [each for each in calls.turned_down(tx, turn.turn_id) if self._asks_again(each)]
        if not found:
            return ()
        texts = {
            message.call_id: message.text
            for message in transcript.of_turn(tx, turn.turn_id)
            if isinstance(message, ToolResult)
        }
        return tuple(
            Undone(
                what=each.label.partition(": ")[2] or each.label,
                why="" if each.late else texts.get(each.id, "").partition(". ")[0].rstrip("."),
            )
            for each in found
        )

    def _asks_again(self, call: TurnedDown) -> bool:
        return isinstance(self._rules.tools.get(call.tool), ReaskedTool)

    def alerts(self) -> AttemptAlerts:
        """What owners hear of the attempts of one turn."""
        return AttemptAlerts(self._tell_owners)

    def time(self, at: int) -> str:
        """A moment as people read it."""
        return self._painter.time(at)

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
        facts = self._facts(tx, turn, judged, groups)
        return self._gate.judge(tx, turn, judged, facts, words=words)

    async def last_look(self, turn: OpenTurn, judged: tuple[JudgedCall, ...]) -> LastLook:
        """What has to be asked outside a unit before calls begin."""
        return await self._last_check.look(turn, judged, await self.groups(turn))

    def check(
        self, tx: Tx, turn: OpenTurn, judged: tuple[JudgedCall, ...], look: LastLook
    ) -> tuple[Intended, tuple[OutboxRow, ...]]:
        """The last look before the first byte leaves: freeze, rules, people, time, contents."""
        return self._last_check.check(tx, turn, judged, look)

    def _facts(
        self,
        tx: Tx,
        turn: OpenTurn,
        judged: tuple[JudgedCall, ...],
        groups: Mapping[str, bool | None],
    ) -> Facts:
        prepared = [each.prepared for each in judged if each.prepared is not None]
        return facts_of(tx, turn, groups=groups, rights=self._rules.rights, prepared=prepared)

    def moved(self, tx: Tx, call_ids: list[str]) -> tuple[OutboxRow, ...]:
        """Say on their cards that calls run now, or that they don't."""
        return tuple(row for ident in call_ids for row in self._painter.repaint_call(tx, ident))

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
                return (*self._painter.repaint_call(tx, call_id), *self.booked(tx, settled))
        return self._painter.repaint_call(tx, call_id)

    def ask_in_doubt(
        self, tx: Tx, turn: OpenTurn, call_ids: tuple[str, ...]
    ) -> tuple[OutboxRow, ...]:
        """Ask about calls that a crash left in doubt, unless it was asked already."""
        return self._last_check.ask_in_doubt(tx, turn, call_ids)

    def cleared(self, tx: Tx, call_ids: Iterable[str]) -> tuple[OutboxRow, ...]:
        """Take back what people are asked about calls that are not in doubt any more."""
        return self._last_check.cleared(tx, call_ids)

    # -- ends

    def written_on(self, tx: Tx, session_key: str) -> tuple[OutboxRow, ...]:
        """New words of the requester end what is pending."""
        return superseding.written_on(tx, session_key, self.decisions, now=self._clock.now())

    def turn_ends(self, tx: Tx, turn: OpenTurn, *, by: str, stopped: bool) -> tuple[OutboxRow, ...]:
        """Withdraw what is pending of a turn that ends, and end its work elsewhere.

        What it does not wait for ends with it only where somebody stopped it.
        """
        rows: list[OutboxRow] = []
        now = self._clock.now()
        for call in calls.unseen(tx, turn.turn_id):
            self._seek(tx, call, now=now)
        for card in cards.pending_of_turn(tx, turn.turn_id):
            text = "The turn ended before this was decided. It did not run."
            rows.extend(
                self.decisions.ends.end(
                    tx, card, "withdrawn", name=by, text=text, words=outcomes.TURN_ENDED.of()
                )
            )
        jobs.stop_of_turn(tx, turn.turn_id, by=by, now=now, everything=stopped)
        for ident in calls.end_unfinished(tx, turn.session_id, turn.turn_id, now):
            rows.extend(self._painter.repaint_call(tx, ident))
        return tuple(rows)

    def _seek(self, tx: Tx, call: CallRow, *, now: int) -> None:
        """Have work looked for, and ended, that a call may have begun and nobody has seen."""
        tool = self._rules.tools.get(call.tool)
        if isinstance(tool, ProbingTool) and isinstance(tool, RemoteTool):
            unseen = RemoteJob(handle="", label=call.label, deadline_s=0.0, waits=False)
            jobs.insert(
                tx, call_id=call.id, turn_id=call.turn_id, tool=call.tool, job=unseen, now=now
            )

    def session_ends(self, tx: Tx, session_key: str, *, by: str) -> None:
        """What a session was allowed ends with it, and so does its work elsewhere."""
        session = sessions.current(tx, session_key)
        if session is None:
            return
        now = self._clock.now()
        allowances.end_of_session(tx, session.id, because=f"{by} began afresh", now=now)
        jobs.stop_of_session(tx, session.id, by=by, now=now)

    def booked(self, tx: Tx, settled: Settled) -> tuple[OutboxRow, ...]:
        """What a booking leads to: owners hear of alarms, a chat of limits nearly spent."""
        if settled.again:
            return ()
        if settled.alarm:
            self._tell_owners(
                f"overrun:{settled.reservation_id}",
                said.COST_MORE.of(what=settled.alarm, ident=settled.reservation_id),
            )
        rows: list[OutboxRow] = []
        for notice in settled.notices:
            rows.extend(self._nearly_spent(tx, settled, notice))
        return tuple(rows)

    def _nearly_spent(self, tx: Tx, settled: Settled, notice: Notice) -> tuple[OutboxRow, ...]:
        """Tell those whom a limit binds that four fifths of it are spent: once per window."""
        line = said.NEARLY_SPENT.of(
            scope=scope_line(notice.scope),
            spent=dollars(notice.settled),
            limit=dollars(notice.limit),
        )
        key = f"budget:{notice.scope}:{notice.span}"
        if notice.scope in _OF_OWNERS:
            self._tell_owners(key, line)
            return ()
        stored = reservations.find(tx, settled.reservation_id)
        turn_id = stored.turn_id if stored is not None else None
        origin = cards.origin_of(tx, turn_id) if turn_id is not None else None
        if origin is None or stored is None:
            return ()
        alone = "" if cards.is_grouped(tx, origin.turn_id) else stored.requester
        reader = self._painter.reader(tx, origin.account, alone)
        return self._painter.line(tx, origin, key, line.to(reader))
