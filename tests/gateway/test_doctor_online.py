"""What `gatepost doctor` finds out by asking: each stumbling block with what to do about it."""

import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from gateway.cli.check import model
from gateway.cli.findings import Finding, of_status
from gateway.cli.online import listed_chats, of_platform
from gateway.config import ProviderConfig, Secret, load
from gateway.errors import GatewayError
from gateway.surfaces import chat_adapters
from platforms.discord.remarks import RIGHTS
from platforms.events import Account
from platforms.telegram.remarks import of_updates
from platforms.telegram.webhook_info import WebhookInfo
from tests.gateway.shown_status import STATUS
from tests.wire.discord import DiscordServer
from tests.wire.discord.server import INVITED
from tests.wire.site import Page, SiteServer
from tests.wire.slack import SlackServer
from tests.wire.telegram import TelegramServer

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as server:
        yield server


async def asked(
    tmp_path: Path, name: str, keys: Mapping[str, str], *, chats: tuple[str, ...] = ()
) -> list[Finding]:
    """The findings about one platform of a file with these keys."""
    file = tmp_path / "gatepost.toml"
    lines = [f'{key} = "{value}"' for key, value in keys.items()]
    listed = ", ".join(f'"{chat}"' for chat in chats)
    file.write_text("\n".join([f"[platforms.{name}]", *lines, "[access]", f"chats = [{listed}]"]))
    config = load(file, {})
    (adapter,) = chat_adapters(config)
    return await of_platform(adapter, config)


def slack_keys(server: SlackServer, **other: str) -> Mapping[str, str]:
    return {
        "bot_token": server.bot_token,
        "app_token": server.app_token,
        "base_url": f"{server.url}/api/",
    } | other


def wrong(findings: list[Finding]) -> list[tuple[str, str]]:
    """Severity and words of what has a remedy or is no fine thing."""
    return [
        (each.severity, f"{each.finding} -> {each.remedy}")
        for each in findings
        if each.remedy or each.severity != "ok"
    ]


async def test_a_wrong_app_level_token_is_found_without_a_socket(
    slack: SlackServer, tmp_path: Path
) -> None:
    """It is asked for an address, which nobody calls."""
    keys = slack_keys(slack, app_token="xapp-1-A0APP-9-wrong")
    ((severity, said), *_) = wrong(await asked(tmp_path, "slack", keys))
    assert severity == "error"
    assert "refuses the app-level token" in said
    assert "Basic Information > App-Level Tokens" in said


async def test_rights_that_slack_did_not_give_are_named_with_the_way_to_them(
    slack: SlackServer, tmp_path: Path
) -> None:
    """By weight: nothing works, something is lost, many go without; and what is too much."""
    slack.methods.scopes -= {"im:history", "files:read", "groups:write"}
    slack.methods.scopes |= {"assistant:write", "chat:write.public"}
    found = wrong(await asked(tmp_path, "slack", slack_keys(slack)))
    assert [severity for severity, _ in found] == ["error", "warning", "ok", "ok"]
    words = ("im:history (direct messages)", "files:read", "/leave in private", "write.public")
    for (_, said), word in zip(found, words, strict=True):
        assert word in said
        assert "https://api.slack.com/apps/A0APP/oauth > Scopes > Bot Token Scopes" in said


async def test_a_channel_without_the_bot_is_named(slack: SlackServer, tmp_path: Path) -> None:
    """One it never was in, one that is not there for it; a channel with it is fine."""
    slack.world.channel("C7").members.discard(slack.world.bot_user)
    slack.world.channel("C8").members.add(slack.world.bot_user)
    chats = ("slack:T1/C7", "slack:T1/C8", "slack:T1/C9", "slack:T1/*")
    found = wrong(await asked(tmp_path, "slack", slack_keys(slack), chats=chats))
    named = [said for severity, said in found if severity == "warning"]
    assert [said.split()[0] for said in named] == ["slack:T1/C7", "slack:T1/C9"]
    assert all("write: /invite @gatepost" in said for said in named)


async def test_telegram_tells_privacy_mode_and_groups_without_the_bot(tmp_path: Path) -> None:
    """Privacy mode may be meant so; a listed group that nobody added the bot to hardly."""
    async with TelegramServer(privacy=True) as server:
        server.group(-100200, "Team")
        keys = {"token": server.token, "base_url": server.url}
        chats = ("telegram:-100200", "telegram:-100300")
        found = wrong(await asked(tmp_path, "telegram", keys, chats=chats))
    (privacy, group) = found
    assert privacy[0] == "ok"
    assert "@BotFather > /setprivacy > the bot > Disable" in privacy[1]
    assert group[0] == "warning"
    assert group[1].startswith("telegram:-100300 is listed, and the bot is not in it -> ")
    assert "Add > @gatepost_bot" in group[1]


async def test_another_programs_webhook_is_seen_before_the_start(tmp_path: Path) -> None:
    """Its host is named, never its path; a start would take the updates over."""
    async with TelegramServer() as server:
        server.take_webhook("https://other.example.org/secret-path")
        keys = {"token": server.token, "base_url": server.url}
        ((severity, said),) = wrong(await asked(tmp_path, "telegram", keys))
    assert severity == "warning"
    assert "a webhook to other.example.org" in said
    assert "secret-path" not in said


def test_a_webhook_that_telegram_cannot_reach_is_told() -> None:
    """Only while something waits: an old failure is nobody's business."""
    ours = "https://bot.example.org/telegram/webhook"
    info = WebhookInfo(url=ours, waiting=2, last_error="Connection refused")
    told = of_updates(info, ours)
    assert told is not None
    assert "Connection refused" in told.said
    assert "/telegram/webhook" in told.remedy
    assert of_updates(WebhookInfo(url=ours, waiting=0, last_error="x"), ours) is None
    assert of_updates(WebhookInfo(url="", waiting=3, last_error=""), None) is None


async def test_discords_intent_is_told_to_who_only_looks(tmp_path: Path) -> None:
    """An error with every click, as the gateway itself would stop with."""
    async with DiscordServer(content_allowed=False) as server:
        keys = {"token": server.token, "base_url": server.api_url}
        ((severity, said),) = wrong(await asked(tmp_path, "discord", keys))
    assert severity == "error"
    assert "Bot > Privileged Gateway Intents > Message Content Intent: switch it on" in said


@pytest.mark.parametrize(
    ("lacking", "severity", "words"),
    [
        (0, None, ""),
        (1 << 11, "error", "Server Settings > Roles > gatepost > Permissions > Send Messages"),
        (1 << 6, "warning", "'Add Reactions'"),
        (1 << 35, None, ""),  # threads of its own are off
    ],
)
async def test_rights_in_a_discord_server(
    discord: DiscordServer, tmp_path: Path, lacking: int, severity: str | None, words: str
) -> None:
    """Each right that is missing is named with its server and the way to it."""
    discord.permissions &= ~lacking
    keys = {"token": discord.token, "base_url": discord.api_url}
    found = wrong(await asked(tmp_path, "discord", keys))
    assert [each for each, _ in found] == ([severity] if severity else [])
    assert all(words in said and "'Loopback'" in said for _, said in found)


async def test_a_discord_bot_in_no_server_is_given_its_invitation(
    discord: DiscordServer, tmp_path: Path
) -> None:
    """The address with its own id and rights; a channel it does not see is named."""
    discord.guild.members.pop(discord.bot.id, None)
    keys = {"token": discord.token, "base_url": discord.api_url}
    found = wrong(await asked(tmp_path, "discord", keys, chats=("discord:77",)))
    assert "oauth2/authorize?client_id=1100000000000000002&scope=bot" in found[0][1]
    assert found[1][1].startswith("discord:77 is listed, and the bot does not see it")


def test_the_invitation_asks_for_the_rights_of_the_manual() -> None:
    """The address in the manual, the table beside it and doctor agree."""
    assert sum(RIGHTS.values()) == INVITED
    text = (DOCS / "platforms.md").read_text()
    assert f"permissions={INVITED}" in text
    for right, bit in RIGHTS.items():
        assert f"| *{right}* | {bit} |" in text


async def test_a_refused_token_and_silence_differ_in_what_to_do(tmp_path: Path) -> None:
    """One is mended in the file, the other on the way there."""
    async with TelegramServer() as server:
        bad = await asked(tmp_path, "telegram", {"token": "1:wrong", "base_url": server.url})
    away = await asked(tmp_path, "telegram", {"token": server.token, "base_url": server.url})
    assert "mend it in [platforms.telegram]" in wrong(bad)[0][1]
    assert "network, proxy, firewall" in wrong(away)[0][1]


def test_only_single_chats_are_asked_about() -> None:
    """Patterns and other platforms are passed over."""
    chats = ("discord:1/2", "discord:3", "discord:1/*", "discord:*", "slack:T1/C1")
    found = listed_chats(chats, Account(platform="discord", id="9"))
    assert [(chat.space, chat.chat_id) for chat in found] == [("1", "2"), (None, "3")]


async def test_an_address_without_its_path_is_not_called_unreachable() -> None:
    """Who answers with 404 is there: what lacks is the end of base_url."""
    async with SiteServer() as server:
        server.pages["/models"] = Page(body=b"{}", status=404)
        entry = ProviderConfig(
            name="main",
            api="openai-chat",
            model="loopback-1",
            base_url=server.url,
            api_key=Secret("sk-loopback"),
            price="included",
        )
        with pytest.raises(GatewayError, match=r"answers 404; check base_url, most end with /v1"):
            await model(entry)


def test_who_was_ignored_is_named_with_the_key_that_lets_them_in() -> None:
    """A stranger and a chat; nothing about anybody else."""
    unlisted = {"telegram:1001": "access.users", "slack:T1/C9": "access.chats"}
    found = [each for each in of_status({**STATUS, "unlisted": unlisted}) if each.check == "access"]
    assert [each.severity for each in found] == ["ok", "ok"]
    assert 'add "telegram:1001" to access.users' in found[0].remedy
    assert 'add "slack:T1/C9" to access.chats' in found[1].remedy
    assert "write /allow slack:T1/C9" in found[1].remedy


def test_a_model_whose_key_is_given_up_is_named() -> None:
    """The running gateway would not ask it again, whatever an online check says."""
    refused = {**STATUS["serving"][1], "dead": 1, "ready": 0}
    (found,) = [
        each for each in of_status({**STATUS, "serving": [refused]}) if each.check == "models"
    ]
    assert (found.severity, "own (local)" in found.finding) == ("error", True)
    assert "`gatepost credentials retry`" in found.remedy
    assert not [each for each in of_status(STATUS) if each.check == "models"]


def test_a_taken_port_is_found_before_the_start(tmp_path: Path) -> None:
    """A stopped gateway could not open its page."""
    from gateway.cli.doctor import page

    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = tmp_path / "gatepost.toml"
        file.write_text(f'[web]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n')
        (found,) = page(load(file, {}))
    assert found.severity == "error"
    assert "set web.listen to another port" in found.remedy
    assert list(page(load(file, {}))) == []
