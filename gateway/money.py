"""What a turn's money counts in: turns and calls as the ledger knows them.

Pure but for the rows it is given: limits, zones and people come from configuration.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.costs import Quote
from gateway import refs
from gateway.config import PeopleConfig
from gateway.ledger import Cap, Leave, Limits, Place, scopes_for
from gateway.store.base import Tx
from gateway.store.records import allowances, freezes, ledger
from gateway.store.records.allowances import Allowance
from gateway.store.records.balances import Room
from gateway.store.records.ledger import Frozen, NoRoom, Reserved
from gateway.store.records.reservations import Hold
from gateway.store.records.sessions import OpenTurn

MODEL_LASTS_US = 30 * 60 * 1_000_000
TOOL_LASTS_US = 60 * 60 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spender:
    """Whose turn spends, and in which chat: its threads have no budget of their own."""

    account: str
    chat: str
    requester: str
    session_id: int | None
    turn_id: int | None
    unattended: bool = False

    @property
    def scope(self) -> str:
        """The chat as freezes name it, and model calls that count there."""
        return f"{self.account}|{self.chat}"


def spender_in(
    account: str, chat: str, *, requester: str, session_id: int | None, turn_id: int | None
) -> Spender:
    """Who spends in a chat or in a thread of it; without a requester it is a clock."""
    return Spender(
        account=account,
        chat=refs.root_text(chat),
        requester=requester,
        session_id=session_id,
        turn_id=turn_id,
        unattended=not requester,
    )


def spender_of(turn: OpenTurn) -> Spender:
    """The turn as a spender."""
    return spender_in(
        turn.account,
        turn.reply_to,
        requester=turn.requester,
        session_id=turn.session_id,
        turn_id=turn.turn_id,
    )


def _gone(tool: str) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Reserves in the scopes that configuration names.

    `policy` is the version of the rules in force, and `schema` gives the hash of a tool's schema
    as it is, empty for one that is gone: `/auto` ends when either changes.
    """

    limits: Limits = field(default_factory=Limits)
    zone: str = "UTC"
    people: PeopleConfig = field(default_factory=PeopleConfig)
    policy: str = "none"
    schema: Callable[[str], str] = field(default=_gone, repr=False)

    def reserve_model(
        self,
        tx: Tx,
        spender: Spender,
        *,
        ident: str,
        step: int | None,
        quote: Quote,
        model: str,
        now: int,
    ) -> Reserved | NoRoom | Frozen:
        """Put a model call's ceiling aside. Its quote must be known."""
        return ledger.reserve(
            tx,
            Hold(
                id=ident,
                kind="model",
                leave=Leave.POLICY,
                amount=_known(quote),
                scopes=scopes_for(
                    self._place(spender), self.limits, auto=self._auto(tx, spender, now)
                ),
                account=spender.account,
                chat=spender.chat,
                what=model,
                deadline_at=now + MODEL_LASTS_US,
                turn_id=spender.turn_id,
                step=step,
                requester=spender.requester,
                quote=quote,
            ),
            now=now,
        )

    def reserve_call(
        self,
        tx: Tx,
        spender: Spender,
        *,
        ident: str,
        call_id: str,
        label: str,
        tool: str,
        quote: Quote,
        leave: Leave,
        now: int,
        amount: int | None = None,
        grant: Allowance | None = None,
        lasts_us: int = TOOL_LASTS_US,
    ) -> Reserved | NoRoom | Frozen:
        """Put a call's ceiling aside, or the `amount` an owner typed for an unknown price."""
        auto = self._auto(tx, spender, now)
        return ledger.reserve(
            tx,
            Hold(
                id=ident,
                kind="tool",
                leave=leave,
                amount=_known(quote) if amount is None else amount,
                scopes=scopes_for(
                    self._place(spender),
                    self.limits,
                    leave=leave,
                    grant=Cap(id=grant.id, micros=grant.cap) if grant else None,
                    auto=auto,
                ),
                account=spender.account,
                chat=spender.chat,
                what=label,
                deadline_at=now + lasts_us,
                turn_id=spender.turn_id,
                call_id=call_id,
                requester=spender.requester,
                quote=quote,
                estimator=tool,
                flags="unverified" if amount is not None else "",
            ),
            now=now,
        )

    def rooms(
        self, tx: Tx, spender: Spender, *, now: int, leave: Leave = Leave.PERSON
    ) -> tuple[Room, ...]:
        """How the limits of a spender stand."""
        auto = self._auto(tx, spender, now)
        scopes = scopes_for(self._place(spender), self.limits, leave=leave, auto=auto)
        return ledger.room(tx, scopes, now=now)

    def frozen(self, tx: Tx, spender: Spender) -> freezes.Freeze | None:
        """What holds a spender still."""
        return freezes.standing(tx, spender.account, spender.chat)

    def auto(self, tx: Tx, session_id: int, *, now: int) -> Allowance | None:
        """The `/auto` of a session, while rules and tools are those it was given under."""
        found = allowances.auto_of(tx, session_id, now=now)
        if found is None or found.policy != self.policy:
            return None
        known = found.bounds.get("schemas", {})
        same = all(self.schema(name) in (mark, "") for name, mark in known.items())
        return found if same else None

    def _auto(self, tx: Tx, spender: Spender, now: int) -> Cap | None:
        if spender.session_id is None:
            return None
        found = self.auto(tx, spender.session_id, now=now)
        return Cap(id=found.id, micros=found.cap) if found else None

    def _place(self, spender: Spender) -> Place:
        return Place(
            account=spender.account,
            chat=spender.chat,
            person=self.people.canonical(spender.requester),
            session_id=spender.session_id,
            turn_id=spender.turn_id,
            chat_zone=self.zone,
            person_zone=self.zone,
            zone=self.zone,
            unattended=spender.unattended,
        )


def _known(quote: Quote) -> int:
    if not isinstance(quote.ceiling, int):
        raise ValueError("an unknown ceiling can't be put aside")
    return quote.ceiling
