"""Events of the Responses API, and what becomes of them; whole and byte by byte."""

import contextlib
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.messages import Origin, Part, ProviderPart, Text, ToolCall, Usage
from agent.providers.base import (
    ArgumentsReceived,
    PartCompleted,
    ReasoningReceived,
    Stop,
    StreamCompleted,
    StreamEvent,
    StreamOpened,
    TextReceived,
    ToolCallOpened,
    UsageReported,
)
from agent.providers.decoding import InBandError, Incomplete, Malformed
from agent.providers.openai_responses.items import BETWEEN, PHASE, REASONING, usage_of
from agent.providers.openai_responses.reply import ReplyDecoder
from agent.providers.sse import ServerEvent, SseDecoder
from tests.wire.responses import (
    CallTool,
    Refuse,
    Reply,
    Say,
    Think,
    event,
    response_of,
    stream_of,
)

HERE = Origin(provider="main", endpoint="http://h/v1", model="loopback-1")
ASKED = {"model": "loopback-1", "include": ["reasoning.encrypted_content"], "stream": True}
STEP = 512 * 1024
LIST = '{"operation": "list"}'
Json = dict[str, Any]


def decoder(arguments_bytes: int = STEP) -> ReplyDecoder:
    return ReplyDecoder(origin=HERE, arguments_bytes=arguments_bytes)


def decode(stream: bytes, size: int = 0) -> list[StreamEvent]:
    """The events of a stream, fed in pieces of `size` bytes (0: whole)."""
    sse, reply = SseDecoder(), decoder()
    events: list[StreamEvent] = []
    size = size or max(len(stream), 1)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    for item in [item for piece in pieces for item in sse.feed(piece)] + sse.finish():
        if isinstance(item, ServerEvent):
            events += reply.line(item.data, item.name)
    return events + reply.finish()


def sent(reply: Reply) -> bytes:
    """The bytes of a well-formed reply."""
    return b"".join(step for step in stream_of(reply, ASKED) if isinstance(step, bytes))


def of(*bodies: Json) -> list[StreamEvent]:
    """The events of a reply of these bodies."""
    reply = decoder()
    events = [event for body in bodies for event in reply.event(body)]
    return events + reply.finish()


def parts_in(events: Sequence[StreamEvent]) -> list[Part]:
    return [event.part for event in events if isinstance(event, PartCompleted)]


def shown_in(events: Sequence[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextReceived))


def text(delta: str, index: int = 0) -> Json:
    return {"type": "response.output_text.delta", "output_index": index, "delta": delta}


def message(words: str, **more: Any) -> Json:
    content = [{"type": "output_text", "text": words, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": content} | more


def function(arguments: Any = LIST, call_id: str = "call_1", **more: Any) -> Json:
    return {
        "type": "function_call",
        "id": f"fc_{call_id}",
        "call_id": call_id,
        "name": "files",
        "arguments": arguments,
    } | more


def reasoning(content: str | None = "gAAAA", **more: Any) -> Json:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": content}
    return item | more


def added(item: Json, index: int = 0) -> Json:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(item: Any, index: int = 0) -> Json:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def argued(delta: str, index: int = 0) -> Json:
    kind = "response.function_call_arguments.delta"
    return {"type": kind, "output_index": index, "delta": delta}


def ended(output: Any = None, kind: str = "completed", **more: Any) -> Json:
    return {"type": f"response.{kind}", "response": {"output": output, "model": "m"} | more}


def cut_by(reason: Any, output: Any = None) -> Json:
    return ended(output, "incomplete", incomplete_details={"reason": reason})


USED = {"input_tokens": 5, "output_tokens": 2}
CALL = ToolCall(id="", name="files", arguments=LIST, provider_id="call_1")
FULL = Reply(
    items=(
        Think(summary=("I look.", "Then I say it.")),
        Say(deltas=("Grüße ", "🎉")),
        Think(),
        CallTool(name="files", arguments='{"ä": "ö"}', id="call_a", piece=3),
        CallTool(name="files", arguments="{}", id="call_b"),
    )
)


@pytest.mark.parametrize("size", [0, 1, 7], ids=["whole", "byte by byte", "by sevens"])
@pytest.mark.parametrize("output", [True, False], ids=["repeated", "empty output"])
def test_a_reply_of_everything(size: int, output: bool) -> None:
    """Thoughts, words and calls come as they are shown and are whole at the end."""
    events = decode(sent(Reply(items=FULL.items, output=output)), size)
    assert [type(event) for event in events].count(StreamOpened) == 1
    assert events[0] == StreamOpened(model="loopback-1")
    kinds = [(type(part), getattr(part, "provider_id", "")) for part in parts_in(events)]
    assert kinds == [
        (ProviderPart, ""),
        (Text, ""),
        (ProviderPart, ""),
        (ToolCall, "call_a"),
        (ToolCall, "call_b"),
    ]
    assert shown_in(events) == "Grüße 🎉"
    thoughts = "".join(e.text for e in events if isinstance(e, ReasoningReceived))
    assert thoughts == "I look.\n\nThen I say it."
    assert [e.ordinal for e in events if isinstance(e, ToolCallOpened)] == [0, 1]
    pieces = [e.text for e in events if isinstance(e, ArgumentsReceived) and e.ordinal == 0]
    assert "".join(pieces) == '{"ä": "ö"}'
    assert len(pieces) > 1
    assert events[-1] == StreamCompleted(stop=Stop.TOOL_CALLS)


def test_whole_and_byte_by_byte_are_equal() -> None:
    """Where the bytes are cut changes nothing."""
    stream = sent(FULL)
    assert decode(stream, 1) == decode(stream) == decode(stream, 13)


def test_no_cut_passes_as_complete() -> None:
    """Cut at any byte, a stream is broken, or was complete already."""
    stream = sent(FULL)
    full = [e for e in decode(stream) if isinstance(e, PartCompleted | StreamCompleted)]
    for end in range(0, len(stream), 3):
        try:
            events = decode(stream[:end])
        except Incomplete:
            continue
        assert [e for e in events if isinstance(e, PartCompleted | StreamCompleted)] == full


def test_a_reasoning_item_is_kept_whole() -> None:
    """Every field of it comes back, also those nobody knows yet."""
    item = reasoning(summary=[{"type": "summary_text", "text": "Hm"}], new={"a": 1}, status=None)
    events = of(done(item), done(message("Hi"), 1), ended())
    part = parts_in(events)[0]
    assert isinstance(part, ProviderPart)
    assert (part.origin, part.shape) == (HERE, REASONING)
    assert orjson.loads(part.payload) == item


@pytest.mark.parametrize(
    ("items", "kept"),
    [
        ([reasoning("a"), message("x")], ["a"]),
        ([reasoning("a"), function()], ["a"]),
        ([reasoning("a"), reasoning("b"), message("x")], ["a", "b"]),
        ([reasoning("a"), message(""), reasoning("b"), function()], ["b"]),
        ([reasoning("a"), {"type": "web_search_call", "id": "ws"}, message("x")], []),
        ([message("x"), reasoning("a")], []),
        ([reasoning(None), message("x")], []),
        ([reasoning(""), message("x")], []),
    ],
    ids=[
        *("before words", "before a call", "two in a row", "before nothing said"),
        *("before a foreign item", "at the end", "not encrypted", "empty"),
    ],
)
def test_widowed_reasoning_is_dropped(items: list[Json], kept: list[str]) -> None:
    """Reasoning is kept with what it led to, else it is left out."""
    dones = [done(item, index) for index, item in enumerate(items)]
    parts = parts_in(of(*dones, ended(usage=USED)))
    found = [orjson.loads(part.payload) for part in parts if isinstance(part, ProviderPart)]
    assert [item["encrypted_content"] for item in found] == kept


def test_the_phase_of_words_is_kept() -> None:
    """What the provider calls commentary goes back to it as such."""
    events = of(done(message("Look.", phase="commentary")), ended())
    phase = ProviderPart(origin=HERE, shape=PHASE, payload=b"commentary")
    assert parts_in(events) == [phase, Text(text="Look.")]


def test_two_messages_do_not_run_together() -> None:
    """The words of a second message item begin a paragraph, shown and kept alike."""
    events = of(text("One."), text("Two", 1), text(".", 1), ended())
    assert parts_in(events) == [Text(text="One."), Text(text=BETWEEN + "Two.")]
    assert shown_in(events) == "One.\n\nTwo."


STOPS: list[tuple[str, list[Json], Stop]] = [
    ("completed with words", [done(message("x")), ended()], Stop.DONE),
    ("completed with a call", [done(function()), ended()], Stop.TOOL_CALLS),
    ("max_output_tokens", [done(message("x")), cut_by("max_output_tokens")], Stop.LENGTH),
    ("cut before anything", [cut_by("max_output_tokens")], Stop.LENGTH),
    ("content_filter", [done(message("x")), cut_by("content_filter")], Stop.FILTERED),
    (
        "completed, but its status says cut",
        [
            done(message("x")),
            ended(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        ],
        Stop.LENGTH,
    ),
]


@pytest.mark.parametrize(("bodies", "stop"), [s[1:] for s in STOPS], ids=[s[0] for s in STOPS])
def test_terminals(bodies: list[Json], stop: Stop) -> None:
    """Each end has its meaning."""
    assert of(*bodies)[-1] == StreamCompleted(stop=stop)


@pytest.mark.parametrize("size", [0, 1])
def test_a_refusal_is_shown_and_filtered(size: int) -> None:
    """The refusal's own words reach the reader, and the reply counts as filtered."""
    events = decode(sent(Reply(items=(Refuse(text="I can't help."),))), size)
    assert shown_in(events) == "I can't help."
    assert parts_in(events) == [Text(text="I can't help.")]
    assert events[-1] == StreamCompleted(stop=Stop.FILTERED)


@pytest.mark.parametrize("reason", ["max_messages", "steered", "banana", None, 7])
def test_another_reason_is_a_broken_stream(reason: Any) -> None:
    """A response that is incomplete for any other reason is no answer."""
    with pytest.raises(Incomplete):
        of(done(message("x")), cut_by(reason))


@pytest.mark.parametrize(
    "end",
    [
        ended(usage=USED),
        ended(None, "incomplete", incomplete_details={"reason": "max_output_tokens"}, usage=USED),
        ended(None, "incomplete", incomplete_details={"reason": "steered"}, usage=USED),
        ended(None, "failed", error={"code": "server_error", "message": "boom"}, usage=USED),
    ],
    ids=["completed", "length", "other", "failed"],
)
def test_usage_is_read_from_each_terminal(end: Json) -> None:
    """What was used is known whatever the end, and before what is wrong is raised."""
    reply = decoder()
    events = reply.event(text("x")) + reply.event(end)
    assert events[-1] == UsageReported(usage=Usage(input=5, output=2))
    assert reply.done


def test_a_failed_response_is_its_error() -> None:
    """`response.failed` is classified by its error."""
    error = {"code": "rate_limit_exceeded", "message": "slow"}
    with pytest.raises(InBandError) as caught:
        of(text("x"), ended(None, "failed", error=error))
    assert caught.value.body == {"error": error}
    with pytest.raises(InBandError):
        of(ended(None, "failed"))


@pytest.mark.parametrize(
    "first",
    [
        {"type": "response.created", "response": {"model": "m"}},
        {"type": "response.in_progress", "response": {"model": "m"}},
        {"type": "codex.rate_limits", "rate_limits": {}},
        {"type": "keepalive"},
        {"type": "response.metadata", "headers": {}},
        {"type": 7},
        {"no": "type"},
        text("Hi"),
    ],
    ids=lambda first: str(first.get("type")),
)
def test_any_first_event_is_fine(first: Json) -> None:
    """Whatever begins the stream, the words after it arrive."""
    events = of(first, *([] if first == text("Hi") else [text("Hi")]), ended())
    assert parts_in(events) == [Text(text="Hi")]
    assert [type(event) for event in events].count(StreamOpened) == 1


def test_unknown_events_are_passed_over() -> None:
    """Events and items nobody knows change nothing."""
    events = of(
        text("Hi"),
        {"type": "response.web_search_call.searching", "output_index": 3},
        {"type": "response.new.kind", "delta": 7},
        {"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": 1}}},
        done({"type": "compaction", "id": "c"}, 1),
        ended(),
    )
    assert parts_in(events) == [Text(text="Hi")]


def test_rate_limits_before_the_beginning_are_kept() -> None:
    """What a relay tells of the limits stands beside the headers, under their names."""
    limits = {
        "allowed": True,
        "primary": {"used_percent": 42, "window_minutes": 300, "resets": None},
        "secondary": {"used_percent": 7.5},
    }
    reply = ReplyDecoder(
        origin=HERE,
        arguments_bytes=STEP,
        request_id="req",
        limits={"x-codex-primary-used-percent": "1", "x-codex-plan-type": "plus"},
    )
    assert reply.event({"type": "codex.rate_limits", "rate_limits": limits}) == []
    assert reply.event({"type": "response.created", "response": {"model": "m"}}) == [
        StreamOpened(
            request_id="req",
            model="m",
            limits={
                "x-codex-plan-type": "plus",
                "x-codex-primary-used-percent": "42",
                "x-codex-primary-window-minutes": "300",
                "x-codex-secondary-used-percent": "7.5",
            },
        )
    ]


ERRORS: list[tuple[str, Json, str]] = [
    ("flat", {"type": "error", "code": "server_error", "message": "boom"}, ""),
    ("nested", {"type": "error", "status": 400, "error": {"message": "bad"}}, ""),
    ("named by the event only", {"message": "boom"}, "error"),
    ("without a type", {"error": {"message": "boom"}}, ""),
    ("of another type", {"type": "response.error", "error": {"message": "boom"}}, ""),
    ("flat text", {"code": "permission", "error": "No active Grok subscription"}, ""),
]


@pytest.mark.parametrize(("body", "name"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_error_frames(body: Json, name: str) -> None:
    """An error frame is an error, first or later, and its body is left as it came."""
    for before in ([], [text("Hi")]):
        reply = decoder()
        for each in before:
            reply.event(each)
        with pytest.raises(InBandError) as caught:
            reply.line(orjson.dumps(body), name)
        assert caught.value.body == body


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


@pytest.mark.parametrize(
    "bodies",
    [
        [],
        [text("Hi")],
        [text("Hi"), done(message("Hi"))],
        [done(function())],
        [ended()],
        [ended([])],
        [ended(None, status="cancelled")],
        [text("Hi"), {"type": "response.done", "response": {}}],
    ],
    ids=[
        *("nothing", "words", "a whole item", "a whole call", "marker alone"),
        *("marker with no items", "cancelled", "no marker of this API"),
    ],
)
def test_incomplete_replies(bodies: list[Json]) -> None:
    """Without the marker, or with it alone, nothing counts, however complete it looks."""
    with pytest.raises(Incomplete):
        of(*bodies)


def test_an_empty_reply_that_was_billed_is_a_reply() -> None:
    """A model that said nothing but was counted did answer; the turn decides what that means."""
    events = of(done(reasoning()), ended(usage=USED))
    assert events[-1] == StreamCompleted(stop=Stop.DONE)
    assert parts_in(events) == []


def test_an_end_line_means_nothing() -> None:
    """`[DONE]` is no marker of this API; a relay's is passed over."""
    with pytest.raises(Incomplete):
        decode(event("response.output_text.delta", delta="x", output_index=0) + b"data: [DONE]\n\n")
    assert decode(sent(FULL) + b"data: [DONE]\n\n") == decode(sent(FULL))


def test_nothing_after_the_marker_is_read() -> None:
    """The terminal event is the end."""
    late = event("response.output_text.delta", delta="x", output_index=9)
    assert decode(sent(FULL) + late) == decode(sent(FULL))


def test_bad_lines_are_skipped_up_to_three() -> None:
    """Three lines that are no JSON object are noise, the fourth is too much."""
    reply = decoder()
    for bad in (b"{cut", b"[]", b"\xff\xfe"):
        assert reply.line(bad) == []
    with pytest.raises(Malformed):
        reply.line(b"7")


MALFORMED: list[tuple[str, list[Json]]] = [
    ("output an object", [ended({})]),
    ("an item that is text", [ended(["x"])]),
    ("a done item null", [done(None)]),
    ("an added item null", [added(None)]),  # type: ignore[arg-type]
    ("content an object", [done(message("") | {"content": {}})]),
    ("a content part null", [done(message("") | {"content": [None]})]),
    ("a call without a name", [done(function() | {"name": ""})]),
]


@pytest.mark.parametrize("bodies", [m[1] for m in MALFORMED], ids=[m[0] for m in MALFORMED])
def test_malformed_events(bodies: list[Json]) -> None:
    """What can't be understood is not guessed at."""
    with pytest.raises(Malformed):
        of(*bodies, ended([message("x")]))


def test_an_item_nested_too_deep_is_malformed() -> None:
    """What can be read but not be written again is no item."""
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(Malformed):
        of(done(reasoning(summary=deep)), ended())


def whole(body: Any) -> list[StreamEvent]:
    reply = decoder()
    return reply.whole(orjson.dumps(body)) + reply.finish()


def test_a_whole_body_gives_the_same_parts() -> None:
    """One JSON body and a stream of the same reply say the same."""
    events, streamed = whole(response_of(FULL, ASKED)), decode(sent(FULL))
    assert parts_in(events) == parts_in(streamed)
    assert shown_in(events) == shown_in(streamed)
    assert events[-1] == streamed[-1]
    assert [e for e in events if isinstance(e, UsageReported)] == [
        e for e in streamed if isinstance(e, UsageReported)
    ]
    assert isinstance(events[0], StreamOpened)
    assert any(isinstance(event, ReasoningReceived) for event in events)


def test_a_whole_body_that_is_cut_or_failed() -> None:
    """The status is the marker of a body that came whole."""
    cut = Reply(items=(Say(deltas=("Hel",)),), reason="max_output_tokens")
    assert whole(response_of(cut, ASKED))[-1] == StreamCompleted(stop=Stop.LENGTH)
    error = {"code": "server_error", "message": "boom"}
    with pytest.raises(InBandError) as caught:
        whole(response_of(Reply(error=error), ASKED))
    assert caught.value.body == {"error": error}


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled", "", None])
def test_a_whole_body_without_an_end(status: str | None) -> None:
    """A response that is not finished is no answer."""
    with pytest.raises(Incomplete):
        whole({"object": "response", "status": status, "output": [message("x")]})


@pytest.mark.parametrize("body", [b"", b"[1]", b"{cut"])
def test_a_whole_body_that_is_none(body: bytes) -> None:
    """What is no JSON object is malformed; an error with status 200 is an error."""
    with pytest.raises(Malformed):
        decoder().whole(body)
    with pytest.raises(InBandError):
        whole({"error": {"message": "bad"}})


USAGES: list[tuple[str, Any, Usage | None]] = [
    (
        "all of it",
        {
            "input_tokens": 100,
            "input_tokens_details": {
                "cached_tokens": 60,
                "cache_write_tokens": 30,
                "cache_write_tokens_details": {"ttl_12h_tokens": 10, "ttl_30m_tokens": 20},
            },
            "output_tokens": 40,
            "output_tokens_details": {"reasoning_tokens": 30},
            "total_tokens": 140,
        },
        Usage(
            input=100,
            output=40,
            cached_input=60,
            cache_write=20,
            cache_write_long=10,
            reasoning=30,
        ),
    ),
    ("only the sums", USED, Usage(input=5, output=2)),
    (
        "parts above their whole",
        {
            "input_tokens": 5,
            "output_tokens": 3,
            "input_tokens_details": {"cached_tokens": 9, "cache_write_tokens": 9},
            "output_tokens_details": {"reasoning_tokens": 9},
        },
        Usage(input=5, output=3, cached_input=5, reasoning=3),
    ),
    ("details null", USED | {"input_tokens_details": None}, Usage(input=5, output=2)),
    ("none", None, None),
    ("a number", 7, None),
    ("nothing inside", {}, None),
    ("null", {"input_tokens": None, "output_tokens": 1}, None),
    ("negative", {"input_tokens": -1, "output_tokens": 1}, None),
    ("a fraction", {"input_tokens": 1.5, "output_tokens": 1}, None),
    ("a truth", {"input_tokens": True, "output_tokens": 1}, None),
]


@pytest.mark.parametrize(("usage", "expected"), [u[1:] for u in USAGES], ids=[u[0] for u in USAGES])
def test_usage(usage: Any, expected: Usage | None) -> None:
    """Cached and reasoning tokens are inside; counts that can't be are not reported."""
    assert usage_of(usage) == expected


ITEMS = st.lists(
    st.one_of(
        st.builds(Say, deltas=st.lists(st.text(min_size=1, max_size=4), max_size=3).map(tuple)),
        st.builds(Think, summary=st.lists(st.text("ab ", max_size=4), max_size=2).map(tuple)),
        st.builds(
            CallTool,
            name=st.just("files"),
            arguments=st.text(max_size=6),
            id=st.sampled_from(["a", "b"]),
            piece=st.integers(1, 3),
        ),
    ),
    max_size=5,
)


@given(ITEMS, st.booleans(), st.sampled_from(["", "max_output_tokens", "content_filter"]))
def test_any_reply_is_read_alike(items: list[Any], output: bool, reason: str) -> None:
    """Whole, byte by byte, with or without repetition, as one body: the same reply."""
    reply = Reply(items=tuple(items), output=output, reason=reason)
    events = decode(sent(reply))
    assert events == decode(sent(reply), 1)
    body = whole(response_of(reply, ASKED))
    assert (parts_in(events), events[-1]) == (parts_in(body), body[-1])
    said = "".join(part.text for part in parts_in(events) if isinstance(part, Text))
    assert shown_in(events) == said == shown_in(body)
    calls = [part for part in parts_in(events) if isinstance(part, ToolCall)]
    assert len([e for e in events if isinstance(e, ToolCallOpened)]) == len(calls)
    for ordinal, part in enumerate(calls):
        pieces = [e for e in events if isinstance(e, ArgumentsReceived) and e.ordinal == ordinal]
        assert "".join(e.text for e in pieces) == part.arguments


FIELDS = (
    *("type", "response", "output", "item", "output_index", "item_id", "delta", "id", "name"),
    *("arguments", "content", "text", "status", "usage", "error", "model", "encrypted_content"),
)
TYPES = (
    *("response.created", "response.completed", "response.incomplete", "response.failed", "error"),
    *("response.output_item.added", "response.output_item.done", "response.output_text.delta"),
    *("response.function_call_arguments.delta", "message", "function_call", "reasoning"),
    "codex.rate_limits",
)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(TYPES) | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
        ),
        max_leaves=16,
    ),
    st.sampled_from(TYPES),
)
def test_no_event_upsets_the_decoder(value: Any, kind: str) -> None:
    """Any JSON gives events or one of the three named errors."""
    with contextlib.suppress(Malformed, Incomplete, InBandError):
        of(
            {"item": value, "response": value}
            | (value if isinstance(value, dict) else {})
            | {"type": kind}
        )
    with contextlib.suppress(Malformed, Incomplete, InBandError):
        whole(value)
