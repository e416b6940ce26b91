"""What people do beside writing, and what stands in front of them."""

from collections.abc import Callable, Mapping

from tests.wire.slack import payloads
from tests.wire.slack.interactions import Interactions, Modal
from tests.wire.slack.transport import Delivery
from tests.wire.slack.world import Ephemeral, Shown, World


class Acts:
    """Presses, choices, commands, shortcuts and forms of everybody in a workspace."""

    world: World
    interactions: Interactions
    send_event: Callable[..., str]
    _clock: Callable[[], float]

    async def react(self, *, chat: str, ts: str, user: str, name: str, on: bool = True) -> None:
        """A person reacts to a message, or takes that back."""
        channel = self.world.channels[chat]
        message = channel.messages[ts]
        who = message.reactions.setdefault(name, [])
        (who.append if on else who.remove)(user)
        at = f"{self._clock():.6f}"
        self.send_event(payloads.reaction_event(channel, message, user, name, at, on=on))

    async def happen(self, kind: str, *, chat: str, user: str) -> None:
        """A person does this to a channel; the app is told, the channel stays as it is."""
        channel, at = self.world.channel(chat, user=user), f"{self._clock():.6f}"
        self.send_event(payloads.channel_event(self.world, kind, channel, user, at))

    async def press(
        self, *, chat: str, ts: str, user: str, label: str = "", value: str = ""
    ) -> Delivery:
        """A person presses the button with this label or value; asked, they say yes."""
        message = self.world.channels[chat].messages[ts]
        return self.interactions.press(message, user=user, label=label, value=value)

    async def decline(self, *, chat: str, ts: str, label: str) -> str:
        """A person presses a button and says no to its question: nothing comes of it."""
        return self.interactions.decline(self.world.channels[chat].messages[ts], label=label)

    async def choose(
        self, *, chat: str, ts: str, user: str, option: str = "", value: str = ""
    ) -> Delivery:
        """A person chooses from a menu by an option's label or value; asked, they say yes."""
        message = self.world.channels[chat].messages[ts]
        return self.interactions.choose(message, user=user, option=option, value=value)

    async def command(
        self,
        *,
        chat: str,
        user: str,
        text: str,
        name: str = "/gatepost",
        thread: str | None = None,
    ) -> Delivery:
        """A person enters a slash command."""
        return self.interactions.command(chat, user=user, text=text, name=name, thread=thread)

    async def shortcut(
        self, *, user: str, callback_id: str = "ask", chat: str = "", ts: str = ""
    ) -> Delivery:
        """A person chooses a shortcut, under a message if one is named."""
        message = self.world.channels[chat].messages[ts] if ts else None
        return self.interactions.shortcut(user=user, callback_id=callback_id, message=message)

    def modal(self, user: str) -> Modal:
        """The form that stands before a person."""
        return self.interactions.standing(user)

    async def submit(self, user: str, values: Mapping[str, str]) -> Delivery:
        """A person fills in fields of the form before them and sends it."""
        return self.interactions.submit(user, values)

    async def cancel(self, user: str) -> None:
        """A person closes the form before them."""
        self.interactions.cancel(user)


class Standing:
    """What stands in the channels of a workspace."""

    world: World

    def messages(self, chat: str, thread: str | None = None) -> tuple[Shown, ...]:
        """The messages of a channel, or of one thread with its root, oldest first."""
        found = self.world.visible_messages(chat, thread)
        return tuple(self.world.shown(message) for message in found)

    def ours(self, chat: str, thread: str | None = None) -> tuple[Shown, ...]:
        """The bot's messages of a channel as they stand now."""
        return tuple(message for message in self.messages(chat, thread) if message.ours)

    def pings(self) -> tuple[str, ...]:
        """Whom any message of ours ever notified, in any state, standing or not."""
        return tuple(
            dict.fromkeys(
                who
                for channel in self.world.channels.values()
                for message in channel.messages.values()
                if message.user == self.world.bot_user
                for version in message.versions
                for who in version.pings
            )
        )

    @property
    def ephemerals(self) -> list[Ephemeral]:
        """What only one person was shown."""
        return self.world.ephemerals

    def status(self, chat: str, thread: str) -> str:
        """The sign of life under a thread now."""
        return self.world.statuses.get((chat, thread), "")
