"""What Slack refuses in a message before it exists, and whom a message would notify. Pure.

Source: docs.slack.dev, reference/block-kit and reference/methods; the size of all blocks together
from bolt-js issues 2509 and 2867; empty elements are refused as `invalid_blocks` [seen live].
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from tests.wire.slack.checks import (
    Invalid,
    Json,
    Refusal,
    check_items,
    check_keys,
    check_number,
    check_text,
    check_text_object,
    fault,
)
from tests.wire.slack.controls import check_control

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
            raise fault(f"no more than {BLOCKS_MAX} items allowed", "/blocks")
        for number, block in enumerate(blocks):
            check_block(block, f"/blocks/{number}")
        check_unique(blocks, "block_id", "/blocks")
        for block in blocks:
            check_unique(block.get("elements", []), "action_id", "/blocks")
    except Invalid as exc:
        raise Refusal("invalid_blocks", errors=[str(exc)]) from exc
    if sum(block["type"] == "table" for block in blocks) > 1:
        raise Refusal("invalid_attachments", errors=["only_one_table_allowed"])
    if len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))) > BLOCKS_JSON_MAX:
        raise Refusal("msg_blocks_too_long")
    return blocks


def check_unique(items: Any, key: str, where: str) -> None:
    """Raises Invalid where two items have the same id."""
    ids = [item[key] for item in items if isinstance(item, dict) and key in item]
    if len(ids) != len(set(ids)):
        raise fault(f"`{key}` already exists", where)


def check_block(block: Any, where: str) -> None:
    """Raises Invalid for a block no message or modal may hold."""
    if not isinstance(block, dict):
        raise fault("must provide an object", where)
    check = _BLOCKS.get(block.get("type", ""))
    if check is None:
        raise fault(f"unsupported type: {block.get('type')}", f"{where}/type")
    if "block_id" in block:
        check_text(block["block_id"], f"{where}/block_id", ID_MAX)
    check(block, where)


# -- rich text


def _rich_text(block: Json, where: str) -> None:
    check_keys(block, "elements", where)
    for number, element in enumerate(check_items(block.get("elements"), f"{where}/elements")):
        _rich_element(element, f"{where}/elements/{number}")


def _rich_element(element: Any, where: str) -> None:
    kind = element.get("type") if isinstance(element, dict) else None
    match kind:
        case "rich_text_section":
            check_keys(element, "elements", where)
            _inline(element, where)
        case "rich_text_quote":
            check_keys(element, "elements border", where)
            _inline(element, where)
        case "rich_text_preformatted":
            check_keys(element, "elements border language", where)
            _inline(element, where, only=("text", "link"))
            if "language" in element:
                check_text(element["language"], f"{where}/language")
        case "rich_text_list":
            _list(element, where)
        case _:
            raise fault(f"unsupported type: {kind}", f"{where}/type")
    if "border" in element:
        check_number(element["border"], f"{where}/border", 0, 1)


def _list(element: Json, where: str) -> None:
    check_keys(element, "elements style indent offset border", where)
    if element.get("style") not in {"bullet", "ordered"}:
        raise fault("must be one of bullet, ordered", f"{where}/style")
    check_number(element.get("indent", 0), f"{where}/indent", 0, INDENT_MAX)
    check_number(element.get("offset", 0), f"{where}/offset", 0)
    for number, item in enumerate(check_items(element.get("elements"), f"{where}/elements")):
        here = f"{where}/elements/{number}"
        if not isinstance(item, dict) or item.get("type") != "rich_text_section":
            raise fault("must be a rich_text_section", here)
        check_keys(item, "elements", here)
        _inline(item, here)


def _inline(parent: Json, where: str, only: Sequence[str] = ()) -> None:
    for number, element in enumerate(check_items(parent.get("elements"), f"{where}/elements")):
        here = f"{where}/elements/{number}"
        kind = element.get("type") if isinstance(element, dict) else None
        if only and kind not in only:
            raise fault(f"unsupported type: {kind}", f"{here}/type")
        _inline_element(element, kind, here)


def _inline_element(element: Any, kind: Any, where: str) -> None:
    match kind:
        case "text":
            check_keys(element, "text style", where)
            check_text(element.get("text"), f"{where}/text")
        case "link":
            check_keys(element, "url text unsafe style", where)
            check_text(element.get("url"), f"{where}/url", URL_MAX)
            if urlsplit(element["url"]).scheme not in {"http", "https", "mailto", "tel"}:
                raise fault("must provide a valid url", f"{where}/url")
            if "text" in element:
                check_text(element["text"], f"{where}/text")
        case "user" | "usergroup" | "channel" | "team":
            check_keys(element, f"{_IDS[kind]} style", where)
            check_text(element.get(_IDS[kind]), f"{where}/{_IDS[kind]}")
        case "emoji":
            check_keys(element, "name unicode skin_tone style", where)
            check_text(element.get("name"), f"{where}/name")
        case "broadcast":
            check_keys(element, "range", where)
            if element.get("range") not in _BROADCASTS:
                raise fault("must be one of channel, here, everyone", f"{where}/range")
        case "color":
            check_keys(element, "value", where)
            check_text(element.get("value"), f"{where}/value")
        case "date":
            check_keys(element, "timestamp format url fallback", where)
            check_number(element.get("timestamp"), f"{where}/timestamp", 0)
        case _:
            raise fault(f"unsupported type: {kind}", f"{where}/type")
    style = element.get("style", {})
    if not isinstance(style, dict) or not set(style) <= _STYLES:
        raise fault("unsupported style", f"{where}/style")
    if not all(isinstance(on, bool) for on in style.values()):
        raise fault("must provide a boolean", f"{where}/style")


# -- the other blocks


def _divider(block: Json, where: str) -> None:
    check_keys(block, "", where)


def _header(block: Json, where: str) -> None:
    check_keys(block, "text level", where)
    check_text_object(block.get("text"), f"{where}/text", HEADER_MAX, plain=True)


def _section(block: Json, where: str) -> None:
    check_keys(block, "text fields accessory expand", where)
    if "text" in block:
        check_text_object(block["text"], f"{where}/text", SECTION_MAX)
    elif "fields" not in block:
        raise fault("missing required field: text", where)
    for number, field in enumerate(block.get("fields", [])):
        check_text_object(field, f"{where}/fields/{number}", FIELD_MAX)
    if "accessory" in block:
        check_control(block["accessory"], f"{where}/accessory")


def _context(block: Json, where: str) -> None:
    check_keys(block, "elements", where)
    elements = check_items(block.get("elements"), f"{where}/elements", CONTEXT_ELEMENTS_MAX)
    for number, element in enumerate(elements):
        check_text_object(element, f"{where}/elements/{number}", SECTION_MAX)


def _markdown(block: Json, where: str) -> None:
    check_keys(block, "text", where)
    check_text(block.get("text"), f"{where}/text", MARKDOWN_MAX)


def _image(block: Json, where: str) -> None:
    check_keys(block, "image_url alt_text title slack_file", where)
    check_text(block.get("alt_text"), f"{where}/alt_text", 2_000)


def _actions(block: Json, where: str) -> None:
    check_keys(block, "elements", where)
    elements = check_items(block.get("elements"), f"{where}/elements", ACTIONS_ELEMENTS_MAX)
    for number, element in enumerate(elements):
        check_control(element, f"{where}/elements/{number}")


def _table(block: Json, where: str) -> None:
    check_keys(block, "rows column_settings", where)
    rows = check_items(block.get("rows"), f"{where}/rows", TABLE_ROWS_MAX)
    for at, row in enumerate(rows):
        cells = check_items(row, f"{where}/rows/{at}", TABLE_COLUMNS_MAX)
        for number, cell in enumerate(cells):
            _cell(cell, f"{where}/rows/{at}/{number}")
    for number, setting in enumerate(block.get("column_settings", [])):
        here = f"{where}/column_settings/{number}"
        check_keys(setting, "align is_wrapped", here)
        if setting.get("align", "left") not in {"left", "center", "right"}:
            raise fault("must be one of left, center, right", here)
    if len(block.get("column_settings", [])) > TABLE_COLUMNS_MAX:
        raise fault(f"no more than {TABLE_COLUMNS_MAX} items allowed", f"{where}/column_settings")


def _cell(cell: Any, where: str) -> None:
    kind = cell.get("type") if isinstance(cell, dict) else None
    if kind == "raw_text":
        check_keys(cell, "text", where)
        check_text(cell.get("text"), f"{where}/text")
    elif kind == "rich_text":
        _rich_text(cell, where)
    else:
        raise fault(f"unsupported type: {kind}", where)


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
