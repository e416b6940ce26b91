"""Gateway events become inbound events: one file a case, and no JSON breaks the parser."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.discord.directory import Directory
from platforms.discord.parse import KINDS, parse
from platforms.events import (
    Ignored,
    InboundEvent,
    MessageReceived,
    MessageRef,
)
from tests.platforms.discord.described import GUILD, US, described, directory

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures" / "discord").glob("*.json"))
CASES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FIXTURES}


@pytest.mark.parametrize("name", CASES)
def test_event_becomes_the_expected_events(name: str) -> None:
    """The event of a fixture gives exactly the events written beside it."""
    case = CASES[name]
    assert described(parse(case["event"], US, directory())) == case["expected"]


@pytest.mark.parametrize("name", CASES)
def test_the_same_event_has_the_same_keys(name: str) -> None:
    """A repeat with another sequence number cannot be told from the first by its keys."""
    event = CASES[name]["event"]
    again = {**deepcopy(event), "s": 99} if isinstance(event, dict) else event
    first, second = parse(event, US, directory()), parse(again, US, directory())
    if isinstance(first, Ignored) and first.delivery_key.startswith("malformed"):
        return
    assert first == second


def test_an_edit_is_another_act_than_the_message() -> None:
    """Message, edit and deletion of one message have three keys; the later edit sorts later."""
    first = _event("message_in_guild")
    edit, deletion = _event("edited"), _event("deleted")
    assert len({first.logical_key, edit.logical_key, deletion.logical_key}) == 3
    assert first.order < edit.order < deletion.order


@pytest.mark.parametrize("name", ["our_leading_mention_is_cut", "our_own_role_is_us"])
def test_a_mention_may_open_a_thread(name: str) -> None:
    """With threads a mention in a channel is answered in the thread that has the message's id."""
    event = _event(name, threads=True)
    assert isinstance(event, MessageReceived)
    assert event.chat.thread_id is None
    assert event.reply_to.thread_id == event.message.message_id


@pytest.mark.parametrize("name", ["message_in_guild", "message_in_thread", "direct_message"])
def test_nothing_else_opens_a_thread(name: str) -> None:
    """What does not mention us, lies in a thread or is private is answered where it stands."""
    event = _event(name, threads=True)
    assert event.reply_to == event.chat


def test_offsets_of_mentions_count_code_points() -> None:
    """Each mention's offsets cut exactly its name out of the text."""
    event = _event("mentions_inside_the_text")
    assert isinstance(event, MessageReceived)
    cut = [event.text[mention.start : mention.end] for mention in event.mentions]
    assert cut == ["@Bobby", "@gatepost", "#general", "@Crew"]


def test_a_thread_is_learnt_and_forgotten() -> None:
    """THREAD_CREATE names the parent; a deleted channel is nothing any more."""
    index = Directory(user_id=US.user_id)
    thread = {"id": "5", "type": 11, "name": "t", "parent_id": "4", "guild_id": "3"}
    index.learn("THREAD_CREATE", thread)
    assert (index.parent_of("5"), index.guild_of("5")) == ("4", "3")
    index.learn("THREAD_DELETE", thread)
    assert not index.knows("5")


def test_leaving_a_guild_forgets_its_places() -> None:
    """GUILD_DELETE leaves no channel of that guild behind."""
    index = directory()
    index.learn("GUILD_DELETE", {"id": GUILD["id"]})
    assert not index.knows("41771983423143939")
    assert index.parent_of("41771983423149999") is None


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.sampled_from(["1", "41771983423143937", "2017-07-11T17:27:07+00:00", "\ud800"]),
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(
    st.one_of(
        _JSON,
        st.builds(
            lambda name, data: {"t": name, "d": data}, st.sampled_from([*KINDS, "READY", ""]), _JSON
        ),
    )
)
def test_any_json_gives_a_result(payload: Any) -> None:
    """Parsing is total, and what it makes is storable text."""
    _check(parse(payload, US, directory()))


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A fixture with one of its values, anywhere, replaced by something else or taken out."""
    event = deepcopy(CASES[draw(st.sampled_from(sorted(CASES)))]["event"])
    paths = list(_paths(event))
    if not paths:
        return event
    *way, last = draw(st.sampled_from(paths))
    place = event
    for step in way:
        place = place[step]
    if draw(st.booleans()):
        place[last] = draw(_JSON)
    else:
        del place[last]
    return event


@given(mutated())
def test_no_mutation_breaks_the_parser(event: Any) -> None:
    """Every known payload survives the loss or change of any field."""
    _check(parse(event, US, directory()))


@given(st.sampled_from(sorted(Directory.LESSONS)), _JSON)
def test_no_event_breaks_the_directory(name: str, data: Any) -> None:
    """Learning is total too."""
    directory().learn(name, data)


def _paths(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for step, inner in steps:
        yield (*way, step)
        yield from _paths(inner, (*way, step))


def _check(result: tuple[InboundEvent, ...] | Ignored) -> None:
    if isinstance(result, Ignored):
        result.delivery_key.encode()
        return
    for event in result:
        json.dumps(described((event,)), ensure_ascii=False).encode()
        assert all(-(2**63) <= place < 2**63 for place in event.order)
        assert event.occurred_at.tzinfo is not None
        assert event.reply_to.chat_id


def _event(name: str, *, threads: bool = False) -> InboundEvent:
    found = parse(CASES[name]["event"], US, directory(), threads=threads)
    assert isinstance(found, tuple)
    return found[0]


def test_references_are_one_place() -> None:
    """A message stands in the chat its event names."""
    for name in ("message_in_guild", "message_in_thread", "direct_message"):
        event = _event(name)
        assert isinstance(event, MessageReceived)
        assert event.message == MessageRef(chat=event.chat, message_id=event.message.message_id)
