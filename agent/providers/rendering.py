"""Pure: what every wire renders alike of the transcript, whatever its bytes look like.

All of it changes the outgoing copy only, never what is stored, and equal input gives equal output.
"""

import hashlib
import re
import string
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from agent.messages import (
    AssistantMessage,
    JsonObject,
    Media,
    Message,
    Origin,
    ToolResult,
    UserMessage,
)
from agent.providers.base import Adjustments
from agent.providers.pictures import encoded_size, sides_of
from agent.providers.shrinking import shrunk

NO_OUTPUT = "(no output)"
"""Stands for the text of a result that has none: empty text is refused, or teaches silence."""
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What every model that sees anything takes."""
WIRE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NINE = re.compile(r"[A-Za-z0-9]{9}")
_LETTERS = string.digits + string.ascii_letters
_KEYWORDS = frozenset({"pattern", "format"})
_BY_NAME = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
)
_VALUES = frozenset({"enum", "const", "default", "example", "examples"})
_KIB = 1024


def note_text(text: str) -> str:
    """The gateway's own words, marked so that the model takes them for nobody else's."""
    return f"[Note from the gateway, not from a person: {text}]"


def summary_text(text: str) -> str:
    """What stands in place of older messages."""
    return f"[Summary of what was said before: {text}]"


def said_by(text: str, author: str) -> str:
    """A person's words, after the speaker's name where several share the session."""
    if not text.strip():
        return ""
    return f"{' '.join(author.split())}: {text}" if author else text


def media_line(media: Media, why: str = "this model does not take it") -> str:
    """The line of text in place of a picture or file that is not sent."""
    name = f" {' '.join(media.name.split())}" if media.name.strip() else ""
    kind = "picture" if media.mime.startswith("image/") else "file"
    size = -(-media.size // _KIB)
    return f"[A {kind}{name} ({media.mime}, {size} KiB) is left out here: {why}]"


def shown_media(
    media: tuple[Media, ...],
    adjustments: Adjustments,
    *,
    tool: bool = False,
    kinds: frozenset[str] = PICTURES,
) -> tuple[Media | str, ...]:
    """Each picture or file as it is, made smaller, or the line of text that stands in its place.

    `tool`: they belong to a tool's result. `kinds` are the types the wire can send.
    """
    allowed = adjustments.media and (adjustments.tool_media or not tool)
    return tuple(_shown(each, adjustments, kinds if allowed else frozenset()) for each in media)


def shrinks(messages: tuple[Message, ...], adjustments: Adjustments) -> tuple[Media, ...]:
    """The pictures of messages that are made smaller on their way out, which takes its time."""
    if not adjustments.media or (adjustments.image_bytes, adjustments.image_pixels) == (None, None):
        return ()
    return tuple(
        media
        for message in messages
        if isinstance(message, UserMessage | ToolResult)
        for media in message.media
        if media.mime in PICTURES and _above(media, adjustments) is not None
    )


def shrink(messages: tuple[Message, ...], adjustments: Adjustments) -> None:
    """Make these pictures now: whoever renders the messages next finds them made."""
    for media in shrinks(messages, adjustments):
        shrunk(media, most_bytes=adjustments.image_bytes, most_side=adjustments.image_pixels)


def strip_keywords(parameters: JsonObject) -> dict[str, Any]:
    """A schema without `pattern` and `format`, at any depth.

    Properties that happen to be called so stay, and so do values given as examples.
    """
    return {
        key: value if key in _VALUES else _stripped(value, by_name=key in _BY_NAME)
        for key, value in parameters.items()
        if key not in _KEYWORDS
    }


def has_keywords(parameters: JsonObject) -> bool:
    """Whether there is anything in a schema that `strip_keywords` would take away."""
    return strip_keywords(parameters) != dict(parameters)


def replayed_arguments(arguments: str) -> str:
    """Argument text that every server can parse: what is no JSON object goes back as `{}`."""
    try:
        parsed = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return "{}"
    return arguments if isinstance(parsed, dict) else "{}"


def wire_ids(message: AssistantMessage, origin: Origin, *, nine: bool = False) -> tuple[str, ...]:
    """The call ids to send: the provider's own to itself if they are usable, else ours.

    Ours are rendered stable and as the wire takes them: letters, digits, `_` and `-`, at most 64;
    `nine`: exactly nine letters and digits.
    """
    theirs = tuple(call.provider_id for call in message.calls)
    usable = all(theirs) and len(set(theirs)) == len(theirs)
    if message.origin == origin and usable and not (nine and not all(map(_NINE.fullmatch, theirs))):
        return theirs
    render: Callable[[str], str] = _nine_letters if nine else _wire_id
    return tuple(render(call.id) for call in message.calls)


def _shown(media: Media, adjustments: Adjustments, kinds: frozenset[str]) -> Media | str:
    if media.mime not in kinds:
        return media_line(media)
    above = _above(media, adjustments)
    if above is None:
        return media
    smaller = shrunk(media, most_bytes=adjustments.image_bytes, most_side=adjustments.image_pixels)
    return smaller or media_line(media, above)


def _above(media: Media, adjustments: Adjustments) -> str | None:
    """Which limit a picture is above, in words; None if it is within both."""
    most_bytes, most_pixels = adjustments.image_bytes, adjustments.image_pixels
    if most_bytes is not None and encoded_size(media.data) > most_bytes:
        return f"it is above {most_bytes // _KIB} KiB"
    if most_pixels is not None and max(sides_of(media.data) or (0, 0)) > most_pixels:
        return f"it is above {most_pixels} pixels a side"
    return None


def _stripped(value: object, *, by_name: bool) -> Any:
    if isinstance(value, dict):
        if by_name:
            return {key: _stripped(each, by_name=False) for key, each in value.items()}
        return strip_keywords(value)
    if isinstance(value, list | tuple):
        return [_stripped(each, by_name=False) for each in value]
    return value


def _wire_id(own: str) -> str:
    if WIRE_ID.fullmatch(own):
        return own
    return "call_" + hashlib.sha256(own.encode()).hexdigest()[:22]


def _nine_letters(own: str) -> str:
    if _NINE.fullmatch(own):
        return own
    return "".join(_digits(int.from_bytes(hashlib.sha256(own.encode()).digest())))


def _digits(number: int) -> Iterator[str]:
    for _ in range(9):
        number, digit = divmod(number, len(_LETTERS))
        yield _LETTERS[digit]
