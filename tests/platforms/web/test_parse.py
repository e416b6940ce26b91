"""What the page sends becomes one event, or is told apart from it; nothing raises."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.events import ButtonPressed, CommandInvoked, Ignored, MessageReceived
from platforms.web.parse import chat_of, conversation_of, parse, read_fields

CHAT = "0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11"
KEY = "5f0f3a52-1c07-4a7e-8d3a-6f2f0f4b7c22"
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ENVELOPE = {"user": "local", "chat": CHAT, "key": KEY, "at": AT.isoformat(), "order": [1, 2]}
FORM = "application/x-www-form-urlencoded"


def test_a_message_is_received() -> None:
    """The UUID of the page is the message's id and both its keys; the chat is a direct one."""
    (event,) = _events({**ENVELOPE, "kind": "message", "text": "\r\n  hi\r\nthere \n"})
    assert isinstance(event, MessageReceived)
    assert event.text == "  hi\nthere"
    assert event.chat_kind == "dm"
    assert event.delivery_key == event.logical_key == event.message.message_id == KEY
    assert event.chat == event.reply_to == chat_of("local", CHAT)
    assert (event.author.id, event.order, event.occurred_at) == ("local", (1, 2), AT)


def test_what_a_browser_reads_is_its_users_locale() -> None:
    """As it lists it, cut where no browser goes; without one nobody knows."""
    (event,) = _events({**ENVELOPE, "kind": "stop", "languages": "de-AT,de;q=0.9,en;q=0.8"})
    assert event.author.locale == "de-AT,de;q=0.9,en;q=0.8"
    (long,) = _events({**ENVELOPE, "kind": "stop", "languages": "x" * 500})
    assert long.author.locale == "x" * 100
    (silent,) = _events({**ENVELOPE, "kind": "stop"})
    assert silent.author.locale is None


def test_stop_is_a_command() -> None:
    """The button is the command `stop` in that chat."""
    (event,) = _events({**ENVELOPE, "kind": "stop"})
    assert isinstance(event, CommandInvoked)
    assert (event.name, event.args) == ("stop", "")


def test_a_press_comes_back_unchanged() -> None:
    """The payload is byte for byte the button's; the press can be answered for an hour."""
    (event,) = _events({**ENVELOPE, "kind": "press", "message": "m1", "payload": "a:1~ x"})
    assert isinstance(event, ButtonPressed)
    assert event.payload == "a:1~ x"
    assert event.card is not None
    assert event.card.message_id == "m1"
    assert event.press.usable_until > AT


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "message"}, "malformed"),
        ({"kind": "message", "text": " \n "}, "malformed"),
        ({"kind": "message", "text": 7}, "malformed"),
        ({"kind": "message", "text": "a", "key": "not a uuid"}, "malformed"),
        ({"kind": "message", "text": "a", "key": KEY.upper()}, "malformed"),
        ({"kind": "message", "text": "a", "chat": f"{{{CHAT}}}"}, "malformed"),
        ({"kind": "message", "text": "a", "at": "2026-11-21T09:30"}, "malformed"),
        ({"kind": "message", "text": "a", "at": "0001-01-01T00:00+23:00"}, "malformed"),
        ({"kind": "message", "text": "a", "order": [1]}, "malformed"),
        ({"kind": "message", "text": "a", "user": "ann/../bob"}, "malformed"),
        ({"kind": "press", "message": "m1", "payload": "x" * 65}, "malformed"),
        ({"kind": "press", "message": "m1", "payload": "\u00e9"}, "malformed"),
        ({"kind": ["stop"]}, "malformed"),
        ({"kind": "dance"}, "unsupported_kind"),
    ],
)
def test_what_is_no_event_says_why(change: dict[str, Any], reason: str) -> None:
    """Anything else is ignored with its reason, under the key it came with."""
    payload = {**ENVELOPE, **change}
    assert parse(payload) == Ignored(delivery_key=payload["key"], reason=reason)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_any_json_value_gives_a_result(value: object) -> None:
    """Parsing is total."""
    assert isinstance(parse(value), Ignored)


@given(
    st.sampled_from(["message", "stop", "press"]),
    st.dictionaries(
        st.sampled_from(["kind", "text", "key", "chat", "at", "order", "user", "payload"]),
        json_values,
    ),
)
def test_a_damaged_payload_gives_a_result(kind: str, damage: dict[str, Any]) -> None:
    """A payload with any field replaced by anything is an event or ignored, never an exception."""
    payload = {**ENVELOPE, "kind": kind, "text": "a", "message": "m", "payload": "p", **damage}
    assert isinstance(parse(payload), tuple | Ignored)


@given(st.text().filter(lambda text: text.strip()))
def test_a_stored_payload_parses_the_same(text: str) -> None:
    """What is journaled as raw bytes is enough to make the event again."""
    payload = {**ENVELOPE, "kind": "message", "text": text}
    try:
        raw = orjson.dumps(payload)
    except TypeError:
        return  # a lone surrogate never gets here: JSON and forms are decoded as UTF-8
    assert parse(orjson.loads(raw)) == parse(payload)


def test_users_do_not_share_addresses() -> None:
    """The same address is another chat for another user, and leads back to the same address."""
    local, ann = chat_of("local", CHAT), chat_of("ann.b", CHAT)
    assert local != ann
    assert conversation_of(local) == conversation_of(ann) == CHAT


@pytest.mark.parametrize(
    ("content_type", "body", "fields"),
    [
        (FORM, b"text=a+b%0D%0Ac&key=&token=t", {"text": "a b\r\nc", "key": "", "token": "t"}),
        ("application/json", b'{"text": "a"}', {"text": "a"}),
        ("application/json", b'{"text": 1}', None),
        ("application/json", b'["text"]', None),
        ("application/json", b'{"text": "\xff"}', None),
        (FORM, b"&".join(b"a%d=1" % i for i in range(99)), None),
        (FORM, b"text=\xff", None),
        ("text/plain", b"text=a", None),
        ("multipart/form-data", b"", None),
    ],
)
def test_only_two_kinds_of_bodies_are_forms(
    content_type: str, body: bytes, fields: dict[str, str] | None
) -> None:
    """A plain form or a flat JSON object of strings; a foreign page's text/plain is neither."""
    assert read_fields(content_type, body) == fields


def _events(payload: object) -> tuple[Any, ...]:
    events = parse(payload)
    assert isinstance(events, tuple)
    return events
