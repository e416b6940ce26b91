"""Pure: how often other bots are answered, so that two of them never talk on by themselves.

In a chat at most BOT_TURNS of their messages enter within WINDOW, and none unless a person has
written there within it. Times are the platform's own, so that a backlog counts as it was written;
it begins anew with the process, and then a person has to write first.
"""

from collections import deque
from datetime import datetime, timedelta

from gateway.recent import Recent

BOT_TURNS = 3
WINDOW = timedelta(minutes=10)
REMEMBERED = 10_000


class BotTurns:
    """What people and bots have written lately, by chat."""

    def __init__(self) -> None:
        self._people: Recent[str, datetime] = Recent(REMEMBERED)
        self._bots: Recent[str, deque[datetime]] = Recent(REMEMBERED)

    def person_wrote(self, chat: str, at: datetime) -> None:
        """A person has written."""
        known = self._people.get(chat)
        self._people[chat] = at if known is None else max(known, at)

    def bot_entered(self, chat: str, at: datetime) -> None:
        """A bot's message has entered."""
        times = self._bots.get(chat)
        if times is None:
            times = deque(maxlen=BOT_TURNS)
        times.append(at)
        self._bots[chat] = times

    def may_speak(self, chat: str, at: datetime) -> bool:
        """Whether a bot's message of that time may enter."""
        person = self._people.get(chat)
        if person is None or abs(at - person) > WINDOW:
            return False
        times = self._bots.get(chat, ())
        return sum(abs(at - each) < WINDOW for each in times) < BOT_TURNS
