"""JSON lines between a terminal and the adapter, both ways. Pure.

    terminal -> adapter   {"say": {"key", "text", "files"?}}
                          {"press": {"key", "message", "payload"}}
    adapter -> terminal   {"stored": key}    {"refused": {"key", "reason", "again"}}
                          {"message": {"id", "body", "controls", "file"?}}    {"gone": id}
                          {"working": label or null}    {"notice": {"text", "alert"}}

A `message` is always the whole present state of that message. `key` is a UUID of the terminal's
making: the same act sent again has the same key.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

import orjson

from platforms import blocks
from platforms.blocks import Blocks
from platforms.content import Button, Controls, Menu
from platforms.files import plain_name


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that came with a message."""

    name: str
    mime: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """The person wrote something, or sends files, or both."""

    key: str
    text: str
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """The person chose a button."""

    key: str
    message_id: str
    payload: str


Act = Say | Press


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The act is on disk; it need not be sent again."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStored:
    """The act was not taken; `reason` is a sentence. Sending it again is safe.

    `again`: it can be taken later as it is.
    """

    key: str
    reason: str
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageShown:
    """A message is new or has a new state."""

    message_id: str
    body: Blocks
    controls: Controls = ()
    file: File | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageGone:
    """A message was taken back."""

    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """What the agent is doing; None when nothing."""

    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """A short private word."""

    text: str
    alert: bool


Push = Stored | NotStored | MessageShown | MessageGone | Working | Noticed


def unfolded(row: Sequence[Button | Menu]) -> tuple[Button, ...]:
    """The buttons of a row; a terminal shows the options of a menu as such."""
    buttons: list[Button] = []
    for control in row:
        match control:
            case Button():
                buttons.append(control)
            case Menu(options=options):
                buttons.extend(options)
            case _:
                assert_never(control)
    return tuple(buttons)


def act_line(act: Act) -> bytes:
    """Write what a terminal says."""
    match act:
        case Say(key=key, text=text, files=files):
            said: dict[str, Any] = {"key": key, "text": text}
            if files:
                said["files"] = [_file(each) for each in files]
            return _line({"say": said})
        case Press(key=key, message_id=message_id, payload=payload):
            return _line({"press": {"key": key, "message": message_id, "payload": payload}})
        case _:
            assert_never(act)


def push_line(push: Push) -> bytes:
    """Write what the adapter says."""
    match push:
        case Stored(key=key):
            return _line({"stored": key})
        case NotStored(key=key, reason=reason, again=again):
            return _line({"refused": {"key": key, "reason": reason, "again": again}})
        case MessageShown():
            return _line({"message": _message(push)})
        case MessageGone(message_id=message_id):
            return _line({"gone": message_id})
        case Working(label=label):
            return _line({"working": label})
        case Noticed(text=text, alert=alert):
            return _line({"notice": {"text": text, "alert": alert}})
        case _:
            assert_never(push)


def read_push(line: bytes) -> Push:
    """Read what the adapter said; ValueError for anything else."""
    try:
        match orjson.loads(line):
            case {"stored": str(key)}:
                return Stored(key=key)
            case {"refused": {"key": str(key), "reason": str(reason), "again": bool(again)}}:
                return NotStored(key=key, reason=reason, again=again)
            case {"message": dict(fields)}:
                return _read_message(fields)
            case {"gone": str(message_id)}:
                return MessageGone(message_id=message_id)
            case {"working": str() | None as label}:
                return Working(label=label)
            case {"notice": {"text": str(text), "alert": bool(alert)}}:
                return Noticed(text=text, alert=alert)
    except (KeyError, TypeError) as exc:
        raise ValueError("not a line of the terminal's protocol") from exc
    raise ValueError("not a line of the terminal's protocol")


def _line(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def _message(shown: MessageShown) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": shown.message_id,
        "body": blocks.to_json(shown.body),
        "controls": [
            [{"label": b.label, "payload": b.payload, "style": b.style} for b in unfolded(row)]
            for row in shown.controls
        ],
    }
    if shown.file is not None:
        fields["file"] = _file(replace(shown.file, name=plain_name(shown.file.name)))
    return fields


def _file(file: File) -> dict[str, str]:
    return {"name": file.name, "mime": file.mime, "data": b64encode(file.data).decode()}


def _read_message(fields: dict[str, Any]) -> MessageShown:
    file = fields.get("file")
    return MessageShown(
        message_id=fields["id"],
        body=blocks.from_json(fields["body"]),
        controls=tuple(tuple(Button(**button) for button in row) for row in fields["controls"]),
        file=file and File(name=file["name"], mime=file["mime"], data=b64decode(file["data"])),
    )
