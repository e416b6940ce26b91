"""What people do on the page: send, stop, press, fill in. Each is answered once it is stored.

An act carries a UUID of the page's making. The page keeps the act until it is answered 202 (or,
without script, redirected) and may send it again under the same UUID as often as it likes.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, assert_never
from urllib.parse import quote

import orjson
from aiohttp import web

from platforms.base import Ingest
from platforms.content import Form
from platforms.events import Delivery, Ignored, InboundEvent, MessageReceived, Receipt
from platforms.web.controls import FIELD_PREFIX, Filling
from platforms.web.limits import PENDING_LIFE_S, UPLOADS_AT_ONCE
from platforms.web.live import LiveMessage
from platforms.web.page import Failure
from platforms.web.parse import (
    ACCOUNT,
    LANGUAGES_MAX,
    canonical_uuid,
    chat_of,
    parse,
    read_fields,
    shown_text,
)
from platforms.web.site import Site, browser_of, conversation_in, json_answer
from platforms.web.uploads import SentFile, UploadRefused, read_upload
from platforms.web.viewer import VIEWER, Viewer

BUSY = "The gateway could not store this just now. It is still here: send it again in a moment."
STALE = "This page was open for too long, so nothing was sent. Your text is still here: send again."
UNWANTED = "You are not on the list of people who may talk here; the owner sets it in [access]."
EMPTY = "There is nothing to send yet: write a message first."
MALFORMED = "This is not one of the page's own forms; load the page again."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """A form as it arrived."""

    viewer: Viewer
    conversation: str
    fields: Mapping[str, str]
    by_script: bool
    languages: str = ""
    """What the browser says its user reads."""

    files: tuple[SentFile, ...] = ()

    @property
    def chat_id(self) -> str:
        """The chat it was made in."""
        return chat_of(self.viewer.user, self.conversation).chat_id

    @property
    def card(self) -> str:
        """The message at which it was made; "" if none."""
        return self.fields.get("card", self.fields.get("message", ""))

    @property
    def values(self) -> Mapping[str, str]:
        """What was filled in, by the names of its fields."""
        return {
            name.removeprefix(FIELD_PREFIX): value
            for name, value in self.fields.items()
            if name.startswith(FIELD_PREFIX)
        }

    @property
    def text(self) -> str:
        """The message: the box, or the example pressed beside the empty box."""
        text = self.fields.get("text", "")
        return text if text.strip() else self.fields.get("example", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """The act was turned away; `code` is for script, `sentence` for people."""

    status: int
    code: str
    sentence: str


class Acts:
    """The handlers of the page's forms; `ingest` is None while nothing may be taken."""

    def __init__(self, site: Site) -> None:
        self.ingest: Ingest | None = None
        self._site = site
        self._sequence = itertools.count()
        self._uploading = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def message(self, request: web.Request) -> web.StreamResponse:
        """POST /chat/ID/messages: token, key, text."""
        return await self._answer(request, self._take_message)

    async def stop(self, request: web.Request) -> web.StreamResponse:
        """POST /chat/ID/stop: token, key."""
        return await self._answer(request, self._take_stop)

    async def press(self, request: web.Request) -> web.StreamResponse:
        """POST /chat/ID/press: token, key, message, payload."""
        return await self._answer(request, self._take_press)

    async def form(self, request: web.Request) -> web.StreamResponse:
        """POST /chat/ID/form: token, key, card, form, field.NAME...; or close instead of these."""
        return await self._answer(request, self._take_form)

    async def _answer(
        self, request: web.Request, take: Callable[[_Act], Awaitable[_Refused | None]]
    ) -> web.StreamResponse:
        try:
            act = await self._read(request)
        except UploadRefused as error:
            told = _Refused(status=413, code="too_large", sentence=str(error))
            return await self._refusal(request, _without_fields(request), told)
        refused = _Refused(status=403, code="stale", sentence=STALE)
        if self._is_ours(request, act):
            refused_or_none = await take(act)
            if refused_or_none is None:
                return _accepted(act)
            refused = refused_or_none
        return await self._refusal(request, act, refused)

    async def _read(self, request: web.Request) -> _Act:
        act = _without_fields(request)
        if request.content_type == "multipart/form-data":
            async with self._uploading:
                try:
                    sent, files = await read_upload(request)
                except ValueError as error:
                    raise web.HTTPBadRequest(text=MALFORMED) from error
            return replace(act, fields=sent, files=files)
        fields = read_fields(request.content_type, await request.read())
        if fields is None:
            raise web.HTTPBadRequest(text=MALFORMED)
        return replace(act, fields=fields)

    def _is_ours(self, request: web.Request, act: _Act) -> bool:
        return act.viewer.by_header or self._site.forms.check(
            act.fields.get("token", ""),
            browser=browser_of(request) or "",
            user=act.viewer.user,
            now_s=int(self._site.now().timestamp()),
        )

    async def _take_message(self, act: _Act) -> _Refused | None:
        if not act.text.strip() and not act.files:
            return _Refused(status=400, code="empty", sentence=EMPTY)
        files = [await self._kept(each) for each in act.files]
        payload = {**self._payload(act, kind="message", text=act.text)}
        if files:
            payload["files"] = files
        match parse(payload):
            case (MessageReceived() as event,):
                return await self._take_text(payload, event)
            case _:
                return _Refused(status=400, code="malformed", sentence=MALFORMED)

    async def _kept(self, file: SentFile) -> Mapping[str, Any]:
        """A file as the payload names it; its bytes are kept elsewhere."""
        blob = await self._site.keep(file.data)
        return {"name": file.name, "mime": file.mime, "bytes": len(file.data), "blob": blob}

    async def _take_text(
        self, payload: Mapping[str, Any], event: MessageReceived
    ) -> _Refused | None:
        hub, chat_id, key = self._site.hub, event.chat.chat_id, event.delivery_key
        live = hub.find(chat_id)
        if live is not None and live.message(key) is not None:
            # Sent again: it stands already, whatever this copy says.
            return await self._store(payload, event)
        # The answer may begin before we learn that the message is stored: its place is before it.
        place = hub.reserve(chat_id)
        hub.expect(chat_id, life_s=PENDING_LIFE_S)
        refused: _Refused | None = None
        try:
            refused = await self._store(payload, event)
        except BaseException:
            hub.expect_no_more(chat_id)
            raise
        if refused is not None:
            hub.expect_no_more(chat_id)
            return refused
        names = [each.name or each.kind for each in event.attachments]
        message = LiveMessage(
            message_id=key,
            speaker="user",
            body=shown_text(event.text, names),
            at=event.occurred_at,
            place=place,
        )
        hub.put(chat_id, message)
        return None

    async def _take_stop(self, act: _Act) -> _Refused | None:
        return await self._take(self._payload(act, kind="stop"))

    async def _take_press(self, act: _Act) -> _Refused | None:
        message, pressed = act.card, act.fields.get("payload", "")
        payload = self._payload(act, kind="press", message=message, payload=pressed)
        return await self._take_pressed(act, payload)

    async def _take_form(self, act: _Act) -> _Refused | None:
        stood = self._form_at(act)
        if "close" not in act.fields:
            ident = act.fields.get("form", "")
            payload = self._payload(act, kind="form", card=act.card, form=ident, values=act.values)
            refused = await self._take_pressed(act, payload)
            if refused is not None:
                return refused
        # Only the one that was sent: another may have opened there in answer to it.
        if stood is not None and self._form_at(act) is stood:
            self._site.hub.show_form(act.chat_id, act.card, None)
        return None

    def _form_at(self, act: _Act) -> Form | None:
        """The form that is open where this act was made, if it is the one it is about."""
        live = self._site.hub.find(act.chat_id)
        form = live.form(act.card) if live else None
        return form if form is not None and form.id == act.fields.get("form") else None

    async def _take_pressed(self, act: _Act, payload: Mapping[str, Any]) -> _Refused | None:
        if act.by_script:
            return await self._take(payload)
        answers, key = self._site.answers, act.fields.get("key", "")
        answers.expect(key)
        refused: _Refused | None = None
        try:
            refused = await self._take(payload)
        except BaseException:
            answers.forget(key)
            raise
        if refused is not None:
            answers.forget(key)
        return refused

    async def _take(self, payload: Mapping[str, Any]) -> _Refused | None:
        match parse(payload):
            case Ignored():
                return _Refused(status=400, code="malformed", sentence=MALFORMED)
            case (event,):
                return await self._store(payload, event)
            case _:
                raise AssertionError("a payload is one event")

    async def _store(self, payload: Mapping[str, Any], event: InboundEvent) -> _Refused | None:
        if self.ingest is None:
            return _Refused(status=503, code="busy", sentence=BUSY)
        delivery = Delivery(account=ACCOUNT, raw=orjson.dumps(dict(payload)), events=(event,))
        receipt = await self.ingest(delivery)
        match receipt:
            case Receipt.STORED:
                return None
            case Receipt.UNWANTED:
                return _Refused(status=403, code="unwanted", sentence=UNWANTED)
            case Receipt.BUSY:
                return _Refused(status=503, code="busy", sentence=BUSY)
            case _:
                assert_never(receipt)

    def _payload(self, act: _Act, **fields: str | Mapping[str, str]) -> Mapping[str, Any]:
        now = self._site.now()
        return {
            **fields,
            "user": act.viewer.user,
            "chat": act.conversation,
            "key": act.fields.get("key", ""),
            "languages": act.languages,
            "at": now.isoformat(),
            "order": [int(now.timestamp() * 1_000_000), next(self._sequence)],
        }

    async def _refusal(
        self, request: web.Request, act: _Act, refused: _Refused
    ) -> web.StreamResponse:
        if act.by_script:
            headers = {"Retry-After": "2"} if refused.code == "busy" else None
            fields = {"code": refused.code, "error": refused.sentence}
            return json_answer(refused.status, fields, headers)
        sentence, key = refused.sentence, self._key(act)
        form = self._form_at(act)
        failure, filling = None, None
        if form is None:
            failure = Failure(sentence=sentence, text=act.text, key=key)
        else:
            form = _filled(form, act.values)
            filling = Filling(card=act.card, form=form, sentence=sentence, key=key)
        return await self._site.page(
            request, act.conversation, failure=failure, filling=filling, status=refused.status
        )

    def _key(self, act: _Act) -> str:
        """The act's own key, so that sending it again is the same act; a new one if it had none."""
        try:
            return canonical_uuid(act.fields.get("key", ""))
        except ValueError:
            return self._site.new_id()


def _without_fields(request: web.Request) -> _Act:
    """An act of which nothing was read."""
    return _Act(
        viewer=request[VIEWER],
        conversation=conversation_in(request),
        fields={},
        by_script=request.content_type == "application/json",
        languages=request.headers.get("Accept-Language", "")[:LANGUAGES_MAX],
    )


def _filled(form: Form, values: Mapping[str, str]) -> Form:
    """A form with what was filled in already standing in it."""
    fields = (replace(field, text=values.get(field.name, field.text)) for field in form.fields)
    return replace(form, fields=tuple(fields))


def _accepted(act: _Act) -> web.StreamResponse:
    key = act.fields["key"]
    if act.by_script:
        return json_answer(202, {"key": key, "chat": act.conversation})
    place = f"/chat/{act.conversation}"
    if act.card:
        # The page waits for the answer to this press, and begins at the card it was made at.
        place += f"?said={quote(key, safe='')}#m-{quote(act.card, safe='')}"
    # See Other: loading the page again must not send again.
    return web.Response(status=303, headers={"Location": place})
