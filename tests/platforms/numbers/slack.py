"""Slack's numbers, judged by the rules of the loopback server. Pure.

Source: docs.slack.dev, the pages named in `tests/wire/slack`.
"""

import json
from typing import Any

from tests.platforms.numbers.row import Row, Take
from tests.wire.slack import BOT_TOKEN, SlackServer
from tests.wire.slack.assistant import Assistant
from tests.wire.slack.checks import Refusal
from tests.wire.slack.rates import Rates, Ration
from tests.wire.slack.rules import check_blocks
from tests.wire.slack.views import check_view

Json = dict[str, Any]


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def _actions(*elements: Json) -> list[Json]:
    return check_blocks([{"type": "actions", "elements": list(elements)}])


def _button(**more: Any) -> list[Json]:
    return _actions({"type": "button", "text": _plain("Go"), **more})


def _confirm(**more: str) -> list[Json]:
    words = {"title": "t", "text": "x", "confirm": "y", "deny": "n", **more}
    return _button(confirm={name: _plain(text) for name, text in words.items()})


def _option(label: str = "o", value: str = "v") -> Json:
    return {"text": _plain(label), "value": value}


def _select(*options: Json, **more: Any) -> list[Json]:
    found = list(options or [_option()])
    return _actions({"type": "static_select", "options": found, **more})


def _overflow(count: int) -> list[Json]:
    return _actions({"type": "overflow", "options": [_option(value=f"v{n}") for n in range(count)]})


def _input(label: str = "Why?", **more: Any) -> Json:
    return {
        "type": "input",
        "label": _plain(label),
        "element": {"type": "plain_text_input", **more},
    }


def _view(*blocks: Json, **more: Any) -> Json:
    return check_view(
        {
            "type": "modal",
            "title": _plain("Form"),
            "submit": _plain("OK"),
            "blocks": list(blocks),
            **more,
        }
    )


def _table(rows: int = 1, columns: int = 1) -> Json:
    cell = {"type": "raw_text", "text": "x"}
    return {"type": "table", "rows": [[cell] * columns for _ in range(rows)]}


def _json_of(size: int) -> list[Json]:
    """Blocks that are so many characters of JSON."""
    lengths = [2_900, 2_900, 2_900, 2_900, 1]
    sections = [{"type": "section", "text": _plain("x" * length)} for length in lengths]
    missing = size - len(json.dumps(sections, separators=(",", ":")))
    sections[-1] = {"type": "section", "text": _plain("x" * (missing + 1))}
    return check_blocks(sections)


def _listed(indent: int) -> list[Json]:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}
    listed = {"type": "rich_text_list", "style": "bullet", "indent": indent, "elements": [section]}
    return check_blocks([{"type": "rich_text", "elements": [listed]}])


def _posted(method: str, text: str) -> object:
    server = SlackServer(echoes=False)
    server.forgetful = True
    server.channel("C1")
    posted = server.methods.call("chat.postMessage", {"channel": "C1", "text": "x"}, BOT_TOKEN)
    given = {"channel": "C1", "text": text, "ts": posted["ts"]}
    return server.methods.call(method, given, BOT_TOKEN)


def _prompts(count: int) -> object:
    server = SlackServer(assistant=True)
    server.world.assistant_threads.add(("D1", "1.0"))
    given = {"channel_id": "D1", "thread_ts": "1.0"}
    prompts = [{"title": f"t{number}", "message": "m"} for number in range(count)]
    return Assistant(server.world).set_prompts({**given, "prompts": prompts})


def _pressed(*, uses: int = 0, after_s: float = 0.0) -> None:
    server = SlackServer()
    url = server.interactions._response_url("C1", "U1", None)
    known = server.interactions.responses[url.rpartition("/")[2]]
    known.uses = uses - 1
    server.transport.now = after_s
    if server.interactions.usable(url.rpartition("/")[2]) is None:
        raise Refusal("expired_url")


def _opened(after_s: float) -> object:
    server = SlackServer()
    trigger = server.interactions._trigger("U1")
    server.transport.now = after_s
    view = {"type": "modal", "title": _plain("t"), "blocks": []}
    return server.interactions.open({"trigger_id": trigger, "view": view})


def _posts(count: int) -> None:
    rates = Rates(clock=lambda: 1_000.0)
    for _ in range(count):
        rates.check("chat.postMessage", "C1", 0.0)


def _read(count: int) -> None:
    ration = Ration()
    for _ in range(count):
        ration.check("conversations.history", 1_000.0)


def _row(what: str, most: int, take: Take, *ours: str, shown: str = "") -> Row:
    return Row(platform="slack", what=what, most=most, take=take, ours=ours, shown=shown)


ROWS = (
    _row(
        "characters of a message",
        40_000,
        lambda n: _posted("chat.postMessage", "x" * n),
        "TEXT_MAX",
        "PART_SOFT",
    ),
    _row(
        "characters beside blocks in an update",
        4_000,
        lambda n: _posted("chat.update", "x" * n),
        "FALLBACK_MAX",
        "PRIVATE_MAX",
    ),
    _row(
        "blocks of a message",
        50,
        lambda n: check_blocks([{"type": "divider"}] * n),
        "BLOCKS_MAX",
    ),
    _row("JSON of a message's blocks", 13_200, _json_of, "JSON_MAX"),
    _row("rows of a table", 100, lambda n: check_blocks([_table(rows=n)]), "TABLE_ROWS_MAX"),
    _row(
        "columns of a table",
        20,
        lambda n: check_blocks([_table(columns=n)]),
        "TABLE_COLUMNS_MAX",
    ),
    _row("tables of a message", 1, lambda n: check_blocks([_table()] * n)),
    _row("levels of a list", 8, _listed, "INDENT_MAX"),
    _row(
        "characters of a section",
        3_000,
        lambda n: check_blocks([{"type": "section", "text": _plain("x" * n)}]),
    ),
    _row(
        "characters of a header",
        150,
        lambda n: check_blocks([{"type": "header", "text": _plain("x" * n)}]),
    ),
    _row(
        "controls of a block",
        25,
        lambda n: _actions(*[{"type": "button", "text": _plain("Go")}] * n),
        "BUTTONS_PER_ROW",
        "ROWS_MAX",
    ),
    _row(
        "characters of a button",
        75,
        lambda n: _button(text=_plain("x" * n)),
        "LABEL_MAX",
    ),
    _row("characters of a button's value", 2_000, lambda n: _button(value="x" * n)),
    _row(
        "characters of a choice",
        75,
        lambda n: _select(_option("x" * n)),
        "OPTION_LABEL_MAX",
    ),
    _row(
        "characters of a choice's value",
        150,
        lambda n: _select(_option(value="x" * n)),
        "VALUE_MAX_BYTES",
    ),
    _row("choices of an overflow menu", 5, _overflow),
    _row(
        "choices of a select",
        100,
        lambda n: _select(*(_option(value=f"v{number}") for number in range(n))),
        "MENU_OPTIONS_MAX",
    ),
    _row(
        "characters a select shows first",
        150,
        lambda n: _select(placeholder=_plain("x" * n)),
        "PLACEHOLDER_MAX",
    ),
    _row("characters of a question", 300, lambda n: _confirm(text="x" * n), "CONFIRM_TEXT_MAX"),
    _row(
        "characters of a question's answer",
        30,
        lambda n: _confirm(confirm="x" * n, deny="x" * n),
        "CONFIRM_BUTTON_MAX",
    ),
    _row(
        "characters of a form's title and buttons",
        24,
        lambda n: _view(_input(), title=_plain("x" * n), submit=_plain("x" * n)),
        "FORM_TITLE_MAX",
    ),
    _row(
        "characters along with a form",
        3_000,
        lambda n: _view(_input(), private_metadata="x" * n),
        "METADATA_MAX",
    ),
    _row("blocks of a form", 100, lambda n: _view(*[_input()] * n)),
    _row(
        "characters of a field's label",
        2_000,
        lambda n: _view(_input("x" * n)),
        "FIELD_LABEL_MAX",
    ),
    _row(
        "characters of a field",
        3_000,
        lambda n: _view(_input(max_length=n)),
        "FIELD_MAX",
    ),
    _row("prompts of an assistant thread", 4, _prompts, "PROMPTS_MAX"),
    _row("answers to one press", 5, lambda n: _pressed(uses=n)),
    _row(
        "seconds for answers to a press",
        1_799,
        lambda n: _pressed(uses=1, after_s=n),
        shown="under 30 min",
    ),
    _row(
        "milliseconds in which a trigger opens a form",
        2_999,
        lambda n: _opened(n / 1_000),
        shown="under 3 s",
    ),
    _row("posts in a channel at once", 1, _posts, shown="1 a second"),
    _row(
        "pages of history at once, outside the Marketplace",
        1,
        _read,
        shown="1 a minute",
    ),
)
