"""Operations as Web API calls: one operation, one visible effect."""

from typing import assert_never

import orjson

from platforms.content import (
    AnswerPress,
    Delete,
    Done,
    Edit,
    OpenForm,
    Operation,
    Outcome,
    Post,
    React,
    Sent,
    Typing,
    Upload,
)
from platforms.errors import (
    ChatUnavailable,
    MessageGone,
    MessageRejected,
    PlatformUnavailable,
    PressExpired,
    RightsMissing,
    SendUncertain,
    ThreadGone,
    TooLong,
)
from platforms.events import ChatRef, MessageRef
from platforms.files import plain_name
from platforms.slack.api import Json, WebApi, read_token
from platforms.slack.emoji import emoji_name
from platforms.slack.format import Wire, escape, format_blocks, format_plain
from platforms.slack.forms import place_of, view_of
from platforms.slack.limits import STATUS_MAX, UPLOAD_MAX_BYTES
from platforms.slack.metadata import metadata_of

UPLOADS_KEPT = 1_000
THINKING = "is thinking..."
"""The sign of life where nothing in particular goes on: an empty one would take it away."""
_QUIET: Json = {"parse": "none", "link_names": False}
"""Said on every message: an update would look for names otherwise. Source: chat.update."""


class Uploads(dict[str, str]):
    """The nonces of our latest files by their ids: a file carries no metadata."""

    def note(self, ident: str, nonce: str) -> None:
        """A file is on its way; nobody sees it yet."""
        self[ident] = nonce
        if len(self) > UPLOADS_KEPT:
            del self[next(iter(self))]


async def perform(api: WebApi, operation: Operation, uploads: Uploads) -> Outcome:
    """Carry out one operation; raises one of `platforms.errors`."""
    match operation:
        case Post():
            return await _post(api, operation)
        case Edit():
            return await _edit(api, operation)
        case Delete(message=message):
            return await _delete(api, message)
        case Upload():
            return await _upload(api, operation, uploads)
        case Typing(chat=chat, label=label, on=on):
            return await _status(api, chat, (label or THINKING) if on else "")
        case React():
            return await _react(api, operation)
        case AnswerPress(press=press, text=text):
            return await _answer(api, press.value, text)
        case OpenForm():
            return await _open_form(api, operation)
        case _:
            assert_never(operation)


def space_of(operation: Operation) -> str | None:
    """The workspace an operation is for, as far as it says."""
    match operation:
        case Post(chat=chat) | Upload(chat=chat) | Typing(chat=chat) | OpenForm(chat=chat):
            return chat.space
        case Edit(message=message) | Delete(message=message) | React(message=message):
            return message.chat.space
        case AnswerPress(press=press):
            space = read_token(press.value).get("space")
            return space if isinstance(space, str) else None
        case _:
            assert_never(operation)


async def _post(api: WebApi, post: Post) -> Outcome:
    wire = format_blocks(post.body, post.controls)
    arguments = _place(post.chat) | _words(wire)
    if is_private(post):
        method, key = "chat.postEphemeral", "message_ts"
        arguments |= {"user": post.only_for}
    else:
        method, key = "chat.postMessage", "ts"
        arguments |= {
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": metadata_of(post.nonce),
        }
    answer = await api.call(method, arguments)
    ts = answer.get(key)
    if not isinstance(ts, str) or not ts:
        raise SendUncertain(f"Slack did not say which message it made ({method})")
    return Sent(message=MessageRef(chat=post.chat, message_id=ts))


def is_private(post: Post) -> bool:
    """Whether only one of several people is to see it; a direct message is private already."""
    return post.only_for is not None and not post.chat.chat_id.startswith("D")


async def _edit(api: WebApi, edit: Edit) -> Outcome:
    if _is_file(edit.message):
        raise MessageGone("a file cannot be edited")
    wire = format_blocks(edit.body, edit.controls)
    target = {"channel": edit.message.chat.chat_id, "ts": edit.message.message_id}
    await api.call("chat.update", target | _words(wire))
    return Done()


async def _delete(api: WebApi, message: MessageRef) -> Outcome:
    if _is_file(message):
        await api.call("files.delete", {"file": message.message_id})
    else:
        target = {"channel": message.chat.chat_id, "ts": message.message_id}
        await api.call("chat.delete", target)
    return Done()


async def _upload(api: WebApi, upload: Upload, uploads: Uploads) -> Outcome:
    """Three calls, of which only the third shows anything; the file's id stands for its message."""
    if len(upload.data) > UPLOAD_MAX_BYTES:
        raise TooLong(f"a file of {len(upload.data):,} bytes is over our limit")
    if not upload.data:
        raise MessageRejected("Slack takes no empty file")
    name = file_name(upload)
    opened = await api.read(
        "files.getUploadURLExternal", {"filename": name, "length": len(upload.data)}
    )
    url, ident = opened.get("upload_url"), opened.get("file_id")
    if not isinstance(url, str) or not isinstance(ident, str):
        raise PlatformUnavailable("Slack did not say where the file goes")
    uploads.note(ident, upload.nonce)
    await api.put(url, upload.data)
    arguments: dict[str, object] = {
        "files": orjson.dumps([{"id": ident, "title": name}]).decode(),
        "channel_id": upload.chat.chat_id,
    }
    if upload.chat.thread_id is not None:
        arguments["thread_ts"] = upload.chat.thread_id
    if upload.caption:
        arguments["initial_comment"] = escape(upload.caption)
    await api.call("files.completeUploadExternal", arguments, as_query=True)
    return Sent(message=MessageRef(chat=upload.chat, message_id=ident))


def file_name(upload: Upload) -> str:
    """What a file is called in Slack."""
    return plain_name(upload.name)


async def _status(api: WebApi, chat: ChatRef, label: str) -> Outcome:
    """The line under a thread; Slack has none for a chat without threads."""
    if chat.thread_id is None:
        return Done()
    arguments = {
        "channel_id": chat.chat_id,
        "thread_ts": chat.thread_id,
        "status": label[:STATUS_MAX],
    }
    return await _decoration(api, "assistant.threads.setStatus", arguments)


async def _react(api: WebApi, react: React) -> Outcome:
    name = emoji_name(react.emoji)
    if name is None or _is_file(react.message):
        return Done()
    arguments = {
        "channel": react.message.chat.chat_id,
        "timestamp": react.message.message_id,
        "name": name,
    }
    return await _decoration(api, "reactions.add" if react.on else "reactions.remove", arguments)


async def _decoration(api: WebApi, method: str, arguments: Json) -> Outcome:
    """What nobody misses: a refusal of it, or a right it lacks, stops nothing else."""
    try:
        await api.call(method, arguments)
    except (MessageRejected, RightsMissing, ThreadGone):
        return Done()
    return Done()


async def _answer(api: WebApi, value: str, text: str) -> Outcome:
    """A press ends with its acknowledgement, so only words need a call.

    They go to its address; where that is used up or over, or there is none, to the person.
    """
    if not text:
        return Done()
    token, wire = read_token(value), format_plain(text)
    reachable = "user" in token and "channel" in token
    body = {
        "text": wire.text,
        "blocks": wire.blocks,
        "response_type": "ephemeral",
        "replace_original": False,
    }
    try:
        if token.get("url") or not reachable:
            await api.respond(str(token.get("url", "")), body)
            return Done()
    except PressExpired:
        if not reachable:
            raise
    await _tell(api, token, wire)
    return Done()


async def _tell(api: WebApi, token: Json, wire: Wire) -> None:
    """Private words without a response address: where they pressed or opened the form."""
    arguments = {name: token[name] for name in ("channel", "user", "thread_ts") if name in token}
    try:
        await api.call("chat.postEphemeral", arguments | _words(wire))
    except ChatUnavailable as error:
        raise PressExpired(str(error)) from error


async def _open_form(api: WebApi, opening: OpenForm) -> Outcome:
    """The modal for who pressed; a trigger lives three seconds and opens one."""
    token = read_token(opening.press.value)
    trigger = token.get("trigger")
    if not isinstance(trigger, str) or not trigger:
        raise PressExpired("the press came without anything that opens a form")
    view = view_of(opening.form, place_of(opening.chat, token.get("card")))
    await api.call("views.open", {"trigger_id": trigger, "view": view})
    return Done()


def _place(chat: ChatRef) -> dict[str, object]:
    place: dict[str, object] = {"channel": chat.chat_id}
    if chat.thread_id is not None:
        place["thread_ts"] = chat.thread_id
    return place


def _words(wire: Wire) -> dict[str, object]:
    return {"text": wire.text, "blocks": wire.blocks, **_QUIET}


def _is_file(message: MessageRef) -> bool:
    """Whether the reference is a file's, as an upload returns it."""
    return message.message_id.startswith("F")
