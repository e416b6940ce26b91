"""Events of the Responses API, and what becomes of them; whole and byte by byte."""

from typing import Any

import orjson
import pytest

from agent.messages import ProviderPart, Text, ToolCall, Usage
from agent.providers.base import (
    ArgumentsReceived,
    PartCompleted,
    ReasoningReceived,
    Stop,
    StreamCompleted,
    StreamOpened,
    ToolCallOpened,
    UsageReported,
)
from agent.providers.decoding import InBandError, Incomplete, Malformed
from agent.providers.openai_responses.items import BETWEEN, PHASE, REASONING
from agent.providers.openai_responses.reply import ReplyDecoder
from tests.agent.providers.responses_events import (
    FULL,
    HERE,
    STEP,
    USED,
    Json,
    added,
    cut_by,
    decode,
    decoder,
    done,
    ended,
    function,
    message,
    of,
    parts_in,
    reasoning,
    sent,
    shown_in,
    text,
)
from tests.wire.responses import (
    Refuse,
    Reply,
    event,
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
    assert events[-1] == StreamCompleted(stop=Stop.FILTERED, said="I can't help.")


def test_a_refusal_in_deltas_only_is_one() -> None:
    """Also where no item repeats it."""
    delta = {"type": "response.refusal.delta", "output_index": 0, "delta": "No."}
    assert of(delta, ended())[-1] == StreamCompleted(stop=Stop.FILTERED, said="No.")


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


def test_a_status_that_contradicts_its_event_counts() -> None:
    """A relay that calls every end completed is not believed."""
    with pytest.raises(Incomplete):
        of(done(message("x")), ended(status="cancelled"))
    with pytest.raises(InBandError):
        of(done(message("x")), ended(status="failed", error={"message": "boom"}))


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


def test_what_was_told_of_the_limits_stays_told() -> None:
    """Limits that come later change nothing that was reported before."""
    reply = decoder()
    opened = reply.event({"type": "response.created", "response": {"model": "m"}})
    later = {"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": 1}}}
    assert reply.event(later) == []
    assert opened == [StreamOpened(model="m")]


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
        events = [event for each in before for event in reply.event(each)]
        events += reply.line(orjson.dumps(body), name)
        assert reply.done
        with pytest.raises(InBandError) as caught:
            reply.finish()
        assert caught.value.body == body
        assert isinstance(events[0], StreamOpened)  # a 200 came before it


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
