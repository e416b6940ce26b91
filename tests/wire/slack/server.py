"""The loopback Slack server: routes, what people do, and what stands in the channels."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from aiohttp import web

from tests.wire.server import LoopbackServer
from tests.wire.slack import page, payloads
from tests.wire.slack.acts import Acts, Standing
from tests.wire.slack.assistant import Assistant
from tests.wire.slack.checks import Json, Refusal
from tests.wire.slack.interactions import Interactions
from tests.wire.slack.methods import Methods
from tests.wire.slack.rates import Rates
from tests.wire.slack.requests import read_arguments, read_upload, refused
from tests.wire.slack.scopes import ASSISTANT_SCOPE
from tests.wire.slack.transport import Delivery, Kind, Transport
from tests.wire.slack.usergroups import Usergroups
from tests.wire.slack.world import Channel, File, Message, Person, Version, World

BOT_TOKEN = "xoxb-0000000001-0000000002-TESTtokenOfNoRealBot"
APP_TOKEN = "xapp-1-A0APP-0000000003-testtokenofnorealapp"
SIGNING_SECRET = "0123456789abcdef0123456789abcdef"
TICK_S = 1.0


class SlackServer(Acts, Standing, LoopbackServer):
    """`/api/METHOD` below `url`, Socket Mode, signed events, and a page for people at `/`.

    Channels exist from their first use, with the bot in them: `C...`, private `G...` (a group
    DM), `D...` for a DM. Everything handed to the app is noted as `ack` with its answer's status,
    0 for none. The app's own messages come back to it as events while `echoes` is on. While
    `forgetful`, nothing that happens becomes an event: as if every delivery had been given up.
    `socket_root` stands in the addresses of sockets instead of the server's own.

    `beside` another server it is one more workspace with the same app: its people act here, while
    the calls, sockets and deliveries of both are the other's. With `enterprise` the workspace
    belongs to an organisation, with `whole` the app is installed in all of it. With `assistant` the
    app has the assistant view.
    """

    def __init__(
        self,
        *,
        bot_token: str = BOT_TOKEN,
        app_token: str = APP_TOKEN,
        signing_secret: str = SIGNING_SECRET,
        team: str = "T1",
        bot_user: str = "U0BOT",
        app_id: str = "A0APP",
        name: str = "gatepost",
        host: str = "127.0.0.1",
        port: int = 0,
        rates: Rates | None = None,
        echoes: bool = True,
        clock: Callable[[], float] = time.time,
        retries_in_real_time: bool = False,
        enterprise: str | None = None,
        whole: bool = False,
        assistant: bool = False,
        beside: "SlackServer | None" = None,
    ) -> None:
        super().__init__(host=host, port=port)
        serving = beside or self
        self.neighbours: list[SlackServer] = []
        if beside is not None:
            beside.neighbours.append(self)
        self.bot_token = bot_token
        self.app_token = app_token
        self.signing_secret = signing_secret
        self.world: World = World(
            team=team,
            bot_user=bot_user,
            bot_id=f"B{bot_user[1:]}",
            app_id=app_id,
            name=name,
            enterprise=enterprise,
            whole=whole,
            numbers=None if beside is None else beside.world.numbers,
        )
        self.usergroups = Usergroups()
        self.transport: Transport = (
            beside.transport
            if beside is not None
            else Transport(note=self._answered, unexpected=self.unexpected.append, app_id=app_id)
        )
        self.interactions = Interactions(
            world=self.world,
            transport=self.transport,
            url=lambda: serving.url,
            clock=clock,
            unexpected=serving.unexpected.append,
        )
        view = Assistant(self.world)
        self.methods = Methods(
            world=self.world,
            bot_token=bot_token,
            app_token=app_token,
            url=lambda: serving.url,
            socket_root=lambda: serving.socket_root or serving.url,
            changed=self._changed,
            more={
                "usergroups.users.list": self.usergroups.users_list,
                "views.open": self.interactions.open,
                "assistant.threads.setSuggestedPrompts": view.set_prompts,
                "assistant.threads.setTitle": view.set_title,
            },
            rates=rates,
            clock=clock,
        )
        if assistant:
            self.methods.scopes.add(ASSISTANT_SCOPE)
        self.forgetful = False
        self.socket_root: str | None = None
        self._echoes = echoes
        self._clock = clock
        self._real_time = retries_in_real_time
        self._ticking: asyncio.Task[None] | None = None

    # -- serving

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        if self._real_time:
            self._ticking = asyncio.create_task(self._tick())
        return self

    async def close(self) -> None:
        """Ends the clock, every socket and every request, and stops listening."""
        if self._ticking is not None:
            self._ticking.cancel()
        await self.transport.stop()
        await super().close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await self.advance(TICK_S)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The Web API, uploads, response addresses, sockets, and the page."""
        return [
            web.route("*", "/api/{method}", self._call),
            web.post("/upload/v1/{file}", self._upload),
            web.post("/response/{id}", self._respond),
            web.get("/files-pri/{file}/{name}", self._download),
            web.get("/signin", self._sign_in),
            web.get("/link/", self._link),
            web.get("/", self._page),
            web.get("/page/state", self._page_state),
            web.post("/page/{action}", self._page_action),
        ]

    @property
    def offered(self) -> frozenset[str]:
        """Every operation there is; those that are no method by the names of the record."""
        return frozenset({*self.methods, "upload", "response_url", "socket", "download", "signin"})

    def operation(self, request: web.Request) -> str:
        """The method name, `upload`, `response_url`, `socket`, else the path."""
        first, _, rest = request.path.lstrip("/").partition("/")
        names = {
            "upload": "upload",
            "response": "response_url",
            "link": "socket",
            "files-pri": "download",
            "signin": "signin",
        }
        return rest if first == "api" else names.get(first, request.path)

    def reject(self, request: web.Request) -> web.Response:
        """An unknown path."""
        return refused(Refusal("unknown_method", status=404))

    async def _call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        arguments = await read_arguments(request)
        token = str(arguments.pop("token", ""))
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        given = bearer if scheme.lower() == "bearer" else token
        methods = next(
            (each.methods for each in self.neighbours if each.bot_token == given), self.methods
        )
        if method not in self.methods:
            self.unexpected.append(method)
            self.note(method, arguments, 404)
            return refused(Refusal("unknown_method"))
        try:
            answer = methods.call(method, arguments, given)
        except Refusal as exc:
            self.note(method, arguments, exc.status, {"error": exc.error})
            return refused(exc)
        self.note(method, arguments, 200)
        scopes = ",".join(sorted(methods.scopes))
        return web.json_response(answer, headers={"x-oauth-scopes": scopes})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """A private file; whoever may not have it is led to the page to sign in."""
        file = self.world.files.get(request.match_info["file"])
        bearer = request.headers.get("Authorization", "")
        may = bearer == f"Bearer {self.bot_token}" and "files:read" in self.methods.scopes
        status = 302 if not may else 404 if file is None or file.data is None else 200
        self.note("download", dict(request.match_info), status, request.headers)
        if not may:
            return web.Response(status=302, headers={"Location": "/signin"})
        if file is None or file.data is None:
            return web.Response(status=404)
        return web.Response(body=file.data, content_type=file.mime)

    async def _sign_in(self, request: web.Request) -> web.Response:
        self.note("signin", {}, 200, request.headers)
        page = "<!DOCTYPE html><html><title>Sign in | Slack</title></html>"
        return web.Response(text=page, content_type="text/html")

    async def _upload(self, request: web.Request) -> web.Response:
        data = await read_upload(request)
        worlds = [each.world for each in (self, *self.neighbours)]
        ident = request.match_info["file"]
        file = next((world.files[ident] for world in worlds if ident in world.files), None)
        status = 404 if file is None else 200 if len(data) == file.length else 400
        self.note("upload", {"bytes": len(data)}, status)
        if file is None or status != 200:
            return web.Response(status=status, text="Error - wrong file or length")
        file.data = data
        return web.Response(text=f"OK - {len(data)}")

    async def _respond(self, request: web.Request) -> web.Response:
        arguments = await read_arguments(request)
        ident = request.match_info["id"]
        everywhere = (self, *self.neighbours)
        home = next((each for each in everywhere if ident in each.interactions.responses), self)
        known = home.interactions.usable(ident)
        if known is None:
            self.note("response_url", arguments, 404)
            return refused(Refusal("expired_url", status=404))
        try:
            home.methods.respond(known.channel, known.user, known.ts, arguments)
        except Refusal as exc:
            self.note("response_url", arguments, 400, {"error": exc.error})
            return refused(Refusal(exc.error, status=400))
        known.uses += 1
        self.note("response_url", arguments, 200)
        return web.Response(text="ok")

    async def _link(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self.methods.tickets:
            self.note("socket", {}, 403)
            return web.Response(status=403)
        self.methods.tickets.remove(ticket)
        self.note("socket", {}, 101)
        return await self.transport.serve(request)

    def _answered(self, delivery: Delivery, status: int, answer: Any) -> None:
        body: Json = {
            "delivery": delivery.id,
            "kind": delivery.kind,
            "attempt": delivery.attempt,
            "answer": answer,
        }
        self.note("ack", body, status)
        for each in (self, *self.neighbours):
            each.interactions.answered(delivery, status, answer)

    # -- deliveries

    def push_to(self, url: str) -> None:
        """Events, presses and commands go to this address, signed, from now on."""
        self.transport.push_to(url, self.signing_secret)

    async def advance(self, seconds: float) -> None:
        """Moves the retry clock on."""
        await self.transport.advance(seconds)

    async def settled(self, timeout: float = 60.0) -> None:
        """Waits until every delivery was acknowledged or given up."""
        deliveries = self.transport.deliveries
        await self.transport.wait(
            lambda: all(each.state in {"done", "lost"} for each in deliveries), timeout
        )

    async def connected(self, count: int = 1, *, opened: int = 0, timeout: float = 60.0) -> None:
        """Waits until that many sockets are open, and `opened` were ever opened."""
        await self.transport.wait(
            lambda: len(self.transport.sockets) == count and self.transport.opened >= opened,
            timeout,
        )

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything ever handed over, oldest first."""
        return self.transport.deliveries

    def send_event(self, body: Json, *, shared: bool = False) -> str:
        """Any event in a genuine envelope; returns its event id."""
        event_id = self.world.next_id("Ev")
        payload = payloads.event(self.world, event_id, body, at=self._clock(), shared=shared)
        self._deliver(event_id, "events_api", payload)
        return event_id

    def hold_back(self, minute: int) -> Delivery:
        """Tells the app that the events of this minute (seconds since 1970) are held back."""
        payload = {
            "token": "verification-token-of-nothing",
            "type": "app_rate_limited",
            "team_id": self.world.team,
            "minute_rate_limited": minute,
            "api_app_id": self.world.app_id,
        }
        return self._deliver(self.world.next_id("limit"), "events_api", payload)

    async def send_raw(self, payload: Any, *, kind: Kind = "events_api") -> Delivery:
        """Any JSON value as the payload of a delivery."""
        return self._deliver(self.world.next_id("raw"), kind, payload)

    async def redeliver(self, delivery_id: str) -> Delivery:
        """The same payload once more, as Slack does when an ack got lost."""
        found = next(each for each in self.deliveries if each.id == delivery_id)
        again = Delivery(
            id=found.id, kind=found.kind, payload=found.payload, attempt=1, reason="timeout"
        )
        return self.transport.add(again)

    async def verify_url(self, challenge: str = "challenge-of-nothing") -> tuple[int, bytes]:
        """The handshake of an Events API address; returns the app's status and body."""
        body = json.dumps({"type": "url_verification", "token": "x", "challenge": challenge})
        headers = self.transport.signed(body.encode(), "application/json")
        return await self.transport.post(body.encode(), headers)

    def _deliver(self, ident: str, kind: Kind, payload: Any) -> Delivery:
        return self.transport.add(Delivery(id=ident, kind=kind, payload=payload))

    def _changed(self, what: str, message: Message, before: Message | None) -> None:
        if self.forgetful or (message.user == self.world.bot_user and not self._echoes):
            return
        channel = self.world.channels[message.channel]
        if self.world.bot_user not in channel.members:
            return
        event_ts = f"{self._clock():.6f}"
        if what == "added":
            self.send_event(payloads.message_event(self.world, channel, message))
            self._mentioned(channel, message)
        elif what == "changed" and before is not None:
            self.send_event(payloads.changed_event(self.world, channel, message, before, event_ts))
        else:
            self.send_event(payloads.deleted_event(self.world, channel, message, event_ts))

    def _mentioned(self, channel: Channel, message: Message) -> None:
        ours = message.user == self.world.bot_user or channel.kind == "im"
        if not ours and f"<@{self.world.bot_user}>" in message.now.text:
            self.send_event(payloads.mention_event(self.world, channel, message))

    # -- people

    def person(
        self,
        user: str,
        name: str,
        *,
        team: str | None = None,
        restricted: bool = False,
        bot: bool = False,
    ) -> Person:
        """Names a person; an unnamed one exists from first use."""
        found = self.world.person(user)
        found.name, found.restricted, found.is_bot = name, restricted, bot
        found.team = team or found.team
        return found

    def channel(self, channel: str, *, member: bool = True, private: bool = False) -> Channel:
        """Makes a channel; the bot is a member unless told otherwise."""
        found = self.world.channel(channel)
        if private:
            found.kind = "group"
        if not member:
            found.members.discard(self.world.bot_user)
        return found

    async def say(
        self,
        *,
        chat: str,
        user: str,
        text: str = "",
        thread: str | None = None,
        wire_text: str | None = None,
        blocks: Sequence[Json] | None = None,
        files: Sequence[File] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> str:
        """A person writes; `@name` mentions. Returns the ts.

        `wire_text` is the text as Slack sends it, `extra` is put over the message's JSON.
        """
        channel = self.world.channel(chat, user=user)
        self.world.person(user)
        if wire_text is None:
            wire_text = payloads.typed(text, self.world.names())
        shown = tuple(blocks) if blocks is not None else (payloads.rich_text(wire_text),)
        version = Version(text=wire_text, blocks=shown)
        message = self.world.add(
            channel, user=user, version=version, now=self._clock(), thread_ts=thread, files=files
        )
        message.subtype = "file_share" if files else None
        message.extra = dict(extra or {})
        if (chat, thread) in self.world.assistant_threads:
            message.extra = {"assistant_thread": {"action_token": "of-nothing"}} | message.extra
        self._changed("added", message, None)
        return message.ts

    async def share(
        self,
        *,
        chat: str,
        user: str,
        name: str,
        data: bytes,
        mime: str,
        text: str = "",
        declared: int | None = None,
    ) -> str:
        """A person sends a file with words; `declared` is the size its message tells."""
        file = File(
            id=self.world.next_id("F"),
            name=name,
            length=len(data) if declared is None else declared,
            data=data,
            mime=mime,
            root=self.url,
        )
        self.world.files[file.id] = file
        return await self.say(chat=chat, user=user, text=text, files=(file,))

    async def rewrite(self, *, chat: str, ts: str, text: str) -> None:
        """A person edits what they wrote."""
        message = self.world.channels[chat].messages[ts]
        before = self.methods.copy(message)
        wire_text = payloads.typed(text, self.world.names())
        message.versions.append(Version(text=wire_text, blocks=(payloads.rich_text(wire_text),)))
        message.edited_ts = f"{self._clock():.6f}"
        self._changed("changed", message, before)

    async def remove(self, *, chat: str, ts: str) -> None:
        """A person deletes what they wrote."""
        message = self.world.channels[chat].messages[ts]
        message.deleted = True
        self._changed("deleted", message, None)

    async def open_assistant(self, *, user: str, viewed: str | None = None) -> tuple[str, str]:
        """A person opens a thread in the assistant view; gives its channel and root.

        Slack begins it with a message in the app's name.
        """
        channel = self.world.dm(user)
        root = self.world.add(
            channel,
            user=self.world.bot_user,
            version=Version(text="New Assistant Thread"),
            now=self._clock(),
        )
        root.thread_ts, root.subtype = root.ts, "assistant_app_thread"
        self.world.assistant_threads.add((channel.id, root.ts))
        self._changed("added", root, None)
        self.send_event(payloads.assistant_event(self.world, channel, user, root.ts, viewed))
        return channel.id, root.ts

    # -- the page for people

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text=page.HTML, content_type="text/html")

    async def _page_state(self, request: web.Request) -> web.Response:
        return web.json_response(page.state(self.world, self.interactions.modals))

    async def _page_action(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        chat, user = form.get("chat", "D1"), form.get("user", "U1")
        action, text = request.match_info["action"], form.get("text", "")
        if action == "say" and text.startswith("/gatepost"):
            await self.command(chat=chat, user=user, text=text.removeprefix("/gatepost").strip())
        elif action == "say" and text:
            await self.say(chat=chat, user=user, text=text, thread=form.get("thread") or None)
        elif action == "press":
            await self.press(chat=chat, user=user, ts=form["ts"], value=form["value"])
        elif action == "choose":
            await self.choose(chat=chat, user=user, ts=form["ts"], value=form["value"])
        elif action == "submit":
            fields = {name[6:]: value for name, value in form.items() if name.startswith("field:")}
            self.interactions.submit(user, fields)
        elif action == "cancel":
            await self.cancel(user)
        raise web.HTTPSeeOther(location="/")
