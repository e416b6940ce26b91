"""Chunks as real servers send them, and what becomes of them; whole and byte by byte."""

import contextlib
from pathlib import Path
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
from agent.providers.openai_chat.reply import ReplyDecoder, usage_of
from agent.providers.sse import ServerEvent, SseDecoder

FIXTURES = Path(__file__).parents[2] / "fixtures" / "openai"
STEP = 512 * 1024


def decode(stream: bytes, size: int = 0, **options: Any) -> list[StreamEvent]:
    """The events of a stream, fed in pieces of `size` bytes (0: whole)."""
    sse, reply = SseDecoder(), ReplyDecoder(arguments_bytes=STEP, **options)
    events: list[StreamEvent] = []
    size = size or max(len(stream), 1)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    items = [item for piece in pieces for item in sse.feed(piece)] + sse.finish()
    for item in items:
        if isinstance(item, ServerEvent):
            events += reply.line(item.data, item.name)
    return events + reply.finish()


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.sse").read_bytes()


def call(arguments: str, provider_id: str = "", name: str = "files") -> ToolCall:
    return ToolCall(id="", name=name, arguments=arguments, provider_id=provider_id)


def words(text: str) -> Text:
    return Text(text=text)


LIST = '{"operation": "list"}'
TIGHT_LIST = '{"operation":"list"}'
READ = '{"operation":"read","path":"a"}'
Expected = tuple[str, list[Part], Stop, Usage | None, str]
COMPLETE: list[Expected] = [
    (
        "openai_text",
        [words("Grüße 🎉")],
        Stop.DONE,
        Usage(input=1117, output=46, cached_input=1024, reasoning=12),
        "",
    ),
    (
        "openai_tools",
        [call(LIST, "call_DdmO9pD3xa9XTPNJ32zg2hcA"), call("{}", "call_ABC")],
        Stop.TOOL_CALLS,
        None,
        "",
    ),
    ("openai_refusal", [], Stop.FILTERED, None, ""),
    ("azure_filter", [words("Hello")], Stop.DONE, None, ""),
    ("ollama_old", [words(" Hello there")], Stop.DONE, None, ""),
    (
        "ollama_tools",
        [call(TIGHT_LIST, "call_a1"), call(READ, "call_b2")],
        Stop.TOOL_CALLS,
        Usage(input=100, output=20),
        "",
    ),
    (
        "llama_cpp",
        [words("Hi"), call(TIGHT_LIST, "Xk1")],
        Stop.TOOL_CALLS,
        Usage(input=17, output=9),
        " it",
    ),
    ("vllm", [words("가요")], Stop.DONE, Usage(input=9, output=5), "Thinking"),
    (
        "deepseek",
        [words("42")],
        Stop.DONE,
        Usage(input=19, output=33, cached_input=10, reasoning=30),
        "Okay",
    ),
    (
        "gemini_tools",
        [call(TIGHT_LIST), call(READ)],
        Stop.TOOL_CALLS,
        Usage(input=60, output=12),
        "",
    ),
    (
        "mistral_tools",
        [words("Let me look."), call(LIST, "DF5Q6lBKX")],
        Stop.TOOL_CALLS,
        Usage(input=90, output=20),
        "Hm.",
    ),
    ("object_arguments", [call(TIGHT_LIST, "a")], Stop.TOOL_CALLS, None, ""),
    ("crlf_no_done", [call(TIGHT_LIST, "a")], Stop.TOOL_CALLS, None, ""),
]


@pytest.mark.parametrize("size", [0, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("expected", COMPLETE, ids=[c[0] for c in COMPLETE])
def test_replies_of_real_servers(expected: Expected, size: int) -> None:
    """Every known dialect gives the same kind of events."""
    name, parts, stop, usage, thought = expected
    events = decode(fixture(name), size)
    assert [e.part for e in events if isinstance(e, PartCompleted)] == parts
    said = "I can't help." if name == "openai_refusal" else ""
    assert events[-1] == StreamCompleted(stop=stop, said=said)
    assert [e.usage for e in events if isinstance(e, UsageReported)] == ([usage] if usage else [])
    shown = "".join(e.text for e in events if isinstance(e, TextReceived))
    assert shown == "".join(part.text for part in parts if isinstance(part, Text))
    assert "".join(e.text for e in events if isinstance(e, ReasoningReceived)) == thought
    opened = [e for e in events if isinstance(e, ToolCallOpened)]
    assert [e.ordinal for e in opened] == list(range(len(opened)))
    for ordinal, part in enumerate(p for p in parts if isinstance(p, ToolCall)):
        pieces = [e for e in events if isinstance(e, ArgumentsReceived) and e.ordinal == ordinal]
        assert "".join(e.text for e in pieces) == part.arguments
    assert [type(e) for e in events].count(StreamOpened) == 1


@pytest.mark.parametrize("name", [case[0] for case in COMPLETE])
def test_no_cut_passes_as_complete(name: str) -> None:
    """Cut at any byte, a stream is either broken or was complete already."""
    stream = fixture(name)
    full = [e for e in decode(stream) if isinstance(e, PartCompleted | StreamCompleted)]
    for end in range(len(stream)):
        try:
            events = decode(stream[:end])
        except Incomplete:
            continue
        assert [e for e in events if isinstance(e, PartCompleted | StreamCompleted)] == full


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openrouter_error", "Provider disconnected"),
        ("llama_cpp_error", "context shift"),
        ("vllm_error", "maximum context length"),
    ],
)
@pytest.mark.parametrize("size", [0, 1])
def test_errors_inside_a_stream(name: str, expected: str, size: int) -> None:
    """An error in place of a chunk is told apart from words."""
    with pytest.raises(InBandError) as caught:
        decode(fixture(name), size)
    assert expected in str(caught.value.body)


def reply(*chunks: dict[str, Any], **options: Any) -> list[StreamEvent]:
    """The events of a reply of these chunks."""
    decoder = ReplyDecoder(arguments_bytes=STEP, **options)
    events = [event for chunk in chunks for event in decoder.chunk(chunk)]
    return events + decoder.finish()


def delta(content: Any = None, finish: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "choices": [{"index": 0, "delta": {"content": content, **more}, "finish_reason": finish}]
    }


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("stop", Stop.DONE),
        ("tool_calls", Stop.DONE),  # without calls there is nothing to run
        ("function_call", Stop.DONE),
        ("length", Stop.LENGTH),
        ("model_context_window_exceeded", Stop.WINDOW_FULL),
        ("content_filter", Stop.FILTERED),
        ("eos_token", Stop.DONE),
        ("end_turn", Stop.DONE),
    ],
)
def test_stop_values(finish: str, stop: Stop) -> None:
    """Every known finish reason has its meaning."""
    assert reply(delta("x", finish))[-1] == StreamCompleted(stop=stop)


def test_the_old_function_call_is_a_tool_call() -> None:
    """`function_call` deltas give one call."""
    events = reply(
        delta(function_call={"name": "files", "arguments": "{"}),
        delta(function_call={"arguments": "}"}),
        delta(finish="function_call"),
    )
    assert [e.part for e in events if isinstance(e, PartCompleted)] == [call("{}")]
    assert events[-1] == StreamCompleted(stop=Stop.TOOL_CALLS)


def test_words_after_the_marker_count() -> None:
    """Relays that set a finish reason on every chunk lose no words."""
    events = reply(delta("a", "stop"), delta("b", "stop"))
    assert [e.part for e in events if isinstance(e, PartCompleted)] == [words("ab")]


def test_cut_calls_of_a_length_stop_are_reported_as_they_are() -> None:
    """A call cut by length is a part like any other; whoever reads LENGTH does not run it."""
    cut = {"index": 0, "id": "a", "function": {"name": "files", "arguments": '{"oper'}}
    nameless = {"index": 1, "id": "b", "function": {}}
    events = reply(delta(tool_calls=[cut, nameless]), delta(finish="length"))
    assert [e.part for e in events if isinstance(e, PartCompleted)] == [call('{"oper', "a")]
    assert events[-1] == StreamCompleted(stop=Stop.LENGTH)


def test_a_refusal_is_no_answer() -> None:
    """Its words are not shown as they come: they are the reason, and nobody's reply."""
    events = reply(delta("I", refusal="I can't"), delta(refusal=" help."), delta(finish="stop"))
    assert [e.text for e in events if isinstance(e, TextReceived)] == ["I"]
    assert events[-1] == StreamCompleted(stop=Stop.FILTERED, said="I can't help.")


def test_other_choices_are_ignored() -> None:
    """Only the choice of index 0 is the reply, whatever comes beside it."""
    second = {"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}
    first = {"index": 0, "delta": {"content": "yes"}, "finish_reason": "stop"}
    events = reply({"choices": [second, first]}, {"choices": [second]})
    assert [e.part for e in events if isinstance(e, PartCompleted)] == [words("yes")]
    assert events[-1] == StreamCompleted(stop=Stop.DONE)


def test_the_first_event_tells_the_limits() -> None:
    """What headers say about rate limits goes with the request's id."""
    limits = {"x-ratelimit-remaining-tokens": "7"}
    events = reply(delta("x", "stop"), request_id="req_1", limits=limits)
    assert events[0] == StreamOpened(request_id="req_1", limits=limits)


HERE = Origin(provider="main", endpoint="http://h/v1", model="m")


@pytest.mark.parametrize("size", [0, 1])
def test_thoughts_are_kept_for_who_wrote_them(size: int) -> None:
    """Kept only where they are sent back; shown in any case."""
    stream = fixture("deepseek")
    events = decode(stream, size, thinker=HERE)
    kept = ProviderPart(origin=HERE, shape="reasoning_content", payload=b"Okay")
    assert [e.part for e in events if isinstance(e, PartCompleted)] == [kept, words("42")]
    assert any(isinstance(e, ReasoningReceived) for e in events)
    assert not any(
        isinstance(e, PartCompleted) and isinstance(e.part, ProviderPart)
        for e in decode(stream, size)
    )


def test_details_are_kept_as_they_were() -> None:
    """Texts of one detail grow together, signatures are set, what is encrypted stays apart."""
    kind, secret = "reasoning.text", "reasoning.encrypted"
    pieces: list[list[dict[str, Any]]] = [
        [{"type": kind, "text": "a", "signature": None, "index": 0}],
        [{"type": kind, "text": "b", "index": 0}, {"type": kind, "signature": "s", "index": 0}],
        [{"type": kind, "text": "c", "index": 1}],
        [{"type": secret, "data": "x", "index": 2}, {"type": secret, "data": "y", "index": 2}],
    ]
    events = reply(*(delta(reasoning_details=p) for p in pieces), delta("z", "stop"), thinker=HERE)
    (part, text) = [e.part for e in events if isinstance(e, PartCompleted)]
    assert text == words("z")
    assert isinstance(part, ProviderPart)
    assert part.shape == "reasoning_details"
    assert orjson.loads(part.payload) == [
        {"type": kind, "text": "ab", "signature": "s", "index": 0},
        {"type": kind, "text": "c", "index": 1},
        {"type": secret, "data": "x", "index": 2},
        {"type": secret, "data": "y", "index": 2},
    ]
    thought = "".join(e.text for e in events if isinstance(e, ReasoningReceived))
    assert thought == "abc"


def test_a_whole_body_keeps_thoughts_too() -> None:
    """One JSON body gives the same parts as a stream."""
    body = {
        "choices": [
            {
                "message": {"content": "42", "reasoning_content": "Okay"},
                "finish_reason": "stop",
            }
        ]
    }
    decoder = ReplyDecoder(arguments_bytes=STEP, thinker=HERE)
    events = decoder.whole(orjson.dumps(body)) + decoder.finish()
    kept = ProviderPart(origin=HERE, shape="reasoning_content", payload=b"Okay")
    assert [e.part for e in events if isinstance(e, PartCompleted)] == [kept, words("42")]


def counted(completion: int, reasoning: int = 0) -> dict[str, Any]:
    return {
        "choices": [],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": completion,
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        },
    }


@pytest.mark.parametrize(
    "chunks",
    [
        (delta("word " * 36),),
        tuple(delta("word ") for _ in range(36)),
        (delta("x"), counted(12)),
        (delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "x" * 200}}]),),
    ],
    ids=["at once", "in pieces", "counted by the provider", "arguments"],
)
def test_more_than_was_asked_for_is_cut(chunks: tuple[dict[str, Any], ...]) -> None:
    """A reply that goes on beyond its cap and a tenth is broken; without a cap it may."""
    with pytest.raises(Incomplete, match="longer than its cap"):
        reply(*chunks, delta(finish="stop"), output_cap=10)
    assert isinstance(reply(*chunks, delta(finish="stop"))[-1], StreamCompleted)


@pytest.mark.parametrize(
    "chunks",
    [
        (delta("word " * 35), delta(finish="stop")),
        (delta("x"), counted(11), delta(finish="stop")),
        (delta("x"), counted(90, 80), delta(finish="stop")),
        (delta(reasoning_content="hm " * 500), delta("x", "stop")),
        (delta("x", "stop"), counted(90)),
    ],
    ids=["letters", "a tenth more", "thought not counted", "thought", "complete already"],
)
def test_what_may_be_within_the_cap_is_heard(chunks: tuple[dict[str, Any], ...]) -> None:
    """Letters are no tokens, thoughts are often outside the cap, and a whole reply is whole."""
    assert reply(*chunks, output_cap=10)[-1] == StreamCompleted(stop=Stop.DONE)


def test_minimax_says_in_every_chunk_how_it_stands() -> None:
    """Zero is well; anything else is an error even with empty choices."""
    well = {"base_resp": {"status_code": 0, "status_msg": ""}}
    assert reply(delta("x", "stop") | well)[-1] == StreamCompleted(stop=Stop.DONE)
    with pytest.raises(InBandError):
        reply({"choices": None, "base_resp": {"status_code": 1027, "status_msg": "no"}})


MALFORMED: list[tuple[str, dict[str, Any]]] = [
    ("unknown finish reason", delta("x", "banana")),
    ("finish reason of a wrong type", delta("x", 7)),
    ("choices null", {"choices": None}),
    ("choices an object", {"choices": {}}),
    ("a choice null", {"choices": [None]}),
    ("delta a list", {"choices": [{"delta": [1]}]}),
    ("content a number", delta(7)),
    ("content parts of a wrong type", delta(["x"])),
    ("tool_calls an object", delta(tool_calls={})),
    ("a tool call null", delta(tool_calls=[None])),
    ("a function that is text", delta(tool_calls=[{"index": 0, "function": "x"}])),
    ("a call without a name", delta(finish="stop", tool_calls=[{"index": 0, "id": "a"}])),
]


@pytest.mark.parametrize("chunk", [c[1] for c in MALFORMED], ids=[c[0] for c in MALFORMED])
def test_malformed_chunks(chunk: dict[str, Any]) -> None:
    """What can't be understood is not guessed at."""
    with pytest.raises(Malformed):
        reply(chunk)


def test_bad_lines_are_skipped_up_to_three() -> None:
    """Three lines that are no JSON object are noise, the fourth is too much."""
    decoder = ReplyDecoder(arguments_bytes=STEP)
    for bad in (b"{cut", b"[]", b"\xff\xfe"):
        assert decoder.line(bad) == []
    with pytest.raises(Malformed):
        decoder.line(b"7")


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        (delta("words"),),
        (delta(None, "stop"),),
        ({"choices": []},),
    ],
    ids=["nothing", "no marker", "marker alone", "no choices"],
)
def test_incomplete_replies(chunks: tuple[dict[str, Any], ...]) -> None:
    """Without the marker, or with it alone, nothing counts."""
    with pytest.raises(Incomplete):
        reply(*chunks)


def test_an_empty_reply_that_was_billed_is_a_reply() -> None:
    """A model that said nothing but was counted did answer; the turn decides what that means."""
    usage = {"usage": {"prompt_tokens": 5, "completion_tokens": 1}}
    assert reply(delta(None, "stop"), usage)[-1] == StreamCompleted(stop=Stop.DONE)


def test_done_alone_is_no_marker() -> None:
    """`[DONE]` without a finish reason leaves the stream broken, and nothing after it counts."""
    decoder = ReplyDecoder(arguments_bytes=STEP)
    decoder.line(b'{"choices":[{"delta":{"content":"x"}}]}')
    decoder.line(b"[DONE]")
    assert decoder.done
    assert decoder.line(b'{"choices":[{"finish_reason":"stop"}]}') == []
    with pytest.raises(Incomplete):
        decoder.finish()


def test_arguments_are_bounded() -> None:
    """Endless arguments end the attempt."""
    decoder = ReplyDecoder(arguments_bytes=100)
    piece = delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "x" * 60}}])
    decoder.chunk(piece)
    with pytest.raises(Incomplete):
        decoder.chunk(piece)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        7,
        {},
        {"prompt_tokens": None, "completion_tokens": 1},
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": 1.5, "completion_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 1},
    ],
)
def test_absurd_usage_is_no_usage(usage: Any) -> None:
    """Counts that can't be are not reported."""
    assert usage_of(usage) is None


def test_parts_of_usage_stay_inside_their_whole() -> None:
    """Cached and reasoning tokens never exceed what they are part of."""
    usage = usage_of(
        {
            "prompt_tokens": 5,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 9},
            "completion_tokens_details": {"reasoning_tokens": 9},
        }
    )
    assert usage == Usage(input=5, output=3, cached_input=5, reasoning=3)


def test_a_whole_body_gives_the_same_parts() -> None:
    """A reply in one JSON body: text, calls without index or id, usage."""
    body = b"""{"model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{
        "role":"assistant","content":"Hi","tool_calls":[
        {"function":{"name":"files","arguments":"{}"}},
        {"function":{"name":"other","arguments":""}}]}}],
        "usage":{"prompt_tokens":3,"completion_tokens":2}}"""
    decoder = ReplyDecoder(arguments_bytes=STEP)
    events = decoder.whole(body) + decoder.finish()
    parts = [e.part for e in events if isinstance(e, PartCompleted)]
    assert parts == [words("Hi"), call("{}"), call("", name="other")]
    assert UsageReported(usage=Usage(input=3, output=2)) in events


FIELDS = (
    *("choices", "delta", "content", "tool_calls", "index", "id", "function", "name"),
    *("arguments", "finish_reason", "usage", "error", "prompt_tokens", "model", "text"),
    *("reasoning_content", "reasoning_details", "type", "data", "base_resp", "status_code"),
)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(FIELDS),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_chunk_upsets_the_decoder(value: Any) -> None:
    """Any JSON gives events or one of the three named errors."""
    with contextlib.suppress(Malformed, Incomplete, InBandError):
        reply(value if isinstance(value, dict) else {"choices": [value]}, thinker=HERE)
