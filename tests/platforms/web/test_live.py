"""A chat's log of changes: bounded, latest state only, and enough for any reader to catch up."""

from datetime import UTC, datetime

import pytest

from platforms.blocks import Blocks, plain
from platforms.web.history import HistoryItem
from platforms.web.live import (
    LiveChat,
    LiveMessage,
    MessageChanged,
    MessageWithdrawn,
    Noticed,
    StatusChanged,
    merge,
)

AT = datetime(2026, 11, 21, tzinfo=UTC)


def said(name: str, text: str = "x", place: int = 0) -> LiveMessage:
    """An answer of ours."""
    return LiveMessage(message_id=name, speaker="assistant", body=plain(text), at=AT, place=place)


def stored(name: str) -> HistoryItem:
    """A message as the store has it."""
    return HistoryItem(message_id=name, speaker="assistant", body="stored", at=AT)


def names(live: LiveChat, since: int) -> list[str]:
    """The messages that changed after a version."""
    changes = live.changes_since(since)
    assert changes is not None
    return [one.message.message_id for one in changes if isinstance(one, MessageChanged)]


def test_many_states_are_one_change() -> None:
    """A reader that was away finds the latest state of a message, not all of them."""
    live = LiveChat(keep=8)
    for count in range(1, 100):
        live.put(said("m", "x" * count))
    (change,) = live.changes_since(0) or ()
    assert change == MessageChanged(message=said("m", "x" * 99, place=1))


def test_the_same_again_is_no_change() -> None:
    """Nothing is sent for a state that stands already."""
    live = LiveChat(keep=8)
    live.put(said("m"))
    live.show_status("a")
    version = live.version
    live.put(said("m"))
    live.show_status("a")
    live.react("m", "👀", on=False)
    live.react("unknown", "👀", on=True)
    assert live.version == version


def test_messages_keep_the_order_in_which_they_appeared() -> None:
    """A later edit of the first does not move it behind the second."""
    live = LiveChat(keep=8)
    live.put(said("a"))
    live.put(said("b"))
    live.put(said("a", "changed"))
    assert names(live, 0) == ["a", "b"]
    assert [one.message_id for one in live.messages()] == ["a", "b"]


def test_a_reserved_place_is_kept() -> None:
    """What was begun first and stored later stands before what came in between."""
    live = LiveChat(keep=8)
    place = live.reserve()
    live.put(said("answer"))
    live.put(said("question", place=place))
    assert [one.message_id for one in live.messages()] == ["question", "answer"]
    assert names(live, place) == ["question", "answer"]


def test_a_version_let_go_needs_everything() -> None:
    """The log is bounded; from below its floor, or from the future, nobody can catch up."""
    live = LiveChat(keep=3)
    versions = []
    for number in range(5):
        live.put(said(f"m{number}"))
        versions.append(live.version)
    assert live.floor == versions[1]
    assert live.changes_since(versions[0]) is None
    assert names(live, versions[1]) == ["m2", "m3", "m4"]
    assert live.changes_since(live.version) == ()
    assert live.changes_since(live.version + 1) is None


def test_a_withdrawn_message_is_gone_until_it_is_put_again() -> None:
    """Deletion is a change like any other, and once is enough."""
    live = LiveChat(keep=8)
    live.put(said("m"))
    version = live.version
    live.withdraw("m")
    live.withdraw("m")
    assert live.changes_since(version) == (MessageWithdrawn(message_id="m"),)
    assert live.messages() == ()
    live.put(said("m"))
    assert not live.withdrawn("m")


def test_status_and_notice_have_one_state_each() -> None:
    """Only the newest of either is told."""
    live = LiveChat(keep=8)
    live.show_status("a")
    live.show_status("b")
    live.notice("c", alert=False)
    live.notice("d", alert=True)
    assert live.label == "b"
    changes = live.changes_since(0) or ()
    assert set(changes) == {Noticed(text="d", alert=True), StatusChanged(label="b")}
    live.show_status(None)
    assert live.label is None


def test_an_edit_keeps_reactions_place_and_file() -> None:
    """An edit brings text and buttons; the rest stays."""
    live = LiveChat(keep=8)
    live.put(
        LiveMessage(message_id="m", speaker="assistant", body=plain("a"), at=AT, file_name="a.md")
    )
    live.react("m", "👀", on=True)
    live.put(said("m", "b"))
    message = live.message("m")
    assert message is not None
    assert (message.reactions, message.place, message.file_name) == (("👀",), 1, "a.md")
    assert message.body == plain("b")
    live.react("m", "👀", on=False)
    assert live.messages()[0].reactions == ()


def test_html_of_unchanged_blocks_is_not_made_again() -> None:
    """Only the block that grows is formatted at each state."""
    live = LiveChat(keep=8)
    first: Blocks = plain("one\n\ntwo")
    live.put(LiveMessage(message_id="m", speaker="assistant", body=first, at=AT))
    before = live.html_of(live.messages()[0])
    live.put(said("m", "one\n\ntwo and more"))
    after = live.html_of(live.messages()[0])
    assert after[0] is before[0]
    assert after[1] == "<p>two and more</p>"
    assert live.html_of(live.messages()[0]) is after


@pytest.mark.parametrize(
    ("history", "withdrawn", "expected"),
    [
        (["a", "b"], [], ["a", "b", "m"]),
        (["m", "b"], [], ["m", "b"]),
        (["a", "m"], ["a"], ["m"]),
        ([], [], ["m"]),
    ],
)
def test_the_whole_chat_is_what_is_stored_and_what_is_live(
    history: list[str], withdrawn: list[str], expected: list[str]
) -> None:
    """Each message once, at its stored place if it has one, in its live state if it has one."""
    live = LiveChat(keep=8)
    live.put(said("m", "live"))
    for name in withdrawn:
        live.withdraw(name)
    merged = merge(map(stored, history), live)
    assert [one.message_id for one in merged] == expected
    assert all((one.body != "stored") == (one.message_id == "m") for one in merged)


def test_without_live_changes_the_history_is_everything() -> None:
    """A chat nobody has touched since the start is what the store says."""
    assert merge([stored("a")], None) == (stored("a"),)
