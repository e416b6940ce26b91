"""What Slack refuses in a message before it exists, and whom a message would notify. Pure.

Source: docs.slack.dev, reference/block-kit and reference/methods; the size of all blocks together
from bolt-js issues 2509 and 2867; empty elements are refused as `invalid_blocks` [seen live].
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]

TEXT_MAX = 40_000
UPDATE_TEXT_MAX = 4_000
BLOCKS_MAX = 50
BLOCKS_JSON_MAX = 13_200
SECTION_MAX = 3_000
HEADER_MAX = 150
MARKDOWN_MAX = 12_000
FIELD_MAX = 2_000
CONTEXT_ELEMENTS_MAX = 10
ACTIONS_ELEMENTS_MAX = 25
LABEL_MAX = 75
VALUE_MAX = 2_000
URL_MAX = 3_000
ID_MAX = 255
TABLE_ROWS_MAX = 100
TABLE_COLUMNS_MAX = 20
INDENT_MAX = 8
METADATA_MAX = 8_000

_STYLES = frozenset({"bold", "italic", "strike", "code", "underline"})
_IDS = {"user": "user_id", "usergroup": "usergroup_id", "channel": "channel_id", "team": "team_id"}
_MARKUP = re.compile(
    r"<(@[UW][A-Z0-9]+|!(?:channel|here|everyone|subteam\^S[A-Z0-9]+))(?:\|[^>]*)?>"
)
_TYPED = re.compile(r"(?<![\w@])@([a-z0-9._-]+)", re.IGNORECASE)
_BROADCASTS = ("channel", "here", "everyone")


class Refusal(Exception):
    """An answer with `ok: false`; `errors` are the details Slack gives for blocks."""

    def __init__(self, error: str, *, status: int = 200, errors: Sequence[str] = (), **more: Any):
        super().__init__(error)
        self.error = error
        self.status = status
        self.errors = tuple(errors)
        self.more = more


class _Invalid(Exception):
    """One fault in blocks: what, and the JSON pointer to it."""


def _fault(what: str, where: str) -> _Invalid:
    return _Invalid(f"{what} [json-pointer:{where}]")


# -- blocks


def check_blocks(blocks: Any) -> list[Json]:
    """The blocks as given; raises Refusal in Slack's words for what it would not take."""
    if isinstance(blocks, str):
        try:
            blocks = json.loads(blocks)
        except ValueError as exc:
            raise Refusal("invalid_blocks_format") from exc
    if not isinstance(blocks, list):
        raise Refusal("invalid_blocks_format")
    try:
        if len(blocks) > BLOCKS_MAX:
            raise _fault(f"no more than {BLOCKS_MAX} items allowed", "/blocks")
        for number, block in enumerate(blocks):
            _block(block, f"/blocks/{number}")
        _unique(blocks, "block_id", "/blocks")
        for block in blocks:
            _unique(block.get("elements", []), "action_id", "/blocks")
    except _Invalid as exc:
        raise Refusal("invalid_blocks", errors=[str(exc)]) from exc
    if sum(block["type"] == "table" for block in blocks) > 1:
        raise Refusal("invalid_attachments", errors=["only_one_table_allowed"])
    if len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))) > BLOCKS_JSON_MAX:
        raise Refusal("msg_blocks_too_long")
    return blocks


def _unique(items: Any, key: str, where: str) -> None:
    ids = [item[key] for item in items if isinstance(item, dict) and key in item]
    if len(ids) != len(set(ids)):
        raise _fault(f"`{key}` already exists", where)


def _block(block: Any, where: str) -> None:
    if not isinstance(block, dict):
        raise _fault("must provide an object", where)
    check = _BLOCKS.get(block.get("type", ""))
    if check is None:
        raise _fault(f"unsupported type: {block.get('type')}", f"{where}/type")
    if "block_id" in block:
        _text(block["block_id"], f"{where}/block_id", ID_MAX)
    check(block, where)


def _keys(value: Any, allowed: str, where: str) -> None:
    if not isinstance(value, dict):
        raise _fault("must provide an object", where)
    for key in value:
        if key not in {*allowed.split(), "type", "block_id"}:
            raise _fault(f"invalid additional property: {key}", where)


def _text(value: Any, where: str, limit: int | None = None) -> None:
    if not isinstance(value, str):
        raise _fault("must provide a string", where)
    if not value:
        raise _fault("must be more than 0 characters", where)
    if limit is not None and len(value) > limit:
        raise _fault(f"must be less than {limit + 1} characters", where)


def _items(value: Any, where: str, limit: int | None = None) -> list[Any]:
    if not isinstance(value, list):
        raise _fault("must provide an array", where)
    if not value:
        raise _fault("missing element", where)
    if limit is not None and len(value) > limit:
        raise _fault(f"no more than {limit} items allowed", where)
    return value


def _number(value: Any, where: str, low: int, high: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _fault("must provide a number", where)
    if value < low or (high is not None and value > high):
        raise _fault(f"must be between {low} and {high}", where)


def _text_object(value: Any, where: str, limit: int, *, plain: bool = False) -> None:
    _keys(value, "text emoji verbatim", where)
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if value.get("type") not in kinds:
        raise _fault(f"unsupported type: {value.get('type')}", f"{where}/type")
    _text(value.get("text"), f"{where}/text", limit)


# -- rich text


def _rich_text(block: Json, where: str) -> None:
    _keys(block, "elements", where)
    for number, element in enumerate(_items(block.get("elements"), f"{where}/elements")):
        _rich_element(element, f"{where}/elements/{number}")


def _rich_element(element: Any, where: str) -> None:
    kind = element.get("type") if isinstance(element, dict) else None
    match kind:
        case "rich_text_section":
            _keys(element, "elements", where)
            _inline(element, where)
        case "rich_text_quote":
            _keys(element, "elements border", where)
            _inline(element, where)
        case "rich_text_preformatted":
            _keys(element, "elements border language", where)
            _inline(element, where, only=("text", "link"))
            if "language" in element:
                _text(element["language"], f"{where}/language")
        case "rich_text_list":
            _list(element, where)
        case _:
            raise _fault(f"unsupported type: {kind}", f"{where}/type")
    if "border" in element:
        _number(element["border"], f"{where}/border", 0, 1)


def _list(element: Json, where: str) -> None:
    _keys(element, "elements style indent offset border", where)
    if element.get("style") not in {"bullet", "ordered"}:
        raise _fault("must be one of bullet, ordered", f"{where}/style")
    _number(element.get("indent", 0), f"{where}/indent", 0, INDENT_MAX)
    _number(element.get("offset", 0), f"{where}/offset", 0)
    for number, item in enumerate(_items(element.get("elements"), f"{where}/elements")):
        here = f"{where}/elements/{number}"
        if not isinstance(item, dict) or item.get("type") != "rich_text_section":
            raise _fault("must be a rich_text_section", here)
        _keys(item, "elements", here)
        _inline(item, here)


def _inline(parent: Json, where: str, only: Sequence[str] = ()) -> None:
    for number, element in enumerate(_items(parent.get("elements"), f"{where}/elements")):
        here = f"{where}/elements/{number}"
        kind = element.get("type") if isinstance(element, dict) else None
        if only and kind not in only:
            raise _fault(f"unsupported type: {kind}", f"{here}/type")
        _inline_element(element, kind, here)


def _inline_element(element: Any, kind: Any, where: str) -> None:
    match kind:
        case "text":
            _keys(element, "text style", where)
            _text(element.get("text"), f"{where}/text")
        case "link":
            _keys(element, "url text unsafe style", where)
            _text(element.get("url"), f"{where}/url", URL_MAX)
            if urlsplit(element["url"]).scheme not in {"http", "https", "mailto", "tel"}:
                raise _fault("must provide a valid url", f"{where}/url")
            if "text" in element:
                _text(element["text"], f"{where}/text")
        case "user" | "usergroup" | "channel" | "team":
            _keys(element, f"{_IDS[kind]} style", where)
            _text(element.get(_IDS[kind]), f"{where}/{_IDS[kind]}")
        case "emoji":
            _keys(element, "name unicode skin_tone style", where)
            _text(element.get("name"), f"{where}/name")
        case "broadcast":
            _keys(element, "range", where)
            if element.get("range") not in _BROADCASTS:
                raise _fault("must be one of channel, here, everyone", f"{where}/range")
        case "color":
            _keys(element, "value", where)
            _text(element.get("value"), f"{where}/value")
        case "date":
            _keys(element, "timestamp format url fallback", where)
            _number(element.get("timestamp"), f"{where}/timestamp", 0)
        case _:
            raise _fault(f"unsupported type: {kind}", f"{where}/type")
    style = element.get("style", {})
    if not isinstance(style, dict) or not set(style) <= _STYLES:
        raise _fault("unsupported style", f"{where}/style")
    if not all(isinstance(on, bool) for on in style.values()):
        raise _fault("must provide a boolean", f"{where}/style")


# -- the other blocks


def _divider(block: Json, where: str) -> None:
    _keys(block, "", where)


def _header(block: Json, where: str) -> None:
    _keys(block, "text level", where)
    _text_object(block.get("text"), f"{where}/text", HEADER_MAX, plain=True)


def _section(block: Json, where: str) -> None:
    _keys(block, "text fields accessory expand", where)
    if "text" in block:
        _text_object(block["text"], f"{where}/text", SECTION_MAX)
    elif "fields" not in block:
        raise _fault("missing required field: text", where)
    for number, field in enumerate(block.get("fields", [])):
        _text_object(field, f"{where}/fields/{number}", FIELD_MAX)
    if "accessory" in block:
        _control(block["accessory"], f"{where}/accessory")


def _context(block: Json, where: str) -> None:
    _keys(block, "elements", where)
    elements = _items(block.get("elements"), f"{where}/elements", CONTEXT_ELEMENTS_MAX)
    for number, element in enumerate(elements):
        _text_object(element, f"{where}/elements/{number}", SECTION_MAX)


def _markdown(block: Json, where: str) -> None:
    _keys(block, "text", where)
    _text(block.get("text"), f"{where}/text", MARKDOWN_MAX)


def _image(block: Json, where: str) -> None:
    _keys(block, "image_url alt_text title slack_file", where)
    _text(block.get("alt_text"), f"{where}/alt_text", 2_000)


def _actions(block: Json, where: str) -> None:
    _keys(block, "elements", where)
    elements = _items(block.get("elements"), f"{where}/elements", ACTIONS_ELEMENTS_MAX)
    for number, element in enumerate(elements):
        _control(element, f"{where}/elements/{number}")


def _control(element: Any, where: str) -> None:
    kind = element.get("type") if isinstance(element, dict) else None
    if kind not in {"button", "static_select", "overflow"}:
        raise _fault(f"unsupported type: {kind}", f"{where}/type")
    if "action_id" in element:
        _text(element["action_id"], f"{where}/action_id", ID_MAX)
    if kind != "button":
        for number, option in enumerate(_items(element.get("options"), f"{where}/options", 100)):
            _text_object(option.get("text"), f"{where}/options/{number}/text", LABEL_MAX)
            _text(option.get("value"), f"{where}/options/{number}/value", 150)
        return
    _keys(element, "text action_id value url style confirm accessibility_label", where)
    _text_object(element.get("text"), f"{where}/text", LABEL_MAX, plain=True)
    if "value" in element:
        _text(element["value"], f"{where}/value", VALUE_MAX)
    if element.get("style", "primary") not in {"primary", "danger"}:
        raise _fault("must be one of primary, danger", f"{where}/style")


def _table(block: Json, where: str) -> None:
    _keys(block, "rows column_settings", where)
    rows = _items(block.get("rows"), f"{where}/rows", TABLE_ROWS_MAX)
    for at, row in enumerate(rows):
        cells = _items(row, f"{where}/rows/{at}", TABLE_COLUMNS_MAX)
        for number, cell in enumerate(cells):
            _cell(cell, f"{where}/rows/{at}/{number}")
    for number, setting in enumerate(block.get("column_settings", [])):
        here = f"{where}/column_settings/{number}"
        _keys(setting, "align is_wrapped", here)
        if setting.get("align", "left") not in {"left", "center", "right"}:
            raise _fault("must be one of left, center, right", here)
    if len(block.get("column_settings", [])) > TABLE_COLUMNS_MAX:
        raise _fault(f"no more than {TABLE_COLUMNS_MAX} items allowed", f"{where}/column_settings")


def _cell(cell: Any, where: str) -> None:
    kind = cell.get("type") if isinstance(cell, dict) else None
    if kind == "raw_text":
        _keys(cell, "text", where)
        _text(cell.get("text"), f"{where}/text")
    elif kind == "rich_text":
        _rich_text(cell, where)
    else:
        raise _fault(f"unsupported type: {kind}", where)


_BLOCKS: Mapping[str, Callable[[Json, str], None]] = {
    "rich_text": _rich_text,
    "divider": _divider,
    "header": _header,
    "section": _section,
    "context": _context,
    "markdown": _markdown,
    "image": _image,
    "actions": _actions,
    "table": _table,
}


# -- metadata


def check_metadata(metadata: Any) -> Json | None:
    """Message metadata as given; raises Refusal for another shape or too much of it."""
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except ValueError as exc:
            raise Refusal("invalid_metadata_format") from exc
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_type"), str):
        raise Refusal("invalid_metadata_format")
    if not isinstance(metadata.get("event_payload"), dict):
        raise Refusal("invalid_metadata_schema")
    if len(json.dumps(metadata)) > METADATA_MAX:
        raise Refusal("metadata_too_large")
    return metadata


# -- who would be notified, and what would be seen


def pings(
    text: str, blocks: Sequence[Json], *, parse: str, link_names: bool, names: Mapping[str, str]
) -> tuple[str, ...]:
    """Whom a message notifies: `U..`, `S..` or `!channel`, `!here`, `!everyone`.

    Strict where Slack is vague: the fallback text counts beside blocks too. `names` maps a name
    to an id; names are looked for under `link_names` and every `parse` but `none`.
    """
    found = list(_block_pings(blocks))
    found += [_target(markup[1]) for markup in _MARKUP.finditer(text)]
    if link_names or parse != "none":
        for typed in _TYPED.finditer(text):
            name = typed[1].lower().rstrip(".")
            if name in _BROADCASTS:
                found.append(f"!{name}")
            elif name in names:
                found.append(names[name])
    return tuple(dict.fromkeys(found))


def _target(markup: str) -> str:
    if markup.startswith("!subteam^"):
        return markup.removeprefix("!subteam^")
    return markup.removeprefix("@")


def _block_pings(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _block_pings(item)
    elif isinstance(value, dict):
        match value.get("type"):
            case "user":
                yield str(value["user_id"])
            case "usergroup":
                yield str(value["usergroup_id"])
            case "broadcast":
                yield f"!{value['range']}"
            case "mrkdwn" | "markdown":
                text = str(value.get("text", ""))
                yield from (_target(markup[1]) for markup in _MARKUP.finditer(text))
            case _:
                for item in value.values():
                    yield from _block_pings(item)


def visible(text: str, blocks: Sequence[Json]) -> str:
    """What a person reads: the blocks if there are any, else the text with its markup undone."""
    if not blocks:
        return unescape(text)
    return "\n".join(filter(None, (_seen(block) for block in blocks)))


def unescape(text: str) -> str:
    """`&lt;`, `&gt;` and `&amp;` as the characters they stand for."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def escape(text: str) -> str:
    """The three characters that are markup to Slack, as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _seen(block: Json) -> str:
    match block["type"]:
        case "rich_text":
            return "\n".join(_rich_seen(element) for element in block["elements"])
        case "table":
            return "\n".join(" | ".join(map(_seen, row)) for row in block["rows"])
        case "raw_text":
            return str(block["text"])
        case "divider":
            return "---"
        case "actions":
            return ""
        case "context":
            return " ".join(_seen(element) for element in block["elements"])
        case "section" if "fields" in block:
            return "\n".join(_seen(field) for field in block["fields"])
        case "section" | "header":
            return _seen(block["text"])
        case "mrkdwn":
            return unescape(str(block["text"]))
        case _:
            return str(block.get("text", ""))


def _rich_seen(element: Json) -> str:
    if element["type"] != "rich_text_list":
        return "".join(map(_inline_seen, element["elements"]))
    indent = "  " * element.get("indent", 0)
    lines = []
    for number, item in enumerate(element["elements"], 1 + element.get("offset", 0)):
        marker = f"{number}." if element["style"] == "ordered" else "•"
        lines.append(f"{indent}{marker} " + "".join(map(_inline_seen, item["elements"])))
    return "\n".join(lines)


def _inline_seen(element: Json) -> str:
    match element["type"]:
        case "text":
            return str(element["text"])
        case "link":
            return str(element.get("text", element["url"]))
        case "emoji":
            return f":{element['name']}:"
        case "broadcast":
            return f"@{element['range']}"
        case kind if kind in _IDS:
            return f"@{element[_IDS[kind]]}"
        case _:
            return str(element.get("value", ""))


def buttons(blocks: Sequence[Json]) -> list[tuple[Json, Json]]:
    """Every button with the block it stands in."""
    return [
        (block, element)
        for block in blocks
        if block["type"] == "actions"
        for element in block["elements"]
        if element["type"] == "button"
    ]
