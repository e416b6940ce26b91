"""Tool call rows: what a call is judged and run by, and how far it has come.

The states without a result are those of `agent.calls.CallState`; the others name its result.
Callers that run a turn fence it first.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from agent.calls import CallState, JudgedCall, StoredCall
from agent.costs import Quote
from agent.messages import ResultStatus, ToolResult
from agent.tools.base import CallContext, Snapshot
from gateway.quotes import quote_from, quote_row
from gateway.store.base import Row, Tx
from gateway.store.records import ledger, transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the gate or people decided of a call: what runs, by which rule, on which money."""

    call_id: str
    operation: str
    canonical: str
    fingerprint: str
    quote: Quote
    snapshots: tuple[Snapshot, ...] = ()
    rule: str = ""
    reservation_id: str | None = None
    taints: str = ""
    finds: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One call with its turn; times are microseconds since 1970."""

    id: str
    turn_id: int
    session_id: int
    session_key: str
    step: int
    tool: str
    operation: str
    label: str
    arguments: str
    effect: str
    state: str
    fingerprint: str
    rule: str
    reservation_id: str | None
    decided_at: int | None
    decided_by: str
    intended_at: int | None
    finished_at: int | None


INSIDE = "results of an agent's own tools"
"""What taints a turn whose provider has used tools by itself."""

LATE = "late"
"""What stands before the call whose approval came too late for it, and lets another one run."""

_BY_PEOPLE = frozenset({"approved", "intent", "running"})
"""States in which people may have changed a call."""

_WITHOUT_RESULT = frozenset(state.value for state in CallState)

_SELECT = (
    "SELECT tool_call.id, tool_call.turn_id, session.id, session.key, tool_call.step,"
    " tool_call.tool, tool_call.operation, tool_call.label, tool_call.canonical,"
    " tool_call.arguments, tool_call.effect, tool_call.state, tool_call.fingerprint,"
    " tool_call.rule, tool_call.reservation_id, tool_call.decided_at, tool_call.decided_by,"
    " tool_call.intended_at, tool_call.finished_at"
    " FROM tool_call JOIN turn ON turn.id = tool_call.turn_id"
    " JOIN session ON session.id = turn.session_id"
)

_UNSEEN = (
    " WHERE tool_call.turn_id = ? AND tool_call.effect = 'probe'"
    " AND tool_call.state IN ('intent', 'unknown')"
    " AND NOT EXISTS (SELECT 1 FROM remote_job WHERE remote_job.call_id = tool_call.id)"
)


def add(tx: Tx, turn_id: int, step: int, calls: tuple[JudgedCall, ...], *, now: int) -> None:
    """Store the calls a reply asked for, or made itself."""
    for ordinal, judged in enumerate(calls):
        prepared, over = judged.prepared, judged.inside and judged.refusal is not None
        tx.run(
            "INSERT INTO tool_call (id, turn_id, step, ordinal, tool, arguments, effect, label,"
            " state, taints, intended_at, finished_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            judged.call.id,
            turn_id,
            step,
            ordinal,
            judged.call.name,
            judged.call.arguments,
            prepared.effect.value if prepared else None,
            prepared.label if prepared else None,
            _state_of(judged),
            INSIDE if judged.inside else "",
            now if judged.inside else None,
            now if over else None,
        )


def _state_of(judged: JudgedCall) -> str:
    """What a call begins as; one its provider made itself is in doubt without a result."""
    if judged.inside:
        return CallState.INTENT.value if judged.refusal is None else judged.refusal.status.value
    return "refused" if judged.prepared is None else CallState.PROPOSED.value


def get(tx: Tx, call_id: str) -> CallRow | None:
    """One call, whatever its state."""
    row = tx.row(_SELECT + " WHERE tool_call.id = ?", call_id)
    return _call(row) if row else None


def has_result(tx: Tx, call_id: str) -> bool:
    """Whether a call is over; a result is stored once."""
    found = tx.row("SELECT finished_at FROM tool_call WHERE id = ?", call_id)
    return found is not None and found[0] is not None


def open_of_turn(tx: Tx, turn_id: int) -> dict[str, StoredCall]:
    """The calls of a turn that have no result."""
    found = tx.rows(
        "SELECT id, state, canonical, quote, snapshots FROM tool_call"
        " WHERE turn_id = ? AND state IN"
        " ('proposed', 'allowed', 'asked', 'approved', 'intent', 'running')",
        turn_id,
    )
    return {
        str(ident): StoredCall(
            state=CallState(state),
            arguments=canonical,
            quote=quote_from(orjson.loads(quote)) if quote else None,
            snapshots=_snapshots(snapshots),
            note=note_of(tx, str(ident)) if state in _BY_PEOPLE else "",
        )
        for ident, state, canonical, quote, snapshots in found
    }


def note_of(tx: Tx, call_id: str) -> str:
    """What the model is told of a call that people changed before they approved it, else empty."""
    row = tx.row(
        "SELECT edited, detail FROM request WHERE call_id = ? AND state = 'approved'"
        " AND edited <> '' ORDER BY decided_at DESC LIMIT 1",
        call_id,
    )
    if row is None:
        return ""
    by = orjson.loads(row[1]).get("edited_by") or "Somebody"
    return f"{by} changed this call before it ran:\n{row[0]}"


def snapshots_of(tx: Tx, call_id: str) -> dict[str, bytes]:
    """The bytes a call runs, by name."""
    row = tx.row("SELECT snapshots FROM tool_call WHERE id = ?", call_id)
    return {each.name: each.data for each in _snapshots(row[0])} if row else {}


def decide(tx: Tx, decided: Decided, *, state: CallState, by: str, now: int) -> None:
    """Store the gate's word on a call: allowed, or asked; also a new word on one asked before.

    Raises ValueError for a call that was decided meanwhile.
    """
    changed = tx.run(
        "UPDATE tool_call SET state = ?, operation = ?, canonical = ?, fingerprint = ?,"
        " quote = ?, snapshots = ?, rule = ?, reservation_id = ?, taints = ?, finds = ?,"
        " decided_at = ?, decided_by = ? WHERE id = ? AND state IN ('proposed', 'asked')",
        state.value,
        decided.operation,
        decided.canonical,
        decided.fingerprint,
        orjson.dumps(quote_row(decided.quote)).decode(),
        _snapshot_json(decided.snapshots),
        decided.rule,
        decided.reservation_id,
        decided.taints,
        int(decided.finds),
        now,
        by,
        decided.call_id,
    )
    if not changed:
        raise ValueError(f"call {decided.call_id} was decided in between")


def approve(tx: Tx, call_id: str, *, reservation_id: str | None, by: str, now: int) -> bool:
    """Let an asked call run; False if it is not asked (any more)."""
    changed = tx.run(
        "UPDATE tool_call SET state = 'approved', reservation_id = ?, decided_at = ?,"
        " decided_by = ? WHERE id = ? AND state = 'asked'",
        reservation_id,
        now,
        by,
        call_id,
    )
    return changed == 1


def ask_again(tx: Tx, call_id: str) -> None:
    """Put a decided call that did not begin in time back before people."""
    tx.run(
        "UPDATE tool_call SET state = 'asked', intended_at = NULL, reservation_id = NULL"
        " WHERE id = ? AND state IN ('approved', 'allowed', 'intent')",
        call_id,
    )


def propose_again(tx: Tx, call_id: str) -> None:
    """Let a call be judged as if it had not been."""
    tx.run(
        "UPDATE tool_call SET state = 'proposed', intended_at = NULL, reservation_id = NULL"
        " WHERE id = ? AND state IN ('intent', 'allowed', 'approved')",
        call_id,
    )


def begin(tx: Tx, ids: Iterable[str], *, now: int) -> None:
    """Store the intent to run decided calls. Raises ValueError for one that is not decided."""
    for ident in ids:
        changed = tx.run(
            "UPDATE tool_call SET state = 'intent', intended_at = ?"
            " WHERE id = ? AND state IN ('allowed', 'approved', 'intent')",
            now,
            ident,
        )
        if not changed:
            raise ValueError(f"call {ident} was not decided and can't begin")


def leave(tx: Tx, call_id: str) -> None:
    """A call whose work goes on elsewhere."""
    tx.run("UPDATE tool_call SET state = 'running' WHERE id = ? AND finished_at IS NULL", call_id)


def finish(tx: Tx, result: ToolResult, now: int) -> None:
    """Settle the row of a call that has its result."""
    tx.run(
        "UPDATE tool_call SET state = ?, finished_at = ? WHERE id = ?",
        result.status.value,
        now,
        result.call_id,
    )


def settle(tx: Tx, *, session_id: int, turn_id: int, result: ToolResult, now: int) -> None:
    """Store a result that came from outside the run of its turn; only the first one counts."""
    stored = tx.row("SELECT state FROM tool_call WHERE id = ?", result.call_id)
    if stored is not None and stored[0] not in _WITHOUT_RESULT:
        return
    transcript.append(tx, session_id=session_id, turn_id=turn_id, messages=(result,), now=now)
    finish(tx, result, now)


def correct(tx: Tx, call_id: str, status: ResultStatus, *, now: int) -> None:
    """Say how a call ended of which nobody knew; what the model was told stays as it is."""
    tx.run(
        "UPDATE tool_call SET state = ?, finished_at = ? WHERE id = ? AND state = 'unknown'",
        status.value,
        now,
        call_id,
    )


def end_unfinished(tx: Tx, session_id: int, turn_id: int, now: int) -> tuple[str, ...]:
    """Give every open call of an ended turn a result, for the model of later turns; their ids.

    What certainly did not begin gives its money back.
    """
    begun = tx.rows(
        "SELECT id, tool, state, reservation_id FROM tool_call WHERE turn_id = ?"
        " AND state IN ('proposed', 'allowed', 'asked', 'approved', 'intent', 'running')"
        " ORDER BY step, ordinal",
        turn_id,
    )
    for ident, tool, state, reservation in begun:
        if state in ("intent", "running"):
            status = ResultStatus.UNKNOWN
            text = "The turn ended before this did. It may have taken effect; check before you"
            text += " repeat it."
        else:
            status, text = ResultStatus.NOT_RUN, "The turn ended before this began. It did not run."
            if reservation is not None:
                ledger.release(tx, str(reservation), now=now)
        result = ToolResult(call_id=ident, name=tool, status=status, text=text)
        settle(tx, session_id=session_id, turn_id=turn_id, result=result, now=now)
    return tuple(str(ident) for ident, *_ in begun)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a call ran: its canonical arguments, and all that its tool was told with them."""

    arguments: str
    context: CallContext
    snapshots: tuple[Snapshot, ...]


def begun_by(tx: Tx, call_id: str) -> Begun | None:
    """What a call ran, once it has its result; None before, for its turn decides then."""
    row = tx.row(
        "SELECT tool_call.canonical, tool_call.snapshots, session.id, session.account,"
        " turn.reply_to, turn.requester FROM tool_call JOIN turn ON turn.id = tool_call.turn_id"
        " JOIN session ON session.id = turn.session_id"
        " WHERE tool_call.id = ? AND tool_call.finished_at IS NOT NULL",
        call_id,
    )
    if row is None or row[0] is None:
        return None
    arguments, stored, session_id, account, chat, requester = row
    snapshots = _snapshots(stored)
    context = CallContext(
        call_id=call_id,
        session=str(session_id),
        account=account,
        chat=chat,
        requester=requester,
        snapshots={each.name: each.data for each in snapshots},
    )
    return Begun(arguments=arguments, context=context, snapshots=snapshots)


def unseen(tx: Tx, turn_id: int) -> tuple[CallRow, ...]:
    """The calls of a turn that may have begun work elsewhere which nobody watches."""
    rows = tx.rows(
        _SELECT + _UNSEEN + " ORDER BY tool_call.step, tool_call.ordinal",
        turn_id,
    )
    return tuple(_call(row) for row in rows)


def are_allowed_by_rule(tx: Tx, call_ids: Iterable[str]) -> bool:
    """Whether no person's word is behind any of these calls: no yes, no grant, no `/auto`."""
    for ident in call_ids:
        row = tx.row("SELECT state, decided_by FROM tool_call WHERE id = ?", ident)
        if row is None or row[0] != "allowed":
            return False
        if str(row[1]).partition(" ")[0] in ("grant", "auto", LATE):
            return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedDown:
    """A call that was not let run; `late`: people approved it, too late for it to run."""

    id: str
    tool: str
    label: str
    arguments: str
    late: bool


def turned_down(tx: Tx, turn_id: int) -> list[TurnedDown]:
    """The calls of a turn that were not let run, in the model's order.

    One whose late approval has let another run is none of them. A call that was let run so, and
    was too late again, hands the approval on.
    """
    found = tx.rows(
        "SELECT id, tool, label, COALESCE(canonical, arguments), CASE WHEN state = 'not_run'"
        " AND (SUBSTR(decided_by, 1, 5) = 'late ' OR EXISTS (SELECT 1 FROM request"
        " WHERE request.call_id = tool_call.id AND request.state = 'approved'))"
        " THEN 1 ELSE 0 END FROM tool_call WHERE turn_id = ? AND state IN ('refused', 'not_run')"
        " AND taints <> ? AND NOT EXISTS (SELECT 1 FROM tool_call AS used"
        " WHERE used.turn_id = tool_call.turn_id AND used.decided_by = 'late ' || tool_call.id)"
        " ORDER BY step, ordinal",
        turn_id,
        INSIDE,
    )
    return [
        TurnedDown(id=ident, tool=tool, label=label or tool, arguments=arguments, late=bool(late))
        for ident, tool, label, arguments, late in found
    ]


def run_late(tx: Tx, call: CallRow) -> CallRow | None:
    """The call that was let run by a person's approval of another, which came too late for it."""
    row = tx.row(
        "SELECT id FROM tool_call WHERE turn_id = ? AND decided_by = ?",
        call.turn_id,
        f"{LATE} {call.id}",
    )
    return get(tx, str(row[0])) if row else None


def tainted_by(tx: Tx, session_id: int, *, since: int) -> list[tuple[int, str]]:
    """What results have brought in that no entitled person typed, each with its turn.

    Of the turns that a session's messages from `since` on belong to.
    """
    found = tx.rows(
        "SELECT turn_id, taints FROM tool_call WHERE taints <> ''"
        " AND state IN ('done', 'failed', 'unknown') AND turn_id IN"
        " (SELECT turn_id FROM message WHERE session_id = ? AND sequence >= ?)"
        " ORDER BY turn_id, step, ordinal",
        session_id,
        since,
    )
    return [(int(turn_id), str(taints)) for turn_id, taints in found]


def found_by(tx: Tx, session_id: int, *, since: int) -> frozenset[str]:
    """The calls of the same turns whose results are the world's own words, or a person's."""
    found = tx.rows(
        "SELECT id FROM tool_call WHERE finds = 1 AND state = 'done' AND turn_id IN"
        " (SELECT turn_id FROM message WHERE session_id = ? AND sequence >= ?)",
        session_id,
        since,
    )
    return frozenset(str(row[0]) for row in found)


def answered(tx: Tx, call_id: str) -> None:
    """Note that a call's result is what a person wrote in its place."""
    tx.run("UPDATE tool_call SET finds = 1 WHERE id = ?", call_id)


def _call(row: Row) -> CallRow:
    ident, turn_id, session_id, key, step, tool, operation, label, canonical, *rest = row
    arguments, effect, state, fingerprint, rule, reservation, decided, by, intended, finished = rest
    return CallRow(
        id=ident,
        turn_id=turn_id,
        session_id=session_id,
        session_key=key,
        step=step,
        tool=tool,
        operation=operation,
        label=label or tool,
        arguments=canonical or arguments,
        effect=effect or "",
        state=state,
        fingerprint=fingerprint or "",
        rule=rule or "",
        reservation_id=reservation,
        decided_at=decided,
        decided_by=by or "",
        intended_at=intended,
        finished_at=finished,
    )


def _snapshot_json(snapshots: tuple[Snapshot, ...]) -> str:
    return orjson.dumps({s.name: b64encode(s.data).decode() for s in snapshots}).decode()


def _snapshots(text: str) -> tuple[Snapshot, ...]:
    stored: dict[str, str] = orjson.loads(text)
    return tuple(Snapshot(name=name, data=b64decode(data)) for name, data in stored.items())
