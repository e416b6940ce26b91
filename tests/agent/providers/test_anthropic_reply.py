"""Events of the Messages API, and what becomes of them; whole and byte by byte."""

import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.messages import Part, ProviderPart, Text, ToolCall
from agent.providers.base import (
    ArgumentsReceived,
    PartCompleted,
    PulseReceived,
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
from tests.agent.providers.anthropic_streams import HERE, TEXT, decode, decoder
from tests.wire.anthropic import Other, Redacted, Reply, Say, Think, Use
from tests.wire.anthropic.script import (
    PING,
    STOP,
    block_delta,
    block_start,
    block_stop,
    event,
    message_delta,
    message_start,
    signature,
    stream_of,
    text_delta,
    whole_of,
)

REQUEST = {"model": "claude-loopback", "messages": []}
INPUT = {"input_tokens": 10, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
SERVER_USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}


def streamed(reply: Reply) -> bytes:
    steps = stream_of(reply, REQUEST, INPUT)
    return b"".join(step for step in steps if isinstance(step, bytes))


def parts_of(events: list[StreamEvent]) -> list[Part]:
    return [event.part for event in events if isinstance(event, PartCompleted)]


def call(arguments: str, provider_id: str = "toolu_loopback_1", name: str = "files") -> ToolCall:
    return ToolCall(id="", name=name, arguments=arguments, provider_id=provider_id)


def own(block: dict[str, Any]) -> ProviderPart:
    return ProviderPart(origin=HERE, shape=block["type"], payload=orjson.dumps(block))


def thought(text: str) -> ProviderPart:
    signed = signature("claude-loopback", text)
    return own({"type": "thinking", "thinking": text, "signature": signed})


LIST = '{"operation": "list", "path": "ä"}'
COMPLETE: list[tuple[str, Reply, list[Part], Stop]] = [
    (
        "words",
        Reply(blocks=(Say(deltas=("Grüße ", "🎉")),)),
        [Text(text="Grüße 🎉")],
        Stop.DONE,
    ),
    (
        "a call",
        Reply(blocks=(Say(deltas=("Look. ",)), Use(name="files", input=LIST))),
        [Text(text="Look. "), call(LIST)],
        Stop.TOOL_CALLS,
    ),
    (
        "two calls, one without input",
        Reply(blocks=(Use(name="files", id="a"), Use(name="files", input=LIST, id="b"))),
        [call("{}", "a"), call(LIST, "b")],
        Stop.TOOL_CALLS,
    ),
    (
        "thoughts in their places",
        Reply(
            blocks=(
                Think(text="Hm."),
                Redacted(data="xyz"),
                Say(deltas=("a",)),
                Think(text=""),
                Use(name="files"),
            )
        ),
        [
            thought("Hm."),
            own({"type": "redacted_thinking", "data": "claude-loopback:xyz"}),
            Text(text="a"),
            thought(""),
            call("{}"),
        ],
        Stop.TOOL_CALLS,
    ),
    (
        "blocks nobody knows",
        Reply(blocks=(Other(block=SERVER_USE), Say(deltas=("b",))), stop="pause_turn"),
        [own(SERVER_USE), Text(text="b")],
        Stop.PAUSED,
    ),
]


@pytest.mark.parametrize("size", [0, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("case", COMPLETE, ids=[c[0] for c in COMPLETE])
def test_complete_replies(case: tuple[str, Reply, list[Part], Stop], size: int) -> None:
    """Every kind of block gives its part, in order, and what readers see is what is stored."""
    _, reply, parts, stop = case
    events = decode(streamed(reply), size=size)
    assert parts_of(events) == parts
    assert events[0] == StreamOpened(model="claude-loopback")
    assert PulseReceived() in events
    assert events[-1] == StreamCompleted(stop=stop)
    shown = "".join(e.text for e in events if isinstance(e, TextReceived))
    assert shown == "".join(part.text for part in parts if isinstance(part, Text))
    calls = [part for part in parts if isinstance(part, ToolCall)]
    opened = [e for e in events if isinstance(e, ToolCallOpened)]
    assert [(e.ordinal, e.name) for e in opened] == [(n, c.name) for n, c in enumerate(calls)]
    for ordinal, part in enumerate(calls):
        pieces = [e for e in events if isinstance(e, ArgumentsReceived) and e.ordinal == ordinal]
        assert ("".join(e.text for e in pieces) or "{}") == part.arguments


@pytest.mark.parametrize("case", COMPLETE, ids=[c[0] for c in COMPLETE])
def test_a_whole_body_gives_the_same_parts(case: tuple[str, Reply, list[Part], Stop]) -> None:
    """One JSON body is the same reply in whole parts; calls keep their meaning."""
    _, reply, parts, stop = case
    body = decoder()
    events = body.whole(orjson.dumps(whole_of(reply, REQUEST, INPUT))) + body.finish()
    found = parts_of(events)
    assert [type(part) for part in found] == [type(part) for part in parts]
    for part, expected in zip(found, parts, strict=True):
        if isinstance(part, ToolCall) and isinstance(expected, ToolCall):
            assert orjson.loads(part.arguments) == orjson.loads(expected.arguments)
        else:
            assert part == expected
    assert events[-1] == StreamCompleted(stop=stop)
    assert any(isinstance(e, UsageReported) for e in events)


def test_thoughts_are_shown_and_kept() -> None:
    """Readers see the thought, the transcript keeps it with its signature."""
    events = decode(streamed(Reply(blocks=(Think(text="Hm, so."), Say(deltas=("42",))))))
    assert [e.text for e in events if isinstance(e, ReasoningReceived)] == ["Hm, so."]
    assert parts_of(events) == [thought("Hm, so."), Text(text="42")]


@pytest.mark.parametrize("case", COMPLETE, ids=[c[0] for c in COMPLETE])
def test_no_cut_passes_as_complete(case: tuple[str, Reply, list[Part], Stop]) -> None:
    """Cut at any byte before its end, a stream is broken."""
    stream = streamed(case[1])
    for end in range(len(stream) - len(b'"}\n\n')):
        with pytest.raises(Incomplete):
            decode(stream[:end])


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", Stop.DONE),
        ("stop_sequence", Stop.DONE),
        ("tool_use", Stop.DONE),  # without calls there is nothing to run
        ("max_tokens", Stop.LENGTH),
        ("model_context_window_exceeded", Stop.WINDOW_FULL),
        ("pause_turn", Stop.PAUSED),
    ],
)
def test_stop_reasons(reason: str, stop: Stop) -> None:
    """Every known stop reason has its meaning."""
    events = decode(message_start(), TEXT, text_delta("x"), message_delta(reason), STOP)
    assert parts_of(events) == [Text(text="x")]
    assert events[-1] == StreamCompleted(stop=stop)


def test_calls_are_calls_whatever_the_stop_reason() -> None:
    """Gateways that end calls with `end_turn` lose none."""
    events = decode(streamed(Reply(blocks=(Use(name="files"),), stop="end_turn")))
    assert events[-1] == StreamCompleted(stop=Stop.TOOL_CALLS)


@pytest.mark.parametrize("explanation", ["I can't help with that.", None])
def test_a_refusal(explanation: str | None) -> None:
    """What was said before a refusal does not count; its own words are passed on, if it has any."""
    details = {"type": "refusal", "category": None, "explanation": explanation}
    reply = Reply(blocks=(Say(deltas=("Sure, ",)),), stop="refusal", stop_details=details)
    events = decode(streamed(reply))
    assert parts_of(events) == []
    assert events[-1] == StreamCompleted(stop=Stop.FILTERED, said=explanation or "")


@pytest.mark.parametrize(
    "events",
    [
        (),
        (PING,),
        (message_start(),),
        (message_start(), TEXT, text_delta("x")),
        (message_start(), TEXT, text_delta("x"), block_stop(0), message_delta("end_turn")),
        (message_start(), TEXT, text_delta("x"), block_stop(0), STOP),
        (message_start(), TEXT, text_delta("x"), message_delta(None), STOP),
        (message_delta("end_turn", {"output_tokens": 0}), STOP),
        (
            message_start(),
            block_start(0, {"type": "tool_use", "id": "a", "name": "files", "input": {}}),
            message_delta("tool_use"),
            STOP,
        ),
    ],
    ids=[
        "nothing",
        "ping alone",
        "start alone",
        "no marker",
        "no message_stop",
        "no stop reason",
        "stop reason null",
        "marker alone",
        "a call that never closes",
    ],
)
def test_incomplete_replies(events: tuple[bytes, ...]) -> None:
    """Without both halves of the marker nothing counts."""
    with pytest.raises(Incomplete):
        decode(*events)


def test_an_empty_reply_that_was_billed_is_a_reply() -> None:
    """A model that said nothing but was counted did answer; the turn decides what that means."""
    events = decode(message_start(), message_delta("end_turn"), STOP)
    assert events[-1] == StreamCompleted(stop=Stop.DONE)


def test_what_is_not_known_is_ignored() -> None:
    """Unknown events, deltas of citations and unknown deltas of text change nothing."""
    events = decode(
        event({"type": "shiny_new_event", "x": 1}),
        message_start(),
        TEXT,
        text_delta("x"),
        block_delta(0, {"type": "citations_delta", "citation": {"cited_text": "y"}}),
        block_delta(0, {"type": "sparkle_delta", "sparkle": "z"}),
        block_stop(0),
        message_delta("end_turn"),
        STOP,
    )
    assert parts_of(events) == [Text(text="x")]


def test_a_block_of_the_provider_is_kept_whole_or_not_at_all() -> None:
    """Input of an unknown block is put together; one that grew in unknown ways is left out."""
    pieces = ['{"query":', ' "a"}']
    events = decode(
        message_start(),
        block_start(0, SERVER_USE),
        *(block_delta(0, {"type": "input_json_delta", "partial_json": p}) for p in pieces),
        block_start(1, {"type": "shiny", "x": 1}),
        block_delta(1, {"type": "shiny_delta", "y": 2}),
        message_delta("pause_turn"),
        STOP,
    )
    assert parts_of(events) == [own({**SERVER_USE, "input": {"query": "a"}})]
    assert not any(isinstance(e, TextReceived | ArgumentsReceived) for e in events)


def test_a_thought_cut_before_its_signature_is_not_kept() -> None:
    """Nobody would take it back."""
    events = decode(
        message_start(),
        block_start(0, {"type": "thinking", "thinking": "", "signature": ""}),
        block_delta(0, {"type": "thinking_delta", "thinking": "Hm"}),
        message_delta("max_tokens"),
        STOP,
    )
    assert parts_of(events) == []
    assert events[-1] == StreamCompleted(stop=Stop.LENGTH)


def test_a_call_cut_by_length_is_reported_as_it_is() -> None:
    """A call cut by length is a part like any other; whoever reads LENGTH does not run it."""
    events = decode(
        message_start(),
        block_start(0, {"type": "tool_use", "id": "a", "name": "files", "input": {}}),
        block_delta(0, {"type": "input_json_delta", "partial_json": '{"oper'}),
        message_delta("max_tokens"),
        STOP,
    )
    assert parts_of(events) == [call('{"oper', "a")]


@pytest.mark.parametrize(
    "body",
    [
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        {"error": {"message": "boom"}},
    ],
)
@pytest.mark.parametrize("size", [0, 1])
def test_errors_inside_a_stream(body: dict[str, Any], size: int) -> None:
    """An error in place of an event is told apart from words, in both its forms."""
    with pytest.raises(InBandError) as caught:
        decode(message_start(), b"event: error\ndata: " + orjson.dumps(body) + b"\n\n", size=size)
    assert caught.value.body == body
    with pytest.raises(InBandError):
        decoder().whole(orjson.dumps(body))


MALFORMED: list[tuple[str, bytes]] = [
    ("unknown stop reason", message_delta("banana")),
    ("stop reason of a wrong type", message_delta(7)),  # type: ignore[arg-type]
    ("message null", event({"type": "message_start", "message": None})),
    ("a block that is null", block_start(0, None)),  # type: ignore[arg-type]
    ("a block without index", event({"type": "content_block_start", "content_block": {}})),
    ("a delta null", block_delta(0, None)),  # type: ignore[arg-type]
    ("a delta of no block", text_delta("x", 7)),
    ("an index that is none", text_delta("x", [])),  # type: ignore[arg-type]
    ("a call without a name", block_start(0, {"type": "tool_use", "id": "a"})),
    ("garbage lines", b"data: %\n\n" * 4),
]


@pytest.mark.parametrize("line", [m[1] for m in MALFORMED], ids=[m[0] for m in MALFORMED])
def test_malformed_events(line: bytes) -> None:
    """What can't be understood is not guessed at."""
    with pytest.raises(Malformed):
        decode(message_start(), TEXT, text_delta("x"), line, STOP)


@pytest.mark.parametrize("body", [b"%", b"[]", b'{"content": null}', b'{"content": [1]}'])
def test_malformed_bodies(body: bytes) -> None:
    """A body that is no message is not guessed at."""
    with pytest.raises(Malformed):
        decoder().whole(body)


def test_bad_lines_are_skipped_up_to_three() -> None:
    """Three lines that are no JSON object are noise."""
    noise = b"data: {cut\n\ndata: []\n\ndata: [DONE]\n\n"
    events = decode(message_start(), noise, TEXT, text_delta("x"), message_delta("end_turn"), STOP)
    assert parts_of(events) == [Text(text="x")]


def test_arguments_are_bounded() -> None:
    """Endless arguments end the attempt."""
    start = block_start(0, {"type": "tool_use", "id": "a", "name": "f", "input": {}})
    piece = block_delta(0, {"type": "input_json_delta", "partial_json": "x" * 60})
    with pytest.raises(Incomplete, match="arguments"):
        decode(message_start(), start, piece, piece, arguments_bytes=100)


def test_output_is_bounded_by_its_cap() -> None:
    """A reply a tenth above its cap is broken, by the provider's count or far above by bytes."""
    ends = [message_delta("max_tokens", {"output_tokens": n}) for n in (110, 111)]
    start = message_start() + TEXT + text_delta("x")
    assert decode(start, ends[0], STOP, output_cap=100)[-1] == StreamCompleted(stop=Stop.LENGTH)
    with pytest.raises(Incomplete, match="cap"):
        decode(start, ends[1], STOP, output_cap=100)
    with pytest.raises(Incomplete, match="cap"):
        decode(start, text_delta("word " * 400), output_cap=100)


def test_nothing_after_the_end_counts() -> None:
    """Whatever a gateway adds after `message_stop` is not read."""
    reply = decoder()
    for line in (
        b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}',
        b'{"type":"message_stop"}',
    ):
        reply.line(line)
    assert reply.done and reply.has_stop
    assert reply.line(b"[DONE]") == reply.line(b"%") == []
    assert reply.finish() == [StreamCompleted(stop=Stop.DONE)]


FIELDS = (
    *("type", "message", "index", "content_block", "delta", "usage", "error", "content", "text"),
    *("id", "name", "input", "partial_json", "stop_reason", "stop_details", "signature"),
)
KINDS = (
    *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
    *("message_delta", "message_stop", "text", "tool_use", "thinking", "text_delta"),
)


@given(
    st.lists(
        st.recursive(
            st.none() | st.integers(-1, 2) | st.text(max_size=4) | st.sampled_from(KINDS),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
            ),
            max_leaves=12,
        ),
        max_size=4,
    )
)
def test_no_event_upsets_the_decoder(values: list[Any]) -> None:
    """Any JSON gives events or one of the three named errors."""
    reply = decoder(output_cap=10)
    with contextlib.suppress(Malformed, Incomplete, InBandError):
        for value in values:
            reply.line(orjson.dumps(value))
        reply.finish()
    with contextlib.suppress(Malformed, Incomplete, InBandError):
        decoder().whole(orjson.dumps(values[0] if values else None))
