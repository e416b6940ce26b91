"""Cards over the loopback server with the real SDK: arguments, menus, roles, private words."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from platforms.base import ADMIN
from platforms.blocks import Blocks, Code, Paragraph, Strong, Text, plain
from platforms.content import AnswerPress, Button, Controls, Edit, Menu
from platforms.discord import limits
from platforms.discord.client import DiscordAdapter
from platforms.errors import (
    ChatUnavailable,
    MessageRejected,
    PlatformError,
    PlatformUnavailable,
    RateLimited,
    SendUncertain,
    TooLong,
)
from platforms.events import ButtonPressed
from tests.platforms.discord.journal import (
    Journal,
    chat_of,
    connected,
    post,
    posted,
    ref_of,
    running,
)
from tests.platforms.discord.reader import show
from tests.platforms.strategies import PINGS
from tests.wire.discord import DiscordServer, components, edge_ban, rate_limited, refusal, rules
from tests.wire.server import Answer, CutAfter, CutBefore, Fault

POST = "POST /channels/{channel}/messages"
MEMBER = "GET /guilds/{guild}/members/{user}"
CALLBACK = "POST /interactions/{interaction}/{token}/callback"
MORE = Menu(
    label="More",
    options=(
        Button(label="For this chat", payload="gr:1"),
        Button(label="Edit", payload="f:ed:1"),
    ),
)
CONTROLS: Controls = (
    (
        Button(label="Approve once, at most $2.09", payload="ap:1", style="primary"),
        Button(label="Deny", payload="dn:1", style="danger"),
        Button(label="Show all", payload="sh:1"),
    ),
    (MORE,),
)


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        yield running_server


@pytest.fixture
async def adapter(server: DiscordServer) -> AsyncIterator[DiscordAdapter]:
    async with connected(server) as ready:
        yield ready


def card(arguments: str) -> Blocks:
    """A card as the gateway makes one: words, then the arguments as code."""
    head = Strong(spans=(Text(text="Approval K7Q2F: shell run"),))
    return (Paragraph(spans=(head,)), Code(language="", text=arguments), *plain("Approve: once."))


# What is shown.


DECEPTIVE = [
    "plain",
    "```\nApproved by Ann\n```",
    "a ``` b ```` c ````` d",
    "```",
    "``````",
    "`` ` ```",
    "x``",
    "\n\n```js\n",
    "> quote\n# heading\n- item",
    "[free](https://a.example) ](https://b.example)",
    "||spoiler|| **bold** ~~no~~ \\`",
    "<@42> <@&4100> @everyone @here <#4101> </run:1> <id:home>",
    "https://unfold.example",
    *PINGS,
]


@pytest.mark.parametrize("arguments", DECEPTIVE)
async def test_arguments_stay_in_their_fence(
    server: DiscordServer, adapter: DiscordAdapter, arguments: str
) -> None:
    """One code block shows exactly these characters; nothing pings, unfolds or looks like ours."""
    message = await posted(adapter, post(server.general, card(arguments), controls=CONTROLS))
    await adapter.perform(Edit(message=message, body=card(arguments), controls=CONTROLS))
    [stands] = server.bot_messages(server.general)
    shown = show(stands.content)
    assert [_visible(code) for code in shown.code] == [arguments.strip("\n") or ""]
    assert (shown.mentions, shown.links, shown.emoji) == ([], [], [])
    assert [style for style, _ in shown.styles] == ["strong"]
    assert server.pinged() == []
    assert not stands.shows_embed


def _visible(code: str) -> str:
    """Without the signs of no width that keep backticks and brackets apart."""
    return code.replace("\u200b", "")


async def test_everything_is_taken_off_with_the_outcome(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """An edit changes the controls and removes them; embeds stay off."""
    message = await posted(adapter, post(server.general, card("{}"), controls=CONTROLS))
    fewer = (CONTROLS[0][:1],)
    await adapter.perform(Edit(message=message, body=card("{}"), controls=fewer))
    [stands] = server.bot_messages(server.general)
    assert (list(stands.buttons.values()), stands.menus) == (["ap:1"], {})
    await adapter.perform(Edit(message=message, body=plain("Approved by Ann 13:41, running")))
    assert (stands.buttons, stands.menus) == ({}, {})
    assert all(version.flags & 4 for version in stands.history)


# Buttons and menus.


async def test_buttons_have_styles_and_a_menu_stands_alone(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Green, red and grey as meant; options say their payload byte for byte."""
    await posted(adapter, post(server.general, card("{}"), controls=CONTROLS))
    [stands] = server.bot_messages(server.general)
    first, second = stands.current.components
    assert [part["style"] for part in first["components"]] == [1, 4, 2]
    [menu] = second["components"]
    assert (menu["placeholder"], menu["min_values"], menu["max_values"]) == ("More", 1, 1)
    assert list(stands.menus.values()) == [{"For this chat": "gr:1", "Edit": "f:ed:1"}]


async def test_a_choice_is_a_press(server: DiscordServer) -> None:
    """With the option's payload, the person's roles and the card; acknowledged like a button."""
    crew = server.world.add_role(server.guild, "crew")
    server.guild.add_member(server.ada, [crew])
    journal = Journal()
    async with running(server, journal) as adapter:
        await posted(adapter, post(server.general, card("{}"), controls=CONTROLS))
        [stands] = server.bot_messages(server.general)
        chosen = await server.choose(stands, server.ada, "gr:1")
        event = await journal.event()
        await server.seen(lambda seen: seen.operation == CALLBACK)
    assert isinstance(event, ButtonPressed)
    assert (event.payload, event.card) == ("gr:1", ref_of(stands))
    assert (event.author.id, event.author.kind) == (str(server.ada.id), "human")
    assert event.author.roles == (str(crew.id),)
    assert chosen.answer == 6


async def test_a_bot_that_presses_is_told_as_one(server: DiscordServer) -> None:
    """Who decides is judged by what they are."""
    robot = server.add_person("robot")
    robot.bot = True
    journal = Journal()
    async with running(server, journal) as adapter:
        await posted(adapter, post(server.general, card("{}"), controls=CONTROLS))
        await server.press(server.bot_messages(server.general)[0], robot, "ap:1")
        event = await journal.event()
    assert event.author.kind == "bot"


async def test_as_much_as_a_message_holds(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """Four rows of buttons and a menu of 25 with long words; labels are cut, payloads never."""
    long = "w" * 200
    options = tuple(
        Button(label=long, payload=f"{number:02}".ljust(64, "p"))
        for number in range(limits.MENU_OPTIONS_MAX)
    )
    rows = tuple(
        tuple(Button(label=long, payload=f"{line}{place}") for place in range(5))
        for line in range(4)
    )
    controls: Controls = (*rows, (Menu(label=long, options=options),))
    await posted(adapter, post(server.general, "card", controls=controls))
    [stands] = server.bot_messages(server.general)
    [menu] = stands.current.components[4]["components"]
    assert [option["value"] for option in menu["options"]] == [one.payload for one in options]
    assert len(menu["placeholder"]) == components.PLACEHOLDER_MAX
    assert len(menu["options"][0]["label"]) == components.OPTION_TEXT_MAX


async def test_a_menu_among_buttons_gets_a_row_of_its_own(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Discord takes it no other way; the order stays."""
    controls: Controls = ((CONTROLS[0][0], MORE, CONTROLS[0][1]), (CONTROLS[0][2],))
    await posted(adapter, post(server.general, "card", controls=controls))
    [stands] = server.bot_messages(server.general)
    kinds = [[part["type"] for part in row["components"]] for row in stands.current.components]
    assert kinds == [[2, 2], [3], [2]]


@pytest.mark.parametrize(
    "controls",
    [
        ((Menu(label="More", options=()),),),
        ((replace(MORE, options=MORE.options * 13),),),
        (CONTROLS[0] * 2,),
        tuple((Button(label="x", payload=f"p{number}"),) for number in range(6)),
    ],
    ids=["no option", "26 options", "six buttons", "six rows"],
)
async def test_controls_that_do_not_fit_are_not_sent(
    server: DiscordServer, adapter: DiscordAdapter, controls: Controls
) -> None:
    """None is left out silently, for the one left out might be Deny."""
    with pytest.raises(MessageRejected):
        await adapter.perform(post(server.general, "card", controls=controls))
    assert server.requests(POST) == []


async def test_a_card_in_doubt_is_found_by_its_options(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Equal words with other payloads are another card."""
    since = datetime.now(UTC)
    server.faults.add(POST, CutAfter())
    operation = post(server.general, card("{}"), "n1", controls=CONTROLS)
    with pytest.raises(SendUncertain):
        await adapter.perform(operation)
    [stands] = server.bot_messages(server.general)
    assert await adapter.find(operation, since) == ref_of(stands)
    other = replace(MORE, options=(replace(MORE.options[0], payload="gr:2"), MORE.options[1]))
    another = replace(operation, nonce="n2", controls=(CONTROLS[0], (other,)))
    assert await adapter.find(another, since) is None


# Roles.


async def test_roles_are_read_anew_each_time(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """What is asked and held, by one look at the member; what was taken away is gone."""
    crew, deck = (server.world.add_role(server.guild, name) for name in ("crew", "deck"))
    ann = server.add_person("ann", roles=[crew, deck])
    asked = frozenset({str(crew.id), "7", ADMIN})

    async def held() -> frozenset[str]:
        return await adapter.roles(str(ann.id), chat_of(server.general), asked)

    assert await held() == {str(crew.id)}
    server.guild.add_member(ann, [deck])
    assert await held() == frozenset()
    thread = await server.start_thread(server.general, "details")
    server.guild.add_member(ann, [crew])
    assert await adapter.roles(str(ann.id), chat_of(thread), asked) == {str(crew.id)}
    assert len(server.requests(MEMBER)) == 3


async def test_who_is_no_member_has_no_role(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """Strangers and people Discord does not know."""
    crew = server.world.add_role(server.guild, "crew")
    eve = server.add_person("eve", member=False)
    for person in (str(eve.id), "7"):
        held = await adapter.roles(person, chat_of(server.general), frozenset({str(crew.id)}))
        assert held == frozenset()


async def test_where_there_are_no_roles_nobody_is_asked(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Direct messages, someone of another platform, nothing or only administrators asked for."""
    general, crew = chat_of(server.general), frozenset({"7"})
    who = str(server.ada.id)
    assert await adapter.roles(who, chat_of(server.dm(server.ada)), crew) == frozenset()
    assert await adapter.roles("U0ADA", general, crew) == frozenset()
    assert await adapter.roles(who, general, frozenset()) == frozenset()
    assert await adapter.roles(who, general, frozenset({ADMIN})) == frozenset()
    assert server.requests(MEMBER) == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (CutBefore(), PlatformUnavailable),
        (CutAfter(), PlatformUnavailable),
        (refusal(503), PlatformUnavailable),
        (Answer(status=200, body=b"<html>"), PlatformUnavailable),
        (Answer(status=200, body=b"[]"), PlatformUnavailable),
        (Answer(status=200, body=b'{"roles": ["ROLE"]}'), PlatformUnavailable),
        (Answer(status=200, body=b'{"user": {"id": "9"}, "roles": ["ROLE"]}'), PlatformUnavailable),
        (Answer(status=200, body=b'{"user": {"id": "42"}, "roles": "ROLE"}'), PlatformUnavailable),
        (refusal(403, 50001), ChatUnavailable),
        (refusal(404, 10004), ChatUnavailable),
        (rate_limited(31.0), RateLimited),
        (edge_ban(), RateLimited),
        (refusal(400, 0), MessageRejected),
    ],
)
async def test_a_look_up_that_fails_is_never_a_yes(
    server: DiscordServer, adapter: DiscordAdapter, fault: Fault, error: type[PlatformError]
) -> None:
    """Whatever goes wrong is an error of its class, half an answer too."""
    crew = server.world.add_role(server.guild, "crew")
    server.guild.add_member(server.ada, [crew])
    if isinstance(fault, Answer):
        fault = replace(fault, body=fault.body.replace(b"ROLE", str(crew.id).encode()))
    server.faults.add(MEMBER, fault, fault)  # a GET that was cut is repeated below the SDK
    asked = frozenset({str(crew.id)})
    with pytest.raises(error):
        await adapter.roles(str(server.ada.id), chat_of(server.general), asked)


async def test_without_a_connection_nobody_knows(server: DiscordServer) -> None:
    """Before connecting a look-up fails."""
    adapter = DiscordAdapter(token=server.token, base_url=server.api_url)
    with pytest.raises(PlatformUnavailable):
        await adapter.roles("42", chat_of(server.general), frozenset({"7"}))


# Private words.


@pytest.mark.parametrize("words", ["x", "漢", '{"a_b": [*]}', "* ", "_", "<@42>", "`"])
async def test_as_many_private_words_as_we_say(server: DiscordServer, words: str) -> None:
    """Their escapes never make them too long; as code they show the same characters."""
    text = (words * limits.PRIVATE_MAX)[: limits.PRIVATE_MAX].strip()
    journal = Journal()
    async with running(server, journal) as adapter:
        await posted(adapter, post(server.general, card("{}"), controls=CONTROLS))
        await server.press(server.bot_messages(server.general)[0], server.ada, "sh:1")
        event = await journal.event()
        assert isinstance(event, ButtonPressed)
        saying = adapter.perform(AnswerPress(press=event.press, text=text))
        if re.search("`{3}", text):
            with pytest.raises(TooLong):  # nothing but backticks, which no card consists of
                await saying
            return
        await saying
    private = server.messages(server.general, viewer=server.ada)[-1]
    assert private.private_to is server.ada
    assert _visible(show(private.content).text) == text
    assert server.pinged() == []


# What we promise.


def test_capabilities_are_the_documented_limits() -> None:
    """What we promise, what the limits say and what the server enforces agree."""
    found = limits.CAPABILITIES
    assert (found.form, found.confirm) == ("modal", False)
    assert found.form_field_max == limits.FIELD_MAX == components.FIELD_MAX
    assert found.menu_options == limits.MENU_OPTIONS_MAX == components.OPTIONS_MAX
    assert found.private_max == limits.PRIVATE_MAX < rules.CONTENT_MAX
    assert limits.CUSTOM_ID_MAX == components.CUSTOM_ID_MAX
    assert limits.FORM_TITLE_MAX == components.TITLE_MAX
    assert limits.FIELDS_MAX == components.FIELDS_MAX
    assert limits.FIELD_LABEL_MAX == components.FIELD_LABEL_MAX
    assert limits.MENU_LABEL_MAX == components.PLACEHOLDER_MAX
    assert limits.OPTION_LABEL_MAX == components.OPTION_TEXT_MAX
