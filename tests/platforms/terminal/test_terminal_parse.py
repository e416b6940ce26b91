"""A terminal's lines to events."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.events import ButtonPressed, Ignored, InboundEvent, MessageReceived
from platforms.terminal.parse import Person, act_key, chat_of, parse
from platforms.terminal.wire import Press, Say, act_line

KEY = "0b5c0f5e-3f0a-4b57-9c1e-2d6f8a1b2c3d"
AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
PERSON = Person(uid=1000, login="ann")
CHAT = chat_of(1000)


def parsed(raw: bytes) -> tuple[InboundEvent, ...] | Ignored:
    """The result for one line of Ann's."""
    return parse(raw, person=PERSON, chat=CHAT, at=AT, sequence=7)


def test_words_become_a_direct_message() -> None:
    """The person is the system's user, the key serves as both dedupe keys and as message id."""
    result = parsed(act_line(Say(key=KEY, text="hello\r\nthere  \n")))
    assert isinstance(result, tuple)
    (event,) = result
    assert isinstance(event, MessageReceived)
    assert (event.text, event.chat_kind) == ("hello\nthere", "dm")
    assert (event.author.id, event.author.name) == ("1000", "ann")
    assert (event.delivery_key, event.logical_key, event.message.message_id) == (KEY, KEY, KEY)
    assert event.order == (1_772_366_400_250_000, 7)
    assert event.chat == event.reply_to == CHAT


def test_a_chosen_button_becomes_a_press() -> None:
    """Card and payload are those of the message that showed the button."""
    result = parsed(act_line(Press(key=KEY, message_id="m1", payload="go:1")))
    assert isinstance(result, tuple)
    (event,) = result
    assert isinstance(event, ButtonPressed)
    assert event.card is not None
    assert (event.card.message_id, event.payload) == ("m1", "go:1")
    assert event.press.value == f"1000/{KEY}"


@pytest.mark.parametrize(
    "value",
    [
        {"say": {"key": KEY, "text": " \n "}},
        {"say": {"key": KEY, "text": 5}},
        {"say": {"key": KEY}},
        {"say": {"key": "1", "text": "x"}},
        {"say": {"key": KEY.upper(), "text": "x"}},
        {"press": {"key": KEY, "message": "m", "payload": ""}},
        {"press": {"key": KEY, "message": "m", "payload": "x" * 65}},
        {"press": {"key": KEY, "message": "m", "payload": "ü"}},
        {"shout": {"key": KEY, "text": "x"}},
        {},
        [],
        None,
        "say",
    ],
)
def test_anything_else_is_malformed(value: Any) -> None:
    """It is ignored under a key of its own."""
    result = parsed(orjson.dumps(value))
    assert isinstance(result, Ignored)
    assert result.reason == "malformed"


@given(st.binary())
def test_any_bytes_give_a_result(raw: bytes) -> None:
    """`parse` is total, and so is the look for a key to answer by."""
    assert isinstance(parsed(raw), tuple | Ignored)
    assert isinstance(act_key(raw), str)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.just(KEY),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["say", "press", "key", "text", "message"]), inner)
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_json_gives_a_result(value: Any) -> None:
    """Also what looks almost right."""
    raw = orjson.dumps(value)
    assert isinstance(parsed(raw), tuple | Ignored)
    assert isinstance(act_key(raw), str)


def test_malformed_lines_never_collide() -> None:
    """The same nonsense twice is two rows, not a duplicate of itself."""
    first = parse(b"x", person=PERSON, chat=CHAT, at=AT, sequence=1)
    second = parse(b"x", person=PERSON, chat=CHAT, at=AT, sequence=2)
    assert isinstance(first, Ignored)
    assert isinstance(second, Ignored)
    assert first.delivery_key != second.delivery_key


def test_chats_by_name() -> None:
    """A name makes another chat of the same person; only plain names are taken."""
    assert chat_of(1000).chat_id == "1000"
    assert chat_of(1000, "work").chat_id == "1000-work"
    for name in ("Work", "a/b", "-x", "x" * 41, "a b"):
        with pytest.raises(ValueError, match="chat's name"):
            chat_of(1000, name)
