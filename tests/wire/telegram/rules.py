"""What the Bot API does with text, entities and keyboards before a message exists.

Source: core.telegram.org/bots/api and the open-source Bot API server with TDLib (MessageEntity,
misc.cpp): clean-up of characters, entity bounds, trimming, `@name` found in plain text.
"""

import json
import re
import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TEXT_MAX = 4096
CAPTION_MAX = 1024
ENTITIES_MAX = 100
BUTTONS_MAX = 100
BUTTONS_PER_ROW = 8
CALLBACK_DATA_MAX = 64
CALLBACK_ANSWER_MAX = 200
PLACEHOLDER_MAX = 64
BUTTON_STYLES = frozenset({"", "primary", "success", "danger"})
SHORT_NAMES = frozenset(
    {"gif", "vid", "pic", "bing", "wiki", "imdb", "bold", "vote", "like", "coub"}
)
# fmt: off
ENTITY_TYPES = frozenset(
    {
        "bold", "italic", "underline", "strikethrough", "spoiler", "blockquote",
        "expandable_blockquote", "code", "pre", "text_link", "text_mention",
        "custom_emoji", "mention", "hashtag", "cashtag", "bot_command", "url", "email",
        "phone_number",
    }
)
FOUND_BY_SERVER = frozenset(
    {
        "mention", "bot_command", "email", "hashtag", "url", "phone_number", "cashtag",
    }
)
CHAT_ACTIONS = frozenset(
    {
        "typing", "upload_photo", "record_video", "upload_video", "record_voice",
        "upload_voice", "upload_document", "choose_sticker", "find_location",
        "record_video_note", "upload_video_note",
    }
)
REACTIONS = frozenset(
    {
        "👍", "👎", "❤", "🔥", "🥰", "👏", "😁", "🤔", "🤯", "😱", "🤬", "😢", "🎉", "🤩",
        "🤮", "💩", "🙏", "👌", "🕊", "🤡", "🥱", "🥴", "😍", "🐳", "❤‍🔥", "🌚", "🌭",
        "💯", "🤣", "⚡", "🍌", "🏆", "💔", "🤨", "😐", "🍓", "🍾", "💋", "🖕", "😈", "😴",
        "😭", "🤓", "👻", "👨‍💻", "👀", "🎃", "🙈", "😇", "😨", "🤝", "✍", "🤗", "🫡",
        "🎅", "🎄", "☃", "💅", "🤪", "🗿", "🆒", "💘", "🙉", "🦄", "😘", "💊", "🙊", "😎",
        "👾", "🤷‍♂", "🤷", "🤷‍♀", "😡",
    }
)
# fmt: on
# A few of the top-level domains by which the server takes words for addresses; file names too.
_ADDRESS = re.compile(
    r"https?://\S+|(?<![\w@./-])(?:[a-z0-9-]+\.)+(?:com|org|net|io|ai|dev|py|sh|md|rs)\b(?:/\S*)?",
    re.IGNORECASE,
)
QUOTES = frozenset({"blockquote", "expandable_blockquote"})
CONTINUOUS = frozenset({"code", "pre", "text_link", "text_mention"})


class Refusal(Exception):
    """An answer with `ok: false`."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def bad(description: str, **parameters: int) -> Refusal:
    """A 400 in the words of the Bot API."""
    return Refusal(400, f"Bad Request: {description}", **parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Formatted:
    """A text as it stands in a chat, with the entities that survived and the pings it makes.

    `links` is what a tap would open.
    """

    text: str
    entities: tuple[Mapping[str, Any], ...]
    mentions: tuple[str, ...]
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A button of an inline keyboard."""

    label: str
    data: str
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedReply:
    """What a `ForceReply` asks for; one that is not selective asks everybody."""

    placeholder: str
    selective: bool


def units(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text) + sum(1 for character in text if ord(character) > 0xFFFF)


def json_argument(arguments: Mapping[str, Any], name: str) -> Any:
    """A nested argument, which forms carry as a JSON string; None if it is absent or empty."""
    value = arguments.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as exc:
        raise bad(f"can't parse {name} JSON object") from exc


def format_text(
    text: str,
    raw_entities: Any,
    *,
    limit: int,
    what: str = "message text",
    known: Container[int] | None = None,
) -> Formatted:
    """The message the server makes of these arguments, or the error it answers.

    A mention of a person who is not `known` to the bot is dropped in silence.
    """
    entities = _read_entities(raw_entities)
    text, entities = _clean(text, entities)
    text, entities = _trim(text, entities)
    if not text:
        raise bad(f"{what} is empty")
    if units(text) > limit:
        raise bad(
            "message is too long" if what == "message text" else "message caption is too long"
        )
    if len(entities) > ENTITIES_MAX:
        raise bad("ENTITIES_TOO_LONG")
    kept = _survivors(entities)
    if known is not None:
        kept = [entity for entity in kept if _names_nobody_unknown(entity, known)]
    return Formatted(
        text=text,
        entities=tuple(kept),
        mentions=tuple(_pings(text, kept)),
        links=tuple(_links(text, kept)),
    )


def _names_nobody_unknown(entity: Mapping[str, Any], known: Container[int]) -> bool:
    return entity["type"] != "text_mention" or entity.get("user", {}).get("id") in known


def plain(text: str) -> Formatted:
    """A person's text with what clients mark by themselves: mentions and commands."""
    found = [
        *_found(text, "mention", _mentions(text)),
        *_found(text, "bot_command", _commands(text)),
    ]
    found.sort(key=lambda entity: entity["offset"])
    return Formatted(text=text, entities=tuple(found), mentions=tuple(_pings(text, ())))


def _found(text: str, kind: str, spans: Iterable[tuple[int, int]]) -> Iterable[dict[str, Any]]:
    for start, end in spans:
        yield {"type": kind, "offset": units(text[:start]), "length": units(text[start:end])}


def _read_entities(raw: Any) -> list[dict[str, Any]]:
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise bad("can't parse entities JSON object")
    result = []
    for entry in raw:
        if not isinstance(entry, dict) or entry.get("type") not in ENTITY_TYPES:
            raise bad("can't parse MessageEntity: unsupported type specified")
        for field in ("offset", "length"):
            value = entry.get(field)
            if not isinstance(value, int) or not 0 <= value <= 1_000_000:
                raise bad(f"receive an entity with incorrect {field} {value}")
        if entry["type"] in FOUND_BY_SERVER:
            continue
        result.append(dict(entry))
    return sorted(result, key=lambda entity: (entity["offset"], -entity["length"]))


def _clean(text: str, entities: Sequence[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise bad("strings must be encoded in UTF-8")
    new_at = {0: 0}  # offset before -> offset after, at symbol boundaries only
    before = after = 0
    out = []
    for character in text:
        before += units(character)
        kept = cleaned(character)
        after += units(kept)
        new_at[before] = after
        out.append(kept)
    moved = []
    for entity in entities:
        start, end = entity["offset"], entity["offset"] + entity["length"]
        if end > before:
            raise bad(
                f"entity beginning at UTF-16 offset {start} ends after the end of the text "
                f"at UTF-16 offset {end}"
            )
        if start not in new_at or end not in new_at:
            raise bad(f"entity beginning at UTF-16 offset {start} ends in a middle of a symbol")
        offset, length = new_at[start], new_at[end] - new_at[start]
        moved.append({**entity, "offset": offset, "length": length})
    return "".join(out), moved


def cleaned(character: str) -> str:
    """What the server makes of one character of a text."""
    code = ord(character)
    if character == "\r" or 0x2028 <= code <= 0x202E or code in {0x333, 0x33F, 0x30A}:
        return ""
    return " " if code < 32 and character != "\n" else character


def _trim(text: str, entities: Sequence[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    text = text.rstrip(" \n")
    first = min((entity["offset"] for entity in entities), default=units(text))
    cut = 0
    while cut < len(text) and cut < first and text[cut] in " \n":
        cut += 1
    text = text[cut:]
    total = units(text)
    result = []
    for entity in entities:
        start = entity["offset"] - cut
        length = min(entity["length"], total - start)
        if length > 0:
            result.append({**entity, "offset": start, "length": length})
    return text, result


def _survivors(entities: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the server keeps, in silence: code and links never overlap, styles stay out of code,
    quotes do not nest, a link leads to a host with a dot."""
    kept: list[dict[str, Any]] = []
    for entity in entities:
        if entity["type"] == "text_link" and not _link_works(str(entity.get("url", ""))):
            continue
        family = QUOTES if entity["type"] in QUOTES else CONTINUOUS
        if entity["type"] in family and any(
            other["type"] in family and _overlap(entity, other) for other in kept
        ):
            continue
        kept.append(entity)
    code = [entity for entity in kept if entity["type"] in {"code", "pre"}]
    return [
        entity
        for entity in kept
        if entity["type"] in CONTINUOUS | QUOTES or not any(_overlap(entity, c) for c in code)
    ]


def _overlap(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    return bool(
        one["offset"] < two["offset"] + two["length"]
        and two["offset"] < one["offset"] + one["length"]
    )


def _link_works(url: str) -> bool:
    if url.startswith("tg:"):
        return True
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and "." in (parts.hostname or "")
    except ValueError:
        return False


def _is_word(character: str) -> bool:
    return character == "_" or unicodedata.category(character)[0] in "LN"


def _is_name(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


def _mentions(text: str) -> Iterable[tuple[int, int]]:
    for at, character in enumerate(text):
        if character != "@" or (at and _is_word(text[at - 1])):
            continue
        end = at + 1
        while end < len(text) and _is_name(text[end]):
            end += 1
        name = text[at + 1 : end]
        if not 2 <= len(name) <= 32 or (end < len(text) and _is_word(text[end])):
            continue
        if len(name) >= 5 or name in SHORT_NAMES:
            yield at, end


def _commands(text: str) -> Iterable[tuple[int, int]]:
    for at, character in enumerate(text):
        if character != "/" or (at and not text[at - 1].isspace()):
            continue
        end = at + 1
        while end < len(text) and (_is_name(text[end]) or text[end] == "@"):
            end += 1
        if end > at + 1:
            yield at, end


def _pings(text: str, entities: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Whom this text notifies: names found outside code, and people named by an entity."""
    code = [
        (entity["offset"], entity["offset"] + entity["length"])
        for entity in entities
        if entity["type"] in {"code", "pre"}
    ]
    for start, end in _mentions(text):
        left, right = units(text[:start]), units(text[:end])
        if not any(left < stop and begin < right for begin, stop in code):
            yield text[start:end]
    for entity in entities:
        if entity["type"] == "text_mention":
            yield f"user:{entity.get('user', {}).get('id')}"
        if entity["type"] == "text_link" and str(entity.get("url", "")).startswith("tg:"):
            yield str(entity["url"])


def _links(text: str, entities: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """What clients make tappable: addresses outside code, and labels with an address."""
    code = [entity for entity in entities if entity["type"] in {"code", "pre"}]
    for found in _ADDRESS.finditer(text):
        start, end = units(text[: found.start()]), units(text[: found.end()])
        place = {"offset": start, "length": end - start}
        if not any(_overlap(place, entity) for entity in code):
            yield found[0]
    for entity in entities:
        if entity["type"] == "text_link":
            yield str(entity["url"])


def keyboard(raw: Any) -> tuple[tuple[Key, ...], ...]:
    """The inline keyboard in a `reply_markup`, or the error it answers."""
    if raw is None:
        return ()
    if not isinstance(raw, dict):
        raise bad("object expected as reply markup")
    rows = raw.get("inline_keyboard")
    if rows is None:
        return ()
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    if sum(len(row) for row in rows) > BUTTONS_MAX or any(
        len(row) > BUTTONS_PER_ROW for row in rows
    ):
        raise bad("REPLY_MARKUP_TOO_LONG")
    return tuple(tuple(_key(button) for button in row) for row in rows)


def _key(raw: Any) -> Key:
    if not isinstance(raw, dict) or not raw.get("text"):
        raise bad('can\'t parse inline keyboard button: field "text" must be non-empty')
    data = raw.get("callback_data")
    if not isinstance(data, str):
        raise bad(
            "can't parse inline keyboard button: text buttons are unallowed in the inline keyboard"
        )
    if not 1 <= len(data.encode()) <= CALLBACK_DATA_MAX:
        raise bad("BUTTON_DATA_INVALID")
    style = str(raw.get("style") or "")
    if style not in BUTTON_STYLES:
        raise bad("can't parse inline keyboard button: invalid button style specified")
    return Key(label=str(raw["text"]), data=data, style=style)


def forced_reply(raw: Any) -> ForcedReply | None:
    """The forced reply in a `reply_markup`, None for a keyboard, or the error it answers."""
    if raw is None or (isinstance(raw, dict) and "inline_keyboard" in raw):
        return None
    if not isinstance(raw, dict) or raw.get("force_reply") is not True:
        raise bad(
            "can't parse reply markup: this server offers inline keyboards and forced replies"
        )
    hint = raw.get("input_field_placeholder")
    if hint is not None and not (isinstance(hint, str) and 1 <= units(hint) <= PLACEHOLDER_MAX):
        raise bad("input field placeholder must be of 1 to 64 characters")
    return ForcedReply(placeholder=hint or "", selective=raw.get("selective") is True)
