"""Who decides and who does not: bystanders, strangers, machines, roles; and what is no decision."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.cards import Hands
from tests.scenarios.deciding import Desk
from tests.scenarios.discord import DiscordSurface
from tests.scenarios.slack import GROUP as CHANNEL
from tests.scenarios.slack import PEOPLE as AT_SLACK
from tests.scenarios.slack import SlackSurface
from tests.scenarios.telegram import GROUP, PEOPLE, TelegramSurface
from tests.scenarios.tools import letter, train
from tests.wire.server import Answer


@pytest.mark.parametrize("made", [SlackSurface, DiscordSurface])
async def test_a_bystander_is_refused_alone(made: Callable[[], Hands], tmp_path: Path) -> None:
    """Someone else's press or word changes nothing, and only they hear why."""
    surface = made()
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(letter(), group=True)
        before = surface.shown(group=True)
        await surface.choose(card, "Approve once", by="bob")
        await desk.hears("Only chat approvers can decide this.", by="bob")
        await surface.choose(card, "Deny", by="bob")
        await desk.until(lambda: len(surface.told(by="bob")) >= 2)
        assert surface.shown(group=True) == before
        assert surface.told(by="ann") == []
        told = len(surface.told(by="bob"))
        await surface.typed("approve", card.code, by="bob", group=True)
        await desk.until(lambda: len(surface.told(by="bob")) > told)
        assert desk.shop.ran == []
        desk.answers("Sent.")
        await surface.choose(card, "Approve once")
        await desk.ran("letter")


@pytest.mark.parametrize("made", [SlackSurface, DiscordSurface])
async def test_the_requester_decides_what_is_cheap(
    made: Callable[[], Hands], tmp_path: Path
) -> None:
    """Who asked approves up to a dollar without being an approver; above it they may only deny."""
    surface = made()
    async with Desk(surface, path=tmp_path, approvers=[surface.person("ann")]) as desk:
        dear = await desk.asked_for(train(size="large"), by="bob", group=True)
        await surface.choose(dear, "Approve once", by="bob")
        await desk.hears("Only chat approvers", by="bob")
        desk.wants(train(ident="cheap"))
        await surface.choose(dear, "Deny", by="bob")
        cheap = await desk.card("$0.30", group=True, is_open=True)
        desk.answers("Trained.")
        await surface.choose(cheap, "Approve once", by="bob")
        await desk.ran("train")


@pytest.mark.needs("has_groups")
async def test_only_a_press_or_a_command_decides(surface: Hands, tmp_path: Path) -> None:
    """Not "yes", nor "approve CODE" among other words, nor what a stranger types."""
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(letter(), group=True)
        for text in ("yes", "approve", f"I approve {card.code}", f"approve {card.code}"):
            await surface.say(text, by="bob", group=True)
        await surface.say(f"/approve {card.code}", by="mallory")
        await surface.say("yes, go on", by="mallory")
        desk.answers("Hello Bob.")
        await surface.say("Are you there?", by="bob")
        await desk.until(lambda: len(desk.model.asked) == 2)
        assert desk.shop.ran == []
        assert surface.cards(group=True) == [card]


async def test_forged_presses_decide_nothing(surface: Hands, tmp_path: Path) -> None:
    """A changed payload, one of another card, an invented one: the same private words."""
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(train())
        good, deny = card.payload("Approve once"), card.payload("Deny")
        forged = (_other_last(good), "a" * 39, deny[:26] + good[26] + deny[27:])
        for number, payload in enumerate(forged, start=1):
            await surface.forge(card, payload)
            await desk.until(
                lambda number=number: len(surface.told()) >= number  # type: ignore[misc]
            )
        assert [text for text in surface.told() if "nothing to decide" not in text] == []
        if surface.name != "terminal":
            await surface.forward(card, good)
            await desk.until(lambda: len(surface.told()) > len(forged) or surface.name == "web")
        assert desk.shop.ran == []
        assert (await desk.card(card.code)).is_open
        desk.answers("Trained.")
        await surface.choose(card, "Approve once")
        await desk.sees("Trained.")


async def test_slack_user_groups_decide(tmp_path: Path) -> None:
    """Members of the group as Slack lists them now; while it can't be asked, nobody."""
    slack = SlackSurface()
    slack.server.usergroups.form("SOPS", AT_SLACK["bob"])
    async with Desk(slack, path=tmp_path, approvers=["slack:T1/SOPS"]) as desk:
        card = await desk.asked_for(letter(), group=True)
        await slack.choose(card, "Approve once")
        await desk.hears("Only chat approvers")
        slack.server.faults.add("usergroups.users.list", Answer(status=500))
        await slack.choose(card, "Approve once", by="bob")
        await desk.hears("try again", by="bob")
        assert desk.shop.ran == []
        slack.server.usergroups.form("SOPS", AT_SLACK["ann"])
        await slack.choose(card, "Approve once", by="bob")
        await desk.hears("Only chat approvers", by="bob")
        desk.answers("Sent.")
        await slack.typed("approve", card.code, group=True)
        await desk.ran("letter")


async def test_discord_roles_decide(tmp_path: Path) -> None:
    """A role counts as the press brings it, and is looked up for who writes a command."""
    discord = DiscordSurface()
    server = discord.server
    role = server.world.add_role(server.guild, "ops")
    named = f"discord:{server.guild.id}/&{role.id}"
    async with Desk(discord, path=tmp_path, approvers=[named]) as desk:
        card = await desk.asked_for(letter(), group=True)
        await discord.choose(card, "Approve once")
        await desk.hears("Only chat approvers")
        server.guild.add_member(discord.people["bob"], [role])
        desk.wants(letter("carl@example.org", ident="two"))
        await discord.choose(card, "Approve once", by="bob")
        await desk.ran("letter")
        second = await desk.card("carl@", group=True, is_open=True)
        desk.answers("Both sent.")
        server.guild.add_member(discord.people["bob"])
        server.guild.add_member(discord.people["ann"], [role])
        await discord.say(f"!approve {second.code}", by="bob", group=True, mention=True)
        await discord.say(f"!approve {second.code}", group=True, mention=True)
        await desk.ran("letter", "letter")


async def test_telegram_admins_decide(tmp_path: Path) -> None:
    """Who administers the group as Telegram says now; an anonymous one is nobody."""
    telegram = TelegramSurface()
    server = telegram.server
    server.rank(GROUP, PEOPLE["bob"], "administrator")
    async with Desk(telegram, path=tmp_path, approvers=["admins"]) as desk:
        card = await desk.asked_for(letter(), group=True)
        before = telegram.shown(group=True)
        await telegram.choose(card, "Approve once")
        await desk.hears("Only chat approvers")
        assert telegram.shown(group=True) == before
        text = f"/approve@{server.world.us.username} {card.code}"
        await server.say(chat=GROUP, user=PEOPLE["bob"], text=text, as_chat=GROUP)
        body = b'{"ok":false,"error_code":500,"description":"Internal Server Error"}'
        server.faults.add("getChatMember", Answer(status=500, body=body))
        await telegram.choose(card, "Approve once", by="bob")
        await desk.hears("try again", by="bob")
        assert desk.shop.ran == []
        desk.answers("Sent.")
        await telegram.choose(card, "Approve once", by="bob")
        await desk.ran("letter")


async def test_machines_edits_and_reactions_decide_nothing(tmp_path: Path) -> None:
    """A bot's press, a message edited into a command, a thumb: none of them is a word."""
    slack = SlackSurface()
    everybody = ["slack:T1/U1", "slack:T1/U2", "slack:T1/UBOT"]
    async with Desk(slack, path=tmp_path, approvers=everybody) as desk:
        slack.server.person("UBOT", "robot", bot=True)
        card = await desk.asked_for(letter(), group=True)
        chat, ts = card.handle
        await slack.server.react(chat=CHANNEL, ts=ts, user=AT_SLACK["ann"], name="+1")
        _, mine = await slack.say("hm", group=True)
        await slack.server.rewrite(chat=CHANNEL, ts=mine, text=f"@gatepost !approve {card.code}")
        await slack.server.press(chat=chat, ts=ts, user="UBOT", label=card.label("Approve once"))
        await slack.server.settled()
        desk.answers("Hello.")
        await slack.say("Are you there?", by="bob")
        await desk.until(lambda: len(desk.model.asked) >= 2)
        assert desk.shop.ran == []
        assert (await desk.card(card.code, group=True)).is_open


def _other_last(text: str) -> str:
    return text[:-1] + ("A" if text[-1] != "A" else "B")
