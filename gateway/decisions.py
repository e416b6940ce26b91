"""What a decision does, in the unit that stores it: states, money, results, audit, the card.

Called once the press is known to be entitled and in time (`gateway.approvals`). Every function
returns what to say to whoever decided; nothing here is decided by a missing value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.costs import Unknown, dollars, is_paid
from agent.messages import ResultStatus
from agent.tools.base import (
    Verdict,
)
from gateway.asking import Asking
from gateway.card_ends import DOUBT, WHOLE, CardEnds, Person, meant
from gateway.clock import Clock
from gateway.entitled import may_approve
from gateway.gate import Gate, Reweighed, Rules, no_room
from gateway.ledger import Leave
from gateway.money import Spender, spender_in
from gateway.painting import Painter
from gateway.quotes import ceiling_from
from gateway.revisions import revise
from gateway.scopes import scope_line
from gateway.store.base import Tx
from gateway.store.records import allowances, calls, cards, freezes, ledger, unowned
from gateway.store.records.cards import Card, Decided, Request, Tier
from gateway.store.records.ledger import Frozen, NoRoom, Reserved
from gateway.store.records.outbox import OutboxRow
from gateway.weighing import Weighed, Weighing, unaskable
from gateway.words import decisions as said
from gateway.words import outcomes
from gateway.words.desk import RAISED
from gateway.words.phrase import Line, Phrase, Told
from gateway.words.replies import STOPPED

DIFFERENCE_MAX = 2_000


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a decision led to: words for whoever decided, rows to send, sessions to wake."""

    text: Told = ""
    rows: list[OutboxRow] = field(default_factory=list)
    wake: set[str] = field(default_factory=set)
    accepted: bool = False


class Decisions:
    """Carries decisions out; every method runs in the caller's unit."""

    def __init__(
        self, *, rules: Rules, gate: Gate, asking: Asking, painter: Painter, clock: Clock
    ) -> None:
        self._rules = rules
        self._gate = gate
        self._asking = asking
        self._painter = painter
        self._clock = clock
        self.ends = CardEnds(asking=asking, painter=painter, clock=clock)
        self._weighing = Weighing(rules=rules, gate=gate)

    # -- calls

    def approve(
        self,
        tx: Tx,
        card: Card,
        *,
        option: int,
        person: Person,
        groups: Mapping[str, bool | None],
        typed: int | None = None,
    ) -> Outcome:
        """Let items run: each is judged and quoted anew, and takes its hold in their order.

        `typed` is the ceiling an owner gave for an unknown price, in micro-dollars.
        """
        done = Outcome()
        if frozen := self._rules.money.frozen(tx, _spender(card)):
            done.text = said.FROZEN.of(name=frozen.name)
            return done
        found = self._whole(tx, card, option, groups, done)
        if not found:
            self._finish(tx, card, done)
            return done
        if changed := self._dearer(tx, card, found, done, typed=typed):
            return changed
        if short := self._not_entitled(card, found, person):
            done.text = short
            return done
        asked, approved = len(found), 0
        if card.two_person or any(each.item.needed.two_person for each in found):
            found = self._twice_approved(tx, card, found, person=person, done=done, typed=typed)
        for each in found:
            if not self._approve_one(tx, card, each, person=person, done=done, typed=typed):
                break
            approved += 1
        if 0 < approved < asked:
            rest = done.text if approved < len(found) else said.VOTED.of()
            done.text = said.SOME_APPROVED.of(approved=approved, asked=asked, rest=rest)
        if done.accepted:
            self._finish(tx, card, done)
        else:
            done.rows.extend(self._painter.repaint(tx, card.id))
        return done

    def deny(
        self, tx: Tx, card: Card, option: int, person: Person, *, reason: str = "", stop: bool
    ) -> Outcome:
        """Refuse items; the model reads who and why. `stop` ends the turn as well."""
        done = Outcome(accepted=True)
        named = person.standing.name or "someone"
        concerned = cards.pending_of_turn(tx, card.turn_id) if stop else (card,)
        waited = unowned.waits(tx, card.turn_id)
        for each in concerned:
            if each.kind == "in_doubt":
                continue
            for request in meant(cards.requests_of(tx, each.id), WHOLE if stop else option):
                if cards.decide(tx, request.id, "denied", person.decided(reason)):
                    self.ends.result(tx, each, request, _denial(named, reason))
                    self.ends.note(tx, each, request, "denied", person, reason=reason)
            self._finish(tx, each, done)
        if stop:
            unowned.mark_stopped(tx, card.turn_id, named)
            if not waited:  # it runs now, and reads its rows before it calls the model again
                self.ends.stop(tx, card, STOPPED.of(name=named))
        done.text = (said.DENIED_STOPPED if stop else said.DENIED).of()
        return done

    def revise(
        self,
        tx: Tx,
        card: Card,
        request: Request,
        weighed: Reweighed,
        *,
        by: Person,
        difference: str,
    ) -> Outcome:
        """Put other contents on the card, by a person's edit or choice of payer."""
        item = self._weighing.as_item(card, request, weighed)
        if refusal := unaskable(item):
            return Outcome(text=refusal)
        done = Outcome(accepted=True)
        edited = "\n".join(filter(None, (request.edited, difference)))[:DIFFERENCE_MAX]
        name, at = by.standing.name, self._clock.now()
        revise(tx, card, request, item, edited=edited, by=name, now=at)
        self.ends.note(tx, card, request, "revised", by, difference=difference)
        done.text = said.SHOWS_NOW.of()
        self._show_changed(tx, card, done)
        return done

    # -- questions, limits, calls in doubt

    def answer(self, tx: Tx, card: Card, person: Person, words: str) -> Outcome:
        """Make a person's words the result; nothing runs."""
        done = Outcome(accepted=True, text=said.ANSWERED.of())
        named = person.standing.name or "someone"
        for request in meant(cards.requests_of(tx, card.id), WHOLE):
            if cards.decide(tx, request.id, "answered", person.decided(words)):
                text = f"{named} answered: {words}"
                if card.kind == "call":
                    text = f"It was not run. {named} answered in its place: {words}"
                self.ends.result(tx, card, request, text, status=ResultStatus.DONE)
                if request.call_id is not None:
                    calls.answered(tx, request.call_id)
                self.ends.note(tx, card, request, "answered", person, words=words)
        self._finish(tx, card, done)
        return done

    def raise_limit(self, tx: Tx, card: Card, amount: int, person: Person) -> Outcome:
        """Let a turn go on with more money in the window that was used up."""
        done = Outcome()
        (request,) = cards.requests_of(tx, card.id)
        scope, span = str(request.detail["scope"]), str(request.detail["span"])
        now = self._clock.now()
        if scope == "frozen":
            return self._thaw(tx, card, request, person)
        if scope.startswith("whole:"):
            auto = self._rules.money.auto(tx, card.session_id, now=now)
            if auto is None:
                return self.end_auto(tx, card, person)
            most = self._rules.rights.approvals.auto_max
            if auto.cap + amount > most and not person.standing.owner:
                done.text = said.AUTO_MOST.of(amount=dollars(most))
                return done
            allowances.enlarge(tx, auto.id, cap=auto.cap + amount, until_at=auto.until_at)
        else:
            ledger.raise_limit(tx, scope, span, amount, by=person.standing.person, now=now)
        cards.decide(tx, request.id, "approved", person.decided(dollars(amount)))
        self.ends.note(tx, card, request, "raised", person, amount=amount, scope=scope)
        self._finish(tx, card, done)
        done.accepted = True
        done.text = RAISED.of(scope=scope_line(scope), amount=dollars(amount))
        return done

    def _thaw(self, tx: Tx, card: Card, request: Request, person: Person) -> Outcome:
        """Let a turn go on that waited for a freeze to be lifted."""
        if frozen := self._rules.money.frozen(tx, _spender(card)):
            where = " all" if frozen.scope == freezes.EVERYWHERE else ""
            return Outcome(text=said.STILL_FROZEN.of(name=frozen.name, where=where))
        done = Outcome(accepted=True, text=said.GOES_ON.of())
        cards.decide(tx, request.id, "approved", person.decided("go on"))
        self.ends.note(tx, card, request, "go on", person)
        self._finish(tx, card, done)
        return done

    def end_auto(self, tx: Tx, card: Card, person: Person) -> Outcome:
        """Go on asking in place of `/auto`, whose cap is used up."""
        done = Outcome(accepted=True, text=said.AUTO_ENDED.of())
        (request,) = cards.requests_of(tx, card.id)
        now = self._clock.now()
        allowances.end_of_session(tx, card.session_id, because="its cap was reached", now=now)
        cards.decide(tx, request.id, "approved", person.decided("go on asking"))
        self.ends.note(tx, card, request, "auto ended", person)
        self._finish(tx, card, done)
        return done

    def settle_doubt(self, tx: Tx, card: Card, choice: str, person: Person) -> Outcome:
        """Say what became of a call a crash left in doubt, or let it be asked anew."""
        done = Outcome(accepted=True)
        (request,) = cards.requests_of(tx, card.id)
        named = person.standing.name or "someone"
        state: cards.RequestState
        status: ResultStatus | None
        match choice:
            case "done":
                state = "answered"
                text = f"This was cut off while it ran. {named} confirmed that it took effect;"
                status, text = ResultStatus.DONE, text + " its output was lost."
                done.text = said.NOTED_DONE.of()
            case "skip":
                state = "denied"
                status = ResultStatus.UNKNOWN
                text = f"{DOUBT} {named} decided not to run it again."
                done.text = said.SKIPPED.of()
            case _:
                state, status, text = "approved", None, ""
                done.text = said.JUDGED_ANEW.of()
        if cards.decide(tx, request.id, state, person.decided(choice)):
            if status is None:
                calls.propose_again(tx, str(request.call_id))
            else:
                self.ends.result(tx, card, request, text, status=status)
            self.ends.note(tx, card, request, choice, person)
        self._finish(tx, card, done)
        return done

    # -- inside

    def _whole(
        self,
        tx: Tx,
        card: Card,
        option: int,
        groups: Mapping[str, bool | None],
        done: Outcome,
    ) -> list[Weighed]:
        """The items that are meant and can still run; the others end alone."""
        found = []
        for request in meant(cards.requests_of(tx, card.id), option):
            match self._weighing.weigh(tx, card, request, groups):
                case Weighed() as weighed:
                    found.append(weighed)
                case Phrase() as why:
                    self._break(tx, card, request, done, why)
        return found

    def _dearer(
        self,
        tx: Tx,
        card: Card,
        found: list[Weighed],
        done: Outcome,
        *,
        typed: int | None,
    ) -> Outcome | None:
        """A new revision of the card if one item is dearer now, unknown, or denied by a rule."""
        changed = False
        for each in found:
            if each.item.judgement.verdict is Verdict.DENY:
                reason, name = each.item.judgement.reason, outcomes.BY_RULES.en
                why = f"Not allowed (any more): {reason}."
                decided = Decided(by="", name=name, source="gateway", at=self._clock.now())
                if cards.decide(tx, each.request.id, "denied", decided):
                    self.ends.result(tx, card, each.request, why)
                done.text = said.NOT_ALLOWED.of(reason=reason)
                self._finish(tx, card, done)
                return done
            now = each.item.prepared.quote.ceiling
            shown = ceiling_from(each.request.ceiling, each.request.unknown)
            if isinstance(now, Unknown):
                if isinstance(shown, Unknown) and typed is not None:
                    continue
                changed = True
            elif isinstance(shown, int) and now <= shown:
                continue
            else:
                changed = True
            edited = each.request.edited
            revise(tx, card, each.request, each.item, edited=edited, by="", now=self._clock.now())
        if not changed:
            return None
        done.text = said.PRICE_CHANGED.of()
        self._show_changed(tx, card, done)
        return done

    def _show_changed(self, tx: Tx, card: Card, done: Outcome) -> None:
        """The new revision where its card stands, or before those who now have to decide."""
        fresh = cards.get(tx, card.id) or card
        moved = self._asking.move(tx, fresh)
        if moved is None:
            done.rows.extend(self._painter.repaint(tx, card.id))
            return
        who, name = _TIERS[fresh.tier].of(), outcomes.BY_GATEWAY.en
        words = outcomes.ASKED_ANEW.of(who=who, code=moved.code)
        done.rows.extend(moved.rows)
        done.rows.extend(self.ends.end(tx, fresh, "withdrawn", name=name, words=words))
        done.text = said.MOVED.of(who=who, code=moved.code)

    def _not_entitled(self, card: Card, found: list[Weighed], person: Person) -> Line | None:
        """Why a person may not approve under today's policy, whatever the card says."""
        for each in found:
            needs = each.item.needed
            may = may_approve(
                person.standing,
                needs.tier,
                two_person=needs.two_person,
                requester=card.requester,
                rights=self._rules.rights,
            )
            if may is None:
                return said.NOT_LOOKED_UP.of()
            if not may:
                return said.OTHERS_DECIDE.of(who=_TIERS[needs.tier].of())
        return None

    def _twice_approved(
        self,
        tx: Tx,
        card: Card,
        found: list[Weighed],
        *,
        person: Person,
        done: Outcome,
        typed: int | None,
    ) -> list[Weighed]:
        """The items to which another person said yes before; to the others this is the first.

        A yes to another ceiling than the one `typed` is none to this.
        """
        mine = self._rules.rights.person(person.standing.person)
        twice = []
        for each in found:
            votes = cards.votes_for(each.request, typed)
            if any(self._rules.rights.person(vote) != mine for vote in votes):
                twice.append(each)
                continue
            if person.standing.person not in votes:
                cards.vote(tx, each.request, person.standing.person, typed=typed)
                self.ends.note(tx, card, each.request, "vote", person, amount=typed)
            done.accepted = True
            voted = said.VOTED.of()
            first = votes or not each.request.votes
            done.text = voted if first else said.OTHER_AMOUNT.of(voted=voted)
        return twice

    def _approve_one(
        self,
        tx: Tx,
        card: Card,
        each: Weighed,
        *,
        person: Person,
        done: Outcome,
        typed: int | None,
    ) -> bool:
        """Take the hold and let one call run; False if there is no room for it."""
        now = self._clock.now()
        reservation = None
        ceiling = each.prepared.quote.ceiling
        if is_paid(ceiling):
            amount = typed if isinstance(ceiling, Unknown) else None
            held = self._gate.hold(
                tx, _spender(card), each.item, leave=Leave.PERSON, now=now, amount=amount
            )
            match held:
                case Reserved(id=ident):
                    reservation = ident
                case NoRoom():
                    done.text = said.NO_ROOM.of(why=no_room(held))
                    return False
                case Frozen(by=by):
                    done.text = said.FROZEN.of(name=by)
                    return False
        decided = cards.decide(tx, each.request.id, "approved", person.decided())
        if not decided or not calls.approve(
            tx,
            str(each.request.call_id),
            reservation_id=reservation,
            by=person.standing.person,
            now=person.at,
        ):
            raise ValueError(f"{each.request.call_id} was decided in between")
        self.ends.note(tx, card, each.request, "approved", person, reservation=reservation)
        done.accepted = True
        done.text = said.APPROVED.of()
        return True

    def _break(self, tx: Tx, card: Card, request: Request, done: Outcome, why: Phrase) -> None:
        """End an item that can't run any more; the others go on."""
        text = f"Not run: {why.en}. Ask again if need be."
        self.ends.one(
            tx,
            card,
            request,
            "withdrawn",
            name=outcomes.BY_GATEWAY.en,
            text=text,
            status=ResultStatus.FAILED,
            words=why.of(),
        )
        done.accepted = True
        done.text = said.BROKEN.of(why=why.of())

    def _finish(self, tx: Tx, card: Card, done: Outcome) -> None:
        """After a decision: the card as it stands, the next in the queue, the turn goes on."""
        done.rows.extend(self.ends.close(tx, card))
        unowned.reopen(tx, card.turn_id, now=self._clock.now())
        done.wake.add(card.session_key)


_TIERS: Mapping[Tier, Phrase] = {
    "requester": said.REQUESTERS,
    "approver": said.APPROVERS,
    "owner": said.OWNERS,
}


def _spender(card: Card) -> Spender:
    return spender_in(
        card.origin_account,
        card.origin,
        requester=card.requester,
        session_id=card.session_id,
        turn_id=card.turn_id,
    )


def _denial(name: str, reason: str) -> str:
    return f"Denied by {name}: {reason}" if reason else f"Denied by {name}."
