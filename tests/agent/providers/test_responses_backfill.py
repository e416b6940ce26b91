"""Items that came in pieces, out of order, twice, or with the last event only."""

from typing import Any

import pytest

from agent.messages import ProviderPart, Text, ToolCall
from agent.providers.base import (
    ArgumentsReceived,
    ToolCallOpened,
)
from agent.providers.decoding import Incomplete
from tests.agent.providers.responses_events import (
    CALL,
    LIST,
    Json,
    added,
    argued,
    cut_by,
    decoder,
    done,
    ended,
    function,
    message,
    of,
    parts_in,
    reasoning,
    shown_in,
    text,
)


@pytest.mark.parametrize("output", [None, []], ids=["null", "empty"])
class TestBackfill:
    """A terminal event that does not repeat the items."""

    def test_items_come_by_output_index(self, output: Any) -> None:
        """The items that were done, in order, whichever was done first."""
        events = of(done(function(), 2), done(message("x"), 1), done(reasoning(), 0), ended(output))
        assert [type(part) for part in parts_in(events)] == [ProviderPart, Text, ToolCall]

    def test_words_alone_make_a_part(self, output: Any) -> None:
        """If only text came, it is the reply."""
        assert parts_in(of(text("Hel"), text("lo"), ended(output))) == [Text(text="Hello")]

    def test_words_without_their_item_are_not_lost_beside_others(self, output: Any) -> None:
        """What was shown is in the reply, also if another item was done."""
        events = of(text("Look."), done(function(), 1), ended(output))
        assert parts_in(events) == [Text(text="Look."), CALL]

    @pytest.mark.parametrize(
        "before",
        [
            [argued("{}")],
            [added(function(""))],
            [added(function("")), argued("{}")],
            [text("Hi", 1), added(function(""))],
            [done(function(call_id="call_2"), 1), added(function("")), argued("{}")],
        ],
        ids=["deltas only", "opened", "opened with deltas", "beside words", "beside a whole one"],
    )
    def test_a_call_known_from_deltas_is_never_run(self, output: Any, before: list[Json]) -> None:
        """A call that was never done breaks the stream, however whole it looks."""
        arguments = {"type": "response.function_call_arguments.done", "arguments": "{}"}
        with pytest.raises(Incomplete):
            of(*before, arguments | {"output_index": 0}, ended(output))


def test_what_the_terminal_event_repeats_counts_where_items_are_missing() -> None:
    """Relays that leave out the single items are understood, and what was hidden is shown."""
    events = of(ended([reasoning(), message("Look."), function()]))
    assert [type(part) for part in parts_in(events)] == [ProviderPart, Text, ToolCall]
    assert shown_in(events) == "Look."
    opened = [event for event in events if isinstance(event, ToolCallOpened)]
    assert opened == [ToolCallOpened(ordinal=0, name="files")]
    assert ArgumentsReceived(ordinal=0, text=LIST) in events


def test_nothing_counts_twice() -> None:
    """Items that are repeated under other ids are the same items."""
    again = function(id="fc_other", call_id="call_other")
    events = of(done(message("Hi")), done(function(), 1), ended([message("Hi", id="m"), again]))
    assert parts_in(events) == [Text(text="Hi"), CALL]


def test_a_shorter_repetition_takes_nothing_away() -> None:
    """A terminal event that repeats less than was done is treated like an empty one."""
    events = of(done(message("Hi")), done(function(), 1), ended([message("Hi")]))
    assert parts_in(events) == [Text(text="Hi"), CALL]


def test_a_call_the_terminal_event_forgets_breaks_the_stream() -> None:
    """Opened, never done, not repeated: not run."""
    with pytest.raises(Incomplete):
        of(added(function("")), argued("{}"), ended([message("Hi")]))


def test_only_done_completes_a_call() -> None:
    """Arguments are those of the item that was done, and what deltas lacked is shown."""
    events = of(
        added(function("")), argued('{"opera'), argued('tion": '), done(function()), ended()
    )
    assert parts_in(events) == [CALL]
    assert "".join(e.text for e in events if isinstance(e, ArgumentsReceived)) == LIST


def test_a_call_opens_when_its_name_is_known() -> None:
    """Deltas before the name are shown with it."""
    events = of(argued('{"operation"'), done(function()), ended())
    shown = [e for e in events if isinstance(e, ToolCallOpened | ArgumentsReceived)]
    assert shown == [
        ToolCallOpened(ordinal=0, name="files"),
        ArgumentsReceived(ordinal=0, text='{"operation"'),
        ArgumentsReceived(ordinal=0, text=': "list"}'),
    ]


def test_words_that_came_with_the_item_only_are_shown() -> None:
    """Servers that send no deltas show their words with the item."""
    events = of(text("Hel"), done(message("Hello")), ended())
    assert shown_in(events) == "Hello"


def test_items_are_told_apart_by_id_where_no_index_is_sent() -> None:
    """Servers without output indexes are understood."""
    first = function(call_id="a") | {"arguments": ""}
    bodies = [
        {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "Hi"},
        {"type": "response.output_item.done", "item": message("Hi")},
        {"type": "response.output_item.added", "item": first},
        {"type": "response.function_call_arguments.delta", "item_id": "fc_a", "delta": LIST},
        {"type": "response.output_item.done", "item": function(call_id="a")},
        {"type": "response.output_item.done", "item": function(call_id="b")},
    ]
    calls = [part for part in parts_in(of(*bodies, ended())) if isinstance(part, ToolCall)]
    assert [call.provider_id for call in calls] == ["a", "b"]


def test_cut_calls_of_a_length_stop_are_reported_as_they_are() -> None:
    """A call cut by length is a part like any other; whoever reads LENGTH does not run it."""
    cut = function('{"oper', status="incomplete")
    assert parts_in(of(done(cut), cut_by("max_output_tokens"))) == [
        ToolCall(id="", name="files", arguments='{"oper', provider_id="call_1")
    ]
    events = of(
        text("Hi"), added(function(""), 1), argued('{"oper', 1), cut_by("max_output_tokens")
    )
    assert parts_in(events) == [
        Text(text="Hi"),
        ToolCall(id="", name="files", arguments='{"oper', provider_id=""),
    ]


def test_a_call_marked_as_cut_is_not_run() -> None:
    """A completed response with a call that is not."""
    with pytest.raises(Incomplete):
        of(done(function("{}", status="incomplete")), ended())


@pytest.mark.parametrize(
    ("arguments", "expected"), [({"operation": "list"}, '{"operation":"list"}'), (None, "")]
)
def test_arguments_of_other_types(arguments: Any, expected: str) -> None:
    """Object arguments are serialised, missing ones are empty."""
    (part,) = parts_in(of(done(function(arguments)), ended()))
    assert isinstance(part, ToolCall)
    assert part.arguments == expected


@pytest.mark.parametrize(
    "bodies",
    [
        [added(function("")), argued("x" * 60), argued("y" * 60)],
        [done(function("x" * 120))],
        [ended([function("x" * 120)])],
        [argued("ä" * 60)],
    ],
    ids=["deltas", "done", "terminal", "bytes are counted"],
)
def test_arguments_are_bounded(bodies: list[Json]) -> None:
    """Endless arguments end the attempt."""
    reply = decoder(arguments_bytes=100)
    with pytest.raises(Incomplete, match="too long"):
        [event for body in bodies for event in reply.event(body)] + reply.finish()
