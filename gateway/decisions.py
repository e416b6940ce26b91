"""What a decision does, in the unit that stores it: states, money, results, audit, the card.

Called once the press is known to be entitled and in time (`gateway.approvals`). Every function
returns what to say to whoever decided; nothing here is decided by a missing value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from agent.calls import CallState
from agent.costs import Unknown, dollars, is_paid
from agent.messages import ResultStatus, ToolResult
from agent.policy import Facts, parse_arguments
from agent.tools.base import (
    Malformed,
    PreparedCall,
    QuotingTool,
    RiskTag,
    Snapshot,
    Verdict,
)
from gateway import audit
from gateway.asking import SHOWN_MAX_BYTES, Asking, Item, request_detail, shown_bytes
from gateway.clock import Clock
from gateway.entitled import Needed, Standing, may_approve, strictest
from gateway.facts import facts_of
from gateway.gate import Gate, Reweighed, Rules, item_of, no_room_text
from gateway.ledger import Leave
from gateway.looks import looks
from gateway.money import Spender, spender_in
from gateway.painting import Look, Painter
from gateway.quotes import ceiling_from, quote_from, quote_row, unknown_row
from gateway.scopes import scope_line
from gateway.store.base import Tx
from gateway.store.records import allowances, calls, cards, freezes, ledger, unowned
from gateway.store.records.cards import Card, Decided, Request
from gateway.store.records.ledger import Frozen, NoRoom, Reserved
from gateway.store.records.outbox import OutboxRow
from gateway.words import decisions as said
from gateway.words.desk import RAISED
from gateway.words.phrase import Told

WHOLE = 0
"""The option that means every item of a card."""

DIFFERENCE_MAX = 2_000
DOUBT = "This was cut off while it ran, so it may or may not have taken effect."
LASTING_TAGS = frozenset({RiskTag.DESTRUCTIVE, RiskTag.RECURRING, RiskTag.OUTWARD})
"""Tags that looking at the world may have given; the others follow from price and turn."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a decision led to: words for whoever decided, rows to send, sessions to wake."""

    text: Told = ""
    rows: list[OutboxRow] = field(default_factory=list)
    wake: set[str] = field(default_factory=set)
    accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who decides, whence, and when it was journaled (microseconds since 1970)."""

    standing: Standing
    source: str
    at: int

    def decided(self, words: str = "") -> Decided:
        """The same for the row of a request."""
        who = self.standing
        return Decided(
            by=who.person, name=who.name or who.person, source=self.source, at=self.at, words=words
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighed:
    request: Request
    item: Item
    prepared: PreparedCall


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
            for request in _meant(cards.requests_of(tx, each.id), WHOLE if stop else option):
                if cards.decide(tx, request.id, "denied", person.decided(reason)):
                    self._result(tx, each, request, _denial(named, reason))
                    self._note(tx, each, request, "denied", person, reason=reason)
            self._finish(tx, each, done)
        if stop:
            unowned.mark_stopped(tx, card.turn_id, named)
            if not waited:  # it runs now, and reads its rows before it calls the model again
                unowned.halt(tx, card.turn_id, f"Stopped by {named}.")
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
        item = self._as_item(tx, card, request, weighed)
        if refusal := _unaskable(item):
            return Outcome(text=refusal)
        done = Outcome(accepted=True)
        edited = "\n".join(filter(None, (request.edited, difference)))[:DIFFERENCE_MAX]
        self._store_revision(tx, card, request, item, edited=edited, by=by.standing.name)
        self._note(tx, card, request, "revised", by, difference=difference)
        done.text = said.SHOWS_NOW.of()
        self._show_changed(tx, card, done)
        return done

    # -- questions, limits, calls in doubt

    def answer(self, tx: Tx, card: Card, person: Person, words: str) -> Outcome:
        """Make a person's words the result; nothing runs."""
        done = Outcome(accepted=True, text=said.ANSWERED.of())
        named = person.standing.name or "someone"
        for request in _meant(cards.requests_of(tx, card.id), WHOLE):
            if cards.decide(tx, request.id, "answered", person.decided(words)):
                text = f"{named} answered: {words}"
                if card.kind == "call":
                    text = f"It was not run. {named} answered in its place: {words}"
                self._result(tx, card, request, text, status=ResultStatus.DONE)
                if request.call_id is not None:
                    calls.answered(tx, request.call_id)
                self._note(tx, card, request, "answered", person, words=words)
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
        self._note(tx, card, request, "raised", person, amount=amount, scope=scope)
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
        self._note(tx, card, request, "go on", person)
        self._finish(tx, card, done)
        return done

    def end_auto(self, tx: Tx, card: Card, person: Person) -> Outcome:
        """Go on asking in place of `/auto`, whose cap is used up."""
        done = Outcome(accepted=True, text=said.AUTO_ENDED.of())
        (request,) = cards.requests_of(tx, card.id)
        now = self._clock.now()
        allowances.end_of_session(tx, card.session_id, because="its cap was reached", now=now)
        cards.decide(tx, request.id, "approved", person.decided("go on asking"))
        self._note(tx, card, request, "auto ended", person)
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
                self._result(tx, card, request, text, status=status)
            self._note(tx, card, request, choice, person)
        self._finish(tx, card, done)
        return done

    # -- ends without a person's decision

    def end(
        self,
        tx: Tx,
        card: Card,
        state: cards.RequestState,
        *,
        name: str,
        text: str = "",
        words: str = "",
    ) -> tuple[OutboxRow, ...]:
        """Close what is pending on a card; `text` is the result of its calls, if this ends them."""
        done = Outcome()
        decided = Decided(by="", name=name, source="gateway", at=self._clock.now(), words=words)
        status = ResultStatus.NOT_RUN
        if card.kind == "in_doubt" and text:
            status = ResultStatus.UNKNOWN
            text = f"{DOUBT} Nobody said which: {text.removeprefix('Not run: ')}"
        for request in _meant(cards.requests_of(tx, card.id), WHOLE):
            if cards.decide(tx, request.id, state, decided):
                if text:
                    self._result(tx, card, request, text, status=status)
                nobody = Person(
                    standing=Standing(person="gateway", name=name), source="gateway", at=decided.at
                )
                self._note(tx, card, request, state, nobody, because=words)
        self._close(tx, card, done)
        return tuple(done.rows)

    def halt(
        self, tx: Tx, card: Card, state: Literal["expired", "undeliverable"], why: str
    ) -> tuple[OutboxRow, ...]:
        """End a card that nobody decided, with everything its turn has asked, and the turn."""
        rows: list[OutboxRow] = []
        name = "time" if state == "expired" else "the gateway"
        for each in cards.pending_of_turn(tx, card.turn_id):
            same = each.id == card.id
            ended: cards.RequestState = state if same else "withdrawn"
            text = f"Not run: {why}." if same else "Not run: the turn was stopped."
            rows.extend(self.end(tx, each, ended, name=name, text=text, words=why))
        unowned.halt(tx, card.turn_id, f"Stopped: approval {card.code}: {why}.")
        unowned.reopen(tx, card.turn_id, now=self._clock.now())
        return tuple(rows)

    def of_ended_turn(self, tx: Tx, card: Card) -> tuple[OutboxRow, ...]:
        """End a card whose turn is over: what it asks has no taker any more."""
        text = "The turn ended before this was decided. It did not run."
        name = "the gateway"
        return self.end(tx, card, "withdrawn", name=name, text=text, words="turn ended")

    # -- inside

    def _whole(
        self,
        tx: Tx,
        card: Card,
        option: int,
        groups: Mapping[str, bool | None],
        done: Outcome,
    ) -> list[_Weighed]:
        """The items that are meant and can still run; the others end alone."""
        found = []
        for request in _meant(cards.requests_of(tx, card.id), option):
            match self._weigh(tx, card, request, groups):
                case _Weighed() as weighed:
                    found.append(weighed)
                case why:
                    self._break(tx, card, request, done, why)
        return found

    def _weigh(
        self, tx: Tx, card: Card, request: Request, groups: Mapping[str, bool | None]
    ) -> _Weighed | str:
        """Judge a pending item by today's rules and prices, or say why it can't run any more."""
        stored = calls.get(tx, str(request.call_id))
        if stored is None or stored.state != CallState.ASKED.value:
            return "its turn has ended"
        tool = self._rules.tools.get(request.tool)
        arguments = parse_arguments(request.arguments)
        if tool is None or isinstance(arguments, Malformed):
            return "the tool has changed since this was asked"
        prepared = tool.prepare(arguments)
        if (
            isinstance(prepared, Malformed)
            or self._rules.schema(request.tool) != request.schema_hash
        ):
            return "the tool has changed since this was asked"
        prepared = as_inspected(prepared, request, snapshots_of(tx, request))
        if isinstance(tool, QuotingTool):
            quote = tool.requote(prepared, prepared.quote)
            prepared = replace(prepared, quote=replace(quote, payer=prepared.quote.payer))
        facts = self._facts(tx, card, groups, prepared)
        weighed = self._gate.reweigh(tx, prepared, facts)
        item = self._as_item(tx, card, request, weighed)
        return _Weighed(request=request, item=item, prepared=weighed.prepared)

    def _facts(
        self, tx: Tx, card: Card, groups: Mapping[str, bool | None], prepared: PreparedCall
    ) -> Facts:
        return facts_of(tx, card, groups=groups, rights=self._rules.rights, prepared=(prepared,))

    def _as_item(self, tx: Tx, card: Card, request: Request, weighed: Reweighed) -> Item:
        return item_of(
            turn_key=(card.origin_account, card.origin, card.session_key, card.turn_id),
            call_id=str(request.call_id),
            weighed=weighed,
            schema=self._rules.schema(request.tool),
        )

    def _dearer(
        self,
        tx: Tx,
        card: Card,
        found: list[_Weighed],
        done: Outcome,
        *,
        typed: int | None,
    ) -> Outcome | None:
        """A new revision of the card if one item is dearer now, unknown, or denied by a rule."""
        changed = False
        for each in found:
            if each.item.judgement.verdict is Verdict.DENY:
                why = f"Not allowed (any more): {each.item.judgement.reason}."
                decided = Decided(by="", name="the rules", source="gateway", at=self._clock.now())
                if cards.decide(tx, each.request.id, "denied", decided):
                    self._result(tx, card, each.request, why)
                done.text = f"{why} It was not run."
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
            self._store_revision(tx, card, each.request, each.item, edited=edited, by="")
        if not changed:
            return None
        done.text = said.PRICE_CHANGED.of()
        self._show_changed(tx, card, done)
        return done

    def _store_revision(
        self, tx: Tx, card: Card, request: Request, item: Item, *, edited: str, by: str
    ) -> None:
        prepared = item.prepared
        ceiling = prepared.quote.ceiling
        detail = request_detail(prepared, item.taint)
        if changed_by := by or request.detail.get("edited_by"):
            detail["edited_by"] = changed_by
        cards.revise(
            tx,
            replace(
                request,
                arguments=item.arguments,
                fingerprint=item.decided.fingerprint,
                tags=tuple(sorted(tag.value for tag in item.judgement.tags)),
                rule=item.rule,
                reason=item.reason,
                ceiling=None if isinstance(ceiling, Unknown) else ceiling,
                unknown=unknown_row(ceiling),
                quote=quote_row(prepared.quote),
                detail=detail,
                edited=edited,
            ),
        )
        now = self._clock.now()
        calls.decide(tx, item.decided, state=CallState.ASKED, by="", now=now)
        fresh = cards.get(tx, card.id) or card
        siblings = [r for r in cards.requests_of(tx, card.id) if r.id != request.id]
        before = Needed(tier=fresh.tier, two_person=fresh.two_person)
        needs = strictest((item.needed, *([before] if siblings else [])))
        cards.next_rev(tx, fresh, tier=needs.tier, two=needs.two_person)
        audit.append(
            tx,
            at=now,
            kind="card",
            actor="gateway",
            account=card.account,
            chat=card.chat,
            subject=card.id,
            detail={
                "code": card.code,
                "rev": fresh.rev + 1,
                "tier": needs.tier,
                "call": request.call_id,
                "fingerprint": item.decided.fingerprint,
                "quote": quote_row(prepared.quote),
            },
        )

    def _show_changed(self, tx: Tx, card: Card, done: Outcome) -> None:
        """The new revision where its card stands, or before those who now have to decide."""
        fresh = cards.get(tx, card.id) or card
        moved = self._asking.move(tx, fresh)
        if moved is None:
            done.rows.extend(self._painter.repaint(tx, card.id))
            return
        words = f"asked of {fresh.tier}s as {moved.code}"
        done.rows.extend(moved.rows)
        done.rows.extend(self.end(tx, fresh, "withdrawn", name="the gateway", words=words))
        done.text = f"It changed, and {fresh.tier}s decide it now: it is asked as {moved.code}."

    def _not_entitled(self, card: Card, found: list[_Weighed], person: Person) -> str:
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
                return "Nobody could look up what you may decide; try again."
            if not may:
                return f"By today's rules {needs.tier}s decide this."
        return ""

    def _twice_approved(
        self,
        tx: Tx,
        card: Card,
        found: list[_Weighed],
        *,
        person: Person,
        done: Outcome,
        typed: int | None,
    ) -> list[_Weighed]:
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
                self._note(tx, card, each.request, "vote", person, amount=typed)
            done.accepted = True
            voted = said.VOTED.of()
            first = votes or not each.request.votes
            done.text = voted if first else said.OTHER_AMOUNT.of(voted=voted)
        return twice

    def _approve_one(
        self,
        tx: Tx,
        card: Card,
        each: _Weighed,
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
                    text = f"Not approved: {no_room_text(held)}."
                    done.text = f"{text} An owner can raise it with /budget."
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
        self._note(tx, card, each.request, "approved", person, reservation=reservation)
        done.accepted = True
        done.text = said.APPROVED.of()
        return True

    def _break(self, tx: Tx, card: Card, request: Request, done: Outcome, why: str) -> None:
        """End an item that can't run any more; the others go on."""
        decided = Decided(
            by="", name="the gateway", source="gateway", at=self._clock.now(), words=why
        )
        if cards.decide(tx, request.id, "withdrawn", decided):
            text = f"Not run: {why}. Ask again if need be."
            self._result(tx, card, request, text, status=ResultStatus.FAILED)
            nobody = Person(
                standing=Standing(person="gateway", name="the gateway"),
                source="gateway",
                at=decided.at,
            )
            self._note(tx, card, request, "withdrawn", nobody, because=why)
        done.accepted = True
        done.text = f"This can't run any more: {why}."

    def _result(
        self,
        tx: Tx,
        card: Card,
        request: Request,
        text: str,
        *,
        status: ResultStatus = ResultStatus.REFUSED,
    ) -> None:
        if request.call_id is None:
            return
        result = ToolResult(call_id=request.call_id, name=request.tool, status=status, text=text)
        calls.settle(
            tx,
            session_id=card.session_id,
            turn_id=card.turn_id,
            result=result,
            now=self._clock.now(),
        )

    def _finish(self, tx: Tx, card: Card, done: Outcome) -> None:
        """After a decision: the card as it stands, the next in the queue, the turn goes on."""
        self._close(tx, card, done)
        unowned.reopen(tx, card.turn_id, now=self._clock.now())
        done.wake.add(card.session_key)

    def _close(self, tx: Tx, card: Card, done: Outcome) -> None:
        if cards.close(tx, card.id, now=self._clock.now()):
            done.rows.extend(self._asking.let_out(tx, card.account, card.chat))
        if card.kind == "in_doubt":
            (request,) = cards.requests_of(tx, card.id)
            done.rows.extend(self._painter.repaint_call(tx, str(request.call_id)))
        else:
            done.rows.extend(self._painter.repaint(tx, card.id, Look()))

    def _note(
        self,
        tx: Tx,
        card: Card,
        request: Request,
        what: str,
        person: Person,
        **detail: object,
    ) -> None:
        audit.append(
            tx,
            at=self._clock.now(),
            kind="press",
            actor=person.standing.person,
            account=card.account,
            chat=card.chat,
            subject=card.id,
            detail={
                "code": card.code,
                "decision": what,
                "rev": card.rev,
                "call": request.call_id,
                "fingerprint": request.fingerprint,
                "from": person.source,
                "at": person.at,
                **detail,
            },
        )


def _meant(requests: tuple[Request, ...], option: int) -> list[Request]:
    """The pending items that a decision is about."""
    return [
        request
        for request in requests
        if request.state == "pending" and option in (WHOLE, request.ordinal + 1)
    ]


def snapshots_of(tx: Tx, request: Request) -> tuple[Snapshot, ...]:
    """The bytes that an item would run."""
    found = calls.snapshots_of(tx, str(request.call_id))
    return tuple(Snapshot(name=name, data=data) for name, data in found.items())


def as_inspected(
    prepared: PreparedCall, request: Request, snapshots: tuple[Snapshot, ...]
) -> PreparedCall:
    """A call prepared anew, with what looking at the world had found when it was asked."""
    detail = request.detail
    tags = {RiskTag(tag) for tag in request.tags} & LASTING_TAGS
    return replace(
        prepared,
        quote=quote_from(request.quote),
        snapshots=snapshots,
        tags=prepared.tags | tags,
        declared=prepared.declared and detail.get("declared") is not False,
        summary=str(detail.get("summary", prepared.summary)),
        warnings=tuple(detail.get("warnings", prepared.warnings)),
        urls=tuple(detail.get("urls", prepared.urls)),
    )


def _unaskable(item: Item) -> str:
    """Why nobody can be asked about contents that somebody edited; empty if people can."""
    if item.judgement.verdict is Verdict.DENY:
        return f"Not allowed: {item.judgement.reason}. The card stays as it was."
    prepared = item.prepared
    names = looks(prepared.arguments, urls=prepared.urls, payer=prepared.quote.payer)
    if names.refusal:
        return f"{names.refusal} The card stays as it was."
    if shown_bytes(item) > SHOWN_MAX_BYTES:
        return "That is over 256 KiB, more than anybody can look at. The card stays as it was."
    return ""


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
