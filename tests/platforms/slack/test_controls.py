"""Buttons, menus, questions and cards: Slack takes them, and what is shown is whole and inert."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.blocks import Blocks, Code, Heading, Paragraph, Text, plain
from platforms.content import Button, Controls, Edit, Menu
from platforms.events import ButtonPressed
from platforms.slack.controls import control_blocks
from platforms.slack.format import fits, format_blocks
from platforms.slack.limits import (
    CAPABILITIES,
    CONFIRM_BUTTON_MAX,
    CONFIRM_TEXT_MAX,
    FIELD_LABEL_MAX,
    FIELD_MAX,
    FORM_TITLE_MAX,
    LABEL_MAX,
    MENU_OPTIONS_MAX,
    METADATA_MAX,
    OPTION_LABEL_MAX,
    OVERFLOW_OPTIONS,
    PLACEHOLDER_MAX,
    VALUE_MAX_BYTES,
)
from tests.platforms import strategies
from tests.platforms.slack.journal import (
    ADA,
    GENERAL,
    Journal,
    chat_of,
    connected,
    post,
    posted,
    running,
)
from tests.wire.slack import SlackServer, controls, rules, views
from tests.wire.slack.rules import check_blocks, pings

INLINE_MAX = 2_400
"""Characters of arguments a card shows at once."""


def elements(*row: Button | Menu) -> list[dict[str, Any]]:
    """The elements of one row, as Slack takes them."""
    (block,) = check_blocks(list(control_blocks((row,))))
    found: list[dict[str, Any]] = block["elements"]
    return found


def choices(count: int, **more: str) -> tuple[Button, ...]:
    """Options of a menu."""
    return tuple(Button(label=f"choice {n}", payload=f"c{n}", **more) for n in range(count))  # type: ignore[arg-type]


def test_a_button_asks_first() -> None:
    """Its question, its own words for yes, and its style."""
    (element,) = elements(
        Button(label="Delete it", payload="p", style="danger", confirm="Delete acme/data for good?")
    )
    dialog = element["confirm"]
    assert dialog["text"]["text"] == "Delete acme/data for good?"
    assert (dialog["confirm"]["text"], dialog["deny"]["text"]) == ("Delete it", "Cancel")
    assert (dialog["style"], element["style"]) == ("danger", "danger")
    (silent,) = elements(Button(label="Show all", payload="p"))
    assert silent.keys() == {"type", "action_id", "text", "value"}


def test_a_sum_is_never_cut() -> None:
    """A label too long for the dialog's button is replaced, not shortened in the middle."""
    label = "Approve once, at most $12,345.67"
    assert len(label) > CONFIRM_BUTTON_MAX
    (element,) = elements(Button(label=label, payload="p", style="primary", confirm="Sure?"))
    assert element["confirm"]["confirm"]["text"] == "Yes"
    assert element["text"]["text"] == label
    assert "style" not in element["confirm"]


@pytest.mark.parametrize(
    ("count", "kind"),
    [(1, "static_select"), (2, "overflow"), (5, "overflow"), (6, "static_select"),
     (100, "static_select")],
)  # fmt: skip
def test_a_menu_is_what_slack_has_room_for(count: int, kind: str) -> None:
    """Few choices fold out of three dots, more of a select that shows the menu's name."""
    (element,) = elements(Menu(label="More", options=choices(count)))
    assert element["type"] == kind
    assert len(element["options"]) == count
    assert (kind == "overflow") is ("placeholder" not in element)
    assert "confirm" not in element


def test_no_choice_goes_through_without_its_question() -> None:
    """Slack asks once for a whole menu, so it asks what any of its choices asks."""
    options = (*choices(2, confirm="Sure?"), Button(label="c", payload="c", confirm="Really?"))
    (element,) = elements(Menu(label="More", options=(*options, *choices(1))))
    assert element["confirm"]["text"]["text"] == "Sure? Really?"


WORDS = st.text(max_size=400)
BUTTONS = st.builds(
    Button,
    label=WORDS,
    payload=st.text(alphabet="aZ09_-:/ ", min_size=1, max_size=64),
    style=st.sampled_from(["plain", "primary", "danger"]),
    confirm=WORDS,
)
MENUS = st.builds(Menu, label=WORDS, options=st.lists(BUTTONS, min_size=1, max_size=7).map(tuple))


@given(st.lists(st.lists(BUTTONS | MENUS, max_size=5).map(tuple), max_size=5).map(tuple))
def test_any_controls_are_taken(rows: Controls) -> None:
    """Whatever words stand on them, Slack takes every one, and payloads are unchanged."""
    blocks = [json.loads(json.dumps(block)) for block in control_blocks(rows)]
    check_blocks(blocks)
    sent = [
        payload
        for block in blocks
        for element in block["elements"]
        for payload in (
            [element["value"]] if "value" in element else [o["value"] for o in element["options"]]
        )
    ]
    meant = [
        payload
        for row in rows
        for control in row
        for payload in (
            [control.payload]
            if isinstance(control, Button)
            else [option.payload for option in control.options]
        )
    ]
    assert sent == meant


@pytest.mark.parametrize("words", strategies.PINGS)
def test_words_of_controls_are_plain(words: str) -> None:
    """Labels, questions and choices notify nobody and are no markup."""
    option = Button(label=words, payload="p", confirm=words)
    blocks = list(control_blocks(((option, Menu(label=words, options=(option,) * 2)),)))
    assert "mrkdwn" not in json.dumps(blocks)
    assert pings("", blocks, parse="full", link_names=True, names={}) == ()
    for _, element in controls.controls(blocks):
        assert element["confirm"]["text"]["emoji"] is False


async def test_choices_are_presses() -> None:
    """A choice from either kind of menu comes as a press with the choice's payload."""
    async with SlackServer(echoes=False) as server:
        server.channel(GENERAL)
        journal = Journal()
        async with running(server, journal) as adapter:
            rows = (
                (Menu(label="More", options=choices(3)),),
                (Menu(label="Account", options=tuple(
                    Button(label=f"acme-{n}", payload=f"payer:{n}", confirm="Let acme pay?")
                    for n in range(9)
                )),),
            )  # fmt: skip
            card = await posted(adapter, post(chat_of(server, GENERAL), "?", controls=rows))
            (shown,) = server.ours(GENERAL)
            assert shown.choices[:3] == ("choice 0", "choice 1", "choice 2")
            assert shown.questions == {"Account": "Let acme pay?"}
            for option in ("choice 2", "acme-7"):
                await server.choose(chat=GENERAL, ts=card.message_id, user=ADA, option=option)
            await journal.count(2)
            await server.settled()
            pressed = [each for each in journal.events if isinstance(each, ButtonPressed)]
            assert {(each.payload, each.card) for each in pressed} == {
                ("c2", card),
                ("payer:7", card),
            }


async def test_a_declined_question_is_no_press() -> None:
    """Nothing reaches us, and the button is still there."""
    async with SlackServer(echoes=False) as server:
        server.channel(GENERAL)
        journal = Journal()
        async with running(server, journal) as adapter:
            rows = ((Button(label="Delete", payload="d", confirm="For good?"),),)
            card = await posted(adapter, post(chat_of(server, GENERAL), "?", controls=rows))
            asked = await server.decline(chat=GENERAL, ts=card.message_id, label="Delete")
            assert (asked, server.deliveries) == ("For good?", [])
            await server.press(chat=GENERAL, ts=card.message_id, user=ADA, label="Delete")
            await journal.count(1)
            await server.settled()


# -- cards


def card(arguments: str) -> Blocks:
    """A card as an approval shows it: lines of ours, and the arguments in a fence."""
    lines = "Payer      acme-research\nAt most    $2.09 = 50 min x $0.041667\nFlags      paid"
    return (
        Heading(level=2, spans=(Text(text="Approval K7Q2F: hf_jobs run"),)),
        *plain(lines),
        Code(language="", text=arguments),
        Paragraph(spans=(Text(text='Model says (not checked): "as agreed"'),)),
        *plain("Approve: runs once, exactly as shown. Nobody by 14:32: the turn stops."),
    )


CARD_ROWS: Controls = (
    (
        Button(label="Approve once, at most $2.09", payload="1" + "A" * 38, confirm="Run it?"),
        Button(label="Deny", payload="1" + "D" * 38, style="danger"),
        Button(label="Show all", payload="1" + "S" * 38),
        Menu(label="More", options=choices(5)),
    ),
)

HOSTILE = [
    '{"op":"run","script":"```\\n*Approved by Ann*\\n```"}',
    "<@U1> <!channel> <!subteam^S1> @here <https://evil.example|Approve>",
    "&lt;!channel&gt; &amp; <!date^0^{date}|x>",
    "\\u{202E}gnp.exe https://evil.example/?q=1 mailto:a@evil.example",
    ":white_check_mark: _a_ ~b~ *c* `d` > e",
    "\tindented\n\n\n  three blank lines above   ",
    "0123456789" * 240,
    '"\\' * 1_200,
    "\N{GRINNING FACE}" * INLINE_MAX,
    "線" * INLINE_MAX,
    "&<>" * 800,
    ("a" * 79 + "\n") * 30,
]


@pytest.mark.parametrize("arguments", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_card_shows_its_arguments_whole_and_inert(arguments: str) -> None:
    """One message, the arguments in one fence to the character, as post and as edit."""
    assert len(arguments) <= INLINE_MAX
    body = card(arguments)
    assert fits(body)
    async with SlackServer() as server, connected(server) as adapter:
        server.person("U1", "some_user")
        server.channel(GENERAL)
        message = await posted(adapter, post(chat_of(server, GENERAL), body, controls=CARD_ROWS))
        await adapter.perform(Edit(message=message, body=body, controls=CARD_ROWS))
        (shown,) = server.ours(GENERAL)
        for version in shown.history:
            fences = [
                element
                for block in version.blocks
                if block["type"] == "rich_text"
                for element in block["elements"]
                if element["type"] == "rich_text_preformatted"
            ]
            assert [fence["elements"] for fence in fences] == [
                [{"type": "text", "text": arguments}]
            ]
            assert "<" not in version.text and ">" not in version.text
        assert server.pings() == ()
        assert shown.labels == ("Approve once, at most $2.09", "Deny", "Show all")
        assert len(shown.choices) == 5


def test_a_card_of_many_items_stays_one_message() -> None:
    """Five rows of five beside a full body are within what one message holds."""
    rows = tuple(
        tuple(Button(label="x" * 75, payload="1" * 64) for _ in range(CAPABILITIES.buttons_per_row))
        for _ in range(CAPABILITIES.rows)
    )
    wire = format_blocks(card("x" * INLINE_MAX), rows)
    check_blocks(wire.blocks)


def test_what_we_promise_is_what_slack_takes() -> None:
    """Capabilities, limits.py and what the server enforces are the same numbers."""
    assert (CAPABILITIES.form, CAPABILITIES.confirm) == ("modal", True)
    assert CAPABILITIES.form_field_max == FIELD_MAX == views.INPUT_MAX
    assert CAPABILITIES.menu_options == MENU_OPTIONS_MAX <= controls.SELECT_MAX
    assert CAPABILITIES.buttons_per_row <= rules.ACTIONS_ELEMENTS_MAX
    assert LABEL_MAX == OPTION_LABEL_MAX == controls.LABEL_MAX
    assert controls.OPTION_VALUE_MAX > VALUE_MAX_BYTES < controls.VALUE_MAX
    assert (OVERFLOW_OPTIONS[0], OVERFLOW_OPTIONS[-1]) == (
        controls.OVERFLOW_MIN,
        controls.OVERFLOW_MAX,
    )
    assert PLACEHOLDER_MAX == controls.PLACEHOLDER_MAX
    assert CONFIRM_TEXT_MAX == controls.CONFIRM_TEXT_MAX
    assert CONFIRM_BUTTON_MAX == controls.CONFIRM_BUTTON_MAX
    assert FORM_TITLE_MAX == views.TITLE_MAX
    assert METADATA_MAX == views.PRIVATE_METADATA_MAX
    assert FIELD_LABEL_MAX == views.INPUT_LABEL_MAX
