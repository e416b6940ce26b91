"""What the commands about a session's past do, and those about its future: /effort and /busy."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import get_args

from agent.messages import Note
from agent.providers.base import EFFORTS
from gateway.clock import Clock
from gateway.sessions import Busy, Sessions
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import inbox, past, sessions
from gateway.store.records.inbox import Waiting
from gateway.words import sessions as said
from gateway.words.phrase import ENGLISH, Phrase, Reader

BUSY = said.AT_IT.to(ENGLISH)
NOTHING = said.NO_PAST.en
DEFAULT = "default"
SHOWN = 80
"""Characters of what was taken back that are shown."""
RETRY_NOTE = (
    "You are asked to try again. What was done above is done: go on after the last result, and"
    " repeat nothing that had an effect."
)
CONTINUE_NOTE = (
    "You are asked to go on. What was done above is done, and what was said was read: go on where"
    " it ended, and repeat nothing."
)
BUSY_WORDS: Mapping[str, Phrase] = {
    "join": said.JOIN,
    "queue": said.QUEUE,
    "interrupt": said.INTERRUPT,
}


class PastLane:
    """Carries them out beside a turn; what would change the past of an open one is refused."""

    def __init__(
        self, *, store: Store, running: Sessions, clock: Clock, reader: Callable[[Waiting], Reader]
    ) -> None:
        self._store = store
        self._reader = reader
        self._running = running
        self._clock = clock

    def handlers(self) -> dict[str, Callable[[Waiting], Awaitable[str]]]:
        """The commands this lane carries out."""
        return {
            "undo": self._undo,
            "retry": self._retry,
            "continue": self._continue,
            "busy": self._busy,
            "compact": self._compact,
            "effort": self._effort,
        }

    async def _undo(self, row: Waiting) -> str:
        """Take the newest turn back, and say what can't be taken back with it."""
        now, reader = self._clock.now(), self._reader(row)

        def unit(tx: Tx) -> str:
            kept = inbox.kept_answer(tx, row.id)
            if kept is not None:  # done already, before a crash kept it from being answered
                return kept
            found = _found(tx, row)
            if isinstance(found, Phrase):
                return found.to(reader)
            _, last = found
            past.take_back(tx, last, now=now)
            text = _undone(last, reader)
            inbox.keep_answer(tx, row.id, text)
            return text

        return await self._store.write(unit, transition=transitions.TURN_UNDONE)

    async def _retry(self, row: Waiting) -> str:
        """Answer the newest words once more, or go on where effects can't be taken back."""
        now = self._clock.now()

        def unit(tx: Tx) -> str:
            found = _found(tx, row)
            if isinstance(found, Phrase):
                return found.to(self._reader(row))
            session_id, last = found
            if last.done:
                past.open_again(tx, session_id, row, (Note(text=RETRY_NOTE),), now=now)
            else:
                past.take_back(tx, last, now=now)
                past.open_again(tx, session_id, row, last.words, now=now)
            inbox.finish(tx, row.id)  # its answer is the turn's
            return ""

        refusal = await self._store.write(unit, transition=transitions.TURN_RETRIED)
        if not refusal:
            self._running.wake(row.session_key)
        return refusal

    async def _continue(self, row: Waiting) -> str:
        """Go on after the newest answer, which a limit may have ended; effects are not repeated."""
        now = self._clock.now()

        def unit(tx: Tx) -> str:
            found = _found(tx, row)
            if isinstance(found, Phrase):
                return found.to(self._reader(row))
            past.open_again(tx, found[0], row, (Note(text=CONTINUE_NOTE),), now=now)
            inbox.finish(tx, row.id)  # its answer is the turn's
            return ""

        refusal = await self._store.write(unit, transition=transitions.TURN_RETRIED)
        if not refusal:
            self._running.wake(row.session_key)
        return refusal

    async def _busy(self, row: Waiting) -> str:
        """Show or choose what words do that come while this session answers."""
        chosen, reader = row.content.args.strip().lower(), self._reader(row)
        names = ", ".join(f"`{each}`" for each in (*get_args(Busy), DEFAULT))
        if not chosen:
            session = await self._session(row)
            kept = session.settings.get("busy") if session else None
            busy = kept or self._running.busy
            what = BUSY_WORDS[busy].to(reader)
            return said.BUSY.to(reader, mode=busy, what=what, modes=names)
        if chosen not in (*get_args(Busy), DEFAULT):
            return said.NO_MODE.to(reader, modes=names)
        await self._choose(row, "busy", None if chosen == DEFAULT else chosen)
        busy = self._running.busy if chosen == DEFAULT else chosen
        return said.BUSY_CHOSEN.to(reader, what=BUSY_WORDS[busy].to(reader))

    async def _compact(self, row: Waiting) -> str:
        """Have the past folded before the next model call.

        Not at once: a summary is a model call, and those are paid for, stopped and accounted for
        in a turn.
        """
        session = await self._session(row)
        if session is None or session.turns == 0:
            return said.NOTHING_TO_CONDENSE.to(self._reader(row))
        await self._choose(row, sessions.FOLD, True)
        return said.CONDENSES.to(self._reader(row))

    async def _effort(self, row: Waiting) -> str:
        """Show or choose how much the model may think in this session."""
        level, reader = row.content.args.strip().lower(), self._reader(row)
        levels = ", ".join(f"`{each}`" for each in (*EFFORTS, DEFAULT))
        if not level:
            session = await self._session(row)
            chosen = session.settings.get("effort", DEFAULT) if session else DEFAULT
            return said.EFFORT.to(reader, level=chosen, levels=levels)
        if level not in (*EFFORTS, DEFAULT):
            return said.NO_LEVEL.to(reader, levels=levels)
        await self._choose(row, "effort", None if level == DEFAULT else level)
        return said.EFFORT_CHOSEN.to(reader, level=level)

    async def _session(self, row: Waiting) -> sessions.SessionInfo | None:
        return await self._store.read(lambda tx: sessions.current(tx, row.session_key))

    async def _choose(self, row: Waiting, name: str, value: str | bool | None) -> None:
        now = self._clock.now()
        await self._store.write(
            lambda tx: choose(tx, row, name, value, now=now), transition=transitions.MODEL_CHOSEN
        )


def choose(tx: Tx, row: Waiting, name: str, value: str | bool | None, *, now: int) -> None:
    """Set or take away a setting of a session, which begins with it if there is none."""
    session = sessions.current(tx, row.session_key)
    if session is None:
        untitled = replace(row, content=replace(row.content, args=""))
        ident, settings = sessions.create(tx, untitled, now), {}
    else:
        ident, settings = session.id, dict(session.settings)
    settings.pop(name, None)
    if value is not None:
        settings[name] = value
    sessions.change_settings(tx, ident, settings)


def _found(tx: Tx, row: Waiting) -> tuple[int, past.LastTurn] | Phrase:
    """The session and its newest turn, or why nothing of it can be changed."""
    if past.is_busy(tx, row.session_key):
        return said.AT_IT
    session = sessions.current(tx, row.session_key)
    last = past.last_turn(tx, session.id) if session is not None else None
    if session is None or last is None:
        return said.NO_PAST
    return session.id, last


def _undone(last: past.LastTurn, reader: Reader) -> str:
    words = " ".join(" ".join(message.text.split()) for message in last.words)
    short = words if len(words) <= SHOWN else f"{words[: SHOWN - 4]} ..."
    text = said.TAKEN_BACK.to(reader, words=_code(short, reader))
    if not last.done:
        return text
    lines = "\n".join(f"- {_code(label, reader)}" for label in last.done)
    return f"{said.STAYS_DONE.to(reader, text=text)}\n\n{lines}"


def _code(text: str, reader: Reader) -> str:
    """Words of people or a model as they were written, meaning nothing."""
    return f"`{text.replace('`', chr(39))}`" if text.strip() else said.NO_WORDS.to(reader)
