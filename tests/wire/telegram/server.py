"""The loopback Bot API server: routes, what people do, and what stands in the chats."""

import asyncio
import itertools
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import web

from tests.wire.server import LoopbackServer
from tests.wire.telegram import page
from tests.wire.telegram.acts import Acts
from tests.wire.telegram.members import Rank
from tests.wire.telegram.methods import Methods, Press, Rates
from tests.wire.telegram.rules import Refusal
from tests.wire.telegram.shapes import Shape, send_shaped
from tests.wire.telegram.updates import Pusher, Updates, webhook_from
from tests.wire.telegram.world import (
    ANONYMOUS_ADMIN,
    CHANNEL_BOT,
    File,
    Json,
    Message,
    Person,
    Room,
    Shown,
    Topic,
    Version,
    World,
    spoken,
)

TOKEN = "7000000001:TEST_token-of-no-real-bot"


class TelegramServer(Acts, LoopbackServer):
    """`/bot<token>/METHOD` and `/file/bot<token>/PATH` below `url`, and a page for people at `/`.

    A long poll is noted twice: with status 0 when it arrives, and again when it is answered.
    Private chats exist from their person's first word: nobody can be written to before.
    """

    def __init__(
        self,
        *,
        token: str = TOKEN,
        username: str = "gatepost_bot",
        host: str = "127.0.0.1",
        port: int = 0,
        rates: Rates | None = None,
        privacy: bool = False,
        clock: Callable[[], float] = time.monotonic,
        conflict_gap_s: float = 3.0,
        longest_poll_s: float = 50.0,
        retries_in_real_time: bool = False,
    ) -> None:
        super().__init__(host=host, port=port)
        self.token = token
        us = Person(
            id=int(token.partition(":")[0]), name="Gatepost", username=username, is_bot=True
        )
        self.world = World(us)
        self.updates = Updates(
            clock=clock, conflict_gap_s=conflict_gap_s, longest_poll_s=longest_poll_s
        )
        self.methods = Methods(
            world=self.world, updates=self.updates, rates=rates, clock=clock, privacy=privacy
        )
        self._table = self.methods.table()
        self._pusher = Pusher(self.updates, self._pushed, real_time=retries_in_real_time)
        self.shapes: defaultdict[str, deque[Shape]] = defaultdict(deque)
        self._deaf: set[int] = set()
        self._connections: dict[int, asyncio.BaseTransport] = {}
        self._numbers = itertools.count(1)
        self._clock = clock

    # -- serving

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._pusher.start()
        self.updates.use_pusher(self._pusher)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._pusher.stop()
        self.updates.release()
        await super().__aexit__(kind, error, trace)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The Bot API, its files, and the page."""
        return [
            web.route("*", "/bot{token:[^/]+}/{method}", self._call),
            web.get("/file/bot{token:[^/]+}/{path:.+}", self._file),
            web.get("/", self._page),
            web.get("/page/state", self._page_state),
            web.post("/page/{action}", self._page_action),
        ]

    @property
    def offered(self) -> frozenset[str]:
        """Every operation there is, in lower case; `webhook` is an update that is pushed."""
        return frozenset({*self._table, "getupdates", "file", "webhook"})

    def operation(self, request: web.Request) -> str:
        """The method name, `file` for downloads; the token never shows."""
        parts = request.path.split("/")
        if parts[1] == "file":
            return "file"
        return parts[2] if parts[1].startswith("bot") and len(parts) > 2 else request.path

    def reject(self, request: web.Request) -> web.Response:
        """An unknown path, in the words of the Bot API."""
        return envelope(Refusal(404, "Not Found"))

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments = await read_arguments(request, self._file_id)
        try:
            if unquote(request.match_info["token"]) != self.token:
                raise Refusal(401, "Unauthorized")
            result = await self._perform(method, arguments, request)
        except Refusal as exc:
            self.note(method, arguments, exc.code, request.headers)
            return envelope(exc)
        self.note(method, arguments, 200, request.headers)
        response = web.json_response({"ok": True, "result": result})
        if self.shapes[method]:
            return await send_shaped(request, self.shapes[method].popleft(), response)
        return response

    async def _perform(self, method: str, arguments: Json, request: web.Request) -> Any:
        if method.lower() == "getupdates":
            self.note(method, arguments, 0, request.headers)
            return await self.methods.get_updates(arguments, deaf=self._is_deaf(request))
        handler = self._table.get(method.lower())
        if handler is None:
            self.unexpected.append(method)
            raise Refusal(404, "Not Found")
        self.methods.limit(method, arguments)
        return handler(arguments)

    def _is_deaf(self, request: web.Request) -> bool:
        transport = request.transport
        if transport is None:
            return True
        self._connections[id(transport)] = transport
        return id(transport) in self._deaf

    async def _file(self, request: web.Request) -> web.Response:
        file = self.world.files.get(request.match_info["path"].removeprefix("documents/"))
        known = file is not None and unquote(request.match_info["token"]) == self.token
        self.note("file", {"path": request.match_info["path"]}, 200 if known else 404)
        if file is None or not known:
            return envelope(Refusal(404, "Not Found"))
        return web.Response(body=file.data, content_type="application/octet-stream")

    async def _pushed(self, arguments: Json, status: int, answer: bytes) -> None:
        if 200 <= status < 300 and b"method" in answer:
            self.unexpected.append(f"a method call in the webhook's answer: {answer[:80]!r}")
        self.note("webhook", arguments, status)

    def _file_id(self) -> str:
        return f"F{next(self._numbers)}"

    # -- faults beyond those of the base

    def deafen(self) -> None:
        """Polls on connections open now stay empty for ever, whatever waits for them."""
        self._deaf.update(self._connections)

    def advance(self, seconds: float) -> None:
        """Moves the webhook's retry clock on."""
        self._pusher.advance(seconds)

    def take_webhook(self, url: str) -> None:
        """Another process with our token sets its own webhook, or with "" deletes ours."""
        self.updates.set_webhook(webhook_from(url, None, 40) if url else None)

    def jump_ids(self, to: int) -> None:
        """The next update has this id, as after an idle week."""
        self.updates.next_id = to

    # -- people

    def person(
        self, user: int, name: str, *, username: str | None = None, is_bot: bool = False
    ) -> Person:
        """Names a person; an unnamed one exists from first use."""
        found = self.world.person(user)
        found.name, found.username, found.is_bot = name, username, is_bot
        return found

    def group(self, chat: int, title: str = "Team", *, forum: bool = False) -> Room:
        """Makes a group; ids that begin with -100 are supergroups."""
        room = self.world.room(chat)
        room.title, room.forum = title, forum
        return room

    def rank(self, chat: int, user: int, rank: Rank, *, anonymous: bool = False) -> None:
        """Makes somebody creator, administrator or member; `anonymous` hides who speaks."""
        room = self.world.room(chat)
        room.ranks[self.world.person(user).id] = rank
        if anonymous:
            room.anonymous.add(user)
        else:
            room.anonymous.discard(user)

    def topic(self, chat: int, name: str, *, by_us: bool = False) -> int:
        """Opens a topic in a forum and returns its thread id."""
        room = self.world.room(chat)
        sender = self.world.us if by_us else self.world.person(1001)
        message = self._add(room, sender, Version(text=""))
        message.extra = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
        message.thread = message.id
        room.topics[message.id] = Topic(id=message.id, name=name)
        return message.id

    async def say(
        self,
        *,
        chat: int,
        user: int,
        text: str = "",
        thread: int | None = None,
        reply_to: int | None = None,
        entities: Sequence[Mapping[str, Any]] | None = None,
        as_chat: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> int:
        """A person writes; `extra` is put over the message's JSON. Returns the message id.

        `as_chat` hides the person behind the group itself, as its anonymous administrators may,
        or behind a channel of theirs.
        """
        room = self.world.room(chat)
        if as_chat is not None:
            here = as_chat == chat
            user = ANONYMOUS_ADMIN if here else CHANNEL_BOT
            self.person(
                user,
                "Group" if here else "Channel",
                username="GroupAnonymousBot" if here else "Channel_Bot",
                is_bot=True,
            )
            extra = {"sender_chat": self._speaker(as_chat)} | dict(extra or {})
        version = spoken(text)
        if entities is not None:
            version = Version(text=text, entities=tuple(entities))
        message = self._add(room, self.world.person(user), version)
        message.thread, message.reply_to = thread, reply_to
        message.extra = dict(extra or {})
        if not self._hidden_by_privacy(message):
            self.updates.add("message", message.json(), place=str(chat))
        return message.id

    async def fill_in(self, *, chat: int, user: int, message_id: int, text: str) -> int:
        """A person answers the reply they are asked for; raises if they are not asked."""
        message = self.world.room(chat).messages[message_id]
        asking = message.asking()
        if asking is None or (asking.people is not None and user not in asking.people):
            raise AssertionError(f"message {message_id} asks {user} for nothing")
        return await self.say(
            chat=chat, user=user, text=text, thread=message.thread, reply_to=message_id
        )

    def _speaker(self, chat: int) -> Json:
        """The chat somebody speaks as; one that is no group here is a channel."""
        if chat in self.world.rooms:
            return self.world.rooms[chat].json()
        return {"id": chat, "type": "channel", "title": f"Channel {-chat}"}

    async def upload(
        self,
        *,
        chat: int,
        user: int,
        name: str,
        data: bytes,
        caption: str = "",
        kind: str = "document",
        mime: str = "application/octet-stream",
        declared: int | None = None,
        seconds: int = 0,
        album: str = "",
    ) -> int:
        """A person sends a file; `kind` as `File` has it, `album` puts several together."""
        room = self.world.room(chat)
        message = self._add(room, self.world.person(user), spoken(caption))
        message.file = File(
            file_id=self._file_id(),
            name=name,
            mime=mime,
            data=data,
            kind=kind,
            declared=declared,
            seconds=seconds,
        )
        message.extra = {"media_group_id": album} if album else {}
        self.world.files[message.file.file_id] = message.file
        self.updates.add("message", message.json(), place=str(chat))
        return message.id

    async def rewrite(self, *, chat: int, message_id: int, text: str) -> None:
        """A person edits what they wrote."""
        message = self.world.room(chat).messages[message_id]
        message.versions.append(spoken(text))
        message.edited = int(time.time())
        self.updates.add("edited_message", message.json(), place=str(chat))

    async def press(
        self,
        *,
        chat: int,
        message_id: int,
        user: int,
        label: str = "",
        data: str = "",
        state: int = -1,
        inaccessible: bool = False,
    ) -> str:
        """A person presses the button with this label or data; returns the callback id.

        `state` is which state of the message still stands on their screen. A message that was
        deleted meanwhile, or is `inaccessible` for its age, comes without what it says.
        """
        room = self.world.room(chat)
        message = room.messages.get(message_id) or room.gone[message_id]
        keys = [key for row in message.versions[state].keyboard for key in row]
        key = next(
            (key for key in keys if label in {key.label, ""} and data in {key.data, ""}), None
        )
        if key is None:
            raise AssertionError(f"no such button; there are {[key.label for key in keys]}")
        callback = str(4_000_000_000_000 + next(self._numbers))
        self.methods.presses[callback] = Press(id=callback, user=user, chat=chat, at=self._clock())
        hidden = inaccessible or message_id in room.gone
        body = {
            "id": callback,
            "from": self.world.person(user).json(),
            "message": message.inaccessible_json() if hidden else message.json(),
            "chat_instance": str(-chat),
            "data": key.data,
        }
        self.updates.add("callback_query", body, place=f"press {user}")
        return callback

    def answer(self, callback: str) -> Press:
        """What became of a press."""
        return self.methods.presses[callback]

    async def redeliver(self, update: Mapping[str, Any]) -> int:
        """The same update once more, with its old id."""
        return self.updates.put(
            dict(update), place="redelivered", update_id=int(update["update_id"])
        )

    async def send_raw(self, payload: Any, *, place: str = "raw") -> int:
        """Any JSON value as an update; an object without `update_id` gets one."""
        return self.updates.put(payload, place=place)

    async def migrate(self, chat: int) -> int:
        """A group becomes a supergroup: a new id, message ids from the beginning."""
        old = self.world.room(chat)
        new = self.world.room(int(f"-100{-chat}"))
        new.title, old.moved_to = old.title, new.id
        for room, field_name, other in (
            (old, "migrate_to_chat_id", new.id),
            (new, "migrate_from_chat_id", old.id),
        ):
            message = self._add(room, self.world.person(1001), Version(text=""))
            message.extra = {field_name: other}
            self.updates.add("message", message.json(), place=str(room.id))
        return new.id

    async def set_bot_status(self, chat: int, status: str) -> None:
        """`member`, `kicked`, `left`; `blocked` in a private chat."""
        room = self.world.room(chat)
        shown = {"blocked": "kicked"}
        before, room.bot_status = room.bot_status, status
        us = self.world.us.json()
        body = {
            "chat": room.json(),
            "from": self.world.person(chat if chat > 0 else 1001).json(),
            "date": int(time.time()),
            "old_chat_member": {"user": us, "status": shown.get(before, before), "until_date": 0},
            "new_chat_member": {"user": us, "status": shown.get(status, status), "until_date": 0},
        }
        self.updates.add("my_chat_member", body, place=str(chat))

    # -- what stands in the chats

    def messages(self, chat: int, thread: int | None = None) -> tuple[Shown, ...]:
        """The messages of a chat, or of one topic, as they stand now, oldest first."""
        room = self.world.room(chat)
        return tuple(
            message.shown(self.world.us.id)
            for _, message in sorted(room.messages.items())
            if thread is None or message.thread == thread
        )

    def ours(self, chat: int, thread: int | None = None) -> tuple[Shown, ...]:
        """The bot's messages of a chat as they stand now."""
        return tuple(message for message in self.messages(chat, thread) if message.ours)

    def _add(self, room: Room, sender: Person, version: Version) -> Message:
        return self.world.add(room, sender, version, date=int(time.time()))

    def _hidden_by_privacy(self, message: Message) -> bool:
        """In privacy mode a group shows a bot commands, replies to it and service messages."""
        if not self.methods.privacy or message.room.kind == "private" or message.extra:
            return False
        replied = message.room.messages.get(message.reply_to or 0)
        to_us = replied is not None and replied.sender.id == self.world.us.id
        return not to_us and not message.versions[-1].text.startswith("/")

    # -- the page for people

    async def _page(self, request: web.Request) -> web.Response:
        text = page.HTML.replace("@NAME", f"@{self.world.us.username}")
        return web.Response(text=text, content_type="text/html")

    async def _page_state(self, request: web.Request) -> web.Response:
        return web.json_response(page.state(self.world, self.methods.presses.values()))

    async def _page_action(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        chat, user = int(form.get("chat", "1001")), int(form.get("user", "1001"))
        if request.match_info["action"] == "say" and form.get("text"):
            await self.say(chat=chat, user=user, text=form["text"])
        elif request.match_info["action"] == "press":
            await self.press(
                chat=chat, user=user, message_id=int(form["message"]), data=form["data"]
            )
        elif request.match_info["action"] == "fill" and form.get("text"):
            await self.fill_in(
                chat=chat, user=user, message_id=int(form["message"]), text=form["text"]
            )
        elif request.match_info["action"] == "promote":
            admin = self.world.room(chat).rank(user) == "administrator"
            self.rank(chat, user, "member" if admin else "administrator")
        raise web.HTTPSeeOther(location="/")


def envelope(refusal: Refusal) -> web.Response:
    """An error as the Bot API answers it."""
    body: Json = {
        "ok": False,
        "error_code": refusal.code,
        "description": refusal.description,
    }
    if refusal.parameters:
        body["parameters"] = refusal.parameters
    return web.json_response(body, status=refusal.code)


async def read_arguments(request: web.Request, new_id: Callable[[], str]) -> Json:
    """The arguments of a call from its query and its form, multipart or JSON body."""
    arguments: Json = dict(request.query)
    if request.content_type == "application/json":
        body = json.loads(await request.read() or b"{}")
        return arguments | (body if isinstance(body, dict) else {})
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            arguments[name] = File(
                file_id=new_id(),
                name=value.filename,
                mime=value.content_type,
                data=value.file.read(),
            )
        else:
            arguments[name] = value
    return _attached(arguments)


def _attached(arguments: Json) -> Json:
    """Replaces `attach://NAME` by the part of that name."""
    for name, value in list(arguments.items()):
        if isinstance(value, str) and value.startswith("attach://"):
            arguments[name] = arguments.pop(value.removeprefix("attach://"), None)
    return arguments
