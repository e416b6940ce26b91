"""What people do that is told in updates of its own: reactions and who is what in a chat."""

import time

from tests.wire.telegram.members import ADMINS, Rank, member_json
from tests.wire.telegram.updates import Updates
from tests.wire.telegram.world import Json, Room, World


class Acts:
    """Acts without words. A group tells a bot of them only if that administers it.

    Source: core.telegram.org/bots/api#update, `message_reaction` and `chat_member`.
    """

    world: World
    updates: Updates

    async def react(self, *, chat: int, message_id: int, user: int, emoji: str = "") -> None:
        """A person's reaction to a message is this one, or with "" none any more."""
        room = self.world.room(chat)
        moods = room.messages[message_id].moods
        body: Json = {
            "chat": room.json(),
            "message_id": message_id,
            "user": self.world.person(user).json(),
            "date": int(time.time()),
            "old_reaction": _reactions(moods.get(user, "")),
            "new_reaction": _reactions(emoji),
        }
        moods[user] = emoji
        if room.kind == "private" or self._administered(room):
            self.updates.add("message_reaction", body, place=str(chat))

    async def seat(self, *, chat: int, user: int, rank: Rank, by: int = 1001) -> None:
        """Somebody else makes a person this in a group, or shows them out."""
        room = self.world.room(chat)
        who = self.world.person(user).json()
        before, room.ranks[user] = room.rank(user), rank
        body: Json = {
            "chat": room.json(),
            "from": self.world.person(by).json(),
            "date": int(time.time()),
            "old_chat_member": member_json(who, before, anonymous=False),
            "new_chat_member": member_json(who, rank, anonymous=False),
        }
        if self._administered(room):
            self.updates.add("chat_member", body, place=str(chat))

    def _administered(self, room: Room) -> bool:
        return room.rank(self.world.us.id) in ADMINS


def _reactions(emoji: str) -> list[Json]:
    return [{"type": "emoji", "emoji": emoji}] if emoji else []
