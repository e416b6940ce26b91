"""One REST request as handlers see it, and what they answer."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from tests.wire.discord.rules import BAD_JSON, ApiError
from tests.wire.discord.world import Json, UploadedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A decoded request; `path` holds the variable parts of its route."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    files: tuple[UploadedFile, ...] = ()
    request_bytes: int = 0

    @property
    def form(self) -> Json:
        """The body as an object; anything else counts as an empty one."""
        return self.body if isinstance(self.body, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back; None is no body at all."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


NOTHING = Reply(status=204)
Handler = Callable[[Call], Awaitable[Reply]]


async def decoded(request: web.Request, new_id: Callable[[], int]) -> Call:
    """A request with its JSON and its files; what is no JSON is refused."""
    files: tuple[UploadedFile, ...] = ()
    if request.content_type == "multipart/form-data":
        data, files = await _parts(request, new_id)
    else:
        data = await request.read()
    try:
        body = json.loads(data) if data else None
    except ValueError as exc:
        raise ApiError(BAD_JSON) from exc
    return Call(
        path=dict(request.match_info),
        query=dict(request.query),
        body=body,
        files=files,
        request_bytes=request.content_length or 0,
    )


async def _parts(
    request: web.Request, new_id: Callable[[], int]
) -> tuple[bytes, tuple[UploadedFile, ...]]:
    payload = b""
    files: list[UploadedFile] = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        data = bytes(await part.read())
        if part.name == "payload_json":
            payload = data
            continue
        mime = part.headers.get("Content-Type", "application/octet-stream")
        name = part.filename or "unknown"
        files.append(UploadedFile(id=new_id(), name=name, mime=mime, data=data))
    return payload, tuple(files)
