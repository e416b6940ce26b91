"""The command table as Discord takes it."""

from dataclasses import replace

from platforms.discord.commands import command_payload, same_commands
from platforms.events import CommandHelp
from tests.wire.discord.rules import check_commands


def test_every_command_is_valid_for_discord() -> None:
    """Long words are cut, what has no valid name is left out, and at most a hundred go."""
    table = [CommandHelp(name=f"c{number}", summary="x" * 300, args="[A]") for number in range(120)]
    odd = [
        CommandHelp(name="with space", summary="x"),
        CommandHelp(name="Upper", summary="x"),
        CommandHelp(name="silent", summary=" "),
    ]
    payload = command_payload((*odd, *table))
    check_commands(payload)
    assert [command["name"] for command in payload[:2]] == ["silent", "c0"]
    assert len(payload) <= 100
    assert payload[0]["options"] == []
    assert payload[1]["options"][0]["required"] is False


def test_words_in_other_languages_go_along() -> None:
    """Those of locales that Discord knows; it takes nothing of the others."""
    summaries = {"de": "was ich kann", "tlh": "nuqneH"}
    payload = command_payload([CommandHelp(name="help", summary="x", summaries=summaries)])
    check_commands(payload)
    assert payload[0]["description_localizations"] == {"de": "was ich kann"}


def test_what_discord_adds_makes_no_difference() -> None:
    """Ids, versions and order do not count; names, words and options do."""
    table = (
        CommandHelp(name="help", summary="what I can do", args="[NAME]"),
        CommandHelp(name="stop", summary="stop"),
    )
    wanted = command_payload(table)
    known = [{**command, "id": "1", "version": "2", "nsfw": False} for command in wanted[::-1]]
    assert same_commands(known, wanted)
    assert not same_commands(known[:1], wanted)
    assert not same_commands([{**known[0], "description": "else"}, known[1]], wanted)
    assert not same_commands("nonsense", wanted)
    german = command_payload([replace(each, summaries={"de": "was ich kann"}) for each in table])
    assert not same_commands(known, german)
    assert same_commands([{**command, "id": "1"} for command in german], german)
    assert not same_commands([None, 7], wanted)
