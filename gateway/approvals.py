"""The approval desk: one path for every press, form, typed command, shell and page.

In order: the row or code, its place, the person, the state, the time, the revision, what is
allowed now; then `gateway.decisions` carries it out in the same unit. Everything that is not a
card of this chat reads the same to whoever pressed: there is nothing to decide here.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from agent.costs import DOLLAR, dollars
from agent.policy import Facts
from agent.tools.base import (
    PreparedCall,
    RiskTag,
)
from gateway import audit, refs
from gateway.acts import WEB, Act, Answer, typed_amount, typed_words
from gateway.card_ends import WHOLE, Person
from gateway.card_view import CardView
from gateway.clock import Clock
from gateway.decisions import Decisions, Outcome
from gateway.edits import ANSWER_MAX, REASON_MAX, Edited, Edits, form_for
from gateway.entitled import Standing, may_approve, may_deny
from gateway.facts import facts_of
from gateway.gate import Gate, Rules
from gateway.grants import GrantsDesk
from gateway.logins import SOURCE as SHELL
from gateway.painting import Look, Painter
from gateway.roles import Roles
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import cards, cron, due, outbox
from gateway.store.records.cards import Card, Request, RequestState
from gateway.store.records.outbox import OutboxRow
from gateway.tokens import Decision, opened
from gateway.words import decisions as said
from gateway.words import outcomes
from gateway.words.phrase import ENGLISH, Line, Phrase, Told, spoken

NOTHING = said.NOTHING.en
CHANGED = said.CHANGED.en
FIVE, TWENTY = 5 * DOLLAR, 20 * DOLLAR

_APPROVALS = frozenset({Decision.APPROVE, Decision.APPROVE_ALL})
_CONFIRMED = frozenset({Decision.CONFIRM, Decision.CONFIRM_ALL})
_DENIALS = frozenset({Decision.DENY, Decision.DENY_ALL, Decision.DENY_REASON, Decision.STOP})
_VIEWS = frozenset(
    {Decision.MORE, Decision.BACK, Decision.PAGE, Decision.ONE_BY_ONE, Decision.ITEM}
)
_GRANTS = frozenset(
    {
        Decision.GRANT,
        Decision.GRANT_ALL,
        Decision.GRANT_CONFIRM,
        Decision.GRANT_ALL_CONFIRM,
    }
)
_BY_ITEM = _APPROVALS | _CONFIRMED | _DENIALS | {Decision.CEILING, Decision.EDIT}
_LESS_THAN_YES = _VIEWS | _DENIALS | {Decision.SHOW, Decision.EDIT, Decision.PAYER}
_SECOND_ASKED = frozenset({RiskTag.DESTRUCTIVE.value, RiskTag.RECURRING.value})


class Desk:
    """Decides cards."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        rules: Rules,
        roles: Roles,
        gate: Gate,
        decisions: Decisions,
        painter: Painter,
        grants: GrantsDesk,
        payers: tuple[str, ...],
        enqueue: Callable[[tuple[OutboxRow, ...]], None],
        wake: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._roles = roles
        self._gate = gate
        self._decisions = decisions
        self._painter = painter
        self._grants = grants
        self._edits = Edits(store=store, rules=rules, payers=payers)
        self._enqueue = enqueue
        self._wake = wake

    async def pressed(self, payload: str, act: Act) -> Answer:
        """Carry out a press or form; `payload` is what its button carried."""
        token = opened(
            payload, keys=self._painter.keys, account=act.account, chat=refs.root_text(act.chat)
        )
        if token is None:
            return await self._refused(act, None, "no token of ours", said.NOTHING.of())
        answer = await self._decide(
            token.id, replace(act, decision=token.decision, option=token.option, rev=token.rev)
        )
        if answer.form is not None:
            return replace(answer, form=replace(answer.form, id=payload))
        return answer

    async def typed(self, code: str, act: Act) -> Answer:
        """Carry out a decision by a card's code."""
        card = await self._store.read(lambda tx: cards.by_code(tx, code.strip().upper()))
        if card is None:
            return await self._refused(act, None, "no such code", said.NOTHING.of())
        return await self._decide(card.id, act)

    async def _decide(self, card_id: str, act: Act) -> Answer:
        card = await self._store.read(lambda tx: cards.get(tx, card_id))
        if card is None or not await self._store.read(lambda tx: self._is_here(tx, card, act)):
            return await self._refused(act, card, "not of this chat", said.NOTHING.of())
        standing = await self._roles.standing(
            account=card.origin_account,
            chat=card.origin,
            person=act.person,
            name=act.name,
            human=act.human,
            fresh=card.tier != "requester",
            held=act.roles,
            named=await self._store.read(lambda tx: cron.approver_of(tx, card)),
        )
        groups = await self._roles.groups(
            self._rules.policy.groups,
            account=card.origin_account,
            chat=card.origin,
            person=card.requester,
        )
        if form := await self._form(card, act, standing):
            return form
        if refusal := self._entitled(card, act, standing):
            return await self._refused(act, card, refusal.to(ENGLISH), refusal)
        edited = await self._edits.of(card, act.decision, option=act.option, values=act.values)
        if isinstance(edited, str | Line):
            return Answer(text=spoken(edited, act.reader))

        def unit(tx: Tx) -> Outcome:
            return self._in_order(tx, card_id, act, standing=standing, groups=groups, edited=edited)

        done = await self._store.write(unit, transition=transitions.REQUEST_DECIDED)
        self._enqueue(tuple(done.rows))
        for key in done.wake:
            self._wake(key)
        return Answer(text=spoken(done.text, act.reader))

    def _is_here(self, tx: Tx, card: Card, act: Act) -> bool:
        """Whether somebody acted where this card stands, or where it was asked from."""
        if act.anywhere:
            return True
        places = {
            (card.account, refs.root_text(card.chat)),
            (card.origin_account, refs.root_text(card.origin)),
        }
        if (act.account, refs.root_text(act.chat)) not in places:
            return False
        if act.message is None:
            return True
        found = outbox.keys_of_message(tx, act.account, (act.chat, card.chat), act.message)
        if not found:
            # A copy whose id is not known yet is sealed for this chat and card; once the card's
            # own message is known, a message that is not it was passed on.
            return act.rev is not None and outbox.state_of(tx, f"card:{card.id}:post") != "sent"
        return any(key.startswith(f"card:{card.id}:") for key in found)

    def _in_order(
        self,
        tx: Tx,
        card_id: str,
        act: Act,
        *,
        standing: Standing,
        groups: Mapping[str, bool | None],
        edited: Edited | None,
    ) -> Outcome:
        """Steps 6 to 12, over the row as it is now."""
        card = cards.get(tx, card_id)
        if card is None:
            return Outcome(text=said.NOTHING.of())
        person = Person(standing=standing, source=act.source, at=act.at)
        pending = [r for r in cards.requests_of(tx, card.id) if r.state == "pending"]
        if refusal := self._entitled(card, act, standing):
            return self._turned_away(tx, card, act, refusal)
        meant = [r for r in pending if act.option in (WHOLE, r.ordinal + 1)]
        by_item = card.kind == "call" and act.decision in _BY_ITEM
        if not (meant if by_item else pending):
            return Outcome(text=self._ended(tx, card, act, standing))
        if not due.is_open(tx, card.turn_id):
            rows = self._decisions.ends.of_ended_turn(tx, card)
            return Outcome(text=said.TURN_ENDED.of(), rows=list(rows))
        if card.state == "queued":
            return Outcome(text=said.IN_QUEUE.of())
        if card.expires_at is not None and act.at >= card.expires_at:
            rows = self._decisions.ends.halt(tx, card, "expired", outcomes.NOBODY_IN_TIME)
            return Outcome(text=said.TIME_OVER.of(), rows=list(rows), wake={card.session_key})
        if act.rev is not None and act.rev < card.rev and act.decision not in _VIEWS:
            return self._turned_away(tx, card, act, said.CHANGED.of())
        done = self._carry_out(
            tx,
            card,
            meant if by_item else pending,
            act,
            person=person,
            groups=groups,
            edited=edited,
        )
        if not done.accepted:
            self._turned_away(tx, card, act, done.text)
        return done

    def _entitled(self, card: Card, act: Act, standing: Standing) -> Line | None:
        """Why a person may not do this, if they may not."""
        if act.decision in _LESS_THAN_YES:
            may = may_deny(standing, card, rights=self._rules.rights)
        else:
            may = may_approve(
                standing,
                card.tier,
                two_person=card.two_person,
                requester=card.requester,
                rights=self._rules.rights,
            )
        if may is None:
            return said.NOT_LOOKED_UP.of()
        return None if may else _who(card)

    def _carry_out(
        self,
        tx: Tx,
        card: Card,
        pending: list[Request],
        act: Act,
        *,
        person: Person,
        groups: Mapping[str, bool | None],
        edited: Edited | None,
    ) -> Outcome:
        decision = act.decision
        if decision in _VIEWS or decision is Decision.SHOW:
            return self._look(tx, card, act, person)
        if decision in _DENIALS and card.kind != "in_doubt":
            return self._deny(tx, card, act, person)
        match card.kind:
            case "question":
                return self._answer(tx, card, pending[0], act, person)
            case "limit":
                return self._raise(tx, card, pending[0], act, person)
            case "in_doubt":
                return self._doubt(tx, card, act, person)
            case "call":
                return self._call(
                    tx, card, pending, act, person=person, groups=groups, edited=edited
                )

    def _call(
        self,
        tx: Tx,
        card: Card,
        pending: list[Request],
        act: Act,
        *,
        person: Person,
        groups: Mapping[str, bool | None],
        edited: Edited | None,
    ) -> Outcome:
        """A yes, another content, or an answer in place of a call."""
        decision = act.decision
        if decision in _APPROVALS | _CONFIRMED or decision is Decision.CEILING:
            if wait := self._precondition(tx, card, pending, act, person):
                return wait
            typed = (
                typed_amount(act.values.get("amount", "")) if decision is Decision.CEILING else None
            )
            if decision is Decision.CEILING and typed is None:
                return Outcome(text=said.AMOUNT_USAGE.of())
            known = sum(request.ceiling or 0 for request in pending)
            if typed is not None and typed < known:
                return Outcome(text=said.COSTS_MORE.of(amount=dollars(known)))
            return self._decisions.approve(
                tx, card, option=act.option, person=person, groups=groups, typed=typed
            )
        if edited is not None:
            was = edited.request
            if not any((r.id, r.fingerprint) == (was.id, was.fingerprint) for r in pending):
                return Outcome(text=said.CHANGED.of())  # while its tool looked at the new contents
            facts = self._facts(tx, card, groups, edited.prepared)
            weighed = self._gate.reweigh(tx, edited.prepared, facts)
            return self._decisions.revise(
                tx, card, edited.request, weighed, by=person, difference=edited.difference
            )
        if decision is Decision.ANSWER:
            words = typed_words(act.values.get("answer", ""), ANSWER_MAX)
            if not words:
                return Outcome(text=said.WRITE_ANSWER.of())
            return self._decisions.answer(tx, card, person, words)
        if decision in _GRANTS and (wait := self._precondition(tx, card, pending, act, person)):
            return wait
        return self._grants.give(tx, card, pending, decision, person=person, groups=groups)

    def _precondition(
        self, tx: Tx, card: Card, pending: list[Request], act: Act, person: Person
    ) -> Outcome | None:
        """What has to come before a yes: seen in full where cut, and a second word where due."""
        view = self._painter.view(tx, card, Look(item=act.option))
        if len(pending) > 1 and (view.ceiling_wanted or not view.approvable):
            return Outcome(text=said.ONE_BY_ONE.of())
        if not view.approvable:
            return Outcome(text=said.UNBOUNDED.of())
        if view.ceiling_wanted and act.decision is not Decision.CEILING:
            return Outcome(text=said.PRICE_UNKNOWN.of())
        if unseen := self._unseen(view, card, act, person):
            return Outcome(text=unseen)
        second = card.two_person or any(not _SECOND_ASKED.isdisjoint(r.tags) for r in pending)
        if second and act.decision in _APPROVALS and not act.confirmed:
            if act.message is None:
                return Outcome(text=said.SURE_CODE.of(code=card.code))
            rows = self._painter.repaint(tx, card.id, Look(confirm="approve", item=act.option))
            return Outcome(text=said.SURE_PRESS.of(), rows=list(rows))
        return None

    def _unseen(self, view: CardView, card: Card, act: Act, person: Person) -> Line | None:
        """Why whoever says yes has to look first; a page shows all there is by itself.

        A typed code names no revision, so it can't tell that its writer saw the one in force.
        """
        if act.source == WEB or person.standing.person in card.seen:
            return None
        mark = "gatepost " if act.source == SHELL else act.reader.mark
        show = f"{mark}show {card.code}"
        if act.rev is None and card.rev > 1:
            return said.LOOK_AT_REVISION.of(show=show)
        if not self._painter.face(view, card, Look(item=act.option)).cut:
            return None
        return (
            said.SHOW_FIRST.of() if act.rev is not None else said.SHOW_FIRST_OR_WRITE.of(show=show)
        )

    def _look(self, tx: Tx, card: Card, act: Act, person: Person) -> Outcome:
        """Another view of the card, or all of it."""
        if act.decision is Decision.SHOW:
            cards.mark_seen(tx, card, person.standing.person)
            self._keep(tx, card, act, kind="shown", because="")
            rows = self._painter.in_full(tx, card)
            return Outcome(text=said.STANDS_BELOW.of(), rows=list(rows), accepted=True)
        look = {
            Decision.MORE: Look(more=True),
            Decision.BACK: Look(),
            Decision.PAGE: Look(page=act.option),
            Decision.ONE_BY_ONE: Look(item=1),
            Decision.ITEM: Look(item=act.option),
        }[act.decision]
        return Outcome(rows=list(self._painter.repaint(tx, card.id, look)), accepted=True)

    def _deny(self, tx: Tx, card: Card, act: Act, person: Person) -> Outcome:
        reason = typed_words(act.values.get("reason", ""), REASON_MAX)
        stop = act.decision is Decision.STOP or card.kind == "limit"
        return self._decisions.deny(tx, card, act.option, person, reason=reason, stop=stop)

    def _answer(self, tx: Tx, card: Card, request: Request, act: Act, person: Person) -> Outcome:
        options = request.detail.get("options", [])
        match act.decision:
            case Decision.OPTION if 0 < act.option <= len(options):
                return self._decisions.answer(tx, card, person, str(options[act.option - 1]))
            case Decision.ANSWER:
                words = typed_words(act.values.get("answer", ""), ANSWER_MAX)
                if words.isdecimal() and 0 < int(words) <= len(options):
                    words = str(options[int(words) - 1])
                if words:
                    return self._decisions.answer(tx, card, person, words)
        return Outcome(text=said.QUESTION_USAGE.of(code=card.code))

    def _raise(self, tx: Tx, card: Card, request: Request, act: Act, person: Person) -> Outcome:
        if act.decision not in (Decision.RAISE, Decision.APPROVE):
            return Outcome(text=said.RAISE_OR_STOP.of())
        amounts = {1: int(request.detail["short_by"]), 2: FIVE, 3: TWENTY}
        if act.option == 4 and str(request.detail["scope"]).startswith("whole:"):
            return self._decisions.end_auto(tx, card, person)
        amount = amounts.get(act.option or 1)
        if amount is None:
            return Outcome(text=said.NOTHING.of())
        return self._decisions.raise_limit(
            tx, card, max(amount, int(request.detail["short_by"])), person
        )

    def _doubt(self, tx: Tx, card: Card, act: Act, person: Person) -> Outcome:
        choices = {Decision.DONE: "done", Decision.AGAIN: "again", Decision.SKIP: "skip"}
        words = act.values.get("answer", "").strip().lower()
        if act.decision is Decision.ANSWER and words in choices.values():
            return self._decisions.settle_doubt(tx, card, words, person)
        if act.decision is Decision.EVIDENCE:
            rows = self._painter.evidence(tx, card)
            phrase = said.EVIDENCE if rows else said.EVIDENCE_THERE
            return Outcome(text=phrase.of(), rows=list(rows), accepted=True)
        if act.decision not in choices:
            return Outcome(text=said.DOUBT_USAGE.of())
        return self._decisions.settle_doubt(tx, card, choices[act.decision], person)

    def _ended(self, tx: Tx, card: Card, act: Act, standing: Standing) -> Told:
        """What became of a card; who repeats their own decision reads what they read then."""
        ended = cards.requests_of(tx, card.id)
        for request in [r for r in ended if r.ordinal + 1 == act.option] or ended:
            mine = request.decided_by == standing.person
            if mine and request.state == "approved" and act.decision in _APPROVALS | _CONFIRMED:
                return said.APPROVED.of()
            if mine and request.state == "denied" and act.decision in _DENIALS:
                return said.DENIED.of()
            return said.DECIDED_ALREADY.of(
                state=_STATES[request.state].of(),
                name=request.decided_name or said.NOBODY.of(),
                at=self._painter.time(request.decided_at),
            )
        return said.NOTHING.of()

    def _turned_away(self, tx: Tx, card: Card, act: Act, told: Told) -> Outcome:
        self._keep(tx, card, act, kind="refused press", because=spoken(told, ENGLISH))
        return Outcome(text=told)

    def _keep(self, tx: Tx, card: Card, act: Act, *, kind: str, because: str) -> None:
        """Put into the audit what somebody did without deciding anything."""
        detail = {"decision": act.decision.name, "rev": act.rev or card.rev, "from": act.source}
        audit.append(
            tx,
            at=self._clock.now(),
            kind=kind,
            actor=act.person,
            account=act.account,
            chat=act.chat,
            subject=card.id,
            detail={**detail, **({"because": because} if because else {})},
        )

    async def _refused(self, act: Act, card: Card | None, why: str, told: Line) -> Answer:
        """Turn somebody away before any row is theirs; that is kept too."""

        def unit(tx: Tx) -> None:
            audit.append(
                tx,
                at=self._clock.now(),
                kind="refused press",
                actor=act.person,
                account=act.account,
                chat=act.chat,
                subject=card.id if card else "",
                detail={"because": why},
            )

        await self._store.write(unit, transition=transitions.PRESS_REFUSED)
        return Answer(text=told.to(act.reader))

    def _facts(
        self, tx: Tx, card: Card, groups: Mapping[str, bool | None], prepared: PreparedCall
    ) -> Facts:
        return facts_of(tx, card, groups=groups, rights=self._rules.rights, prepared=(prepared,))

    async def _form(self, card: Card, act: Act, standing: Standing) -> Answer | None:
        """The form a button asks for; None once it is filled in, or where none is due."""
        if not act.decision.opens_form or act.values or act.source != "button":
            return None
        if refusal := self._entitled(card, act, standing):
            return await self._refused(act, card, "not entitled", refusal)
        request = await self._edits.chosen(card, act.option)
        if card.state != "open" or request is None:
            return None
        return Answer(form=form_for(card, request, act.decision, act.reader))


_STATES: Mapping[RequestState, Phrase] = {
    "pending": said.STATE_PENDING,
    "approved": said.STATE_APPROVED,
    "denied": said.STATE_DENIED,
    "answered": said.STATE_ANSWERED,
    "expired": said.STATE_EXPIRED,
    "superseded": said.STATE_SUPERSEDED,
    "withdrawn": said.STATE_WITHDRAWN,
    "undeliverable": said.STATE_UNDELIVERABLE,
}


def _who(card: Card) -> Line:
    match card.tier:
        case "requester":
            return said.ONLY_REQUESTER.of()
        case "approver":
            return said.ONLY_APPROVERS.of()
        case "owner":
            return said.ONLY_OWNERS.of()
