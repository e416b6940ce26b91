"""The Bot API methods the loopback server offers: arguments in, `result` out, or a Refusal."""

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.wire.telegram import media
from tests.wire.telegram.members import ADMINS, member_json
from tests.wire.telegram.rules import (
    CALLBACK_ANSWER_MAX,
    CAPTION_MAX,
    CHAT_ACTIONS,
    REACTIONS,
    TEXT_MAX,
    Formatted,
    Refusal,
    bad,
    forced_reply,
    format_text,
    json_argument,
    keyboard,
    units,
)
from tests.wire.telegram.updates import DEFAULT_KINDS, Updates, webhook_from
from tests.wire.telegram.world import (
    GENERAL,
    File,
    Json,
    Keyboard,
    Message,
    Room,
    World,
    version_of,
)

Arguments = Mapping[str, Any]
Method = Callable[[Arguments], Any]
DOWNLOAD_MAX = 20 * 1024 * 1024
PRESS_LIFE_S = 150.0
LIMITED = frozenset(
    {
        *("sendMessage", "sendDocument", "sendPhoto", "sendVoice", "sendMediaGroup"),
        *("editMessageText", "editMessageReplyMarkup"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Documented sending rates; `scale` makes time run that much faster.

    Source: core.telegram.org/bots/faq: 1 a second in a chat with short bursts, 20 a minute in a
    group, about 30 a second over all. How long a burst is, is not documented: `chat_burst` at
    once, and one more for every second after.
    """

    chat_per_s: float = 1.0
    chat_burst: int = 3
    group_per_min: int = 20
    all_per_s: int = 30
    scale: float = 1.0


MENU_SCOPES = ("default", "all_private_chats", "all_group_chats", "all_chat_administrators")


@dataclass(slots=True)
class Press:
    """A button press that waits for answerCallbackQuery."""

    id: str
    user: int
    chat: int
    at: float
    answered: bool = False
    text: str = ""
    alert: bool = False


@dataclass(slots=True)
class Methods:
    """The method table over one world and one update queue."""

    world: World
    updates: Updates
    rates: Rates | None
    clock: Callable[[], float]
    privacy: bool
    presses: dict[str, Press] = field(default_factory=dict)
    menus: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    """By scope ("default", "chat 1001") and language, "" for everybody's."""
    actions: list[tuple[int, int | None, str]] = field(default_factory=list)
    _spent: dict[str, list[float]] = field(default_factory=dict)
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict)

    def table(self) -> dict[str, Method]:
        """Every method offered, by lower-case name."""
        return {
            "getme": self._get_me,
            "deletewebhook": self._delete_webhook,
            "setwebhook": self._set_webhook,
            "getwebhookinfo": lambda _: self.updates.info(),
            "setmycommands": self._set_my_commands,
            "getmycommands": lambda arguments: self.menus.get(self._menu(arguments), []),
            "deletemycommands": self._delete_my_commands,
            "sendmessage": self._send_message,
            "senddocument": self._send_document,
            "sendphoto": self._send_photo,
            "sendvoice": self._send_voice,
            "sendmediagroup": self._send_media_group,
            "editmessagetext": self._edit_message_text,
            "editmessagereplymarkup": self._edit_markup,
            "deletemessage": self._delete_message,
            "sendchataction": self._send_chat_action,
            "setmessagereaction": self._set_reaction,
            "answercallbackquery": self._answer_press,
            "getfile": self._get_file,
            "getchat": self._get_chat,
            "getchatmember": self._get_chat_member,
            "getchatadministrators": self._get_chat_administrators,
            "leavechat": self._leave_chat,
        }

    def limit(self, method: str, arguments: Arguments) -> None:
        """Raises 429 with `retry_after` when this call comes too soon."""
        if self.rates is None or method not in LIMITED:
            return
        rates, chat = self.rates, str(arguments.get("chat_id"))
        windows = [("all", rates.all_per_s, 1.0)]
        if chat.startswith("-"):
            windows.append((f"group {chat}", rates.group_per_min, 60.0))
        now = self.clock() * rates.scale
        level, at = self._levels.get(chat, (float(rates.chat_burst), now))
        level = min(rates.chat_burst, level + (now - at) * rates.chat_per_s)
        if level < 1:
            raise _too_soon((1 - level) / rates.chat_per_s / rates.scale)
        for name, most, span in windows:
            recent = [at for at in self._spent.get(name, []) if at > now - span]
            self._spent[name] = recent
            if len(recent) >= most:
                raise _too_soon((recent[-most] + span - now) / rates.scale)
        self._levels[chat] = level - 1, now
        for name, _, _ in windows:
            self._spent[name].append(now)

    async def get_updates(self, arguments: Arguments, *, deaf: bool) -> list[Any]:
        """getUpdates; apart from the table because it waits."""
        self.subscribe(arguments)
        return await self.updates.poll(
            integer(arguments, "offset") or 0,
            integer(arguments, "limit") or 100,
            float(integer(arguments, "timeout") or 0),
            deaf=deaf,
        )

    def subscribe(self, arguments: Arguments) -> None:
        """Takes over `allowed_updates` if it is given."""
        kinds = json_argument(arguments, "allowed_updates")
        if kinds is not None:
            self.updates.kinds = frozenset(kinds) or DEFAULT_KINDS

    # -- identity, webhook, commands

    def _get_me(self, _: Arguments) -> Json:
        return self.world.us.json() | {
            "can_join_groups": True,
            "can_read_all_group_messages": not self.privacy,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }

    def _set_webhook(self, arguments: Arguments) -> bool:
        self.subscribe(arguments)
        url = str(arguments.get("url", ""))
        if not url:
            return self._delete_webhook(arguments)
        secret = arguments.get("secret_token")
        connections = integer(arguments, "max_connections") or 40
        hook = webhook_from(url, secret, connections)
        self._drop_if_asked(arguments)
        self.updates.set_webhook(hook)
        return True

    def _delete_webhook(self, arguments: Arguments) -> bool:
        self._drop_if_asked(arguments)
        self.updates.set_webhook(None)
        return True

    def _drop_if_asked(self, arguments: Arguments) -> None:
        if truth(arguments, "drop_pending_updates"):
            self.updates.pending.clear()

    def _set_my_commands(self, arguments: Arguments) -> bool:
        commands = json_argument(arguments, "commands")
        if not isinstance(commands, list) or len(commands) > 100:
            raise bad("BOT_COMMANDS_TOO_MUCH")
        for command in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", str(command.get("command", ""))):
                raise bad("BOT_COMMAND_INVALID")
            if not 1 <= len(str(command.get("description", ""))) <= 256:
                raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        self.menus[self._menu(arguments)] = commands
        return True

    def _delete_my_commands(self, arguments: Arguments) -> bool:
        self.menus.pop(self._menu(arguments), None)
        return True

    def _menu(self, arguments: Arguments) -> tuple[str, str]:
        """Which menu a call means."""
        language = str(arguments.get("language_code") or "")
        if not re.fullmatch(r"([a-z]{2})?", language):
            raise bad("BOT_COMMANDS_LANGUAGE_INVALID")
        scope = json_argument(arguments, "scope") or {"type": "default"}
        kind = scope.get("type")
        if kind in MENU_SCOPES:
            return str(kind), language
        if kind != "chat":
            raise bad("can't parse BotCommandScope: Unsupported type specified")
        self.world.target(scope.get("chat_id"))
        return f"chat {scope['chat_id']}", language

    # -- messages

    def _writable(self, arguments: Arguments) -> Room:
        room = self.world.target(arguments.get("chat_id"))
        if room.bot_status == "blocked":
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        if room.bot_status in {"kicked", "left"}:
            what = "was kicked from" if room.bot_status == "kicked" else "is not a member of"
            raise Refusal(403, f"Forbidden: bot {what} the {room.kind} chat")
        if not room.bot_may_write:
            raise bad("not enough rights to send text messages to the chat")
        return room

    def _reply_to(self, room: Room, arguments: Arguments) -> int | None:
        raw = json_argument(arguments, "reply_parameters")
        if raw is None:
            return None
        message_id = raw.get("message_id") if isinstance(raw, dict) else None
        if message_id in room.messages:
            return int(message_id)
        if isinstance(raw, dict) and raw.get("allow_sending_without_reply"):
            return None
        raise bad("message to be replied not found")

    def _formatted(self, arguments: Arguments, field_name: str = "text") -> Formatted:
        if arguments.get("parse_mode"):
            raise bad("can't parse entities: this server takes entities, not a parse mode")
        entities = "entities" if field_name == "text" else "caption_entities"
        limit = TEXT_MAX if field_name == "text" else CAPTION_MAX
        what = "message text" if field_name == "text" else "message caption"
        raw = json_argument(arguments, entities)
        text = str(arguments.get(field_name, ""))
        return format_text(text, raw, limit=limit, what=what, known=self.world.people)

    def _send_message(self, arguments: Arguments) -> Json:
        room = self._writable(arguments)
        formatted = self._formatted(arguments)
        message = self._new(room, arguments, formatted)
        return message.json()

    def _new(self, room: Room, arguments: Arguments, formatted: Formatted) -> Message:
        markup = json_argument(arguments, "reply_markup")
        keys, asks = keyboard(markup), forced_reply(markup)
        thread = self.world.topic(room, integer(arguments, "message_thread_id"))
        reply_to = self._reply_to(room, arguments)
        version = version_of(formatted, keys, preview=_preview(arguments))
        message = self.world.add(room, self.world.us, version, date=int(time.time()))
        message.thread, message.reply_to = thread, reply_to
        message.silent = truth(arguments, "disable_notification")
        message.asks = asks
        return message

    def _send_document(self, arguments: Arguments) -> Json:
        room = self._writable(arguments)
        file = media.document(arguments.get("document"))
        return self._with_file(room, arguments, file).json()

    def _send_photo(self, arguments: Arguments) -> Json:
        room = self._writable(arguments)
        file = media.photo(arguments.get("photo"))
        return self._with_file(room, arguments, file).json()

    def _send_voice(self, arguments: Arguments) -> Json:
        room = self._writable(arguments)
        file = media.voice(arguments.get("voice"), integer(arguments, "duration") or 0)
        return self._with_file(room, arguments, file).json()

    def _send_media_group(self, arguments: Arguments) -> list[Json]:
        """All of an album or nothing; each file is a message of its own."""
        room = self._writable(arguments)
        files = media.album(json_argument(arguments, "media"), arguments)
        made = []
        for file, said in files:
            message = self._with_file(room, {**arguments, **said}, file)
            message.extra = {"media_group_id": f"album{room.id}-{files[0][0].file_id}"}
            made.append(message.json())
        return made

    def _with_file(self, room: Room, arguments: Arguments, file: File) -> Message:
        caption = Formatted(text="", entities=(), mentions=())
        if arguments.get("caption"):
            caption = self._formatted(arguments, "caption")
        message = self._new(room, arguments, caption)
        message.file = file
        self.world.files[file.file_id] = file
        return message

    def _own(self, arguments: Arguments, gone: str, refused: str) -> Message:
        room = self._writable(arguments)
        message = room.messages.get(integer(arguments, "message_id") or 0)
        if message is None:
            raise bad(gone)
        if message.sender.id != self.world.us.id:
            raise bad(refused)
        return message

    def _editable(self, arguments: Arguments) -> Message:
        """Messages with a keyboard below the input field or a forced reply stay as they are."""
        message = self._own(arguments, "message to edit not found", "message can't be edited")
        if message.asks is not None:
            raise bad("message can't be edited")
        return message

    def _edit_message_text(self, arguments: Arguments) -> Json:
        message = self._editable(arguments)
        if message.file is not None:
            raise bad("there is no text in the message to edit")
        try:
            formatted = self._formatted(arguments)
        except Refusal as exc:
            raise bad("MESSAGE_TOO_LONG") if "too long" in exc.description else exc from exc
        keys = _inline_only(json_argument(arguments, "reply_markup"))
        version = version_of(formatted, keys, preview=_preview(arguments))
        now = message.versions[-1]
        if (now.text, now.entities, now.keyboard) == (
            version.text,
            version.entities,
            version.keyboard,
        ):
            raise _not_modified()
        message.versions.append(version)
        message.edited = int(time.time())
        return message.json()

    def _edit_markup(self, arguments: Arguments) -> Json:
        message = self._editable(arguments)
        keys = _inline_only(json_argument(arguments, "reply_markup"))
        now = message.versions[-1]
        if now.keyboard == keys:
            raise _not_modified()
        formatted = Formatted(
            text=now.text, entities=now.entities, mentions=now.mentions, links=now.links
        )
        message.versions.append(version_of(formatted, keys, preview=now.preview))
        return message.json()

    def _delete_message(self, arguments: Arguments) -> bool:
        message = self._own(
            arguments, "message to delete not found", "message can't be deleted for everyone"
        )
        message.room.gone[message.id] = message.room.messages.pop(message.id)
        return True

    def _send_chat_action(self, arguments: Arguments) -> bool:
        room = self._writable(arguments)
        action = str(arguments.get("action"))
        if action not in CHAT_ACTIONS:
            raise bad("wrong parameter action in request")
        thread = integer(arguments, "message_thread_id")
        if thread != GENERAL:
            self.world.topic(room, thread)
        self.actions.append((room.id, thread, action))
        return True

    def _set_reaction(self, arguments: Arguments) -> bool:
        room = self._writable(arguments)
        message = room.messages.get(integer(arguments, "message_id") or 0)
        if message is None:
            raise bad("message to react not found")
        reactions = json_argument(arguments, "reaction") or []
        emojis = tuple(str(entry.get("emoji")) for entry in reactions)
        if len(emojis) > 1:
            raise bad("REACTIONS_TOO_MANY")
        if not set(emojis) <= REACTIONS:
            raise bad("REACTION_INVALID")
        message.reactions = emojis
        return True

    def _answer_press(self, arguments: Arguments) -> bool:
        press = self.presses.get(str(arguments.get("callback_query_id")))
        if press is None or press.answered or self.clock() - press.at > PRESS_LIFE_S:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        text = str(arguments.get("text", ""))
        if units(text) > CALLBACK_ANSWER_MAX:
            raise bad("MESSAGE_TOO_LONG")
        press.answered, press.text = True, text
        press.alert = truth(arguments, "show_alert")
        return True

    # -- files and chats

    def _get_file(self, arguments: Arguments) -> Json:
        file = self.world.files.get(str(arguments.get("file_id")))
        if file is None:
            raise bad("wrong file_id or the file is temporarily unavailable")
        if len(file.data) > DOWNLOAD_MAX:
            raise bad("file is too big")
        return {
            "file_id": file.file_id,
            "file_unique_id": f"u{file.file_id}",
            "file_size": len(file.data),
            "file_path": f"documents/{file.file_id}",
        }

    def _get_chat(self, arguments: Arguments) -> Json:
        room = self.world.target(arguments.get("chat_id"))
        return room.json() | {
            "accent_color_id": 0,
            "max_reaction_count": 11,
            "accepted_gift_types": {
                "unlimited_gifts": True,
                "limited_gifts": True,
                "unique_gifts": True,
                "premium_subscription": True,
                "gifts_from_channels": True,
            },
        }

    def _get_chat_member(self, arguments: Arguments) -> Json:
        room = self.world.target(arguments.get("chat_id"))
        user, us = integer(arguments, "user_id"), self.world.us.id
        gone = room.bot_status in {"kicked", "left"}
        if gone and user != us:
            raise Refusal(403, f"Forbidden: bot is not a member of the {room.kind} chat")
        if user is None or user not in self.world.people:
            raise bad("PARTICIPANT_ID_INVALID")
        if room.members_hidden and user != us and room.rank(us) not in ADMINS:
            raise bad("member list is inaccessible")
        rank = room.rank(user)
        if user == us and gone:
            rank = "kicked" if room.bot_status == "kicked" else "left"
        who = self.world.people[user].json()
        return member_json(who, rank, anonymous=user in room.anonymous)

    def _get_chat_administrators(self, arguments: Arguments) -> list[Json]:
        room = self.world.target(arguments.get("chat_id"))
        if room.kind == "private":
            raise bad("there are no administrators in the private chat")
        if room.bot_status in {"kicked", "left"}:
            raise Refusal(403, f"Forbidden: bot is not a member of the {room.kind} chat")
        return [
            member_json(self.world.people[user].json(), rank, anonymous=user in room.anonymous)
            for user, rank in room.ranks.items()
            if rank in ADMINS and (user == self.world.us.id or not self.world.people[user].is_bot)
        ]

    def _leave_chat(self, arguments: Arguments) -> bool:
        room = self.world.target(arguments.get("chat_id"))
        if room.kind == "private":
            raise bad("chat member status can't be changed in private chats")
        if room.bot_status in {"kicked", "left"}:
            raise Refusal(403, f"Forbidden: bot is not a member of the {room.kind} chat")
        room.bot_status = "left"
        return True


def _inline_only(markup: Any) -> Keyboard:
    """The keyboard of an edit, which takes no other reply markup."""
    if forced_reply(markup) is not None:
        raise bad("inline keyboard expected")
    return keyboard(markup)


def _too_soon(seconds: float) -> Refusal:
    wait = max(1, math.ceil(seconds))
    return Refusal(429, f"Too Many Requests: retry after {wait}", retry_after=wait)


def _not_modified() -> Refusal:
    return bad(
        "message is not modified: specified new message content and reply markup are exactly the "
        "same as a current content and reply markup of the message"
    )


def _preview(arguments: Arguments) -> bool:
    options = json_argument(arguments, "link_preview_options")
    off = isinstance(options, dict) and bool(options.get("is_disabled"))
    return not off and not truth(arguments, "disable_web_page_preview")


def integer(arguments: Arguments, name: str) -> int | None:
    """An integer argument, however it was encoded."""
    value = arguments.get(name)
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError) as exc:
        raise bad(f'parameter "{name}" is required to be an integer') from exc


def truth(arguments: Arguments, name: str) -> bool:
    """A boolean argument, however it was encoded."""
    return str(arguments.get(name, "")).lower() in {"true", "1", "yes"}
