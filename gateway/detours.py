"""Pure: another way for words that a platform does not take as they are."""

from dataclasses import replace

from platforms import blocks
from platforms.blocks import Blocks
from platforms.content import Edit, Operation, Post, Upload
from platforms.errors import (
    ChatMoved,
    MarkupRejected,
    MessageGone,
    PictureRejected,
    PlatformError,
    ThreadGone,
    TooLong,
)
from platforms.events import ChatRef


def detour(operation: Operation, error: PlatformError, *, nonce: str) -> Operation | None:
    """Another way to bring the same words after an error; None if there is none."""
    match error, operation:
        case MarkupRejected(), Post(body=body) | Edit(body=body):
            return replace(operation, body=blocks.plain(blocks.plain_text(body)))
        case TooLong(), Post(chat=chat, body=body, only_for=None):
            return _file(chat, body, nonce)
        case TooLong(), Edit(message=message, body=body):
            return _file(message.chat, body, nonce)
        case MessageGone(), Edit(message=message, body=body, controls=controls):
            return Post(chat=message.chat, body=body, controls=controls, nonce=nonce)
        case PictureRejected(), Upload():
            return replace(operation, picture=None)
        case ThreadGone(), Post(chat=chat) | Upload(chat=chat):
            return replace(operation, chat=replace(chat, thread_id=None))
        case ChatMoved(to=to), Post(chat=chat) | Upload(chat=chat):
            return replace(operation, chat=replace(to, thread_id=chat.thread_id))
        case ChatMoved(to=to), Edit(body=body, controls=controls):
            return Post(chat=to, body=body, controls=controls, nonce=nonce)
        case _:
            return None


def _file(chat: ChatRef, body: Blocks, nonce: str) -> Upload:
    """The words of a part that the platform finds too long, although we measured it."""
    data = blocks.plain_text(body).encode()
    return Upload(chat=chat, data=data, name="answer.txt", mime="text/plain", nonce=nonce)
