"""The command table as Telegram's menus."""

from platforms.events import CommandHelp
from platforms.telegram.menus import menus

TABLE = (
    CommandHelp(name="help", summary="what I can do", summaries={"de": "was ich kann"}),
    CommandHelp(name="freeze", summary="stop all spending", tier="approver"),
    CommandHelp(name="pair", summary="who may talk", tier="owner", summaries={"de": "wer darf"}),
    CommandHelp(name="not-for-telegram", summary="a name with a dash"),
)


def test_every_scope_shows_what_its_readers_may_use() -> None:
    """Administrators see what approvers may, an owner's direct chat all; in every language."""
    shown = {
        (menu.scope, menu.language): [name for name, _ in menu.commands]
        for menu in menus(TABLE, ("1003",))
    }
    assert shown == {
        (scope, language): names
        for scope, names in {
            "default": ["help"],
            "all_private_chats": ["help"],
            "all_group_chats": ["help"],
            "all_chat_administrators": ["help", "freeze"],
            "chat": ["help", "freeze", "pair"],
        }.items()
        for language in ("", "de")
    }


def test_words_are_those_of_the_language() -> None:
    """What has no words of its own there keeps the ones everybody reads; long ones are cut."""
    found = {(menu.scope, menu.language): menu.commands for menu in menus(TABLE, ("1",))}
    texts = [words for _, words in found["chat", "de"]]
    assert texts == ["was ich kann", "stop all spending", "wer darf"]
    ((_, long),) = next(menus((CommandHelp(name="help", summary="x" * 300),), ())).commands
    assert len(long) == 256
    assert list(menus((), ("1",))) == []
