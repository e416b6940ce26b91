"""How cards end: by time, by what people do elsewhere, or behind a decision; the rows of each end.

Every end leaves the state of each item, a result for its call, an audit row, the card as it stands
by then, and room for the next card in the queue. Every method runs in the caller's unit.
"""

from dataclasses import dataclass
from typing import Literal

from agent.messages import ResultStatus, ToolResult
from gateway import audit
from gateway.asking import Asking
from gateway.clock import Clock
from gateway.entitled import Standing
from gateway.painting import Look, Painter
from gateway.store.base import Tx
from gateway.store.records import calls, cards, unowned
from gateway.store.records.cards import Card, Decided, Request
from gateway.store.records.outbox import OutboxRow
from gateway.words import outcomes
from gateway.words.phrase import ENGLISH, Line, Phrase, Told, spoken

WHOLE = 0
"""The option that means every item of a card."""

DOUBT = "This was cut off while it ran, so it may or may not have taken effect."


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


class CardEnds:
    """Ends cards."""

    def __init__(self, *, asking: Asking, painter: Painter, clock: Clock) -> None:
        self._asking = asking
        self._painter = painter
        self._clock = clock

    def end(
        self,
        tx: Tx,
        card: Card,
        state: cards.RequestState,
        *,
        name: str,
        text: str = "",
        words: Told = "",
    ) -> tuple[OutboxRow, ...]:
        """Close what is pending on a card; `text` is the result of its calls, if this ends them."""
        status = ResultStatus.NOT_RUN
        if card.kind == "in_doubt" and text:
            status = ResultStatus.UNKNOWN
            text = f"{DOUBT} Nobody said which: {text.removeprefix('Not run: ')}"
        for request in meant(cards.requests_of(tx, card.id), WHOLE):
            self.one(tx, card, request, state, name=name, text=text, status=status, words=words)
        return self.close(tx, card)

    def one(
        self,
        tx: Tx,
        card: Card,
        request: Request,
        state: cards.RequestState,
        *,
        name: str,
        text: str,
        status: ResultStatus,
        words: Told,
    ) -> None:
        """End one item that nobody decided; `text` is what the model reads of it, if anything."""
        now = self._clock.now()
        told = spoken(words, self._painter.reader_of(card))
        decided = Decided(by="", name=name, source="gateway", at=now, words=told)
        if not cards.decide(tx, request.id, state, decided):
            return
        if text:
            self.result(tx, card, request, text, status=status)
        nobody = Standing(person="gateway", name=name)
        person = Person(standing=nobody, source="gateway", at=now)
        self.note(tx, card, request, state, person, because=spoken(words, ENGLISH))

    def halt(
        self, tx: Tx, card: Card, state: Literal["expired", "undeliverable"], why: Phrase
    ) -> tuple[OutboxRow, ...]:
        """End a card that nobody decided, with everything its turn has asked, and the turn."""
        rows: list[OutboxRow] = []
        name = (outcomes.BY_TIME if state == "expired" else outcomes.BY_GATEWAY).en
        for each in cards.pending_of_turn(tx, card.turn_id):
            same = each.id == card.id
            ended: cards.RequestState = state if same else "withdrawn"
            text = f"Not run: {why.en}." if same else "Not run: the turn was stopped."
            rows.extend(self.end(tx, each, ended, name=name, text=text, words=why.of()))
        self.stop(tx, card, outcomes.TURN_HALTED.of(code=card.code, why=why.of()))
        unowned.reopen(tx, card.turn_id, now=self._clock.now())
        return tuple(rows)

    def stop(self, tx: Tx, card: Card, told: Line) -> None:
        """Let a card's turn end with a sentence where it answers."""
        alone = "" if cards.is_grouped(tx, card.turn_id) else card.requester
        unowned.halt(
            tx, card.turn_id, told.to(self._painter.reader(tx, card.origin_account, alone))
        )

    def of_ended_turn(self, tx: Tx, card: Card) -> tuple[OutboxRow, ...]:
        """End a card whose turn is over: what it asks has no taker any more."""
        text = "The turn ended before this was decided. It did not run."
        name, words = outcomes.BY_GATEWAY.en, outcomes.TURN_ENDED.of()
        return self.end(tx, card, "withdrawn", name=name, text=text, words=words)

    def close(self, tx: Tx, card: Card) -> tuple[OutboxRow, ...]:
        """The card as it stands by now, and the next in the queue if this one is over."""
        rows: list[OutboxRow] = []
        if cards.close(tx, card.id, now=self._clock.now()):
            rows.extend(self._asking.let_out(tx, card.account, card.chat))
        if card.kind == "in_doubt":
            (request,) = cards.requests_of(tx, card.id)
            rows.extend(self._painter.repaint_call(tx, str(request.call_id)))
        else:
            rows.extend(self._painter.repaint(tx, card.id, Look()))
        return tuple(rows)

    def result(
        self,
        tx: Tx,
        card: Card,
        request: Request,
        text: str,
        *,
        status: ResultStatus = ResultStatus.REFUSED,
    ) -> None:
        """Store what the model reads of an item, if it is a call."""
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

    def note(
        self,
        tx: Tx,
        card: Card,
        request: Request,
        what: str,
        person: Person,
        **detail: object,
    ) -> None:
        """Put into the audit what was decided of an item."""
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


def meant(requests: tuple[Request, ...], option: int) -> list[Request]:
    """The pending items that a decision is about."""
    return [
        request
        for request in requests
        if request.state == "pending" and option in (WHOLE, request.ordinal + 1)
    ]
