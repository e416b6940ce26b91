"""Telegram's numbers, judged by the rules of the loopback server. Pure.

Source: core.telegram.org/bots/api and the open-source Bot API server.
"""

import asyncio
import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from PIL import Image

from tests.pictures import drawn
from tests.platforms.numbers.row import Row, Take
from tests.wire.telegram import Rates, TelegramServer, media
from tests.wire.telegram.methods import Methods, Press
from tests.wire.telegram.rules import (
    CAPTION_MAX,
    TEXT_MAX,
    bad,
    forced_reply,
    format_text,
    keyboard,
)
from tests.wire.telegram.updates import webhook_from
from tests.wire.telegram.world import File

ADA, TEAM = 1001, -500


def _formatted(text: str, limit: int, entities: int = 0) -> object:
    spans = [{"type": "bold", "offset": number, "length": 1} for number in range(entities)]
    return format_text(text, spans or None, limit=limit)


def _key(data: str = "d") -> dict[str, str]:
    return {"text": "Go", "callback_data": data}


def _keys(count: int, per_row: int) -> object:
    rows = [[_key()] * min(per_row, count - at) for at in range(0, count, per_row)]
    return keyboard({"inline_keyboard": rows})


def _methods(rates: Rates | None = None, clock: float = 0.0) -> Methods:
    server = TelegramServer(rates=rates, clock=lambda: clock)
    server.world.room(ADA)
    server.world.room(TEAM)
    return server.methods


def _called(method: str, **arguments: Any) -> object:
    return _methods().table()[method](arguments)


def _menu(count: int = 1, name: str = "", words: str = "x") -> object:
    commands = [{"command": name or f"c{n}", "description": words} for n in range(count)]
    return _called("setmycommands", commands=json.dumps(commands))


def _answered(text: str = "", after_s: float = 0.0) -> object:
    methods = _methods(clock=after_s)
    methods.presses["7"] = Press(id="7", user=ADA, chat=ADA, at=0.0)
    return methods.table()["answercallbackquery"]({"callback_query_id": "7", "text": text})


def _file(size: int = 1, data: bytes = b"") -> File:
    return File(file_id="F1", name="a", mime="", data=data or bytes(size))


def _fetched(size: int) -> object:
    methods = _methods()
    methods.world.files["F1"] = _file(size)
    return methods.table()["getfile"]({"file_id": "F1"})


def _photo(width: int, height: int) -> object:
    out = BytesIO()
    Image.new("1", (width, height)).save(out, "PNG")
    return media.photo(_file(data=out.getvalue()))


def _heavy(size: int) -> object:
    picture = drawn()
    return media.photo(_file(data=picture + bytes(size - len(picture))))


def _album(count: int) -> object:
    parts: Mapping[str, Any] = {f"p{number}": _file(data=drawn()) for number in range(count)}
    return media.album([{"type": "photo", "media": f"attach://{name}"} for name in parts], parts)


def _batch(count: int) -> None:
    async def poll() -> int:
        updates = TelegramServer().updates
        for number in range(count):
            updates.put({"n": number}, place="raw")
        return len(await updates.poll(0, count, 0))

    if asyncio.run(poll()) < count:
        raise bad("the rest comes with the next poll")


def _sent(chats: int, chat: int, **rates: int) -> Take:
    """So many messages at once, spread over so many chats."""

    def take(count: int) -> None:
        methods = _methods(Rates(**rates))
        for number in range(count):
            methods.limit("sendMessage", {"chat_id": chat + number % chats})

    return take


def _row(what: str, most: int, take: Take, *ours: str, shown: str = "") -> Row:
    return Row(platform="telegram", what=what, most=most, take=take, ours=ours, shown=shown)


ROWS = (
    _row(
        "UTF-16 units of a message",
        4_096,
        lambda n: _formatted("x" * n, TEXT_MAX),
        "TEXT_MAX",
        "PART_SOFT",
    ),
    _row(
        "UTF-16 units of a caption",
        1_024,
        lambda n: _formatted("x" * n, CAPTION_MAX),
        "CAPTION_MAX",
    ),
    _row(
        "entities of a message",
        100,
        lambda n: _formatted("x" * 200, TEXT_MAX, n),
        "ENTITIES_MAX",
    ),
    _row("buttons of a message", 100, lambda n: _keys(n, 8), "BUTTONS_MAX"),
    _row(
        "buttons of a row",
        8,
        lambda n: _keys(n, n),
        "BUTTONS_PER_ROW_MAX",
        "BUTTONS_PER_ROW",
    ),
    _row(
        "bytes of a button's data",
        64,
        lambda n: keyboard({"inline_keyboard": [[_key("d" * n)]]}),
        "CALLBACK_DATA_MAX",
    ),
    _row(
        "UTF-16 units of a press's answer",
        200,
        lambda n: _answered("x" * n),
        "CALLBACK_ANSWER_MAX",
    ),
    _row(
        "seconds for a press's answer",
        150,
        lambda n: _answered(after_s=n),
        "PRESS_LIFE_S",
    ),
    _row(
        "UTF-16 units of a field's hint",
        64,
        lambda n: forced_reply({"force_reply": True, "input_field_placeholder": "x" * n}),
        "PLACEHOLDER_MAX",
    ),
    _row("bytes of a file in", 20 << 20, _fetched, "DOWNLOAD_MAX", shown="20 MiB"),
    _row(
        "bytes of a file out",
        50 << 20,
        lambda n: media.document(_file(n)),
        "UPLOAD_MAX_BYTES",
        shown="50 MiB",
    ),
    _row("bytes of a photo", 10 << 20, _heavy, "PHOTO_MAX_BYTES", shown="10 MiB"),
    _row(
        "pixels of a photo's two sides",
        10_000,
        lambda n: _photo(n - 5_000, 5_000),
        "PHOTO_SIDES_MAX",
    ),
    _row("long side of a photo by the short one", 20, lambda n: _photo(n, 1), "PHOTO_RATIO_MAX"),
    _row("files of an album", 10, _album),
    _row("commands of a menu", 100, _menu, "COMMANDS_MAX"),
    _row("characters of a command's name", 32, lambda n: _menu(name="n" * n)),
    _row(
        "characters of a command's description",
        256,
        lambda n: _menu(words="w" * n),
        "COMMAND_SUMMARY_MAX",
    ),
    _row("updates of one poll", 100, _batch, "POLL_BATCH"),
    _row(
        "characters of a webhook's secret",
        256,
        lambda n: webhook_from("http://127.0.0.1", "s" * n, 40),
    ),
    _row(
        "messages in a group within a minute",
        20,
        _sent(1, TEAM, chat_burst=100),
        shown="20 a minute",
    ),
    _row("messages over all at once", 30, _sent(100, ADA), shown="30 a second"),
    _row("messages in a chat at once", 1, _sent(1, ADA, chat_burst=1), shown="1 a second"),
)
