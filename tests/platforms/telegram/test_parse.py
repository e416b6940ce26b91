"""Updates become events: one fixture file per case, and no JSON value breaks the parser."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.events import Account, Ignored, MentionKind, MessageReceived
from platforms.telegram.intake import place_of, raw_bytes
from platforms.telegram.parse import parse
from platforms.telegram.reading import Identity
from platforms.telegram.words import read_words
from tests.platforms.telegram.described import described

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures" / "telegram").glob("*.json"))
US = Identity(account=Account(platform="telegram", id="7000000001"), username="gatepost_bot")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CASES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FIXTURES}


@pytest.mark.parametrize("name", CASES)
def test_update_becomes_the_expected_events(name: str) -> None:
    """The update of a fixture gives exactly the events written beside it."""
    case = CASES[name]
    assert described(parse(case["update"], US, now=NOW)) == case["expected"]


@pytest.mark.parametrize("name", CASES)
def test_the_same_update_has_the_same_keys(name: str) -> None:
    """A redelivery cannot be told from the first delivery by its keys."""
    update = CASES[name]["update"]
    assert parse(update, US, now=NOW) == parse(deepcopy(update), US, now=NOW)


def test_a_redrawn_update_id_is_another_delivery_of_the_same_act() -> None:
    """After an idle week ids start anew: the delivery differs, the logical key does not."""
    update = CASES["text_in_private_chat"]["update"]
    (one,) = _events(update)
    (two,) = _events({**update, "update_id": 7})
    assert one.delivery_key != two.delivery_key
    assert one.logical_key == two.logical_key


def test_two_edits_in_one_second_are_two_acts() -> None:
    """The edit date counts seconds; the words tell the edits apart."""
    update = deepcopy(CASES["edited_message"]["update"])
    (one,) = _events(update)
    update["edited_message"]["text"] = "hello once more"
    (two,) = _events(update)
    assert one.logical_key != two.logical_key


@pytest.mark.parametrize(
    ("text", "entities", "expected"),
    [
        ("a `b`", [("code", 2, 3)], "a `` `b` ``"),
        ("code", [("pre", 0, 4)], "```\ncode\n```"),
        ("say ``` now", [("pre", 4, 3)], "say \n````\n```\n````\n now"),
        ("link", [("text_link", 0, 4, {"url": "https://a.example/(x)"})],
         "[link](<https://a.example/(x)>)"),
        ("in quote", [("blockquote", 3, 5)], "in \n> quote"),
        ("🎉 x", [("code", 3, 1)], "🎉 `x`"),
        ("past the end", [("code", 5, 900)], "past the end"),
        ("🎉", [("code", 1, 1)], "🎉"),
        ("bold stays", [("bold", 0, 4)], "bold stays"),
        ("@gatepost_bot `x`", [("mention", 0, 13), ("code", 14, 3)], "`` `x` ``"),
    ],
)  # fmt: skip
def test_entities_come_back_as_markdown(
    text: str, entities: list[tuple[Any, ...]], expected: str
) -> None:
    """Code, links and quotes are Markdown in the text; an entity out of bounds changes nothing."""
    given_entities = [
        {"type": kind, "offset": offset, "length": length} | (more[0] if more else {})
        for kind, offset, length, *more in entities
    ]
    words = read_words(text, given_entities, our_id="7000000001", our_name="gatepost_bot")
    assert words.text == expected


def test_a_mention_keeps_its_place_when_the_text_moves() -> None:
    """Offsets count code points of the text that leaves, after marks were put in."""
    text = "🎉 `x` @somebody"
    entities = [
        {"type": "code", "offset": 3, "length": 3},
        {"type": "mention", "offset": 7, "length": 9},
    ]
    words = read_words(text, entities, our_id="1", our_name="gatepost_bot")
    (mention,) = words.mentions
    assert mention.kind is MentionKind.USER
    assert words.text[mention.start : mention.end] == "@somebody"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "type", "chat", "text", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


def holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place a value stands at: its object or array, and its key there."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from holders(inner)


@st.composite
def mutated_updates(draw: st.DrawFn) -> Any:
    """A fixture's update with up to four of its values replaced, removed or moved."""
    update = deepcopy(draw(st.sampled_from([case["update"] for case in CASES.values()])))
    for _ in range(draw(st.integers(1, 4))):
        places = list(holders(update))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        if isinstance(holder, dict) and draw(st.booleans()):
            del holder[key]
        else:
            holder[key] = draw(json_values)
    return update


@given(mutated_updates() | json_values)
def test_any_json_gives_events_or_a_reason(payload: Any) -> None:
    """Whatever Telegram sends, there is a storable result and no exception."""
    result = parse(payload, US, now=NOW)
    json.dumps(described(result)).encode()
    assert json.dumps(described(result), ensure_ascii=False).encode()
    assert raw_bytes(payload)
    assert isinstance(place_of(payload), str)
    if not isinstance(result, Ignored):
        for event in result:
            assert event.delivery_key.isascii()
            assert event.logical_key.isascii()


@given(
    st.text(max_size=60),
    st.lists(
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(
                    ["code", "pre", "text_link", "blockquote", "mention", "bot_command", "bold"]
                ),
                "offset": st.integers(-2, 70),
                "length": st.integers(-2, 70),
                "url": st.just("https://a.example"),
            }
        ),
        max_size=6,
    ),
)
def test_mentions_lie_within_the_text(text: str, entities: list[dict[str, Any]]) -> None:
    """However entities overlap, no word is lost and every mention points into the text."""
    words = read_words(text, entities, our_id="1", our_name="gatepost_bot")
    for mention in words.mentions:
        assert 0 <= mention.start <= mention.end <= len(words.text)
    if not any(entity["type"] in {"mention", "bot_command"} for entity in entities):
        rest = iter(words.text)
        kept = [char for char in text if char.isalnum()]
        assert all(char in rest for char in kept)


def _events(update: Any) -> tuple[Any, ...]:
    result = parse(update, US, now=NOW)
    assert not isinstance(result, Ignored)
    return result


def test_a_photo_without_words_is_a_message() -> None:
    """Files alone are admitted; the text is empty."""
    (event,) = _events(CASES["voice"]["update"])
    assert isinstance(event, MessageReceived)
    assert event.text == ""
