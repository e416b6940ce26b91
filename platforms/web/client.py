"""The page's adapter: Source and Sink of the chats in the browser.

The way in is `acts.py` (forms), the way out `hub.py` and `feed.py` (server-sent events), the page
itself `site.py`. There is no connection to hold: the routes live on the shared listener.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from platforms.base import Capabilities, Ingest, Route
from platforms.blocks import Blocks, plain, plain_text
from platforms.content import (
    AnswerPress,
    Controls,
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
    MessageRejected,
    PlatformUnavailable,
    ThreadGone,
    TooLong,
)
from platforms.events import Account, Attachment, ChatRef, Liveness, MessageRef, PlatformName
from platforms.files import Keep, KeptFile, Location
from platforms.web.acts import Acts
from platforms.web.answers import Answers
from platforms.web.assets import load_assets
from platforms.web.feed import Feed, Patience
from platforms.web.forms import FormTokens
from platforms.web.history import History, StoredFile
from platforms.web.hub import Hub
from platforms.web.limits import CAPABILITIES, WORKING_LIFE_S
from platforms.web.live import LiveMessage
from platforms.web.page import Place
from platforms.web.parse import ACCOUNT, canonical_uuid, conversation_of, notices_of, pressed
from platforms.web.site import Site

CHAT = "/chat/{chat:[0-9a-f-]{36}}"


class WebAdapter:
    """The chat page as a platform.

    `secret` signs form tokens and may change at every start; `now` gives aware UTC datetimes;
    `new_id` gives a new UUID as text at every call. `keep` keeps bytes that came in and returns
    the name they are found by. `places` are other pages to be linked.
    """

    def __init__(
        self,
        *,
        history: History,
        secret: bytes,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        keep: Keep,
        patience: Patience | None = None,
        places: tuple[Place, ...] = (),
    ) -> None:
        patience = patience or Patience()
        self._now = now
        self._hub = Hub(epoch=new_id())
        self._answers = Answers()
        self._site = Site(
            history=history,
            hub=self._hub,
            forms=FormTokens(secret),
            assets=load_assets(),
            now=now,
            new_id=new_id,
            answers=self._answers,
            answer_s=patience.answer_s,
            keep=keep,
            places=places,
        )
        self._acts = Acts(self._site)
        self._feed = Feed(self._site, patience)
        self._closed = False

    @property
    def platform(self) -> PlatformName:
        """The name of this surface."""
        return "web"

    async def connect(self) -> Account:
        """There is nobody to ask; the account is always the same."""
        return ACCOUNT

    async def run(self, ingest: Ingest) -> None:
        """Take what the page sends until cancelled, which also ends the streams of open pages."""
        self._acts.ingest = ingest
        try:
            await asyncio.Event().wait()
        finally:
            self._acts.ingest = None
            self._hub.end_streams()

    async def locate(self, attachment: Attachment, message: MessageRef) -> Location:
        """A file of the page came with its message."""
        return KeptFile(blob=attachment.file)

    def liveness(self) -> Liveness:
        """Connected while messages are taken; whether the listener lives is not ours to tell."""
        taking = self._acts.ingest is not None
        return Liveness(connected=taking, facts={"open pages": str(self._hub.streams)})

    async def close(self) -> None:
        """End every open page's stream; the pages come back to whoever listens next."""
        self._closed = True
        self._hub.close()

    def routes(self) -> tuple[Route, ...]:
        """The page, its forms and its stream behind the token; its static files before it."""
        site, acts = self._site, self._acts
        return (
            Route(method="GET", path="/", handler=site.new_chat, guarded=True),
            Route(method="GET", path="/chats", handler=site.chats, guarded=True),
            Route(method="GET", path="/form", handler=site.form, guarded=True),
            Route(method="GET", path="/static/{name}", handler=site.static, guarded=False),
            Route(method="GET", path=CHAT, handler=site.chat, guarded=True),
            Route(method="GET", path=CHAT + "/files/{id}", handler=site.file, guarded=True),
            Route(method="GET", path=CHAT + "/events", handler=self._feed.events, guarded=True),
            Route(
                method="POST",
                path=CHAT + "/messages",
                handler=acts.message,
                guarded=True,
                uploads=True,
            ),
            Route(method="POST", path=CHAT + "/stop", handler=acts.stop, guarded=True),
            Route(method="POST", path=CHAT + "/press", handler=acts.press, guarded=True),
            Route(method="POST", path=CHAT + "/form", handler=acts.form, guarded=True),
        )

    @property
    def capabilities(self) -> Capabilities:
        """The numbers of `limits.py`."""
        return CAPABILITIES

    def fits(self, body: Blocks) -> bool:
        """Whether the visible text is short enough for one message."""
        return len(plain_text(body)) <= CAPABILITIES.part_soft

    async def perform(self, operation: Operation) -> Outcome:
        """Put the operation into memory and wake the readers; never waits for one of them.

        Raises TooLong, ChatUnavailable for a chat no page can have, ThreadGone for a thread,
        PlatformUnavailable once closed.
        """
        if self._closed:
            raise PlatformUnavailable("the web page is closed")
        match operation:
            case Post(chat=chat, body=body, nonce=nonce, controls=controls):
                return self._put(MessageRef(chat=chat, message_id=nonce), body, controls)
            case Upload():
                return self._upload(operation)
            case Edit(message=message, body=body, controls=controls):
                self._put(message, body, controls)
            case Delete(message=message):
                self._hub.withdraw(_chat_id(message.chat), message.message_id)
            case React(message=message, emoji=emoji, on=on):
                self._hub.react(_chat_id(message.chat), message.message_id, emoji, on=on)
            case Typing(chat=chat, label=label, on=True):
                self._hub.work(_chat_id(chat), label, life_s=WORKING_LIFE_S)
            case Typing(chat=chat):
                self._hub.rest(_chat_id(chat))
            case AnswerPress():
                self._answer(operation)
            case OpenForm(press=press, form=form, chat=chat):
                _, key, card = pressed(press)
                self._hub.show_form(_chat_id(chat), card, form)
                self._answers.give(key, "")
            case _:
                assert_never(operation)
        return Done()

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """Nothing can be looked up here."""
        raise NotImplementedError

    async def direct(self, person: str, space: str | None = None) -> ChatRef:
        """A conversation of its own for what the gateway says unasked; the page lists it."""
        try:
            return notices_of(person)
        except ValueError as exc:
            raise ChatUnavailable("not the name of a user of the page", reason="not_found") from exc

    async def roles(self, person: str, chat: ChatRef, asked: frozenset[str]) -> frozenset[str]:
        """Nobody administers a chat of the page."""
        return frozenset()

    async def leave(self, chat: ChatRef) -> None:
        """Nobody but its own person is in a chat of the page."""
        raise MessageRejected("a chat of one person can't be left")

    def _answer(self, answer: AnswerPress) -> None:
        """Words for the presser alone; without any there is nothing to do but to say so."""
        chat_id, key, _ = pressed(answer.press)
        self._answers.give(key, answer.text)
        if answer.text:
            self._hub.notice(chat_id, answer.text, alert=answer.alert)

    def _put(
        self, message: MessageRef, body: Blocks, controls: Controls, file_name: str | None = None
    ) -> Sent:
        """The id is the nonce, so a repeated post changes the message instead of adding one."""
        live = LiveMessage(
            message_id=message.message_id,
            speaker="assistant",
            body=body,
            at=self._now(),
            controls=controls,
            file_name=file_name,
        )
        self._hub.put(_chat_id(message.chat), live)
        return Sent(message=message)

    def _upload(self, upload: Upload) -> Sent:
        if len(upload.data) > CAPABILITIES.upload_max_bytes:
            raise TooLong(f"a file of {len(upload.data)} bytes is too large for the page")
        message = MessageRef(chat=upload.chat, message_id=upload.nonce)
        file = StoredFile(name=upload.name, data=upload.data)
        self._hub.keep_file(_chat_id(upload.chat), upload.nonce, file)
        return self._put(message, plain(upload.caption), (), file_name=upload.name)


def _chat_id(chat: ChatRef) -> str:
    """The id of a chat that a page can show; raises ChatUnavailable for any other."""
    try:
        canonical_uuid(conversation_of(chat))
    except ValueError as exc:
        raise ChatUnavailable("no page has this chat", reason="not_found") from exc
    if chat.account != ACCOUNT:
        raise ChatUnavailable("this chat is on another account", reason="not_found")
    if chat.thread_id is not None:
        raise ThreadGone("the page has no threads")
    return chat.chat_id
