"""The command table and what is recognised as one of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.command_reference import command_page
from gateway.commands import (
    BY_NAME,
    COMMANDS,
    Recognised,
    Unknown,
    help_text,
    named,
    native,
    recognise,
    unknown_text,
    usable,
)
from gateway.words.phrase import LANGUAGES, Language, Reader
from platforms.discord.limits import PRIVATE_MAX
from platforms.markup import parse
from platforms.measure import utf16_len

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("text", "name", "args"),
    [
        ("/help", "help", ""),
        ("  /help  ", "help", ""),
        ("/HELP", "help", ""),
        ("!help", "help", ""),
        ("/help stop", "help", "stop"),
        ("/new plan a\ntrip", "new", "plan a\ntrip"),
        ("/new\nplan", "new", "plan"),
        ("/stop   all ", "stop", "all"),
        ("/start", "help", ""),
        ("/start deep-link", "help", ""),
    ],
)
def test_what_is_a_command(text: str, name: str, args: str) -> None:
    """A mark, a name of the table, and what stands behind it."""
    assert recognise(text) == Recognised(command=BY_NAME[name], args=args)


@pytest.mark.parametrize(
    "text",
    [
        "help",
        "",
        "/",
        "/ help",
        "/etc/hosts",
        "/etc/hosts is wrong",
        "/1",
        "//help",
        "!important",
        "!",
        "!!stop",
        "say /help",
        "/" + "a" * 40,
    ],
)
def test_what_is_text(text: str) -> None:
    """Paths, shouts and words are for the model."""
    assert recognise(text) is None


@pytest.mark.parametrize(
    ("text", "near"),
    [("/stp", ("stop",)), ("/modell", ("model",)), ("/xyzzy", ()), ("/stop-all", ("stop",))],
)
def test_what_can_only_be_meant_as_a_command(text: str, near: tuple[str, ...]) -> None:
    """A slash and a word that is none: refused with what is near."""
    assert recognise(text) == Unknown(name=text[1:], near=near)


@given(text=st.text(max_size=60))
def test_recognising_is_total(text: str) -> None:
    """Any text is a command, an unknown one, or words."""
    assert isinstance(recognise(text), Recognised | Unknown | None)


def test_native_registration_is_the_table() -> None:
    """Platforms register the same names and phrases that /help shows."""
    assert [(c.name, c.summary, c.args, c.tier, c.summaries["de"]) for c in native()] == [
        (c.name, c.summary, c.args, c.who, c.german) for c in COMMANDS
    ]
    text = help_text()
    for command in COMMANDS:
        assert f"`/{command.name}" in text
        assert command.summary in text
        assert not command.summary.endswith(".")


@pytest.mark.parametrize("name", ["stop", "/stop", "!STOP"])
def test_help_of_one_command(name: str) -> None:
    """One line with its arguments, and who may where that is not simply anyone."""
    assert help_text(name) == (
        "`/stop [all]`: stop what I am doing\n\nWho may: anyone in the session; elsewhere in the"
        " chat whoever asked, and approvers."
    )
    assert help_text("undo") == "`/undo`: take my last answer and its question back"


def test_help_is_of_what_one_may_use() -> None:
    """Approvers see what they may, owners all, and nobody less than what is for anyone."""
    everyone, approver, owner = (
        {command.name for command in usable(approver=approver, owner=owner)}
        for approver, owner in ((False, False), (True, False), (False, True))
    )
    assert {"help", "approve", "model"} <= everyone
    assert "freeze" not in everyone and "pair" not in everyone
    assert approver - everyone == {"freeze"}
    assert owner == set(BY_NAME)
    assert "/pair" not in help_text(of=usable(approver=True, owner=False))


@pytest.mark.parametrize(
    ("name", "args", "shared", "tier"),
    [
        ("status", "", True, "anyone"),
        ("model", "", True, "anyone"),
        ("model", "spare", True, "approver"),
        ("model", "spare", False, "anyone"),
        ("effort", "high", True, "approver"),
        ("busy", "queue", True, "approver"),
        ("freeze", "", False, "approver"),
        ("unfreeze", "", True, "owner"),
        ("pair", "list", False, "owner"),
    ],
)
def test_who_may_give_a_command(name: str, args: str, shared: bool, tier: str) -> None:
    """Settings of a session that several share need an approver; showing them needs nobody."""
    assert BY_NAME[name].tier(args=args, shared=shared) == tier


def test_every_command_is_told_in_german() -> None:
    """Menus and /help have words of their own for each."""
    german = Reader(language="de")
    for command in COMMANDS:
        assert command.german and command.german != command.summary, command.name
        assert not command.german.endswith(".")
        assert f"`/{command.name}" in help_text(command.name, reader=german)
    assert "das Modell dieser Sitzung" in help_text(reader=german)


@pytest.mark.parametrize("language", LANGUAGES)
def test_help_fits_one_private_answer(language: Language) -> None:
    """Discord's is the smallest that it is given in; a longer one would lose its end."""
    assert utf16_len(help_text(reader=Reader(language=language))) <= PRIVATE_MAX


def test_the_manual_is_current() -> None:
    """docs/commands.md is what the table writes; `make docs` renews it."""
    assert (DOCS / "commands.md").read_text() == command_page()


def test_commands_are_spelt_as_the_platform_lets_them_through() -> None:
    """Where the client takes a slash for itself they begin with a mark of their own."""
    slack = Reader(mark="!")
    text = help_text(reader=slack)
    assert "`!stop [all]`" in text and "`/gatepost NAME`" in text
    assert "`/stop" not in text
    assert help_text("stp", reader=slack) == "There is no command `!stp`. Did you mean `!stop`?"


def test_help_of_an_unknown_command() -> None:
    """The same words as for the command itself."""
    assert help_text("stp") == "There is no command `/stp`. Did you mean `/stop`?"


def test_unknown_text() -> None:
    """One near name, several, or none."""
    assert unknown_text(Unknown(name="x", near=("a", "b"))) == (
        "There is no command `/x`. Did you mean `/a` or `/b`?"
    )
    assert unknown_text(Unknown(name="x", near=())) == (
        "There is no command `/x`. `/help` lists what there is."
    )


@given(name=st.text(max_size=20))
def test_any_name_is_known_or_not(name: str) -> None:
    """Native names come from the platform as they are; help on them is always something to read."""
    assert isinstance(named(name, ""), Recognised | Unknown)
    assert parse(help_text(name))
