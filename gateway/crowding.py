"""Pure: whether a message still has room to wait, and whether its sender is too fast.

Theory of operation. Waiting rows are counted by the store only when it matters: between two
counts the number of a chat is the last count and what has entered since, which is never too
low. At a limit the store is asked again, at most every `RECOUNT_EVERY_S`. Rates go by the
platform's own clock, so that a backlog of hours is no burst; they start anew with the process.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.admission import chat_of
from gateway.recent import Recent

SESSION_MAX = 50
CHAT_MAX = 200
ALL_MAX = 10_000
PERSON_A_MINUTE = 20
CHAT_A_MINUTE = 60
NOTICE_EVERY_S = 30.0
RECOUNT_EVERY_S = 0.25
REMEMBERED = 10_000

_MINUTE = 60_000_000

Reason = Literal["queue_full", "rate_user", "rate_chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """A message that wants to wait; times are microseconds since 1970.

    `in_session` counts what waits in its session already, `written_at` is the platform's time.
    """

    session_key: str
    person: str
    in_session: int
    written_at: int
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """It is turned away; `text` is empty where the chat was told a moment ago."""

    reason: Reason
    text: str


class Crowding:
    """What has entered lately, by chat and person."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()
        self._total = 0
        self._counted_at: int | None = None
        self._persons: Recent[str, deque[int]] = Recent(REMEMBERED)
        self._chats: Recent[str, deque[int]] = Recent(REMEMBERED)
        self._told_at: Recent[str, int] = Recent(REMEMBERED)

    def enter(self, coming: Coming, count: Callable[[], Mapping[str, int]]) -> Crowded | None:
        """Let a message in and count it, or say why not.

        `count` counts the rows by session, the message's own among them.
        """
        chat = chat_of(coming.session_key)
        found = self._too_fast(coming, chat) or self._too_many(coming, chat, count)
        if found is None:
            self._waiting[chat] += 1
            self._total += 1
            _kept(self._persons, coming.person, PERSON_A_MINUTE).append(coming.written_at)
            _kept(self._chats, chat, CHAT_A_MINUTE).append(coming.written_at)
            return None
        reason, text = found
        return Crowded(reason=reason, text=text if self.may_tell(chat, coming.now) else "")

    def _too_fast(self, coming: Coming, chat: str) -> tuple[Reason, str] | None:
        if _busy(self._persons.get(coming.person), PERSON_A_MINUTE, coming.written_at):
            return "rate_user", (
                f"I take {PERSON_A_MINUTE} messages a minute from one person;"
                " please send this again in a minute."
            )
        if _busy(self._chats.get(chat), CHAT_A_MINUTE, coming.written_at):
            return "rate_chat", (
                f"I take {CHAT_A_MINUTE} messages a minute here;"
                " please send this again in a minute."
            )
        return None

    def _too_many(
        self, coming: Coming, chat: str, count: Callable[[], Mapping[str, int]]
    ) -> tuple[Reason, str] | None:
        if coming.in_session >= SESSION_MAX:
            return "queue_full", _full_text(SESSION_MAX)
        if self._counted_at is None or self._at_limit(chat):
            self._recount(chat, coming.now, count)
        if self._waiting[chat] >= CHAT_MAX:
            return "queue_full", _full_text(CHAT_MAX)
        if self._total >= ALL_MAX:
            return "queue_full", "I have too much to do just now; please send this again later."
        return None

    def _at_limit(self, chat: str) -> bool:
        return self._waiting[chat] >= CHAT_MAX or self._total >= ALL_MAX

    def _recount(self, chat: str, now: int, count: Callable[[], Mapping[str, int]]) -> None:
        if self._counted_at is not None and 0 <= now - self._counted_at < RECOUNT_EVERY_S * 1e6:
            return
        self._counted_at = now
        self._waiting.clear()
        for key, rows in count().items():
            self._waiting[chat_of(key)] += rows
        self._waiting[chat] -= 1  # the one that wants to enter is a row by now
        self._total = self._waiting.total()

    def may_tell(self, chat: str, now: int) -> bool:
        """Whether a chat was told nothing of the kind a moment ago; counts as telling it."""
        told_at = self._told_at.get(chat)
        if told_at is not None and 0 <= now - told_at < NOTICE_EVERY_S * 1e6:
            return False
        self._told_at[chat] = now
        return True


def _full_text(number: int) -> str:
    return f"I have {number} messages waiting here; please send this again later."


def _kept(by: Recent[str, deque[int]], key: str, limit: int) -> deque[int]:
    times = by.get(key)
    if times is None:
        times = deque(maxlen=limit)
    by[key] = times
    return times


def _busy(times: deque[int] | None, limit: int, at: int) -> bool:
    """Whether `limit` messages were written within a minute of this one."""
    return times is not None and sum(abs(at - each) < _MINUTE for each in times) >= limit
