"""Transcript messages as JSON rows; the one place that knows both forms."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
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
"""Newest messages read for a turn at most, beside its own; more would not fit a window."""
LOADED_STEP = 200
"""The place they are read from moves by so many at once."""


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
        _name_blobs(tx, session_id, first + offset, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfetched:
    """A message of people with files that are not fetched yet."""

    session_id: int
    sequence: int
    message: UserMessage


def unfetched(tx: Tx, turn_id: int) -> tuple[Unfetched, ...]:
    """A turn's messages whose files are still to be fetched, oldest first."""
    rows = tx.rows(
        "SELECT session_id, sequence, body FROM message WHERE turn_id = ? AND undone_at IS NULL"
        " ORDER BY sequence",
        turn_id,
    )
    found = ((int(ident), int(at), parse(str(body))) for ident, at, body in rows)
    return tuple(
        Unfetched(session_id=ident, sequence=at, message=message)
        for ident, at, message in found
        if isinstance(message, UserMessage) and any(each.source for each in message.media)
    )


def fetched(tx: Tx, place: Unfetched, message: UserMessage) -> None:
    """Put in place of a message what it is with its files."""
    tx.run(
        "UPDATE message SET body = ? WHERE session_id = ? AND sequence = ?",
        dump(message),
        place.session_id,
        place.sequence,
    )
    _name_blobs(tx, place.session_id, place.sequence, message)


def _name_blobs(tx: Tx, session_id: int, sequence: int, message: Message) -> None:
    """Note which payloads a message needs, so that they are kept as long as it."""
    for media in message.media if isinstance(message, UserMessage | ToolResult) else ():
        if media.blob:
            tx.run(
                "INSERT INTO media (payload, session_id, sequence) VALUES (?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                media.blob,
                session_id,
                sequence,
            )


def release(tx: Tx, session_id: int) -> None:
    """Need no payloads any more for messages that are gone, which are the oldest of a session."""
    tx.run(
        "DELETE FROM media WHERE session_id = ? AND sequence < COALESCE((SELECT MIN(sequence)"
        " FROM message WHERE message.session_id = media.session_id), 9223372036854775807)",
        session_id,
    )


def load(tx: Tx, session_id: int) -> list[tuple[int, Message]]:
    """The newest messages of a session as they were stored, each with the id of its turn.

    Oldest first, also those that are folded or taken back: what a model is given is in `folds`.
    """
    rows = tx.rows(
        "SELECT turn_id, body FROM message WHERE session_id = ? ORDER BY sequence DESC LIMIT ?",
        session_id,
        MESSAGES_LOADED,
    )
    return [(int(turn_id), parse(body)) for turn_id, body in reversed(rows)]


def newest(tx: Tx, session_id: int, *, limit: int) -> list[tuple[int, int, bool, Message]]:
    """The newest messages for a reader, oldest first: turn, when, whether taken back, message."""
    rows = tx.rows(
        "SELECT turn_id, stored_at, undone_at, body FROM message WHERE session_id = ?"
        " ORDER BY sequence DESC LIMIT ?",
        session_id,
        limit,
    )
    return [
        (int(turn_id), int(at), undone_at is not None, parse(body))
        for turn_id, at, undone_at, body in reversed(rows)
    ]


def loaded_from(tx: Tx, session_id: int, *, turn_id: int | None = None) -> int:
    """The sequence from which on a session is read for a model; during a turn it is the same."""
    row = None
    if turn_id is not None:
        row = tx.row("SELECT MIN(sequence) FROM message WHERE turn_id = ?", turn_id)
    if row is None or row[0] is None:
        row = tx.row("SELECT next_message FROM session WHERE id = ?", session_id)
    if row is None:
        raise LookupError(f"no session {session_id}")
    return max(0, -((MESSAGES_LOADED - int(row[0])) // LOADED_STEP) * LOADED_STEP)


def oldest_given(tx: Tx, turn_id: int) -> int:
    """The sequence from which on a turn's model may have been given its session's messages.

    What a summary tells of counts as given.
    """
    row = tx.row(
        "SELECT session_id, MIN(sequence) FROM message WHERE turn_id = ? GROUP BY session_id",
        turn_id,
    )
    if row is None:
        return 0
    since = int(row[1]) - MESSAGES_LOADED
    summed = tx.row(
        "SELECT MIN(first_sequence) FROM fold WHERE session_id = ? AND undone_at IS NULL"
        " AND kind <> 'prune'",
        row[0],
    )
    return since if summed is None or summed[0] is None else min(since, int(summed[0]))


def of_turn(tx: Tx, turn_id: int) -> tuple[Message, ...]:
    """All of a turn's messages as they were stored, also what is folded by now."""
    rows = tx.rows(
        "SELECT body FROM message WHERE turn_id = ? AND undone_at IS NULL ORDER BY sequence",
        turn_id,
    )
    return tuple(parse(str(body)) for (body,) in rows)


def undo(tx: Tx, turn_id: int, *, now: int) -> None:
    """Take a turn's messages back: they stay stored, and no model reads them again."""
    tx.run("UPDATE message SET undone_at = ? WHERE turn_id = ? AND undone_at IS NULL", now, turn_id)


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
                refused=tuple(Origin(**each) for each in fields.get("refused", ())),
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
        case AssistantMessage(parts=parts, origin=origin, refused=refused):
            fields_: dict[str, Any] = {
                "is": "assistant",
                "parts": [_part(part) for part in parts],
                "origin": _origin(origin),
            }
            if refused:
                fields_["refused"] = [_origin(each) for each in refused]
            return fields_
        case _:
            assert_never(message)


def _media(media: tuple[Media, ...]) -> dict[str, Any]:
    """The field of a message that carries any; rows without are as they always were."""
    if not media:
        return {}
    return {"media": [_one(each) for each in media]}


def _one(media: Media) -> dict[str, Any]:
    """A file: fetched by something yet, kept under a name, or here with its bytes."""
    fields: dict[str, Any] = {"mime": media.mime, "name": media.name}
    if media.source:
        return fields | {"source": media.source}
    if media.blob:
        return fields | {"blob": media.blob, "bytes": media.size}
    return fields | {"data": b64encode(media.data).decode()}


def _media_from(fields: dict[str, Any]) -> tuple[Media, ...]:
    return tuple(
        Media(
            mime=row["mime"],
            name=row["name"],
            data=b64decode(row.get("data", "")),
            blob=row.get("blob", ""),
            kept_bytes=row.get("bytes", 0),
            source=row.get("source", ""),
        )
        for row in fields.get("media", ())
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
