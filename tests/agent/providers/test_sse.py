"""The event decoder: tables, and any cut of any stream."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.providers.sse import Comment, ServerEvent, SseDecoder, SseItem, StreamTooLong


def whole(stream: bytes) -> list[SseItem]:
    """What a decoder makes of a stream in one piece."""
    decoder = SseDecoder()
    return decoder.feed(stream) + decoder.finish()


def byte_by_byte(stream: bytes) -> list[SseItem]:
    """What a decoder makes of a stream in single bytes."""
    decoder = SseDecoder()
    items = [item for byte in stream for item in decoder.feed(bytes([byte]))]
    return items + decoder.finish()


def event(data: str, name: str = "") -> ServerEvent:
    return ServerEvent(data=data.encode(), name=name)


CASES = [
    ("line feeds", b"data: a\n\ndata: b\n\n", [event("a"), event("b")]),
    ("carriage returns", b"data: a\r\rdata: b\r\r", [event("a"), event("b")]),
    ("both", b"data: a\r\n\r\ndata: b\r\n\r\n", [event("a"), event("b")]),
    ("mixed", b"data: a\r\n\ndata: b\n\r\n", [event("a"), event("b")]),
    ("no space", b"data:a\n\n", [event("a")]),
    ("one space is cut, not two", b"data:  a\n\n", [event(" a")]),
    ("several lines", b"data: a\ndata: b\n\n", [event("a\nb")]),
    ("empty data", b"data\n\n", [event("")]),
    ("a name", b"event: ping\ndata: {}\n\n", [event("{}", "ping")]),
    (
        "a name lasts for one event",
        b"event: x\ndata: 1\n\ndata: 2\n\n",
        [event("1", "x"), event("2")],
    ),
    ("a name alone is no event", b"event: ping\n\ndata: 1\n\n", [event("1")]),
    ("comments", b": ping\n\n:\n\ndata: a\n\n", [Comment(), Comment(), event("a")]),
    ("a comment inside an event", b"data: a\n: hm\ndata: b\n\n", [Comment(), event("a\nb")]),
    ("unknown fields", b"retry: 3\nid: 7\nnonsense\ndata: a\n\n", [event("a")]),
    ("a byte order mark", b"\xef\xbb\xbfdata: a\n\n", [event("a")]),
    ("umlauts and emoji", "data: äöü 🎉\n\n".encode(), [event("äöü 🎉")]),
    ("no final blank line", b"data: a\n", [event("a")]),
    ("no final line end", b"data: a", [event("a")]),
    ("an error line of llama.cpp", b'error: {"code":500}\n\n', [event('{"code":500}', "error")]),
    ("nothing", b"", []),
    ("blank lines", b"\n\r\n\n", []),
]


@pytest.mark.parametrize(("stream", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_cases_whole_and_byte_by_byte(stream: bytes, expected: list[SseItem]) -> None:
    """Each rule of the format, fed whole and in single bytes."""
    assert whole(stream) == expected
    assert byte_by_byte(stream) == expected


LINES = st.sampled_from(
    [
        b"data: {}",
        b"data: a",
        b"data:",
        b": c",
        b"event: e",
        b"",
        b"x: y",
        "data: é🎉".encode(),
        b"id",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(LINES, ENDS), max_size=12), st.lists(st.integers(0, 120), max_size=6))
def test_any_cut_gives_the_same(lines: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    """Where the stream is cut changes nothing."""
    stream = b"".join(line + end for line, end in lines)
    decoder = SseDecoder()
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    items = [
        item
        for start, end in itertools.pairwise(bounds)
        for item in decoder.feed(stream[start:end])
    ]
    assert items + decoder.finish() == whole(stream) == byte_by_byte(stream)


@given(st.binary(max_size=200))
def test_garbage_never_raises(stream: bytes) -> None:
    """No bytes upset the decoder."""
    assert whole(stream) == byte_by_byte(stream)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_long_line_is_refused(size: int) -> None:
    """A line above the bound is refused before it is complete, in pieces of any size."""
    decoder = SseDecoder(line_bytes=100)
    with pytest.raises(StreamTooLong):
        for _ in range(1000):
            decoder.feed(b"x" * size)


def test_a_long_complete_line_is_refused() -> None:
    """A line above the bound is refused when it comes with its end, too."""
    with pytest.raises(StreamTooLong):
        SseDecoder(line_bytes=100).feed(b"data: " + b"x" * 100 + b"\n\n")


def test_a_long_stream_is_refused() -> None:
    """Endless short lines reach the bound of the stream."""
    decoder = SseDecoder(stream_bytes=100)
    with pytest.raises(StreamTooLong):
        for _ in range(20):
            decoder.feed(b": ping\n")
