"""A stage on which the model wants things and people decide."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.scenarios.cards import Card, Hands
from tests.scenarios.stage import Stage
from tests.scenarios.tools import Shop
from tests.wire.openai import CallTool, Reply


class Desk(Stage):
    """A Stage with the shop's tools; ann approves in every chat unless `approvers` says who."""

    def __init__(
        self,
        surface: Hands,
        *others: Hands,
        path: Path,
        approvers: Sequence[str] | None = None,
        owners: Sequence[str] = (),
        shop: Shop | None = None,
        approvals: str = "",
        extra: str = "",
        **more: Any,
    ) -> None:
        """`approvals` are further lines of that table."""
        named = [surface.person("ann")] if approvers is None else list(approvers)
        self.shop = shop or Shop()
        self.hands = surface
        table = f"[approvals]\napprovers = {named}\n{approvals}\n{extra}"
        super().__init__(
            surface,
            *others,
            path=path,
            extra=table,
            tools=self.shop.tools(),
            owners=owners,
            **more,
        )

    def wants(self, *calls: CallTool, words: str = "Let me do that.") -> None:
        """Script the model's next reply: these calls."""
        self.model.reply(Reply(deltas=(words,), calls=calls))

    async def card(
        self,
        *words: str,
        at: Hands | None = None,
        group: bool = False,
        thread: Any = None,
        of: str = "ann",
        is_open: bool | None = None,
    ) -> Card:
        """The newest card, once it says all these words (and can, or can't, be decided)."""
        hands = at or self.hands

        def found() -> Card | None:
            for card in reversed(hands.cards(group=group, thread=thread, of=of)):
                if all(each in card.text for each in words) and is_open in (None, card.is_open):
                    return card
            return None

        try:
            await self.until(lambda: found() is not None, at=hands)
        except AssertionError as error:
            raise AssertionError(
                f"{words}, is_open={is_open}: {error}; told: {hands.told()}"
            ) from None
        card = found()
        assert card is not None
        return card

    async def asked_for(
        self, *calls: CallTool, words: str = "Please.", group: bool = False, by: str = "ann"
    ) -> Card:
        """Somebody says something, the model wants these calls, and a card stands."""
        before = {card.code for card in self.hands.cards(group=group)}
        self.wants(*calls)
        await self.hands.say(words, by=by, group=group, mention=group)
        await self.until(
            lambda: any(c.code not in before and c.is_open for c in self.hands.cards(group=group))
        )
        return self.hands.cards(group=group)[-1]

    async def approve(self, card: Card, *, by: str = "ann", group: bool = False) -> Card:
        """Approve what is confirmed twice, the way it is confirmed here."""
        await self.hands.choose(card, "Approve once", by=by)
        if not self.hands.asks_twice:
            card = await self.until_label("Yes: Approve once", group=group)
            await self.hands.choose(card, "Yes: Approve once", by=by)
        return card

    async def until_label(self, words: str, *, group: bool = False) -> Card:
        """The newest card, once one of its buttons or choices begins with these words."""

        def found() -> Card | None:
            for card in reversed(self.hands.cards(group=group)):
                if any(label.startswith(words) for label in (*card.buttons, *card.choices)):
                    return card
            return None

        await self.until(lambda: found() is not None)
        card = found()
        assert card is not None
        return card

    async def ran(self, *names: str) -> None:
        """Wait until exactly these tools ran."""
        await self.until(lambda: self.shop.names() == list(names))

    async def reads_or_hears(self, words: str, *, by: str = "ann", group: bool = False) -> str:
        """Wait until somebody is told these words, alone or in the chat."""

        def said() -> str | None:
            texts = (*self.hands.told(by=by), *self.hands.shown(group=group))
            return next((text for text in texts if words in text), None)

        await self.until(lambda: said() is not None)
        return said() or ""

    async def hears(self, words: str, *, by: str = "ann") -> str:
        """Wait until one person alone is told something with these words."""
        await self.until(lambda: any(words in text for text in self.hands.told(by=by)))
        return next(text for text in self.hands.told(by=by) if words in text)

    async def read_results(self, number: int) -> list[str]:
        """What the model reads of its calls in its request of that number."""
        return [m["content"] for m in await self.asked(number) if m["role"] == "tool"]
