"""One operation as one call of the Bot API. Nothing is repeated, split or delayed here."""

import re
from collections.abc import Awaitable, Collection
from typing import assert_never

from telegram import (
    Bot,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    LinkPreviewOptions,
    Message,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
    User,
)
from telegram.error import TelegramError

from platforms.content import (
    AnswerPress,
    Button,
    Controls,
    Delete,
    Done,
    Edit,
    Menu,
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
    MessageRejected,
    PictureRejected,
    PlatformError,
    RightsMissing,
    SendUncertain,
)
from platforms.events import ChatRef, MessageRef
from platforms.telegram.errors import classify_error
from platforms.telegram.format import Wire, format_blocks, format_plain
from platforms.telegram.limits import (
    CALLBACK_ANSWER_MAX,
    PHOTO_MAX_BYTES,
    PHOTO_RATIO_MAX,
    PHOTO_SIDES_MAX,
)
from platforms.telegram.prompt import as_prompt
from platforms.telegram.reading import GENERAL
from platforms.telegram.shorten import shorten

Call = Awaitable[Message | bool]

_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_STYLES = {"plain": None, "primary": "primary", "danger": "danger"}
_NAME_MAX = 200
_UNSAFE_IN_NAME = re.compile(r"[\x00-\x1f\x7f\"\\/]+")
_EMOJI_STYLE = "\ufe0f"
_MEDIA = ("send photos", "send documents", "send media", "_photos_", "_docs_", "_media_")
_FILES_RIGHT = (
    "the bot may send no files there; a group's administrator allows it under Permissions,"
    " Send Media"
)


async def perform(bot: Bot, operation: Operation, *, forums: Collection[str]) -> Outcome:
    """Carry out one operation; raises one of `platforms.errors`."""
    call = _call(bot, operation, forums)
    if call is None:
        return Done()
    chat = _chat_of(operation)
    try:
        answer = await call
    except TelegramError as error:
        failure = classify_error(error, chat)
        if failure is None:
            return Done()
        if isinstance(operation, Upload):
            failure = _of_file(failure, operation)
        raise failure from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # The SDK read the answer and did not find what a message has.
        raise SendUncertain("Telegram's answer was not understood") from error
    if chat is None or not isinstance(answer, Message):
        return Done()
    if isinstance(operation, Post | Upload | OpenForm):
        return Sent(message=MessageRef(chat=chat, message_id=str(answer.message_id)))
    return Done()


def _chat_of(operation: Operation) -> ChatRef | None:
    match operation:
        case Post(chat=chat) | Upload(chat=chat) | Typing(chat=chat) | OpenForm(chat=chat):
            return chat
        case Edit(message=message) | Delete(message=message) | React(message=message):
            return message.chat
        case AnswerPress():
            return None
        case _:
            assert_never(operation)


def _call(bot: Bot, operation: Operation, forums: Collection[str]) -> Call | None:
    """The call, ready to be awaited; None if there is nothing to do."""
    match operation:
        case Post():
            return _post(bot, operation)
        case Upload():
            return _upload(bot, operation)
        case Edit():
            return _edit(bot, operation)
        case Delete(message=ref):
            return bot.delete_message(_chat_id(ref.chat), _message_id(ref))
        case Typing(on=True):
            return _typing(bot, operation.chat, forums)
        case Typing():
            return None  # it fades by itself within five seconds
        case React():
            return _react(bot, operation)
        case AnswerPress(press=press, text=text, alert=alert):
            words = shorten(format_plain(text).text, CALLBACK_ANSWER_MAX)
            return bot.answer_callback_query(press.value, text=words or None, show_alert=alert)
        case OpenForm():
            return _ask(bot, operation)
        case _:
            assert_never(operation)


def _post(bot: Bot, operation: Post) -> Call:
    chat = operation.chat
    if operation.only_for is not None and operation.only_for != chat.chat_id:
        raise MessageRejected("Telegram has no private messages in a group")
    wire = format_blocks(operation.body)
    return bot.send_message(
        _chat_id(chat),
        wire.text,
        entities=_entities(wire),
        message_thread_id=_thread(chat),
        reply_markup=_keyboard(operation.controls),
        reply_parameters=_reply(operation.quote),
        disable_notification=operation.silent or None,
        link_preview_options=_NO_PREVIEW,
    )


def _edit(bot: Bot, operation: Edit) -> Call:
    """The whole new state: a keyboard that is not named is taken away by the server."""
    wire = format_blocks(operation.body)
    return bot.edit_message_text(
        wire.text,
        chat_id=_chat_id(operation.message.chat),
        message_id=_message_id(operation.message),
        entities=_entities(wire),
        reply_markup=_keyboard(operation.controls),
        link_preview_options=_NO_PREVIEW,
    )


def _ask(bot: Bot, operation: OpenForm) -> Call:
    """A message whose reply is the form's value; it can be deleted, but never edited."""
    prompt = as_prompt(operation.form, operation.person, operation.person_name)
    return bot.send_message(
        _chat_id(operation.chat),
        prompt.wire.text,
        entities=_entities(prompt.wire),
        message_thread_id=_thread(operation.chat),
        reply_markup=ForceReply(selective=True, input_field_placeholder=prompt.placeholder or None),
        link_preview_options=_NO_PREVIEW,
    )


def _upload(bot: Bot, operation: Upload) -> Call:
    """A photo, or a document.

    Never an album: what became of several messages of one request can't be found out if the
    answer is lost, and all of them would be sent again.
    """
    name = _UNSAFE_IN_NAME.sub("_", operation.name)[-_NAME_MAX:] or "file"
    file = InputFile(operation.data, filename=name)
    send = bot.send_photo if is_photo(operation) else bot.send_document
    return send(
        _chat_id(operation.chat),
        file,
        caption=format_plain(operation.caption).text or None,
        message_thread_id=_thread(operation.chat),
    )


def is_photo(upload: Upload) -> bool:
    """Whether Telegram takes a file as a photo, as far as its limits tell."""
    if upload.picture is None or len(upload.data) > PHOTO_MAX_BYTES:
        return False
    short, long = sorted(upload.picture)
    return short > 0 and short + long <= PHOTO_SIDES_MAX and long <= PHOTO_RATIO_MAX * short


def _of_file(failure: PlatformError, upload: Upload) -> PlatformError:
    """What a refusal means for a file; without the right to send files, words still go.

    Source: Bot API server, "Not enough rights to send photos to the chat" and its kin.
    """
    words = str(failure).lower()
    refused = isinstance(failure, ChatUnavailable | MessageRejected)
    unable = refused and any(each in words for each in _MEDIA)
    if is_photo(upload) and (unable or isinstance(failure, MessageRejected)):
        return PictureRejected(str(failure))
    return RightsMissing(_FILES_RIGHT) if unable else failure


def _typing(bot: Bot, chat: ChatRef, forums: Collection[str]) -> Call:
    """In a forum's General topic the sign needs the id that messages there must not have."""
    thread = _thread(chat)
    if thread is None and chat.chat_id in forums:
        thread = GENERAL
    return bot.send_chat_action(_chat_id(chat), "typing", message_thread_id=thread)


def _react(bot: Bot, operation: React) -> Call:
    emoji = operation.emoji.replace(_EMOJI_STYLE, "")
    return bot.set_message_reaction(
        _chat_id(operation.message.chat),
        _message_id(operation.message),
        reaction=[ReactionTypeEmoji(emoji)] if operation.on else [],
    )


def _chat_id(chat: ChatRef) -> int:
    try:
        return int(chat.chat_id)
    except ValueError as exc:
        raise ChatUnavailable("not a Telegram chat id", reason="not_found") from exc


def _message_id(message: MessageRef) -> int:
    try:
        return int(message.message_id)
    except ValueError as exc:
        raise MessageRejected("not a Telegram message id") from exc


def _thread(chat: ChatRef) -> int | None:
    thread = int(chat.thread_id) if chat.thread_id and chat.thread_id.isdecimal() else None
    return None if thread == GENERAL else thread


def _reply(quote: MessageRef | None) -> ReplyParameters | None:
    """A reply; to a message that is gone it is an ordinary message."""
    if quote is None:
        return None
    return ReplyParameters(_message_id(quote), allow_sending_without_reply=True)


def _entities(wire: Wire) -> list[MessageEntity] | None:
    return [
        MessageEntity(
            entity.kind,
            entity.offset,
            entity.length,
            url=entity.url,
            language=entity.language,
            user=None if entity.user is None else User(entity.user, first_name="", is_bot=False),
        )
        for entity in wire.entities
    ] or None


def _keyboard(controls: Controls) -> InlineKeyboardMarkup | None:
    if not controls:
        return None
    return InlineKeyboardMarkup([[_key(control) for control in row] for row in controls])


def _key(control: Button | Menu) -> InlineKeyboardButton:
    match control:
        case Button(label=label, payload=payload, style=style):
            return InlineKeyboardButton(label, callback_data=payload, style=_STYLES[style])
        case Menu():
            raise MessageRejected("Telegram has no menus; the keyboard is swapped instead")
        case _:
            assert_never(control)
