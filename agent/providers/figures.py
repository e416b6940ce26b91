"""Pure: the numbers and names an error text gives for healing a request."""

import re

from agent.providers.base import EFFORTS

LEAST_ROOM = 512
"""Fewer tokens left for output than these are no answer: then the input is too long."""
_NUMBER = r"(\d[\d,_]*)"
_MOST_OUTPUT = tuple(
    re.compile(pattern)
    for pattern in (
        rf"at most {_NUMBER} (?:completion|output) tokens",
        rf"max_tokens: \d+ > {_NUMBER}",
        rf"less than or equal to `?{_NUMBER}",
        rf"(?:range of max\w*tokens|max\w*tokens\b)[^\[\d]{{0,40}}\[\s*\d+,\s*{_NUMBER}\s*\]",
        rf"model limit of {_NUMBER}",
        rf"available[_ ](?:output[_ ])?tokens['\"]?:? ?{_NUMBER}",
        rf"max\w*tokens\b.{{0,60}}\b(?:from|between) \d+ (?:to|and) {_NUMBER}",
        rf"max\w*tokens\b.{{0,60}}\bmaximum (?:value )?(?:is|of) {_NUMBER}",
    )
)
_WINDOW_AND_INPUT = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"maximum context length is (?P<window>\d+)"
        r".*?\((?P<input>\d+) (?:in the messages|of text input)",
        r"maximum context length is (?P<window>\d+).*?has (?P<input>\d+) input tokens",
        r"exceed context limit: (?P<input>\d+) \+ \d+ > (?P<window>\d+)",
        r"must be <= (?P<window>\d+)\. given: (?P<input>\d+)",
    )
)
_IMAGE_BYTES = (
    re.compile(rf"{_NUMBER} bytes > {_NUMBER} bytes"),
    re.compile(rf"(?:maximum|max|limit|exceeds?)\D{{0,40}}?{_NUMBER} bytes"),
)
_IMAGE_MEGABYTES = re.compile(r"(\d+(?:\.\d+)?) ?mi?b\b")
_IMAGE_PIXELS = re.compile(rf"{_NUMBER} ?(?:pixels|px)\b")
_ALLOWED = re.compile(
    r"supported (?:values|levels|efforts?)|must be|should be|one of|allowed values|valid values"
    r"|expected"
)
_EFFORT = re.compile(rf"\b({'|'.join(EFFORTS)})\b")
_OVERFLOW = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"maximum context length is (?P<limit>\d+).*?(?:resulted in|requested(?: about)?) "
        r"(?P<tokens>\d+)",
        r"(?P<tokens>\d+) tokens > (?P<limit>\d+) maximum",
        r"token limit: (?P<limit>\d+) \(requested: (?P<tokens>\d+)\)",
        r"configured limit of (?P<limit>\d+) tokens.*?resulted in (?P<tokens>\d+)",
        r"prompt length is (?P<limit>\d+) but the request contains (?P<tokens>\d+)",
        r"request \((?P<tokens>\d+) tokens\) exceeds the available context size "
        r"\((?P<limit>\d+)",
        r"input token count \((?P<tokens>\d+)\) exceeds the maximum number of tokens "
        r"allowed \((?P<limit>\d+)\)",
    )
)


def output_room(words: str) -> int | None:
    """The most output tokens that a text says are allowed, or that the window leaves."""
    for pattern in _WINDOW_AND_INPUT:
        if found := pattern.search(words):
            return _int(found["window"]) - _int(found["input"])
    return next((_int(m[1]) for p in _MOST_OUTPUT if (m := p.search(words))), None)


def image_limits(words: str) -> tuple[int | None, int | None]:
    """The most bytes and the most pixels a side of one picture, as far as a text says."""
    if pixels := _IMAGE_PIXELS.findall(words):
        return None, min(map(_int, pixels))
    for pattern in _IMAGE_BYTES:
        if found := pattern.search(words):
            return _int(found[found.lastindex or 1]), None
    if found := _IMAGE_MEGABYTES.search(words):
        return int(float(found[1]) * 1024 * 1024), None
    return None, None


def allowed_efforts(words: str) -> tuple[str, ...]:
    """The efforts a text names as allowed, least first; the refused one stands before them."""
    if (start := _ALLOWED.search(words)) is None:
        return ()
    said, _, _ = words[start.end() :].partition("input_value")
    named = set(_EFFORT.findall(said))
    return tuple(effort for effort in EFFORTS if effort in named)


def overflow_counts(words: str) -> tuple[int | None, int | None]:
    """How many tokens were sent and how many are allowed, as far as a text says."""
    for pattern in _OVERFLOW:
        if found := pattern.search(words):
            return _int(found["tokens"]), _int(found["limit"])
    return None, None


def _int(text: str) -> int:
    return int(text.replace(",", "").replace("_", ""))
