"""People and chats that nobody has listed, and owners who let them in by a button."""

from pathlib import Path

import pytest

from tests.scenarios.cards import Hands
from tests.scenarios.slack import PEOPLE as AT_SLACK
from tests.scenarios.slack import SlackSurface
from tests.scenarios.stage import WAIT_S, Stage
from tests.scenarios.telegram import PEOPLE as AT_TELEGRAM
from tests.scenarios.telegram import TelegramSurface


@pytest.mark.needs("has_strangers")
async def test_a_stranger_is_let_in(surface: Hands, tmp_path: Path) -> None:
    """Held, asked about on a card, let in by its button, answered; the card says who did it."""
    people = surface
    platform = people.person("ann").partition(":")[0]
    pairing = f'[access.{platform}]\ndm = "pairing"\n'
    async with Stage(people, path=tmp_path, extra=pairing, owners=(people.me,)) as stage:
        await people.say("May I ask something?", by="mallory")
        await stage.sees("Somebody new writes to me")
        await stage.until(lambda: bool(people.cards()))
        (card,) = people.cards()
        assert "May I ask something?" in card.text
        assert stage.model.asked == []
        stage.answers("You may.")
        await people.choose(card, "Allow")
        await stage.sees(f"allowed by {people.me}")
        assert "May I ask something?" in str(await stage.asked(1))
        await stage.outcome("held", 1)
        assert people.cards() == []


async def test_a_group_is_let_in_and_moves(tmp_path: Path) -> None:
    """Telegram: asked about, allowed by the card's button, answered, and its talk goes along."""
    people, group = TelegramSurface(), -777
    bot = people.server.world.us.username
    async with Stage(people, path=tmp_path, owners=(people.me,)) as stage:
        people.server.group(group, "New")
        people.server.world.room(group).bot_status = "left"
        await people.server.set_bot_status(group, "member")
        await stage.sees("I was added to telegram:-777")
        await stage.until(lambda: bool(people.cards()))
        await people.choose(people.cards()[0], "Allow")
        await stage.sees(f"allowed by {people.me}")
        stage.answers("First.", "Second.")
        mallory = AT_TELEGRAM["mallory"]
        await people.server.say(chat=group, user=mallory, text=f"@{bot} the first question")
        await stage.until(lambda: [m.text for m in people.server.ours(group)] == ["First."])
        moved = await people.server.migrate(group)
        await stage.outcome("membership", 1)
        await people.server.say(chat=moved, user=mallory, text=f"@{bot} the second")
        await stage.until(lambda: [m.text for m in people.server.ours(moved)] == ["Second."])
        assert "the first question" in str(await stage.asked(2))


async def test_a_channel_is_let_in(tmp_path: Path) -> None:
    """Slack: the same, and what the bot is told to leave it leaves."""
    people, channel = SlackSurface(), "C9"
    async with Stage(people, path=tmp_path, owners=(people.me,)) as stage:
        people.server.channel(channel)
        joined = {
            "type": "member_joined_channel",
            "user": people.server.world.bot_user,
            "channel": channel,
            "channel_type": "C",
            "team": "T1",
            "inviter": AT_SLACK["bob"],
            "event_ts": "1795262400.000100",
        }
        people.server.send_event(joined)
        await stage.sees("I was added to slack:T1/C9")
        await stage.until(lambda: bool(people.cards()))
        await people.choose(people.cards()[0], "Leave")
        await stage.sees(f"left alone by {people.me}")
        await people.server.seen(lambda seen: seen.operation == "conversations.leave", WAIT_S)
