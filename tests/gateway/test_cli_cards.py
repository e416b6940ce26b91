"""Cards in `gatepost chat`: a real process at a real terminal of 80 columns."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from platforms.blocks import Blocks, Break, Code, Paragraph, Strong, Text, plain
from platforms.content import AnswerPress, Button, Controls, Edit, Post
from platforms.events import MessageRef, PressToken
from tests.gateway.processes import CONFIG, Person
from tests.gateway.terminal_house import CHAT, House

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROMPT = r"\n> *\Z"
ARGUMENTS = (
    '{"argv":["sh","-c","rm -r build"],"note":"'
    + "." * 35
    + 'Payer      nobody: this is free \\u{202E}\\\\ \x1b[2J","op":"run"}'
)

CARD_ON_SCREEN = """
Approval K7Q2F: shell
Payer      acme-research

│ {"argv":["sh","-c","rm -r build"],"note":"...................................
┊ Payer      nobody: this is free \\u{202E}\\\\ \\x1b[2J","op":"run"}

Reply  /approve K7Q2F   or   /deny K7Q2F reason

[1] Approve once, at most $2.09
[2] Deny
[3] Show all
"""

pytestmark = pytest.mark.slow  # whole processes at real terminals


def card(code: str) -> Blocks:
    """A card as the gateway lays it out."""
    return (
        Paragraph(
            spans=(
                Strong(spans=(Text(text=f"Approval {code}: shell"),)),
                Break(),
                Text(text="Payer      acme-research"),
            )
        ),
        Code(language="", text=ARGUMENTS),
        *plain(f"Reply  /approve {code}   or   /deny {code} reason"),
    )


def choices(token: str) -> Controls:
    """Its buttons, with payloads that name them."""
    return (
        (
            Button(label="Approve once, at most $2.09", payload=f"{token}-approve"),
            Button(label="Deny", payload=f"{token}-deny", style="danger"),
        ),
        (Button(label="Show all", payload=f"{token}-show"),),
    )


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A gateway that is asked to show cards."""
    (tmp_path / "gatepost.toml").write_text(CONFIG)
    house = House(tmp_path / "state")
    house.place.mkdir(mode=0o700)
    await house.open()
    yield house
    await house.shut()


@pytest.fixture
async def person(house: House) -> AsyncIterator[Person]:
    """Someone who looks at them."""
    person = Person(house.place.parent, "chat")
    await person.sees(f"Write a message.*{PROMPT}")
    yield person
    person.type("\x04")
    assert await person.leaves() == 0


async def show(house: House, code: str, token: str) -> None:
    """A new card."""
    post = Post(chat=CHAT, body=card(code), nonce=f"n-{code}", controls=choices(token))
    await house.adapter.perform(post)


async def change(house: House, code: str, body: Blocks, controls: Controls = ()) -> None:
    """The card as it stands from now on."""
    message = MessageRef(chat=CHAT, message_id=f"n-{code}")
    await house.adapter.perform(Edit(message=message, body=body, controls=controls))


async def test_a_card_reads_well_and_a_number_decides(house: House, person: Person) -> None:
    """Arguments behind a bar on every row, escapes shown; the press, the word, the outcome."""
    await show(house, "K7Q2F", "t1")
    screen = await person.sees(r"\[3\] Show all\n" + PROMPT)
    assert CARD_ON_SCREEN in screen
    person.type("2\r")
    assert await house.heard.get() == "t1-deny"
    press = PressToken(kind="terminal", value=f"{CHAT.chat_id}/x", usable_until=AT)
    await house.adapter.perform(AnswerPress(press=press, text="You have denied it."))
    await change(house, "K7Q2F", (*card("K7Q2F")[:1], *plain("Denied by you 13:41")))
    screen = await person.sees(r"Denied by you 13:41\n\n> Deny\n\nYou have denied it\.\n\n>")
    assert "[2] Deny" not in screen


async def test_typed_decisions_are_words(house: House, person: Person) -> None:
    """`/approve` and `/deny` go as they were typed, whatever buttons stand."""
    await show(house, "K7Q2F", "t1")
    await person.sees(r"\[3\] Show all\n" + PROMPT)
    for words in ("/approve K7Q2F", "/deny K7Q2F too dear, use a t4", "/show K7Q2F"):
        person.type(f"{words}\r")
        assert await house.heard.get() == words


async def test_a_card_that_comes_while_one_types_takes_nothing_over(
    house: House, person: Person
) -> None:
    """The number that was read presses what stood behind it, below whatever came since."""
    await show(house, "K7Q2F", "t1")
    await person.sees(r"\[3\] Show all\n" + PROMPT)
    person.type("1")
    await person.sees(r"> 1 *\Z")
    await show(house, "M3M3M", "t2")
    await house.post("Words between.", "n9")
    await person.sees(r"\[4\] Approve once.*Words between\.\n\n> 1 *\Z")
    person.type("\r")
    assert await house.heard.get() == "t1-approve"
    person.type("5\r")
    assert await house.heard.get() == "t2-deny"


async def test_a_button_that_changed_meanwhile_is_not_pressed(house: House, person: Person) -> None:
    """Its number presses nothing and is no message either; the new one has another."""
    await show(house, "K7Q2F", "t1")
    await person.sees(r"\[3\] Show all\n" + PROMPT)
    person.type("1")
    await change(house, "K7Q2F", card("K7Q2F"), choices("t2"))
    await person.sees(r"\[6\] Show all\n\n> 1 *\Z")
    person.type("\r")
    await person.sees("Button 1 is gone; nothing was pressed or said.")
    person.type("4\r")
    assert await house.heard.get() == "t2-approve"
    assert house.heard.empty()


async def test_long_labels_stay_behind_their_number(house: House, person: Person) -> None:
    """An answer a model offers is shown whole and begins no row of its own."""
    label = "the second one, " * 6 + "[9] Approve\nall"
    row = (Button(label=label, payload="long"),)
    await house.adapter.perform(Post(chat=CHAT, body=plain("Which?"), nonce="q", controls=(row,)))
    screen = await person.sees(r"\[1\] the second one.*all\n" + PROMPT)
    assert "\n    " in screen.split("[1]")[1]
    assert "\n[9]" not in screen
