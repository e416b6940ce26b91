"""Payloads become events: one fixture file per case, and no JSON value breaks the parser."""

import json
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.events import (
    Account,
    CommandInvoked,
    Ignored,
    InboundEvent,
    MentionKind,
    MessageReceived,
)
from platforms.slack.parse import mentioned_people, parse
from platforms.slack.reading import Identity, Index, Person
from platforms.slack.words import read_words
from tests.platforms.slack.described import described

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures" / "slack").glob("*.json"))
CASES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FIXTURES}
US = Identity(
    account=Account(platform="slack", id="A0APP"),
    space="T1",
    teams=frozenset({"T1"}),
    user_id="U0BOT",
    bot_id="B0BOT",
    name="gatepost",
)
INDEX = Index(
    us=US,
    people={
        "U1": Person(name="ada", locale="en-GB"),
        "U6": Person(name="robo", bot=True),
        "U7": Person(name="eve"),
        "U9": Person(name="gus", guest=True),
    },
)
NOW = datetime(2026, 11, 21, 12, 0, 0, 250, tzinfo=UTC)


def events(payload: object, index: Index = INDEX) -> tuple[InboundEvent, ...]:
    """The events of a payload that has some."""
    found = parse(payload, index, now=NOW)
    assert not isinstance(found, Ignored)
    return found


def message(payload: object, index: Index = INDEX) -> MessageReceived:
    """The one message of a payload."""
    (event,) = events(payload, index)
    assert isinstance(event, MessageReceived)
    return event


@pytest.mark.parametrize("name", CASES)
def test_payload_becomes_the_expected_events(name: str) -> None:
    """The payload of a fixture gives exactly the events written beside it."""
    case = CASES[name]
    assert described(parse(case["payload"], INDEX, now=NOW)) == case["expected"]


@pytest.mark.parametrize("name", CASES)
def test_a_redelivery_has_the_same_keys(name: str) -> None:
    """The same payload at a later moment cannot be told from the first by its keys."""
    payload = CASES[name]["payload"]
    later = NOW.replace(hour=13)
    first, again = (
        parse(each, INDEX, now=now) for each, now in ((payload, NOW), (deepcopy(payload), later))
    )
    assert keys(first) == keys(again)


def keys(found: tuple[InboundEvent, ...] | Ignored) -> list[tuple[str, str]]:
    """Delivery and logical keys."""
    if isinstance(found, Ignored):
        return [(found.delivery_key, "")]
    return [(event.delivery_key, event.logical_key) for event in found]


def test_message_and_mention_are_one_act() -> None:
    """The two events of one mention differ in their delivery, not in what was done or where."""
    first = message(CASES["mention_in_channel"]["payload"])
    second = message(CASES["app_mention"]["payload"])
    assert first.delivery_key != second.delivery_key
    assert replace(first, delivery_key="") == replace(second, delivery_key="")


def test_without_threads_the_channel_is_answered() -> None:
    """A message in a channel is answered there, one in a thread still in its thread."""
    index = replace(INDEX, us=replace(US, threads=False))
    root = message(CASES["text_in_channel"]["payload"], index)
    assert root.reply_to == root.chat
    reply = message(CASES["reply_in_thread"]["payload"], index)
    assert reply.reply_to.thread_id == "1795262000.000200"


def test_an_organisation_has_one_space() -> None:
    """In an org-wide install people of its workspaces are ours, those of others are not."""
    us = replace(US, space="E1", teams=frozenset({"E1"}))
    payload = deepcopy(CASES["text_in_channel"]["payload"])
    payload["authorizations"][0] |= {"enterprise_id": "E1", "is_enterprise_install": True}
    payload["event"]["team"] = "T7"
    ours = message(payload, Index(us=us))
    assert (ours.author.space, ours.author.external, ours.chat.space) == ("E1", False, "E1")
    payload["is_ext_shared_channel"] = True
    assert message(payload, Index(us=us)).author.external


@pytest.mark.parametrize(
    ("raw", "text", "mentions"),
    [
        ("<@U0BOT>: hi", "hi", [("us", None, 0, 0)]),
        ("<@U0BOT|gatepost>,  hi", "hi", [("us", None, 0, 0)]),
        ("<@U0BOT>", "", [("us", None, 0, 0)]),
        ("hi <@U0BOT>", "hi @gatepost", [("us", None, 3, 12)]),
        ("<@U2|bob> do", "@bob do", [("user", "U2", 0, 4)]),
        ("<@U2> 🎉 <@U1>", "@U2 🎉 @ada", [("user", "U2", 0, 3), ("user", "U1", 6, 10)]),
        ("<!everyone>", "@everyone", [("everyone", None, 0, 9)]),
        ("<!unknown>", "<!unknown>", []),
        ("&lt;@U1&gt;", "<@U1>", []),
        ("<http://a.example|a.example>", "a.example", []),
        ("<https://a.example/?a=1&amp;b=2>", "https://a.example/?a=1&b=2", []),
        ("<https://a.example|x|y>", "[x|y](https://a.example)", []),
        ("<not a token>", "<not a token>", []),
        ("a ```b``` c", "a \n```\nb\n```\n c", []),
        ("```\nb\n```", "```\nb\n```", []),
        ("`<@U1>`", "`@U1`", []),
        ("``` open", "``` open", []),
        ("&gt; quoted\nnot", "> quoted\nnot", []),
    ],
)
def test_words(raw: str, text: str, mentions: list[tuple[Any, ...]]) -> None:
    """Slack's text becomes plain text with Markdown, offsets of mentions in code points."""
    words = read_words(raw, our_ids={"U0BOT"}, name_of=INDEX.name_of)
    assert words.text == text
    assert [(m.kind.value, m.id, m.start, m.end) for m in words.mentions] == mentions


@given(st.text(alphabet="<>@!#U1|^`\n &lt;x", max_size=60))
def test_mentions_lie_in_the_text(raw: str) -> None:
    """Whatever is written, each mention but our own leading one covers its words."""
    words = read_words(raw, our_ids={"U0BOT"}, name_of=lambda _: "")
    for mention in words.mentions:
        if mention.end:
            assert words.text[mention.start] == ("#" if mention.kind is MentionKind.CHAT else "@")
            assert mention.end <= len(words.text)


@pytest.mark.parametrize(
    "raw", ["`" * 40_000, "<" * 40_000, "<@" * 20_000, "```a" * 10_000, "<a|" * 13_000]
)
def test_long_texts_are_read_in_no_time(raw: str) -> None:
    """The longest text Slack sends takes no more time for what it repeats."""
    began = time.process_time()
    read_words(raw, our_ids={"U0BOT"}, name_of=lambda _: "")
    assert time.process_time() - began < 5  # what grows with the square takes longer


def test_a_command_without_words_asks_for_help() -> None:
    """`/gatepost` alone is a question, and `/gatepost /New x` means new."""
    payload = CASES["slash_command"]["payload"]
    names = []
    for text in ("", "  ", "/New  a b "):
        (event,) = events(payload | {"text": text})
        assert isinstance(event, CommandInvoked)
        names.append((event.name, event.args))
    assert names == [("help", ""), ("help", ""), ("new", "a b")]


def test_who_has_to_be_known() -> None:
    """Who wrote, pressed, filled in a form or entered a command, and those mentioned."""
    payload = CASES["mention_in_channel"]["payload"]
    assert mentioned_people(payload) == ("U1", "U0BOT")
    assert mentioned_people(CASES["press"]["payload"]) == ("U1",)
    assert mentioned_people(CASES["view_submission"]["payload"]) == ("U1",)
    assert mentioned_people(CASES["slash_command"]["payload"]) == ("U1",)
    assert mentioned_people(CASES["reaction_added"]["payload"]) == ()
    assert mentioned_people([1]) == ()


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
NAMES = st.text(max_size=6)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(JUNK)
def test_any_value_gives_a_result(value: object) -> None:
    """The parser is total: junk is ignored, never an exception."""
    assert isinstance(parse(value, INDEX, now=NOW), Ignored | tuple)


@st.composite
def mutated(draw: st.DrawFn) -> object:
    """A real payload with one place replaced by junk, or gone."""
    payload = deepcopy(CASES[draw(st.sampled_from(sorted(CASES)))]["payload"])
    places = list(walk(payload))
    if not places:
        return draw(JUNK)
    parent, key = draw(st.sampled_from(places))
    if isinstance(parent, dict) and draw(st.booleans()):
        del parent[key]
    else:
        parent[key] = draw(JUNK)
    return payload


def walk(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value, as its container and key."""
    if not isinstance(value, dict | list):
        return
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        yield from walk(item)


@given(mutated())
def test_mutated_payloads_give_a_result(payload: object) -> None:
    """A payload of which any part is wrong is read or ignored, and what is read has its keys."""
    found = parse(payload, INDEX, now=NOW)
    if isinstance(found, Ignored):
        assert found.delivery_key
        return
    for event in found:
        assert event.delivery_key and event.logical_key
        json.dumps(described((event,)), ensure_ascii=False).encode()
