"""Outbox content as JSON, and the operation a row stands for; the one place that knows both."""

from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from typing import Any, assert_never

import orjson

from gateway import refs
from gateway.pictures import still_sides
from gateway.store.records.outbox import NewOutbox, OutboxRow
from platforms import blocks
from platforms.blocks import Blocks
from platforms.content import (
    Button,
    Controls,
    Delete,
    Dialog,
    Edit,
    Menu,
    Operation,
    Post,
    Upload,
)
from platforms.events import ChatRef, MessageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A message to post, or the whole new state of one. `quote` and `only_for` are ids."""

    body: Blocks
    quote: str | None = None
    only_for: str | None = None
    controls: Controls = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file to upload; what it is shown as is told from its bytes."""

    data: bytes
    name: str
    mime: str
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """A message to take back needs no words."""


Content = Words | File | Nothing


def dump(content: Content) -> str:
    """Write content for its row."""
    fields: dict[str, Any]
    match content:
        case Words(body=body, quote=quote, only_for=only_for, controls=controls):
            fields = {"body": blocks.to_json(body), "quote": quote, "only_for": only_for}
            if controls:
                fields["controls"] = [[_control(each) for each in row] for row in controls]
        case File(data=data, name=name, mime=mime, caption=caption):
            encoded = b64encode(data).decode()
            fields = {"data": encoded, "name": name, "mime": mime, "caption": caption}
        case Nothing():
            fields = {}
        case _:
            assert_never(content)
    return orjson.dumps(fields).decode()


def load(row: OutboxRow) -> Content:
    """Read a row's content."""
    fields: dict[str, Any] = orjson.loads(row.content)
    if "body" in fields:
        body = blocks.from_json(fields["body"])
        controls = tuple(
            tuple(_control_from(each) for each in row) for row in fields.get("controls", ())
        )
        return Words(
            body=body, quote=fields["quote"], only_for=fields["only_for"], controls=controls
        )
    if "data" in fields:
        return File(
            data=b64decode(fields["data"]),
            name=fields["name"],
            mime=fields["mime"],
            caption=fields["caption"],
        )
    return Nothing()


def _control(control: Button | Menu) -> dict[str, Any]:
    match control:
        case Button(label=label, payload=payload, style=style, confirm=confirm, dialog=dialog):
            button = {"label": label, "payload": payload, "style": style}
            if not confirm:
                return button
            return {**button, "confirm": confirm, "dialog": asdict(dialog)}
        case Menu(label=label, options=options):
            return {"label": label, "options": [_control(each) for each in options]}
        case _:
            assert_never(control)


def _control_from(fields: dict[str, Any]) -> Button | Menu:
    if "options" not in fields:
        return _button_from(fields)
    return Menu(label=fields["label"], options=tuple(map(_button_from, fields["options"])))


def _button_from(fields: dict[str, Any]) -> Button:
    return Button(**{**fields, "dialog": Dialog(**fields.get("dialog", {}))})


def notice(
    *,
    key: str,
    account: str,
    chat: str,
    words: Words,
    nonce: str,
    turn_id: int | None = None,
    line: str = "",
    target: int | None = None,
) -> NewOutbox:
    """The row of words of our own, or of what a row `target` shows from now on.

    `key` makes them stand there once.
    """
    return NewOutbox(
        dedupe_key=key,
        account=account,
        chat=chat,
        turn_id=turn_id,
        part=0,
        purpose="notice",
        op="post" if target is None else "edit",
        target_id=target,
        content=dump(words),
        nonce=nonce,
        line=line,
    )


def chat_of(row: OutboxRow) -> ChatRef:
    """Where a row goes."""
    return refs.chat_from(row.chat, refs.account_from(row.account))


def operation(row: OutboxRow, *, target: str | None) -> Operation | None:
    """The operation that carries out a row now; None if there is nothing left to do.

    `target` is the platform id of the message an edit or delete changes. Without one an edit is
    posted anew, since its words must arrive, and a delete has nothing to take back.
    """
    chat = chat_of(row)
    match load(row):
        case File(data=data, name=name, mime=mime, caption=caption):
            return Upload(
                chat=chat,
                data=data,
                name=name,
                mime=mime,
                nonce=row.nonce,
                caption=caption,
                picture=still_sides(data),
            )
        case Nothing():
            if target is None:
                return None
            return Delete(message=MessageRef(chat=chat, message_id=target))
        case Words(body=body, quote=quote, only_for=only_for, controls=controls):
            if row.op == "edit" and target is not None:
                message = MessageRef(chat=chat, message_id=target)
                return Edit(message=message, body=body, controls=controls)
            return Post(
                chat=chat,
                body=body,
                nonce=row.nonce,
                controls=controls,
                quote=MessageRef(chat=chat, message_id=quote) if quote else None,
                only_for=only_for,
            )
        case unknown:
            assert_never(unknown)
