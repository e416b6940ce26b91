"""The channels and threads messages were stored of: where to look for what we missed."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime

from platforms.events import ChatRef, MessageReceived, MessageRef
from platforms.slack.stamps import is_stamp, order, time_of

Channel = tuple[str, str]
"""A workspace and a channel of it: workspaces may call different channels the same."""

Place = tuple[str, str, str | None]
"""A channel and a thread in it."""

PLACES_MAX = 10_000
STORED_MAX = 10_000


class Places:
    """The newest stored message of every place, and which messages were stored lately."""

    def __init__(self) -> None:
        self._newest: OrderedDict[Place, str] = OrderedDict()
        self._first: dict[str, str] = {}
        self._stored: OrderedDict[str, None] = OrderedDict()

    def learn(self, marks: Iterable[MessageRef]) -> Mapping[Place, str]:
        """Take up what an earlier process stored, and return it by place."""
        found: dict[Place, str] = {}
        for message in marks:
            if is_stamp(message.message_id):
                found[place_of(message.chat)] = message.message_id
        for place, ts in sorted(found.items(), key=lambda each: order(each[1])):
            self._reached(place, ts)
        return found

    def note(self, event: MessageReceived) -> None:
        """A message was stored."""
        self._reached(place_of(event.chat), event.message.message_id)
        self._stored[event.logical_key] = None
        if len(self._stored) > STORED_MAX:
            self._stored.popitem(last=False)

    def has_stored(self, logical_key: str) -> bool:
        """Whether that message was stored, as far as we remember."""
        return logical_key in self._stored

    def channels(self) -> tuple[Channel, ...]:
        """Every channel, those with the latest messages first."""
        return tuple(
            dict.fromkeys((space, channel) for space, channel, _ in reversed(self._newest))
        )

    def threads(self, channel: Channel, *, since: datetime) -> tuple[str, ...]:
        """The threads of a channel with messages since then."""
        return tuple(
            thread
            for (space, known, thread), ts in self._newest.items()
            if (space, known) == channel and thread is not None and time_of(ts) >= since
        )

    def space_of(self, channel: str) -> str | None:
        """The workspace through which a channel that several share was first stored."""
        return self._first.get(channel)

    def _reached(self, place: Place, ts: str) -> None:
        known = self._newest.get(place)
        newest = ts if known is None or order(ts) > order(known) else known
        self._newest[place] = newest
        self._newest.move_to_end(place)
        self._first.setdefault(place[1], place[0])
        if len(self._newest) > PLACES_MAX:
            (_, channel, _), _ = self._newest.popitem(last=False)
            self._first.pop(channel, None)


def place_of(chat: ChatRef) -> Place:
    """A chat as a place."""
    return chat.space or "", chat.chat_id, chat.thread_id
