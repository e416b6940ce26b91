"""Streams as the documentation and a gateway show them, whole and byte by byte."""

from pathlib import Path

import orjson
import pytest

from agent.messages import Part, ProviderPart, Text, ToolCall, Usage
from agent.providers.base import (
    PartCompleted,
    ReasoningReceived,
    Stop,
    StreamCompleted,
    UsageReported,
)
from agent.providers.decoding import InBandError, Incomplete
from tests.agent.providers.anthropic_streams import HERE, decode

FIXTURES = Path(__file__).parents[2] / "fixtures" / "anthropic"


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.sse").read_bytes()


def own(**block: object) -> ProviderPart:
    return ProviderPart(origin=HERE, shape=str(block["type"]), payload=orjson.dumps(block))


THOUGHT = "I need to find the GCD of 1071 and 462.\n147 = 7 × 21 + 0"
SEARCH = "srvtoolu_014hJH82Qum7Td6UV8gDXThB"
FOUND = {
    "type": "web_search_result",
    "title": "Weather in New York City",
    "url": "https://example.org/",
    "encrypted_content": "Ev0DCioIAxgCIiQ3NmU4ZmI4OC1k...",
    "page_age": None,
}
Expected = tuple[str, list[Part], Stop, Usage]
RECORDED: list[Expected] = [
    ("text", [Text(text="Hello!")], Stop.DONE, Usage(input=25, output=15)),
    (
        "tools",
        [
            Text(text="Okay, let's check:"),
            ToolCall(
                id="",
                name="get_weather",
                arguments='{"location": "San Francisco, CA"}',
                provider_id="toolu_01T1x1fJ34qAmk2tNTrN7Up6",
            ),
        ],
        Stop.TOOL_CALLS,
        Usage(input=472, output=89),
    ),
    (
        "thinking",
        [
            own(
                type="thinking",
                thinking=THOUGHT,
                signature="EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds...",
            ),
            own(
                type="redacted_thinking",
                data="EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP...",
            ),
            Text(text="The greatest common divisor is **21**."),
        ],
        Stop.DONE,
        Usage(
            input=2377,
            output=503,
            cached_input=1800,
            reasoning=470,
            cache_write=456,
            cache_write_long=100,
        ),
    ),
    (
        "web_search",
        [
            Text(text="I'll check"),
            own(
                type="server_tool_use",
                id=SEARCH,
                name="web_search",
                input={"query": "weather NYC"},
            ),
            own(type="web_search_tool_result", tool_use_id=SEARCH, content=[FOUND]),
        ],
        Stop.PAUSED,
        Usage(input=10682, output=510),
    ),
    (
        "gateway",
        [
            own(type="thinking", thinking="Hm.", signature=""),
            ToolCall(
                id="",
                name="get_weather",
                arguments='{"location":"here"}',
                provider_id="call_1",
            ),
        ],
        Stop.TOOL_CALLS,
        Usage(input=48, output=12, cached_input=8),
    ),
]


@pytest.mark.parametrize("size", [0, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("expected", RECORDED, ids=[r[0] for r in RECORDED])
def test_recorded_streams(expected: Expected, size: int) -> None:
    """Each gives its parts, its end and what it took."""
    name, parts, stop, usage = expected
    events = decode(fixture(name), size=size)
    assert [e.part for e in events if isinstance(e, PartCompleted)] == parts
    assert events[-1] == StreamCompleted(stop=stop)
    assert [e.usage for e in events if isinstance(e, UsageReported)][-1] == usage


@pytest.mark.parametrize("name", [r[0] for r in RECORDED])
def test_no_cut_passes_as_complete(name: str) -> None:
    """Cut at any byte, a stream is broken until its very end has come."""
    stream = fixture(name)
    end = stream.rindex(b"message_stop") + len(b'message_stop"}')
    for cut in range(0, end, 3):
        with pytest.raises(Incomplete):
            decode(stream[:cut])


def test_thoughts_are_shown_as_they_come() -> None:
    """Each delta is an event, and redacted thoughts show nothing."""
    events = decode(fixture("thinking"))
    shown = [event.text for event in events if isinstance(event, ReasoningReceived)]
    assert shown == ["I need to find the GCD of 1071 and 462.", "\n147 = 7 × 21 + 0"]


@pytest.mark.parametrize("size", [0, 1])
def test_an_error_after_the_head(size: int) -> None:
    """The documented error event is an error, not an end."""
    with pytest.raises(InBandError) as caught:
        decode(fixture("overloaded"), size=size)
    assert "Overloaded" in str(caught.value.body)
