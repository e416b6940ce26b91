"""Transcript messages as JSON rows; the one place that knows both forms."""

from base64 import b64decode, b64encode
from typing import Any, assert_never

import orjson

from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Note,
    Origin,
    Part,
    PartialReply,
    ProviderPart,
    ResultStatus,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from gateway.store.base import Tx

MESSAGES_LOADED = 400
"""Newest messages read for a turn; more would not fit a model's window of short messages."""


def append(
    tx: Tx, *, session_id: int, turn_id: int, messages: tuple[Message, ...], now: int
) -> None:
    """Store messages at the end of a session's transcript."""
    if not messages:
        return
    row = tx.row(
        "UPDATE session SET next_message = next_message + ? WHERE id = ? RETURNING next_message",
        len(messages),
        session_id,
    )
    if row is None:
        raise LookupError(f"no session {session_id}")
    first = int(row[0]) - len(messages)
    for offset, message in enumerate(messages):
        tx.run(
            "INSERT INTO message (session_id, sequence, turn_id, body, stored_at)"
            " VALUES (?, ?, ?, ?, ?)",
            session_id,
            first + offset,
            turn_id,
            dump(message),
            now,
        )


def load(tx: Tx, session_id: int) -> list[tuple[int, Message]]:
    """The newest messages of a session, oldest first, each with the id of its turn."""
    rows = tx.rows(
        "SELECT turn_id, body FROM message WHERE session_id = ? ORDER BY sequence DESC LIMIT ?",
        session_id,
        MESSAGES_LOADED,
    )
    return [(int(turn_id), parse(body)) for turn_id, body in reversed(rows)]


def oldest_given(tx: Tx, turn_id: int) -> int:
    """The sequence from which on a turn's model may have been given its session's messages."""
    row = tx.row("SELECT MIN(sequence) FROM message WHERE turn_id = ?", turn_id)
    return int(row[0]) - MESSAGES_LOADED if row and row[0] is not None else 0


def dump(message: Message) -> str:
    """Write one message."""
    return orjson.dumps(_fields(message)).decode()


def parse(text: str) -> Message:
    """Read what `dump` wrote; ValueError for anything else."""
    fields: dict[str, Any] = orjson.loads(text)
    match fields.pop("is", None):
        case "user":
            return UserMessage(**fields | {"media": _media_from(fields)})
        case "note":
            return Note(**fields)
        case "partial":
            return PartialReply(**fields)
        case "result":
            status = ResultStatus(fields["status"])
            return ToolResult(**fields | {"status": status, "media": _media_from(fields)})
        case "summary":
            return Summary(**fields)
        case "assistant":
            return AssistantMessage(
                parts=tuple(_part_from(part) for part in fields["parts"]),
                origin=Origin(**fields["origin"]),
            )
        case kind:
            raise ValueError(f"unknown message {kind!r}")


def _fields(message: Message) -> dict[str, Any]:
    match message:
        case UserMessage(text=text, author=author, media=media):
            return {"is": "user", "text": text, "author": author, **_media(media)}
        case Note(text=text):
            return {"is": "note", "text": text}
        case PartialReply(text=text):
            return {"is": "partial", "text": text}
        case ToolResult(call_id=call_id, name=name, status=status, text=text, media=media):
            fields = {"call_id": call_id, "name": name, "status": status.value, "text": text}
            return {"is": "result", **fields, **_media(media)}
        case Summary(text=text, by_model=by_model):
            return {"is": "summary", "text": text, "by_model": by_model}
        case AssistantMessage(parts=parts, origin=origin):
            return {
                "is": "assistant",
                "parts": [_part(part) for part in parts],
                "origin": _origin(origin),
            }
        case _:
            assert_never(message)


def _media(media: tuple[Media, ...]) -> dict[str, Any]:
    """The field of a message that carries any; rows without are as they always were."""
    if not media:
        return {}
    rows = [
        {"mime": each.mime, "name": each.name, "data": b64encode(each.data).decode()}
        for each in media
    ]
    return {"media": rows}


def _media_from(fields: dict[str, Any]) -> tuple[Media, ...]:
    rows = fields.get("media", ())
    return tuple(
        Media(mime=row["mime"], name=row["name"], data=b64decode(row["data"])) for row in rows
    )


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text=text):
            return {"is": "text", "text": text}
        case ToolCall(id=ident, name=name, arguments=arguments, provider_id=provider_id):
            fields = {"id": ident, "name": name, "arguments": arguments}
            return {"is": "call", "provider_id": provider_id, **fields}
        case ProviderPart(origin=origin, shape=shape, payload=payload):
            encoded = b64encode(payload).decode()
            return {"is": "own", "origin": _origin(origin), "shape": shape, "payload": encoded}
        case _:
            assert_never(part)


def _part_from(fields: dict[str, Any]) -> Part:
    match fields.pop("is"):
        case "text":
            return Text(**fields)
        case "call":
            return ToolCall(**fields)
        case "own":
            return ProviderPart(
                origin=Origin(**fields["origin"]),
                shape=fields["shape"],
                payload=b64decode(fields["payload"]),
            )
        case kind:
            raise ValueError(f"unknown part {kind!r}")


def _origin(origin: Origin) -> dict[str, str]:
    return {"provider": origin.provider, "endpoint": origin.endpoint, "model": origin.model}
