"""The model calls of one turn as its journal stores them: records, money, alarms, who answers.

Units of work, but for what owners hear.
"""

from dataclasses import asdict
from typing import assert_never

import orjson

from agent.attempts import AttemptRecord
from agent.effects import RecordStep, TurnEnd
from agent.errors import ProviderRateLimited
from agent.journal import Bill
from agent.messages import Usage
from gateway.money import spender_of
from gateway.render import Change
from gateway.store.base import Tx
from gateway.store.records import model_calls, sessions
from gateway.store.records.outbox import OutboxRow
from gateway.store.records.sessions import OpenTurn
from gateway.turn_desk import TurnDesk


class TurnAttempts:
    """What becomes of the attempts of one turn."""

    def __init__(self, turn: OpenTurn, desk: TurnDesk) -> None:
        self._turn = turn
        self._desk = desk
        self._alerts = desk.alerts()

    def ended(
        self, tx: Tx, step: int, bill: Bill, record: AttemptRecord, *, now: int
    ) -> tuple[OutboxRow, ...]:
        """Store an attempt that is no reply, and what came of its money."""
        self._insert(tx, record, bill, now)
        ident = sessions.end_attempt(tx, self._turn, number=step, reason=record.outcome, now=now)
        if ident is None:
            return ()
        exact = record.usage is not None and record.outcome in model_calls.ANSWERED
        return self._desk.model_spent(tx, ident, bill, exact=exact)

    def spent_so_far(
        self, tx: Tx, step: int, *, spent: int, needs: int, now: int
    ) -> tuple[bool, tuple[OutboxRow, ...]]:
        """Book what the running attempt has cost by now; whether it may call its model again."""
        ident = sessions.hold_of_step(tx, self._turn, number=step, now=now)
        if ident is None:
            return False, ()
        return self._desk.spent_so_far(tx, self._turn, ident, spent=spent, needs=needs)

    def replied(
        self, tx: Tx, step: int, reply: RecordStep | TurnEnd, *, now: int
    ) -> tuple[OutboxRow, ...]:
        """Store the attempt that gave a reply and what it has cost; returns what is to be told."""
        bill = Bill(spent=reply.spent)
        if reply.attempt is not None:
            self._insert(tx, reply.attempt, bill, now)
        usage = _usage(reply.usage)
        ident = sessions.close_step(tx, self._turn, number=step, usage=usage, now=now)
        return () if ident is None else self._desk.model_spent(tx, ident, bill, exact=True)

    def _insert(self, tx: Tx, record: AttemptRecord, bill: Bill, now: int) -> None:
        flags = _doubts_of(record, bill)
        model_calls.insert(tx, self._turn.turn_id, record, now=now, flags=flags)

    def take(self, record: AttemptRecord | None) -> None:
        """An attempt is stored: what owners may have to hear of it is kept."""
        if record is not None:
            self._alerts.take(record)

    def rest(self) -> None:
        """The turn ends or waits: owners hear of what was not cured."""
        self._alerts.end()

    def until(self, end: TurnEnd, *, now: int) -> str:
        """When the limit ends that a turn has ended by; empty if nobody has said so."""
        cause = end.error.headline if end.error is not None else None
        if not isinstance(cause, ProviderRateLimited) or cause.retry_after_s is None:
            return ""
        return self._desk.time(now + int(cause.retry_after_s * 1_000_000))

    def change(self, tx: Tx, end: TurnEnd) -> Change:
        """What the chat has not been told yet of who answers."""
        spender = spender_of(self._turn)
        return model_calls.change_of(
            tx, spender.account, spender.chat, served=end.served, primary=end.primary
        )

    def keep(self, tx: Tx, change: Change, primary: str, *, now: int) -> None:
        """Remember what the chat is told of who answers."""
        spender = spender_of(self._turn)
        account, chat = spender.account, spender.chat
        match change:
            case "":
                pass
            case "switched":
                model_calls.told_switched(tx, account, chat, primary=primary, now=now)
            case "back":
                model_calls.told_back(tx, account, chat, primary=primary)
            case unknown:
                assert_never(unknown)


def _doubts_of(record: AttemptRecord, bill: Bill) -> tuple[str, ...]:
    """What is not as it should be about the figure of an attempt."""
    if not bill.began:
        return ()
    if bill.spent is None:
        return ("no_usage",) if record.usage is None else ("absurd_usage",)
    return ("estimated",) if bill.hold_s else ()


def _usage(usage: Usage | None) -> str | None:
    return None if usage is None else orjson.dumps(asdict(usage)).decode()
