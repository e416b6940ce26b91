"""Ten people at Telegram, each with a direct chat and a group of their own."""

from dataclasses import dataclass

from tests.scenarios.cards import is_card
from tests.scenarios.telegram import TelegramSurface

PEOPLE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One chat, and who talks there."""

    chat: int
    person: int

    @property
    def is_group(self) -> bool:
        """Whether the bot has to be named."""
        return self.chat != self.person


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A card that can be decided: what it is called, and its buttons' labels."""

    message_id: int
    title: str
    labels: tuple[str, ...]


class Town(TelegramSurface):
    """A bot that all of them may use; the first of them owns it."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[Place] = []
        for number in range(1, PEOPLE + 1):
            person, group = 2_000 + number, -2_000 - number
            self.server.person(person, f"person{number}")
            self.server.group(group, f"Group {number}")
            self.places += [Place(chat=person, person=person), Place(chat=group, person=person)]

    @property
    def everybody(self) -> list[str]:
        """All of them, as configuration names them."""
        return [f"telegram:{place.person}" for place in self.places if not place.is_group]

    @property
    def users(self) -> tuple[str, ...]:  # type: ignore[override]
        """Who is let in."""
        return tuple(self.everybody)

    @property
    def chats(self) -> tuple[str, ...]:  # type: ignore[override]
        """Their groups."""
        return tuple(f"telegram:{place.chat}" for place in self.places if place.is_group)

    async def tell(self, place: Place, text: str) -> None:
        """Somebody says something in a chat of theirs."""
        name = f"@{self.server.world.us.username} " if place.is_group else ""
        await self.server.say(chat=place.chat, user=place.person, text=f"{name}{text}")

    async def order(self, place: Place, command: str) -> None:
        """Somebody gives a command in a chat of theirs."""
        name, _, rest = command.partition(" ")
        bot = f"@{self.server.world.us.username}" if place.is_group else ""
        text = f"/{name}{bot} {rest}".strip()
        await self.server.say(chat=place.chat, user=place.person, text=text)

    def open_cards(self, place: Place) -> list[Open]:
        """What can be decided in a chat."""
        return [
            Open(
                message_id=each.message_id,
                title=each.text.splitlines()[0],
                labels=tuple(key.label for row in each.keyboard for key in row),
            )
            for each in self.server.ours(place.chat)
            if is_card(each.text) and each.keyboard
        ]

    async def decide(self, place: Place, card: Open, label: str) -> None:
        """Somebody presses, if the button still stands there."""
        try:
            await self.server.press(
                chat=place.chat, message_id=card.message_id, user=place.person, label=label
            )
        except AssertionError:
            return  # the card changed while they looked
