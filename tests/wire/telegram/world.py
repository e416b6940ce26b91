"""The people, chats and messages of the loopback Bot API server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.wire.telegram.members import Rank
from tests.wire.telegram.rules import ForcedReply, Formatted, Key, bad, plain

GENERAL = 1
ANONYMOUS_ADMIN = 1087968824
CHANNEL_BOT = 136817688
Json = dict[str, Any]
Keyboard = tuple[tuple[Key, ...], ...]


@dataclass(slots=True)
class Person:
    """A user or a bot."""

    id: int
    name: str
    username: str | None = None
    is_bot: bool = False
    language: str | None = "en"

    def json(self) -> Json:
        """As a `User`."""
        result: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.name}
        if self.username:
            result["username"] = self.username
        if self.language and not self.is_bot:
            result["language_code"] = self.language
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One state of a message."""

    text: str
    entities: tuple[Mapping[str, Any], ...] = ()
    mentions: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    keyboard: Keyboard = ()
    preview: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file in the chat; `file_id` opens it through getFile."""

    file_id: str
    name: str
    mime: str
    data: bytes
    kind: str = "document"
    """The field of a message it comes in: document, photo, voice, audio or video."""
    declared: int | None = None
    """The size its message tells, where that is not the true one."""
    seconds: int = 0

    @property
    def size(self) -> int:
        """As its message tells it."""
        return len(self.data) if self.declared is None else self.declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A message whose input field opens as a reply; `people` see it, or all if it is None."""

    placeholder: str
    people: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A message as a person sees it, with every state it ever had, oldest first."""

    message_id: int
    chat: int
    thread: int | None
    sender: int
    ours: bool
    reply_to: int | None
    silent: bool
    file: File | None
    reactions: tuple[str, ...]
    asking: Asking | None
    history: tuple[Version, ...]

    @property
    def text(self) -> str:
        """What stands there now."""
        return self.history[-1].text

    @property
    def entities(self) -> tuple[Mapping[str, Any], ...]:
        """The formatting of the present text."""
        return self.history[-1].entities

    @property
    def mentions(self) -> tuple[str, ...]:
        """Whom the present text pings, by the server's own rule."""
        return self.history[-1].mentions

    @property
    def links(self) -> tuple[str, ...]:
        """What a tap on the present text would open."""
        return self.history[-1].links

    @property
    def keyboard(self) -> Keyboard:
        """The buttons under it now."""
        return self.history[-1].keyboard

    @property
    def preview(self) -> bool:
        """Whether links in the present text would be unfolded."""
        return self.history[-1].preview


@dataclass(slots=True)
class Message:
    """A message in its chat, while it stands."""

    id: int
    room: "Room"
    sender: Person
    date: int
    versions: list[Version]
    thread: int | None = None
    reply_to: int | None = None
    silent: bool = False
    file: File | None = None
    reactions: tuple[str, ...] = ()
    moods: dict[int, str] = field(default_factory=dict)
    """What people, by id, reacted with."""
    asks: ForcedReply | None = None
    edited: int | None = None
    extra: Json = field(default_factory=dict)

    def asking(self) -> Asking | None:
        """Whom a forced reply is shown to: who is named, and whose message this replies to."""
        if self.asks is None:
            return None
        named = [
            int(entity["user"]["id"])
            for entity in self.versions[-1].entities
            if entity["type"] == "text_mention"
        ]
        replied = self.room.messages.get(self.reply_to or 0)
        people = (*named, *([replied.sender.id] if replied is not None else []))
        return Asking(
            placeholder=self.asks.placeholder, people=people if self.asks.selective else None
        )

    def shown(self, us: int) -> Shown:
        """As a person sees it."""
        return Shown(
            message_id=self.id,
            chat=self.room.id,
            thread=self.thread,
            sender=self.sender.id,
            ours=self.sender.id == us,
            reply_to=self.reply_to,
            silent=self.silent,
            file=self.file,
            reactions=self.reactions,
            asking=self.asking(),
            history=tuple(self.versions),
        )

    def json(self, *, with_reply: bool = True) -> Json:
        """As a `Message`; a reply's own reply is left out, as the Bot API does."""
        state = self.versions[-1]
        result: Json = {
            "message_id": self.id,
            "from": self.sender.json(),
            "chat": self.room.json(),
            "date": self.date,
        }
        if self.edited:
            result["edit_date"] = self.edited
        if self.file is not None:
            result |= file_json(self.file)
            result |= {"caption": state.text} if state.text else {}
            if state.entities:
                result["caption_entities"] = list(state.entities)
        elif state.text:
            result["text"] = state.text
            if state.entities:
                result["entities"] = list(state.entities)
        if state.keyboard:
            result["reply_markup"] = keyboard_json(state.keyboard)
        if self.thread is not None and self.room.forum:
            result |= {"message_thread_id": self.thread, "is_topic_message": True}
        if with_reply:
            result |= self._reply()
        return result | self.extra

    def inaccessible_json(self) -> Json:
        """As an `InaccessibleMessage`: deleted, or too old to be looked up."""
        return {"chat": self.room.json(), "message_id": self.id, "date": 0}

    def _reply(self) -> Json:
        replied = self.room.messages.get(self.reply_to or 0)
        if replied is None and self.thread is not None and self.room.forum:
            # Every message of a topic that is no reply "replies" to the topic's first message.
            replied = self.room.messages.get(self.thread)
        if replied is None:
            return {}
        result: Json = {"reply_to_message": replied.json(with_reply=False)}
        if self.room.kind == "supergroup" and not self.room.forum:
            result["message_thread_id"] = self.reply_to
        return result


def file_json(file: File) -> Json:
    """The field of a message with a file; a photo comes in two sizes, the small one first."""
    if file.kind == "document":
        return {"document": document_json(file)}
    ids = {"file_id": file.file_id, "file_unique_id": f"u{file.file_id}", "file_size": file.size}
    if file.kind == "photo":
        small = {"file_id": "thumb", "file_unique_id": "uthumb", "width": 90, "height": 67}
        return {"photo": [small, ids | {"width": 1280, "height": 960}]}
    sides = {"width": 1280, "height": 960} if file.kind == "video" else {}
    return {file.kind: ids | sides | {"mime_type": file.mime, "duration": file.seconds}}


def document_json(file: File) -> Json:
    """A file as a `Document`."""
    return {
        "file_id": file.file_id,
        "file_unique_id": f"u{file.file_id}",
        "file_name": file.name,
        "mime_type": file.mime,
        "file_size": file.size,
    }


def keyboard_json(keys: Keyboard) -> Json:
    """An inline keyboard as it comes back in a `Message`."""
    return {
        "inline_keyboard": [
            [
                {"text": key.label, "callback_data": key.data}
                | ({"style": key.style} if key.style else {})
                for key in row
            ]
            for row in keys
        ]
    }


@dataclass(slots=True)
class Topic:
    """A forum topic; its id is the id of the service message that opened it."""

    id: int
    name: str
    closed: bool = False


@dataclass(slots=True)
class Room:
    """A chat: private (its id is the person's), group, supergroup or forum."""

    id: int
    kind: str
    title: str
    forum: bool = False
    username: str | None = None
    next_id: int = 1
    messages: dict[int, Message] = field(default_factory=dict)
    gone: dict[int, Message] = field(default_factory=dict)
    topics: dict[int, Topic] = field(default_factory=dict)
    moved_to: int | None = None
    bot_status: str = "member"
    bot_may_write: bool = True
    ranks: dict[int, Rank] = field(default_factory=dict)
    anonymous: set[int] = field(default_factory=set)
    members_hidden: bool = False

    def rank(self, user: int) -> Rank:
        """What somebody is here; who was never ranked is a member."""
        return self.ranks.get(user, "member")

    def json(self) -> Json:
        """As a `Chat`."""
        if self.kind == "private":
            result: Json = {"id": self.id, "type": "private", "first_name": self.title}
        else:
            result = {"id": self.id, "type": self.kind, "title": self.title}
        if self.username:
            result["username"] = self.username
        if self.forum:
            result["is_forum"] = True
        return result


class World:
    """Everything there is; ids are made here."""

    def __init__(self, us: Person) -> None:
        self.us = us
        self.people: dict[int, Person] = {us.id: us}
        self.rooms: dict[int, Room] = {}
        self.files: dict[str, File] = {}
        self._shared_ids = 0

    def person(self, user: int) -> Person:
        """The person of that id, made on first sight."""
        if user not in self.people:
            self.people[user] = Person(id=user, name=f"Person {user}")
        return self.people[user]

    def room(self, chat: int) -> Room:
        """The chat of that id, made on first sight: private, supergroup (-100...) or group."""
        if chat not in self.rooms:
            if chat > 0:
                self.rooms[chat] = Room(id=chat, kind="private", title=self.person(chat).name)
            else:
                kind = "supergroup" if str(chat).startswith("-100") else "group"
                self.rooms[chat] = Room(id=chat, kind=kind, title=f"Group {-chat}")
        return self.rooms[chat]

    def target(self, chat_id: Any) -> Room:
        """Where a method wants to write; raises what the Bot API answers if it may not."""
        if chat_id in {None, ""}:
            raise bad("chat_id is empty")
        rooms = self.rooms.values()
        named = (room for room in rooms if room.username and f"@{room.username}" == chat_id)
        room = self.rooms.get(_number(chat_id)) or next(named, None)
        if room is None:
            raise bad("chat not found")
        if room.moved_to is not None:
            raise bad(
                "group chat was upgraded to a supergroup chat", migrate_to_chat_id=room.moved_to
            )
        return room

    def topic(self, room: Room, thread: int | None) -> int | None:
        """The topic a message may be written to; General has no id when writing."""
        if thread is None:
            return None
        topic = room.topics.get(thread)
        if topic is None:
            raise bad("message thread not found")
        if topic.closed:
            raise bad("TOPIC_CLOSED")
        return thread

    def next_id(self, room: Room) -> int:
        """Supergroups count their own messages; private chats and groups share one count."""
        if room.kind == "supergroup":
            room.next_id += 1
            return room.next_id
        self._shared_ids += 1
        return self._shared_ids

    def add(self, room: Room, sender: Person, version: Version, *, date: int) -> Message:
        """A new message at the end of a chat."""
        message = Message(
            id=self.next_id(room), room=room, sender=sender, date=date, versions=[version]
        )
        room.messages[message.id] = message
        return message


def _number(chat_id: Any) -> int:
    """A chat's id however it was written; 0, which is no chat, for a name."""
    try:
        return int(chat_id)
    except (TypeError, ValueError):
        return 0


def version_of(formatted: Formatted, keys: Keyboard = (), *, preview: bool = True) -> Version:
    """A state of a message from what the server made of its text."""
    return Version(
        text=formatted.text,
        entities=formatted.entities,
        mentions=formatted.mentions,
        links=formatted.links,
        keyboard=keys,
        preview=preview,
    )


def spoken(text: str) -> Version:
    """A person's words."""
    return version_of(plain(text))
