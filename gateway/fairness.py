"""Whose turn runs next: bounds on what runs at once, and deficit round robin over chats.

Theory of operation. A session that has something to do asks for a start and waits. Starts of one
chat leave in the order in which they were asked for; chats take turns. A visit to a chat gives it
a quantum of tokens, and it starts one turn as soon as what it has saved covers the cost of its
last one. So a chat that floods gets no more visits than any other, one whose turns are dear gets
fewer, and nobody waits longer than one start of every other chat a round. A chat or person at
their own limit is passed over and keeps its place. What a clock's jobs want to do begins where
nobody else could, in the order in which it was asked for.

`Fairness` is pure; `TurnGate` is the thin shell that people wait at.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from gateway.recent import Recent

QUANTUM_TOKENS = 10_000
"""About one turn of a short conversation: most chats start one at every visit."""

COSTS_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many turns run at once."""

    total: int = 200
    chat: int = 8
    person: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A session that wants to run a turn; `person` is empty where nobody is known to ask.

    `background`: a clock's job, which counts for no chat and lets people go first.
    """

    session: str
    chat: str
    person: str = ""
    background: bool = False


@dataclass(slots=True)
class _Chat:
    """What waits in a chat, and the tokens it has saved."""

    waiting: deque[Start] = field(default_factory=deque)
    saved: int = 0


class Fairness:
    """Decides which starts are granted; one start of a session at a time."""

    def __init__(self, limits: Limits | None = None, quantum: int = QUANTUM_TOKENS) -> None:
        self._limits = limits or Limits()
        self._quantum = quantum
        self._chats: OrderedDict[str, _Chat] = OrderedDict()
        self._background: deque[Start] = deque()
        self._running: dict[str, Start] = {}
        self._per_chat: Counter[str] = Counter()
        self._per_person: Counter[str] = Counter()
        self._costs: Recent[str, int] = Recent(COSTS_KEPT)

    @property
    def running(self) -> int:
        """Turns that run now."""
        return len(self._running)

    def ask(self, start: Start) -> None:
        """Put a session behind the others of its chat."""
        if start.background:
            self._background.append(start)
            return
        self._chats.setdefault(start.chat, _Chat()).waiting.append(start)

    def withdraw(self, start: Start) -> bool:
        """Take a start back; False if it no longer waits."""
        if start in self._background:
            self._background.remove(start)
            return True
        chat = self._chats.get(start.chat)
        if chat is None or start not in chat.waiting:
            return False
        self._take(start.chat, chat, start)
        return True

    def end(self, session: str, tokens: int) -> None:
        """A granted turn is over; `tokens` is what it cost, 0 if nobody knows."""
        start = self._running.pop(session)
        if start.background:
            return
        _less(self._per_chat, start.chat)
        _less(self._per_person, start.person)
        if tokens:
            self._costs[start.chat] = tokens

    def grant(self) -> Start | None:
        """The next start, which runs from now on; None if nobody waits or nobody may."""
        if len(self._running) >= self._limits.total:
            return None
        best: tuple[int, str, Start] | None = None
        for name, chat in self._chats.items():
            start = self._eligible(name, chat)
            if start is None:
                continue
            visits = self._visits(name, chat)
            if best is None or visits < best[0]:
                best = (visits, name, start)
            if visits == 1:
                break
        if best is None:
            return self._in_background()
        self._visit(*best)
        return best[2]

    def _in_background(self) -> Start | None:
        if not self._background:
            return None
        start = self._background.popleft()
        self._running[start.session] = start
        return start

    def _eligible(self, name: str, chat: _Chat) -> Start | None:
        if self._per_chat[name] >= self._limits.chat:
            return None
        for start in chat.waiting:
            if not start.person or self._per_person[start.person] < self._limits.person:
                return start
        return None

    def _visits(self, name: str, chat: _Chat) -> int:
        """Visits until the chat has saved enough for a turn like its last one."""
        missing = self._costs.get(name, 1) - chat.saved
        return max(1, -(-missing // self._quantum))

    def _visit(self, visits: int, chosen: str, start: Start) -> None:
        """Go round until `chosen` may start; the next round begins behind it."""
        before = True
        passed: list[str] = []
        for name, chat in self._chats.items():
            if before:
                passed.append(name)
            if self._eligible(name, chat) is not None:
                self._save(name, chat, visits if before else visits - 1)
            if name == chosen:
                before = False
                if visits == 1:
                    break
        chat = self._chats[chosen]
        # What is left is never more than a visit's worth, or a cheap chat would burst.
        chat.saved = min(self._quantum, max(0, chat.saved - self._costs.get(chosen, 1)))
        for name in passed:
            self._chats.move_to_end(name)
        self._take(chosen, chat, start)
        self._running[start.session] = start
        self._per_chat[start.chat] += 1
        self._per_person[start.person] += 1

    def _save(self, name: str, chat: _Chat, visits: int) -> None:
        chat.saved = min(
            chat.saved + visits * self._quantum, max(self._quantum, self._costs.get(name, 1))
        )

    def _take(self, name: str, chat: _Chat, start: Start) -> None:
        chat.waiting.remove(start)
        if not chat.waiting:
            del self._chats[name]


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


class TurnGate:
    """Where sessions wait until their turn may run."""

    def __init__(self, fairness: Fairness | None = None) -> None:
        self._fairness = fairness or Fairness()
        self._waiting: dict[str, tuple[Start, asyncio.Future[bool]]] = {}
        self._closed = False

    @property
    def waiting(self) -> int:
        """Sessions that wait."""
        return len(self._waiting)

    async def enter(self, start: Start) -> bool:
        """Wait for the start; False if it was withdrawn. Whoever entered must `leave`."""
        if self._closed:
            return False
        granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[start.session] = (start, granted)
        self._fairness.ask(start)
        self._grant()
        try:
            return await granted
        except asyncio.CancelledError:
            if not self.withdraw(start.session) and not granted.cancelled() and granted.result():
                self.leave(start.session, tokens=0)
            raise

    def leave(self, session: str, *, tokens: int) -> None:
        """The turn is over; `tokens` is what it cost, 0 if nobody knows."""
        self._fairness.end(session, tokens)
        self._grant()

    def withdraw(self, session: str) -> bool:
        """Let a session that waits go without a turn; False if it does not wait."""
        found = self._waiting.pop(session, None)
        if found is None:
            return False
        start, granted = found
        self._fairness.withdraw(start)
        if not granted.done():
            granted.set_result(False)
        return True

    def close(self) -> None:
        """Grant nothing more; everyone who waits goes without a turn."""
        self._closed = True
        for session in tuple(self._waiting):
            self.withdraw(session)

    def _grant(self) -> None:
        while not self._closed and (start := self._fairness.grant()) is not None:
            _, granted = self._waiting.pop(start.session)
            if granted.cancelled():
                self._fairness.end(start.session, 0)
            else:
                granted.set_result(True)
