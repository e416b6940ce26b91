"""Pure: the output items of a response, and the parts of the transcript they become.

A reasoning item stays what it is, byte for byte, for its own Origin; it is worth keeping only
with its encrypted content and with the item it led to, since the API refuses one without.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import orjson

from agent.messages import Origin, Part, ProviderPart, Text, ToolCall, Usage
from agent.providers.decoding import Json, Malformed

REASONING = "reasoning"
"""The shape of a ProviderPart that holds a whole reasoning item."""
PHASE = "phase"
"""The shape of a ProviderPart that says what the next words were: commentary or the answer.

Source: the API reference on `phase` of messages: to be sent back, or answers get worse.
"""

BETWEEN = "\n\n"
"""Stands between the words of two message items of one reply: people read them in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message item: all its words, and those among them that refuse."""

    text: str
    refusal: str = ""
    phase: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A function call; `whole` is False for one that was cut."""

    name: str
    arguments: str
    call_id: str
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoned:
    """A reasoning item as it came; `payload` is empty if it can't be sent back."""

    payload: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """An item nobody asked for: what led to it has no follower any more."""


Item = Said | Called | Reasoned | Other


def item_of(value: object) -> Item:
    """Read one output item; raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed("an output item is no object")
    match value.get("type"):
        case "message":
            return _said(value)
        case "function_call":
            return _called(value)
        case "reasoning":
            encrypted = value.get("encrypted_content")
            kept = isinstance(encrypted, str) and encrypted
            return Reasoned(payload=_dumped(value) if kept else b"")
        case _:
            return Other()


def parts_of(items: Iterable[Item], origin: Origin) -> Iterator[Part]:
    """The parts of a reply, in order; reasoning without its follower is left out.

    Words of a further message item begin a paragraph of their own, see BETWEEN.
    """
    before: list[Part] = []
    between = ""
    for item in items:
        match item:
            case Reasoned(payload=payload):
                if payload:
                    before.append(ProviderPart(origin=origin, shape=REASONING, payload=payload))
                continue
            case Said(text=text, phase=phase):
                if text:
                    yield from before
                    if phase:
                        yield ProviderPart(origin=origin, shape=PHASE, payload=phase.encode())
                    yield Text(text=between + text)
                    between = BETWEEN
            case Called(name=name, arguments=arguments, call_id=call_id):
                yield from before
                yield ToolCall(id="", name=name, arguments=arguments, provider_id=call_id)
            case Other():
                pass
            case _:
                assert_never(item)
        before.clear()


def thoughts_of(value: object) -> Iterator[str]:
    """The readable thoughts of a reasoning item, if it is one."""
    if not isinstance(value, dict) or value.get("type") != "reasoning":
        return
    for name in ("summary", "content"):
        pieces = value.get(name)
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict) and (text := text_of(piece.get("text"))):
                yield text


def text_of(value: object) -> str:
    """A string, or nothing where there is none."""
    return value if isinstance(value, str) else ""


def arguments_of(value: object) -> str:
    """Argument text; relays that send the object itself are understood."""
    if isinstance(value, dict):
        return _dumped(value).decode()
    return text_of(value)


def usage_of(usage: object) -> Usage | None:
    """The tokens of a usage object, or None if there is none worth the name."""
    if not isinstance(usage, dict):
        return None
    sent, written = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    if sent is None or written is None:
        return None
    details = _object(usage, "input_tokens_details")
    cached = min(_count(details, "cached_tokens") or 0, sent)
    stored = min(_count(details, "cache_write_tokens") or 0, sent - cached)
    kinds = _object(details, "cache_write_tokens_details")
    long = min(_count(kinds, "ttl_12h_tokens") or 0, stored)
    reasoning = _count(_object(usage, "output_tokens_details"), "reasoning_tokens") or 0
    return Usage(
        input=sent,
        output=written,
        cached_input=cached,
        reasoning=min(reasoning, written),
        cache_write=stored - long,
        cache_write_long=long,
    )


def limits_of(value: object) -> Mapping[str, str]:
    """The state of the rate limits in a `codex.rate_limits` event, named like its headers."""
    limits = value if isinstance(value, dict) else {}
    return {
        f"x-codex-{window}-{key.replace('_', '-')}": str(figure)
        for window, figures in limits.items()
        if isinstance(figures, dict)
        for key, figure in figures.items()
        if isinstance(key, str) and isinstance(figure, int | float | str)
    }


def _said(item: Mapping[str, Any]) -> Said:
    content = item.get("content")
    if isinstance(content, str):
        content = [{"type": "output_text", "text": content}]
    if content is None:
        content = []
    if not isinstance(content, list):
        raise Malformed("the content of a message is no list")
    texts: list[str] = []
    refusals: list[str] = []
    for part in content:
        if not isinstance(part, dict):
            raise Malformed("a content part is no object")
        if refusal := text_of(part.get("refusal")):
            refusals.append(refusal)
            texts.append(refusal)
        elif part.get("type") in ("output_text", "text"):
            texts.append(text_of(part.get("text")))
    return Said(text="".join(texts), refusal="".join(refusals), phase=text_of(item.get("phase")))


def _called(item: Mapping[str, Any]) -> Called | Other:
    name = text_of(item.get("name"))
    whole = item.get("status") in (None, "", "completed")
    if not name and not whole:
        return Other()
    if not name:
        raise Malformed("a tool call without a name")
    return Called(
        name=name,
        arguments=arguments_of(item.get("arguments")),
        call_id=text_of(item.get("call_id")) or text_of(item.get("id")),
        whole=whole,
    )


def _dumped(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as exc:  # it may be nested deeper than it can be written
        raise Malformed("an output item can't be kept") from exc


def _object(value: Json, name: str) -> Json:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _count(usage: Json, name: str) -> int | None:
    value = usage.get(name)
    return value if type(value) is int and value >= 0 else None
