"""Calls in doubt: what people are asked, who may answer, and what each answer does.

A call is in doubt when its intent is stored and its result is not, and running it again could
do harm. The turn waits as rows; a press, or new words of whoever asked, opens it again.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Literal, assert_never

from agent.messages import ResultStatus, ToolResult
from gateway import outgoing
from gateway.clock import Clock
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import inbox, outbox, questions, sessions, unowned
from gateway.store.records.inbox import Waiting
from gateway.store.records.outbox import NewOutbox, Op, OutboxRow
from gateway.store.records.questions import Choice, Question
from gateway.store.records.sessions import OpenTurn
from platforms import blocks
from platforms.blocks import Blocks
from platforms.content import Button

Pressed = Choice | Literal["evidence"]

ARGUMENTS_SHOWN = 1_500
TITLE_SHOWN = 200
"""Characters of what stands on a card: a label may hold as many as a model likes."""

_BUTTONS: tuple[tuple[str, Pressed], ...] = (
    ("Show evidence", "evidence"),
    ("Mark done", "done"),
    ("Run again", "again"),
    ("Skip", "skip"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A press on one of our questions."""

    token: str
    choice: Pressed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What a press did: words for the presser, rows to send, the session to wake."""

    text: str
    rows: tuple[OutboxRow, ...] = ()
    wake: str | None = None


def read_press(payload: str) -> Press | None:
    """Read a button's payload; None if it is none of a question's."""
    match payload.split(":"):
        case ["q", token, ("evidence" | "done" | "again" | "skip") as choice]:
            return Press(token=token, choice=choice)
        case _:
            return None


class Questions:
    """Answers the buttons under questions."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        owners: Collection[str],
        enqueue: Callable[[tuple[OutboxRow, ...]], None],
        wake: Callable[[str], None],
    ) -> None:
        """`owners` are written as events name people."""
        self._store = store
        self._clock = clock
        self._owners = owners
        self._enqueue = enqueue
        self._wake = wake

    async def pressed(self, row: Waiting, press: Press) -> str:
        """Carry out a press (D2) and return the words for whoever pressed."""
        decided = await self._store.write(
            lambda tx: self._decide(tx, row, press), transition=transitions.QUESTION_DECIDED
        )
        self._enqueue(decided.rows)
        if decided.wake is not None:
            self._wake(decided.wake)
        return decided.text

    def _decide(self, tx: Tx, row: Waiting, press: Press) -> _Decided:
        question = questions.by_token(tx, press.token)
        if question is None:
            return _Decided(text="This question is gone.")
        if question.state != "open":
            return _Decided(text=f"This is decided already: {_outcome(question)}.")
        person = row.content.author
        if person != question.requester and person not in self._owners:
            asked = question.requester_name or "whoever asked"
            return _Decided(text=f"Only {asked} or an owner of this bot can decide this.")
        if press.choice == "evidence":
            return self._evidence(tx, question)
        by = row.content.author_name or "someone"
        settle(tx, question, press.choice, by=by, now=self._clock.now())
        edit = closing_row(tx, question, _decided_text(question, press.choice, by), self._clock)
        waits = questions.open_of_turn(tx, question.turn_id)
        if not waits:
            unowned.reopen(tx, question.turn_id, now=self._clock.now())
        return _Decided(
            text=_thanks(press.choice),
            rows=(edit,) if edit else (),
            wake=None if waits else question.session_key,
        )

    def _evidence(self, tx: Tx, question: Question) -> _Decided:
        new = _row(
            question,
            key=f"q{question.id}:evidence",
            op="post",
            words=outgoing.Words(body=_evidence(question)),
            clock=self._clock,
        )
        stored = outbox.insert(tx, new, now=self._clock.now())
        if stored is None:
            return _Decided(text="What is known stands in the chat already.")
        return _Decided(text="What is known is in the chat.", rows=(stored,))


def ask(
    tx: Tx, turn: OpenTurn, call_ids: tuple[str, ...], *, buttons_per_row: int, clock: Clock
) -> tuple[OutboxRow, ...]:
    """Store a question about each call, each with its card, and let the turn wait for them."""
    rows = []
    for call_id in call_ids:
        question = questions.ask(
            tx, turn_id=turn.turn_id, call_id=call_id, token=clock.nonce(), now=clock.now()
        )
        buttons = tuple(
            Button(label=label, payload=f"q:{question.token}:{choice}")
            for label, choice in _BUTTONS
        )
        controls = tuple(
            buttons[start : start + buttons_per_row]
            for start in range(0, len(buttons), buttons_per_row)
        )
        words = outgoing.Words(body=_card(question), controls=controls)
        new = _row(question, key=f"q{question.id}:card", op="post", words=words, clock=clock)
        row = outbox.insert(tx, new, now=clock.now())
        rows.extend([row] if row is not None else [])
    unowned.park(tx, turn, now=clock.now())
    return tuple(rows)


def written_on(tx: Tx, session_key: str, clock: Clock) -> tuple[OutboxRow, ...]:
    """New words of the requester end the wait: the calls stay in doubt and are not run again.

    So does a /new behind words of others, which would wait for each other else; one that is next
    ends the turn itself. Returns the edits of the cards, () if the session goes on waiting.
    """
    turn = sessions.waiting_turn(tx, session_key)
    if turn is None:
        return ()
    waiting = inbox.waiting_in(tx, session_key)
    words = list(takewhile(lambda row: row.content.kind == "message", waiting))
    if wrote := next((row for row in words if row.content.author == turn.requester), None):
        name = wrote.content.author_name or "the requester"
        return supersede(tx, turn.id, f"Not decided: {name} wrote on. It was not run again.", clock)
    if 0 < len(words) < len(waiting):
        name = waiting[len(words)].content.author_name or "someone"
        unowned.mark_stopped(tx, turn.id, name)
        return supersede(tx, turn.id, f"Not decided: stopped by {name}.", clock)
    return ()


def supersede(
    tx: Tx, turn_id: int, text: str, clock: Clock, *, reopen: bool = True
) -> tuple[OutboxRow, ...]:
    """End the wait of a turn without a decision and open it again."""
    edits = []
    for question in questions.open_of_turn(tx, turn_id):
        settle(tx, question, "superseded", by="", now=clock.now())
        edits.append(closing_row(tx, question, text, clock))
    if reopen:
        unowned.reopen(tx, turn_id, now=clock.now())
    return tuple(edit for edit in edits if edit is not None)


def withdraw(tx: Tx, session_key: str, text: str, clock: Clock) -> tuple[OutboxRow, ...]:
    """End a session's waiting turn for good: it is not taken up again."""
    turn = sessions.waiting_turn(tx, session_key)
    if turn is None:
        return ()
    edits = supersede(tx, turn.id, text, clock, reopen=False)
    unowned.cancel_waiting(tx, session_key, now=clock.now())
    return edits


def settle(
    tx: Tx, question: Question, choice: Choice | Literal["superseded"], *, by: str, now: int
) -> None:
    """Store a decision and what the model reads of it."""
    if not questions.close(tx, question.id, state=choice, by=by, now=now):
        return
    match choice:
        case "again":
            unowned.propose_again(tx, question.call_id)
            return
        case "done":
            status = ResultStatus.DONE
            text = f"The gateway stopped while this ran. {by} confirmed that it took effect; its "
            text += "output was lost."
        case "skip":
            status = ResultStatus.UNKNOWN
            text = "The gateway stopped while this ran, so it may or may not have taken effect. "
            text += f"{by} decided not to run it again."
        case "superseded":
            status = ResultStatus.UNKNOWN
            text = "The gateway stopped while this ran. It may or may not have taken effect; it "
            text += "was not run again. Check before you repeat it."
        case _:
            assert_never(choice)
    sessions.settle_call(
        tx,
        session_id=question.session_id,
        turn_id=question.turn_id,
        result=ToolResult(call_id=question.call_id, name=question.tool, status=status, text=text),
        now=now,
    )


def closing_row(tx: Tx, question: Question, text: str, clock: Clock) -> OutboxRow | None:
    """The edit that takes the buttons off a card."""
    target = outbox.by_key(tx, f"q{question.id}:card")
    words = outgoing.Words(body=_titled(question.label, text))
    new = _row(
        question, key=f"q{question.id}:decided", op="edit", words=words, clock=clock, target=target
    )
    return outbox.insert(tx, new, now=clock.now())


def _row(
    question: Question,
    *,
    key: str,
    op: Op,
    words: outgoing.Words,
    clock: Clock,
    target: int | None = None,
) -> NewOutbox:
    return NewOutbox(
        dedupe_key=key,
        account=question.account,
        chat=question.reply_to,
        line=f"s{question.session_id}",
        turn_id=question.turn_id,
        part=0,
        purpose="notice",
        op=op,
        target_id=target,
        content=outgoing.dump(words),
        nonce=clock.nonce(),
    )


def _card(question: Question) -> Blocks:
    return _titled(
        f"This may have run already: {question.label}",
        "The gateway stopped while it ran, so nobody knows whether it took effect."
        " It was not run again. What should happen?",
    )


def _titled(title: str, text: str) -> Blocks:
    """A bold line and a paragraph; nothing in either is read as Markdown."""
    line = " ".join(title.split())
    if len(line) > TITLE_SHOWN:
        line = f"{line[:TITLE_SHOWN]}\N{HORIZONTAL ELLIPSIS}"
    heading = blocks.Strong(spans=(blocks.Text(text=line),))
    return (blocks.Paragraph(spans=(heading,)), *blocks.plain(text))


def _evidence(question: Question) -> Blocks:
    arguments = question.arguments
    cut = "" if len(arguments) <= ARGUMENTS_SHOWN else f" (first {ARGUMENTS_SHOWN:,} characters)"
    facts = (
        f"Tool {question.tool}, call {question.call_id}, turn t{question.turn_id}, asked for by"
        f" {question.requester_name or question.requester}.\n"
        f"Begun: {_time(question.intended_at)}. The gateway stopped before it ended; no result"
        f" was stored. Found at: {_time(question.asked_at)}.\n"
        f"Arguments{cut}:"
    )
    return (*blocks.plain(facts), blocks.Code(text=arguments[:ARGUMENTS_SHOWN], language="json"))


def _decided_text(question: Question, choice: Choice, by: str) -> str:
    match choice:
        case "done":
            outcome = f"{by} says it took effect."
        case "again":
            outcome = f"{by} lets it run again."
        case "skip":
            outcome = f"{by} skipped it; it was not run again."
        case _:
            assert_never(choice)
    return outcome


def _thanks(choice: Choice) -> str:
    match choice:
        case "done":
            return "Noted as done."
        case "again":
            return "It runs again."
        case "skip":
            return "Skipped."
        case _:
            assert_never(choice)


def _outcome(question: Question) -> str:
    who = f" by {question.decided_by}" if question.decided_by else ""
    match question.state:
        case "done":
            return f"marked as done{who}"
        case "again":
            return f"run again{who}"
        case "skip":
            return f"skipped{who}"
        case "superseded" | "open":
            return "the chat went on"
        case _:
            assert_never(question.state)


def _time(micros: int | None) -> str:
    if micros is None:
        return "at an unknown time"
    moment = datetime.fromtimestamp(micros / 1_000_000, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
