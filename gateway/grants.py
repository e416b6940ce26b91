"""Leave for several calls: "approve for this chat", and `/auto` of a session.

A grant pins the tool, its operation, every argument and the payer, and bounds what one call and
all of them may cost, how many there may be, and until when. It is shown whole before the press
that gives it. `/auto` covers every call whose price and effect are known and that reaches no
further, under one cap for all that the session spends.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from agent.costs import DOLLAR, Unknown, dollars
from agent.tools.base import EffectClass, RiskTag
from gateway import audit, refs
from gateway.card_ends import Person
from gateway.card_words import price, so_far
from gateway.clock import Clock
from gateway.decisions import Decisions, Outcome
from gateway.entitled import Standing, may_approve
from gateway.gate import Rules
from gateway.painting import Look, Painter
from gateway.quotes import ceiling_from, quote_from
from gateway.store.base import Tx
from gateway.store.records import allowances, cards, ledger
from gateway.store.records.allowances import Allowance
from gateway.store.records.cards import Card, Request
from gateway.tokens import Decision
from gateway.words import grants as said
from gateway.words.phrase import ENGLISH, Line, Reader

USES = 20
GRANT_S = 24 * 3600
AUTO_MAX_S = 8 * 3600
_NEVER = frozenset({RiskTag.DESTRUCTIVE.value, RiskTag.OUTWARD.value, RiskTag.RECURRING.value})
_SPAN = re.compile(r"(?:(\d{1,2})h)?(?:(\d{1,3})m)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """The session somebody writes in; `shared` if several people do."""

    session_id: int
    account: str
    chat: str
    shared: bool
    requester: str


class GrantsDesk:
    """Gives, lists and takes back; every method runs in the caller's unit."""

    def __init__(
        self, *, rules: Rules, decisions: Decisions, painter: Painter, clock: Clock
    ) -> None:
        self._rules = rules
        self._decisions = decisions
        self._painter = painter
        self._clock = clock

    def give(
        self,
        tx: Tx,
        card: Card,
        pending: list[Request],
        decision: Decision,
        *,
        person: Person,
        groups: Mapping[str, bool | None],
    ) -> Outcome:
        """Show a grant whole, or give it and approve the call that asked for it."""
        request = pending[0]
        everybody = decision in (Decision.GRANT_ALL, Decision.GRANT_ALL_CONFIRM)
        if refusal := self._not_grantable(card, pending, person, everybody=everybody):
            return Outcome(text=refusal)
        new = self._grant(tx, card, request, person.standing, everybody=everybody)
        if decision in (Decision.GRANT, Decision.GRANT_ALL):
            proposal = self._told(new, self._painter.reader_of(card))
            look = Look(proposal=proposal, confirm="grant_all" if everybody else "grant")
            rows = self._painter.repaint(tx, card.id, look)
            return Outcome(text=said.READ_IT.of(), rows=list(rows), accepted=True)
        if decision not in (Decision.GRANT_CONFIRM, Decision.GRANT_ALL_CONFIRM):
            return Outcome(text=said.NOT_HERE.of())
        done = self._decisions.approve(tx, card, option=0, person=person, groups=groups)
        if _is_approved(tx, request):
            allowances.insert(tx, new)
            self._note(tx, new, person, "given")
            done.text = said.GIVEN.of(ident=new.id)
        return done

    def auto(self, tx: Tx, here: Here, words: str, person: Person, reader: Reader = ENGLISH) -> str:
        """Begin, enlarge, show or end `/auto`; returns what to say."""
        now = self._clock.now()
        live = self._live_auto(tx, here.session_id, now)
        if not words:
            return self._auto_told(tx, here, live, reader)
        if words == "off":
            ended = allowances.end_of_session(
                tx, here.session_id, because=f"ended by {person.standing.name}", now=now
            )
            return (said.AUTO_ENDED if ended else said.AUTO_NOT_ON).to(reader)
        if refusal := self._may_give_auto(here, person):
            return refusal.to(reader)
        asked = _auto_words(words)
        if asked is None:
            return said.AUTO_USAGE.to(reader)
        amount, seconds, adds = asked
        spent = ledger.session_spent(tx, here.session_id)
        cap = amount + (live.cap if adds and live else 0)
        most = self._rules.rights.approvals.auto_max
        if cap > most:
            return said.AUTO_MOST.to(reader, amount=dollars(most))
        if not 0 < seconds <= AUTO_MAX_S:
            return said.AUTO_HOURS.to(reader)
        if cap <= spent:
            return said.AUTO_SPENT.to(reader, amount=price(spent, reader))
        until_at = now + seconds * 1_000_000
        if live is not None:
            allowances.enlarge(tx, live.id, cap=cap, until_at=until_at)
        else:
            live = self._new_auto(tx, here, person.standing, cap=cap, until_at=until_at)
            allowances.insert(tx, live)
        self._note(tx, allowances.get(tx, live.id) or live, person, "auto")
        return self._auto_told(tx, here, self._live_auto(tx, here.session_id, now), reader)

    def _live_auto(self, tx: Tx, session_id: int, now: int) -> Allowance | None:
        """The session's `/auto`; one that was given for other rules or tools ends here."""
        live = self._rules.money.auto(tx, session_id, now=now)
        if live is None and (other := allowances.auto_of(tx, session_id, now=now)):
            allowances.end(tx, other.id, because="a rule or a tool has changed", now=now)
        return live

    def revoke(
        self, tx: Tx, ident: str, standing: Standing, *, chat: str, reader: Reader = ENGLISH
    ) -> str:
        """Take an allowance back; it counts for calls not started yet, too."""
        found = allowances.get(tx, ident)
        if found is None or (found.chat != chat and not standing.owner):
            return said.NO_GRANT.to(reader, ident=ident)
        mine = standing.person in (found.giver, found.requester)
        if not (mine or standing.owner or standing.approver):
            return said.WHO_REVOKES.to(reader)
        now = self._clock.now()
        allowances.end(tx, ident, because=f"taken back by {standing.name}", now=now)
        person = Person(standing=standing, source="command", at=now)
        self._note(tx, found, person, "taken back")
        return said.REVOKED.to(reader, ident=ident)

    def listed(
        self,
        tx: Tx,
        account: str,
        chat: str,
        session_id: int | None,
        reader: Reader = ENGLISH,
    ) -> str:
        """What is allowed here, with what is left."""
        now = self._clock.now()
        found = allowances.grants_in(tx, account, chat, now=now)
        lines = [f"- {self._line(each, reader)}" for each in found]
        money = self._rules.money
        auto = money.auto(tx, session_id, now=now) if session_id is not None else None
        if auto is not None:
            left = max(0, auto.cap - ledger.session_spent(tx, auto.session_id or 0))
            line = said.AUTO.to(
                reader,
                ident=auto.id,
                giver=auto.giver_name,
                left=so_far(left),
                cap=dollars(auto.cap),
                at=self._painter.time(auto.until_at),
            )
            lines.append(f"- {line}")
        return "\n".join(lines) or said.NOTHING.to(reader)

    def _line(self, each: Allowance, reader: Reader) -> str:
        return said.GRANT.to(
            reader,
            ident=each.id,
            what=f"{each.tool} {each.operation}",
            whom=each.requester or said.EVERYBODY.to(reader),
            giver=each.giver_name,
            uses=each.uses_left,
            each=price(each.ceiling, reader),
            at=self._painter.time(each.until_at),
        )

    def _not_grantable(
        self, card: Card, pending: list[Request], person: Person, *, everybody: bool
    ) -> Line | None:
        if len(pending) != 1 or card.kind != "call":
            return said.ONE_CALL.of()
        request = pending[0]
        tainted_once = request.effect == EffectClass.ONCE.value and "tainted" in request.tags
        undeclared = request.detail.get("declared") is False
        unknown = isinstance(ceiling_from(request.ceiling, request.unknown), Unknown)
        if not _NEVER.isdisjoint(request.tags) or tainted_once or undeclared or unknown:
            return said.NEVER.of()
        above = self._rules.rights.approvals.two_person_above
        if not card.requester and not everybody:
            return said.NOBODYS.of()
        if card.two_person or (above is not None and (request.ceiling or 0) > above):
            return said.TWO_PEOPLE.of()
        if request.rule.startswith("floor"):
            return said.NEVER.of()
        standing = person.standing
        if everybody and not (standing.owner or standing.approver):
            return said.ONLY_APPROVERS.of()
        may = may_approve(
            standing,
            card.tier,
            two_person=card.two_person,
            requester=card.requester,
            rights=self._rules.rights,
        )
        return None if may else said.NOT_YOU.of()

    def _ident(self, tx: Tx) -> str:
        """Six characters that no allowance has or had."""
        while True:
            ident = self._clock.nonce()[-6:]
            if not allowances.is_taken(tx, ident):
                return ident

    def _grant(
        self, tx: Tx, card: Card, request: Request, giver: Standing, *, everybody: bool
    ) -> Allowance:
        approvals = self._rules.rights.approvals
        if giver.owner:
            most = max(approvals.approver_up_to, request.ceiling or 0)
        elif giver.approver:
            most = approvals.approver_up_to
        else:
            most = approvals.requester_up_to
        ceiling = request.ceiling or 0
        now = self._clock.now()
        return Allowance(
            id=self._ident(tx),
            kind="grant",
            session_id=None,
            account=card.origin_account,
            chat=refs.root_text(card.origin),
            requester="" if everybody else card.requester,
            giver=giver.person,
            giver_name=giver.name or giver.person,
            tool=request.tool,
            operation=request.operation,
            bounds={"arguments": request.arguments, "payer": quote_from(request.quote).payer},
            ceiling=ceiling,
            uses_left=USES,
            cap=min(most, max(ceiling, 1) * USES),
            schema_hash=request.schema_hash,
            policy=self._rules.policy.version,
            request_id=request.id,
            created_at=now,
            until_at=now + GRANT_S * 1_000_000,
        )

    def _told(self, new: Allowance, reader: Reader) -> tuple[str, ...]:
        """A grant in words, nothing left out."""
        arguments = orjson.dumps(orjson.loads(new.bounds["arguments"])).decode()
        return (
            said.WHAT.to(reader, what=f"{new.tool} {new.operation}", arguments=arguments),
            said.BOUNDS.to(
                reader,
                whom=new.requester or said.EVERYBODY_HERE.to(reader),
                each=price(new.ceiling, reader),
                all=price(new.cap, reader),
                uses=new.uses_left,
                at=self._painter.time(new.until_at),
            ),
        )

    def _may_give_auto(self, here: Here, person: Person) -> Line | None:
        standing = person.standing
        if standing.owner or standing.approver:
            return None
        if here.shared:
            return said.AUTO_SHARED.of()
        return None if standing.person == here.requester else said.AUTO_NOT_YOURS.of()

    def _new_auto(
        self, tx: Tx, here: Here, giver: Standing, *, cap: int, until_at: int
    ) -> Allowance:
        return Allowance(
            id=self._ident(tx),
            kind="auto",
            session_id=here.session_id,
            account=here.account,
            chat=here.chat,
            requester=here.requester,
            giver=giver.person,
            giver_name=giver.name or giver.person,
            bounds={"schemas": self._rules.schemas()},
            ceiling=cap,
            uses_left=1_000_000,
            cap=cap,
            policy=self._rules.policy.version,
            created_at=self._clock.now(),
            until_at=until_at,
        )

    def _auto_told(self, tx: Tx, here: Here, live: Allowance | None, reader: Reader) -> str:
        if live is None:
            return said.AUTO_OFF.to(reader)
        spent = ledger.session_spent(tx, here.session_id)
        return said.AUTO_ON.to(
            reader,
            ident=live.id,
            spent=so_far(spent),
            left=so_far(max(0, live.cap - spent)),
            at=self._painter.time(live.until_at),
        )

    def _note(self, tx: Tx, each: Allowance, person: Person, what: str) -> None:
        audit.append(
            tx,
            at=self._clock.now(),
            kind="grant",
            actor=person.standing.person,
            account=each.account,
            chat=each.chat,
            subject=each.id,
            detail={
                "what": what,
                "kind": each.kind,
                "tool": each.tool,
                "operation": each.operation,
                "bounds": each.bounds,
                "ceiling": each.ceiling,
                "cap": each.cap,
                "uses": each.uses_left,
                "until": each.until_at,
            },
        )


def _is_approved(tx: Tx, request: Request) -> bool:
    items = cards.requests_of(tx, request.card_id)
    return any(each.id == request.id and each.state == "approved" for each in items)


def _auto_words(words: str) -> tuple[int, int, bool] | None:
    """`$5 2h` as micro-dollars and seconds, and whether it adds to what there is."""
    parts = words.lower().split()
    if not parts:
        return None
    adds = parts[0].startswith("+")
    money = re.fullmatch(r"\+?\$?(\d{1,6})(?:\.(\d{1,2}))?", parts[0])
    if money is None or len(parts) > 2:
        return None
    amount = int(money[1]) * DOLLAR + int((money[2] or "").ljust(2, "0")) * (DOLLAR // 100)
    span = _SPAN.fullmatch(parts[1]) if len(parts) == 2 else _SPAN.fullmatch("1h")
    if span is None or not span[0]:
        return None
    return amount, int(span[1] or 0) * 3600 + int(span[2] or 0) * 60, adds
