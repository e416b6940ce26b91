"""An independent reader of the books: SQL and arithmetic of its own over a gateway's database.

It believes nothing the gateway computes: balances are added up again from the ledger, limits are
those the test wrote into the configuration, and what the far side charged is what must be covered.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

SETTLES = {"settle": 1, "charge": 1, "overrun": 1, "unheld": 1, "correct": 1}
HOLDS = {"hold": 1, "settle": -1, "release": -1, "charge": -1}
RAISES = {"raise": 1}
OVER = ("overrun", "unheld")

DOLLAR = 1_000_000
LIMITS: Mapping[str, int] = {
    "turn": DOLLAR,
    "session": 5 * DOLLAR,
    "chat_day": 10 * DOLLAR,
    "user_day": 10 * DOLLAR,
    "org_month": 200 * DOLLAR,
    "background_day": 2 * DOLLAR,
}
"""Those of a configuration that names none, by kind of scope."""

Span = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One limit in one window, as stored."""

    settled: int
    held: int
    raised: int

    @property
    def gone(self) -> int:
        """What is spent or may be."""
        return self.settled + self.held


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Money put aside for one call."""

    ident: str
    kind: str
    state: str
    leave: str
    amount: int
    actual: int | None
    booked: int
    spans: tuple[Span, ...]
    call_id: str | None

    @property
    def covers(self) -> int:
        """How much of a bill it has room for, or has paid."""
        if self.state in ("settled", "charged"):
            return self.actual or 0
        return self.amount if self.state == "held" else 0


@dataclass(slots=True, kw_only=True)
class Books:
    """Everything about money in one database."""

    balances: dict[Span, Balance]
    reservations: dict[str, Reservation]
    movements: dict[Span, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    by_reservation: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    caps: dict[str, int] = field(default_factory=dict)

    def limit(self, span: Span, limits: Mapping[str, int]) -> int | None:
        """What a window allows, raises included; None for what only counts."""
        scope, _ = span
        kind = scope.partition(":")[0]
        limit = self.caps.get(scope.partition(":")[2]) if kind == "grant" else limits.get(kind)
        return None if limit is None else limit + self.balances[span].raised

    def of(self, kind: str) -> int:
        """What all reservations of a kind cover."""
        return sum(each.covers for each in self.reservations.values() if each.kind == kind)

    def fullest(self, limits: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """By kind of scope the window nearest to its limit: what is gone of it, and the limit."""
        found: dict[str, tuple[int, int]] = {}
        for span, balance in self.balances.items():
            limit = self.limit(span, limits)
            if limit is None:
                continue
            kind = span[0].partition(":")[0]
            best = found.get(kind)
            if best is None or balance.gone * best[1] > best[0] * limit:
                found[kind] = (balance.gone, limit)
        return found

    def problems(self, limits: Mapping[str, int] = LIMITS) -> list[str]:
        """What is wrong with them; nothing may be, at any moment."""
        return [*self._sums(), *self._limits(limits), *self._reservations()]

    def _sums(self) -> Iterator[str]:
        for span in sorted({*self.balances, *self.movements}):
            stored = self.balances.get(span, Balance(settled=0, held=0, raised=0))
            moved = self.movements.get(span, Counter())
            for name, kinds, found in (
                ("settled", SETTLES, stored.settled),
                ("held", HOLDS, stored.held),
                ("raised", RAISES, stored.raised),
            ):
                meant = sum(sign * moved[kind] for kind, sign in kinds.items())
                if meant != found:
                    yield f"{span}: {name} is {found}, its ledger says {meant}"

    def _limits(self, limits: Mapping[str, int]) -> Iterator[str]:
        for span, balance in self.balances.items():
            limit = self.limit(span, limits)
            flagged = sum(self.movements[span][kind] for kind in OVER)
            if limit is not None and balance.gone > limit + flagged:
                yield f"{span}: settled {balance.settled} + held {balance.held} > {limit}"

    def _reservations(self) -> Iterator[str]:
        held: Counter[Span] = Counter()
        for each in self.reservations.values():
            moved = self.by_reservation[each.ident]
            left = sum(sign * moved[kind] for kind, sign in HOLDS.items())
            paid = sum(sign * moved[kind] for kind, sign in SETTLES.items())
            if moved["hold"] != each.amount and not moved["unheld"]:
                yield f"{each.ident}: held {each.amount}, its ledger says {moved['hold']}"
            if each.state == "held":
                held.update(dict.fromkeys(each.spans, left))
            elif left:
                yield f"{each.ident} is {each.state} and still holds {left}"
            if each.state in ("settled", "charged") and paid != each.actual:
                yield f"{each.ident}: cost {each.actual}, its ledger says {paid}"
            if each.state == "released" and paid:
                yield f"{each.ident} was released and paid {paid}"
        for span, balance in self.balances.items():
            if balance.held != held[span]:
                yield f"{span}: held {balance.held}, its reservations hold {held[span]}"


def read(database: Path) -> Books:
    """Read them, of a gateway that runs or does not."""
    with closing(sqlite3.connect(database)) as opened:
        return _read(opened)


def _read(opened: sqlite3.Connection) -> Books:
    opened.execute("BEGIN")  # one moment of it
    balances = {
        (scope, span): Balance(settled=settled, held=held, raised=raised)
        for scope, span, settled, held, raised in opened.execute(
            "SELECT scope, span, settled, held, raised FROM balance"
        )
    }
    rows = opened.execute(
        "SELECT id, kind, state, leave, amount, actual, booked, scopes, call_id FROM reservation"
    )
    reservations = {
        ident: Reservation(
            ident=ident,
            kind=kind,
            state=state,
            leave=leave,
            amount=amount,
            actual=actual,
            booked=booked,
            spans=_spans(scopes),
            call_id=call_id,
        )
        for ident, kind, state, leave, amount, actual, booked, scopes, call_id in rows
    }
    books = Books(balances=balances, reservations=reservations)
    for kind, amount, scopes, ident in opened.execute(
        "SELECT kind, amount, scopes, reservation_id FROM ledger"
    ):
        for span in _spans(scopes):
            books.movements[span][kind] += amount
        if ident is not None:
            books.by_reservation[ident][kind] += amount
    books.caps = dict(opened.execute("SELECT id, cap FROM allowance WHERE kind = 'grant'"))
    return books


def uncovered(database: Path, charged: Mapping[str, int]) -> list[str]:
    """Calls that cost more than was put aside and booked for them, or less than was settled.

    `charged` is what the far side says each call has cost.
    """
    books = read(database)
    problems = []
    of_call: dict[str, list[Reservation]] = defaultdict(list)
    for each in books.reservations.values():
        if each.call_id is not None:
            of_call[each.call_id].append(each)
    for call, cost in charged.items():
        covered = sum(each.covers for each in of_call.get(call, ()))
        if cost > covered:
            problems.append(f"{call} has cost {cost}; {covered} is booked or held for it")
    for call, found in of_call.items():
        if any(each.state != "settled" for each in found):
            continue  # not every figure came
        figures = [each.actual or 0 for each in found]
        if sum(figures) != charged.get(call, 0):
            problems.append(f"{call}: booked {figures}, it cost {charged.get(call, 0)}")
    return problems


def untold(database: Path) -> list[str]:
    """Attempts at a model that ended without a record of their own, or with several."""
    with closing(sqlite3.connect(database)) as opened:
        return [
            f"attempt {number}.{attempt} of t{turn} is {state} and has {count} records"
            for turn, number, attempt, state, count in opened.execute(_RECORDS)
            if count != (state != "intent")
        ]


def unapproved(
    database: Path, ran: Mapping[tuple[str, str], int], asked: Collection[str]
) -> list[str]:
    """Runs of tools that must be asked about and that nobody approved, so often, as they ran.

    `ran` counts runs by tool and call id, `asked` names the tools.
    """
    problems = []
    with closing(sqlite3.connect(database)) as opened:
        for (tool, call), times in ran.items():
            if tool not in asked:
                continue
            yes = opened.execute(_APPROVED, (call,)).fetchone()[0]
            leave = opened.execute(_BY_LEAVE, (call,)).fetchone()[0]
            if yes + leave < times:
                problems.append(f"{tool} ran {times} times for {call}; approved {yes + leave}")
    return problems


_RECORDS = """
SELECT step.turn_id, step.number, step.attempt, step.state, COUNT(model_call.id) FROM step
LEFT JOIN model_call ON model_call.turn_id = step.turn_id AND model_call.step = step.number
AND model_call.attempt = step.attempt GROUP BY step.turn_id, step.number, step.attempt, step.state
"""
_APPROVED = """
SELECT COUNT(*) FROM request JOIN card ON card.id = request.card_id
JOIN tool_call ON tool_call.id = request.call_id
WHERE card.kind = 'call' AND request.call_id = ? AND request.state = 'approved'
AND request.decided_by <> '' AND request.fingerprint = tool_call.fingerprint
AND request.arguments = tool_call.canonical
"""
_BY_LEAVE = """
SELECT COUNT(*) FROM tool_call JOIN allowance
ON tool_call.decided_by = allowance.kind || ' ' || allowance.id WHERE tool_call.id = ?
"""


def _spans(text: str) -> tuple[Span, ...]:
    return tuple((scope, span) for scope, span in json.loads(text))
