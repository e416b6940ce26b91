"""People and chats in lists: which texts are ids, and what a listed chat covers."""

import pytest

from gateway.config.faults import Wrong
from gateway.config.ids import parse_chat, parse_user
from platforms.events import PlatformName

USERS = ["telegram:1001", "slack:T1/U1", "slack:E0A/W9", "discord:42", "web:local", "terminal:0"]
CHATS = [
    "telegram:-100200",
    "telegram:-100200/7",
    "telegram:1001",
    "telegram:*",
    "telegram:-1/*",
    "slack:T1/C1",
    "slack:T1/D1/1700000000.000100",
    "slack:T1/C1/*",
    "slack:T1/*",
    "slack:*",
    "discord:5",
    "discord:1/2",
    "discord:1/2/3",
    "discord:1/*",
    "discord:1/2/*",
    "discord:*",
    "web:local",
    "terminal:*",
]


@pytest.mark.parametrize("text", USERS)
def test_a_user_id_keeps_its_text(text: str) -> None:
    """What is read is written back unchanged."""
    assert str(parse_user(text)) == text


@pytest.mark.parametrize("text", CHATS)
def test_a_chat_keeps_its_text(text: str) -> None:
    """What is read is written back unchanged, the star included."""
    assert str(parse_chat(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@ann",
        "ann",
        "1001",
        "telegram:",
        "telegram:@ann",
        "telegram:-5",
        "telegram:0",
        "telegram:1001 ",
        "telegram:\u0661",
        "slack:U1",
        "slack:T1/ann",
        "slack:T1/C1",
        "slack:t1/u1",
        "discord:ann#1234",
        "terminal:ann",
        "telegram:*",
        "matrix:1",
    ],
)
def test_a_name_is_no_user_id(text: str) -> None:
    """Names, other platforms' shapes and look-alike digits are refused with a fix."""
    with pytest.raises(Wrong) as caught:
        parse_user(text)
    assert caught.value.fix


@pytest.mark.parametrize(
    "text", ["*", "slack:T1", "slack:C1", "slack:T1/*/*", "telegram:*/1", "discord:1/2/3/4", "web:"]
)
def test_a_half_chat_is_refused(text: str) -> None:
    """A star stands last, and a place is given down to the chat."""
    with pytest.raises(Wrong):
        parse_chat(text)


@pytest.mark.parametrize(
    ("pattern", "platform", "place", "covered"),
    [
        ("telegram:-1", "telegram", (None, "-1", None), True),
        ("telegram:-1", "telegram", (None, "-1", "7"), True),
        ("telegram:-1/7", "telegram", (None, "-1", "7"), True),
        ("telegram:-1/7", "telegram", (None, "-1", None), False),
        ("telegram:-1", "telegram", (None, "-10", None), False),
        ("telegram:*", "telegram", (None, "-1", "7"), True),
        ("telegram:*", "discord", (None, "1", None), False),
        ("slack:T1/C1", "slack", ("T1", "C1", "1.1"), True),
        ("slack:T1/C1", "slack", ("T2", "C1", None), False),
        ("slack:T1/*", "slack", ("T1", "C9", None), True),
        ("slack:T1/*", "slack", ("T2", "C9", None), False),
        ("discord:5", "discord", ("1", "5", None), True),
        ("discord:5", "discord", (None, "5", None), True),
        ("discord:5", "discord", ("1", "5", "9"), True),
        ("discord:1/5", "discord", ("1", "5", "9"), True),
        ("discord:5/9", "discord", ("1", "5", "9"), True),
        ("discord:1/*", "discord", ("1", "5", None), True),
        ("discord:1/*", "discord", ("2", "5", None), False),
    ],
)
def test_a_listed_chat_covers_itself_and_what_is_below(
    pattern: str, platform: PlatformName, place: tuple[str | None, str, str | None], covered: bool
) -> None:
    """Threads go with their chat; nothing beside or above it does."""
    space, chat_id, thread_id = place
    found = parse_chat(pattern).covers(
        platform=platform, space=space, chat_id=chat_id, thread_id=thread_id
    )
    assert found is covered


def test_a_slack_user_is_one_person_of_one_team() -> None:
    """The same member id in another workspace is someone else; elsewhere there is no space."""
    ann = parse_user("slack:T1/U1")
    assert ann.covers(platform="slack", space="T1", author_id="U1")
    assert not ann.covers(platform="slack", space="T2", author_id="U1")
    assert not ann.covers(platform="discord", space="T1", author_id="U1")
    assert parse_user("discord:42").covers(platform="discord", space="1", author_id="42")
