"""Pure: whether a message of the history is an operation of ours that was in doubt.

The nonce decides where Discord hands it back; it mostly does not. Else the author, the words, the
controls and the file must be the same: payloads of buttons are made once, so a card is found for
certain, two equal plain texts of the same seconds are not told apart.
"""

import re
from typing import assert_never

from platforms.content import Button, Controls, Menu, Post, Upload
from platforms.discord.controls import rows_of
from platforms.discord.fields import snowflake
from platforms.discord.format import format_blocks, format_plain
from platforms.fields import Body, integer, mapping, objects, string

_LETTERS = re.compile(r"[^a-z0-9]+")


def is_ours(message: Body, operation: Post | Upload, user_id: str) -> bool:
    """Whether this message is what the operation would have made."""
    if snowflake(mapping(message, "author").get("id")) != user_id:
        return False
    if nonce := message.get("nonce"):
        return str(nonce) == operation.nonce
    said = string(message, "content").strip()
    match operation:
        case Post(body=body, controls=controls):
            same_words = said == format_blocks(body).strip()
            return same_words and _payloads(message) == _wanted(controls)
        case Upload(caption=caption):
            same_words = said == (format_plain(caption).strip() if caption else "")
            return same_words and _has_file(message, operation)
        case _:
            assert_never(operation)


def _payloads(message: Body) -> list[str]:
    """What each button carries, and each option of a menu."""
    rows = objects(message, "components")
    found: list[str] = []
    for part in (part for row in rows for part in objects(row, "components")):
        options = objects(part, "options")
        found += [string(o, "value") for o in options] or [string(part, "custom_id")]
    return found


def _wanted(controls: Controls) -> list[str]:
    """The same of what was to be posted, in the order in which it is shown."""
    return [button.payload for row in rows_of(controls) for one in row for button in _buttons(one)]


def _buttons(control: Button | Menu) -> tuple[Button, ...]:
    return control.options if isinstance(control, Menu) else (control,)


def _has_file(message: Body, upload: Upload) -> bool:
    """By its size and the letters of its name; Discord writes other signs as it likes."""
    files = objects(message, "attachments")
    if len(files) != 1 or integer(files[0], "size") != len(upload.data):
        return False
    name = upload.name.replace("\\", "/").rpartition("/")[2]
    return _plain(string(files[0], "filename")) == _plain(name)


def _plain(name: str) -> str:
    return _LETTERS.sub("", name.lower())
