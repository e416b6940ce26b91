"""What the page is made of when a browser asks for it: the chat, its list, its files."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import orjson
from aiohttp import web

from platforms.errors import PlatformUnavailable
from platforms.events import ChatRef
from platforms.files import Keep
from platforms.web.answers import Answers
from platforms.web.assets import Asset
from platforms.web.controls import Filling, FormFields
from platforms.web.format import format_blocks, format_card, format_plain
from platforms.web.forms import FormTokens
from platforms.web.history import History, HistoryItem
from platforms.web.html import Html
from platforms.web.hub import Hub
from platforms.web.live import LiveMessage, merge
from platforms.web.page import (
    Failure,
    PageView,
    Place,
    Rendered,
    chat_list,
    chat_page,
    log_content,
)
from platforms.web.parse import canonical_uuid, chat_of, conversation_of
from platforms.web.viewer import VIEWER

FRESH = {"Cache-Control": "no-store"}
LASTING = {"Cache-Control": "public, max-age=31536000, immutable"}

STORE_UNREADABLE = "The gateway cannot read its store just now. Load the page again in a moment."

_BROWSER = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the handlers of the page share, and the pages themselves."""

    history: History
    hub: Hub
    forms: FormTokens
    assets: Mapping[str, Asset]
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    answers: Answers
    answer_s: float
    keep: Keep
    places: tuple[Place, ...] = ()

    async def new_chat(self, request: web.Request) -> web.StreamResponse:
        """The page of a chat that does not exist yet."""
        return await self.page(request, self.new_id())

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """The page of one chat."""
        return await self.page(request, conversation_in(request))

    async def page(
        self,
        request: web.Request,
        conversation: str,
        *,
        failure: Failure | None = None,
        filling: Filling | None = None,
        status: int = 200,
    ) -> web.Response:
        """The chat page; `failure` and `filling` put back what was not taken."""
        viewer = request[VIEWER]
        chat = chat_of(viewer.user, conversation)
        key = request.query.get("said", "")
        said = await self.answers.take(key, within_s=self.answer_s)
        with readable_store():
            chats = await self.history.chats(viewer.user)
            answering = await self.history.answering(chat)
            stored = await self.history.messages(chat)
        # From here on nothing awaits, so messages, status and cursor are of one moment.
        live = self.hub.find(chat.chat_id)
        fillings = self.fillings(chat)
        if filling is not None:
            fillings[filling.card] = filling
        browser = browser_of(request) or self.new_id()
        view = PageView(
            conversation=conversation,
            chats=chats,
            messages=self.rendered(chat, stored),
            answering=answering,
            label=live.label if live else None,
            cursor=self.hub.cursor(chat.chat_id),
            form=FormFields(token=self.token(viewer.user, browser), new_key=self.new_id),
            styles=self.assets["app.css"].url,
            script=self.assets["app.js"].url,
            can_sign_out=viewer.signed_in,
            places=self.places,
            failure=failure,
            fillings=fillings,
            said=said or "",
            again=f"/chat/{conversation}?said={key}" if said is None else None,
        )
        response = _html(chat_page(view), status=status)
        remember_browser(request, response, browser)
        return response

    def fillings(self, chat: ChatRef) -> dict[str, Filling]:
        """The open forms of a chat by the message they stand at."""
        live = self.hub.find(chat.chat_id)
        forms = live.forms() if live else {}
        return {card: Filling(card=card, form=form) for card, form in forms.items()}

    def rendered(self, chat: ChatRef, stored: tuple[HistoryItem, ...]) -> tuple[Rendered, ...]:
        """The whole chat as HTML, live states before stored ones."""
        live = self.hub.find(chat.chat_id)
        rendered = []
        for message in merge(stored, live):
            if live is not None and isinstance(message, LiveMessage):
                blocks = live.html_of(message)
            elif isinstance(message.body, str):
                blocks = (format_plain(message.body),)
            elif message.boxed or message.controls:
                blocks = format_card(message.body)
            else:
                blocks = format_blocks(message.body)
            rendered.append(Rendered(message=message, blocks=blocks))
        return tuple(rendered)

    async def log(self, chat: ChatRef) -> Callable[[], Html]:
        """Reads the store; the result makes the content as it is at the moment of its call."""
        with readable_store():
            answering = await self.history.answering(chat)
            stored = await self.history.messages(chat)

        def content() -> Html:
            live = self.hub.find(chat.chat_id)
            return log_content(
                self.rendered(chat, stored),
                conversation=conversation_of(chat),
                answering=answering,
                working=live is not None and live.label is not None,
                form=None,
                fillings=self.fillings(chat),
            )

        return content

    async def chats(self, request: web.Request) -> web.StreamResponse:
        """The list of chats alone, for a page that is open already."""
        with readable_store():
            chats = await self.history.chats(request[VIEWER].user)
        return _html(chat_list(chats, request.query.get("current", "")))

    async def form(self, request: web.Request) -> web.StreamResponse:
        """A fresh token for a page that outlived its own, or the secret it was signed with."""
        browser = browser_of(request) or self.new_id()
        response = json_answer(200, {"token": self.token(request[VIEWER].user, browser)})
        remember_browser(request, response, browser)
        return response

    async def file(self, request: web.Request) -> web.StreamResponse:
        """An upload; always as a download of no type a browser would run or show."""
        chat = chat_of(request[VIEWER].user, conversation_in(request))
        ident = request.match_info["id"]
        file = self.hub.file(chat.chat_id, ident)
        if file is None:
            with readable_store():
                file = await self.history.file(chat, ident)
        if file is None:
            raise web.HTTPNotFound(text="This file is no longer kept here.")
        response = web.Response(body=file.data, content_type="application/octet-stream")
        response.headers["Content-Disposition"] = attachment(file.name)
        return response

    async def static(self, request: web.Request) -> web.StreamResponse:
        """One of the page's own files; kept by browsers as long as its address fits its content."""
        asset = self.assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound(text="There is no such file.")
        return web.Response(
            body=asset.body,
            content_type=asset.content_type,
            charset="utf-8",
            headers=LASTING if str(request.rel_url) == asset.url else {"Cache-Control": "no-cache"},
        )

    def token(self, user: str, browser: str) -> str:
        """A form token for this user in this browser."""
        now_s = int(self.now().timestamp())
        return self.forms.issue(browser=browser, user=user, now_s=now_s)


@contextmanager
def readable_store() -> Iterator[None]:
    """Turns a store that cannot be read into an answer that says so."""
    try:
        yield
    except PlatformUnavailable as exc:
        raise web.HTTPServiceUnavailable(text=STORE_UNREADABLE) from exc


def conversation_in(request: web.Request) -> str:
    """The conversation of the address; raises a plain 404 for one that cannot be."""
    try:
        return canonical_uuid(request.match_info["chat"])
    except ValueError as exc:
        raise web.HTTPNotFound(text="There is no such chat.") from exc


def browser_of(request: web.Request) -> str | None:
    """The id this browser was given, by its cookie."""
    cookie = request.cookies.get(_cookie_name(request), "")
    return cookie if _BROWSER.fullmatch(cookie) else None


def remember_browser(request: web.Request, response: web.Response, browser: str) -> None:
    """Give the browser its id, unless it has it."""
    if browser_of(request) != browser:
        name = _cookie_name(request)
        response.set_cookie(name, browser, httponly=True, samesite="Lax", path="/")


def json_answer(
    status: int, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> web.Response:
    """A small JSON answer that nobody keeps."""
    return web.Response(
        status=status,
        body=orjson.dumps(dict(fields)),
        content_type="application/json",
        headers={**FRESH, **(headers or {})},
    )


def attachment(name: str) -> str:
    """A Content-Disposition whose name cannot lead out of the download folder (RFC 6266)."""
    flat = re.sub(r"[\x00-\x1f\x7f/\\]", "_", name).lstrip(".")[:150] or "file"
    return f"attachment; filename*=UTF-8''{quote(flat, safe='', errors='replace')}"


def _html(html: Html, *, status: int = 200) -> web.Response:
    return web.Response(text=html, content_type="text/html", status=status, headers=FRESH)


def _cookie_name(request: web.Request) -> str:
    # Cookies know no ports: two gateways on one machine would take each other's.
    return f"gatepost_page_{request.url.port}"
