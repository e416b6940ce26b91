"""What a request to the server carries, in whichever form Slack takes it, and a refusal of it."""

import json
from typing import Any

from aiohttp import web

from tests.wire.slack.checks import Json, Refusal


async def read_upload(request: web.Request) -> bytes:
    """The bytes of an upload, which come as the body itself or as the one part of a form."""
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    for part in (await request.post()).values():
        if isinstance(part, web.FileField):
            return part.file.read()
        return part.encode() if isinstance(part, str) else bytes(part)
    return b""


async def read_arguments(request: web.Request) -> Json:
    """The arguments of a call from its query and its form, multipart or JSON body, merged."""
    arguments: Json = dict(request.query)
    if request.content_type == "application/json":
        body = json.loads(await request.read() or b"{}")
        return arguments | (body if isinstance(body, dict) else {})
    for name, value in (await request.post()).items():
        arguments[name] = value
    return arguments


def parsed(value: Any) -> Any:
    """An argument with an inside, which a form carries as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as exc:
        raise Refusal("invalid_arguments") from exc


def refused(refusal: Refusal) -> web.Response:
    """An answer with `ok: false`."""
    body: Json = {"ok": False, "error": refusal.error} | refusal.more
    headers = {}
    if refusal.errors:
        body |= {"errors": list(refusal.errors)}
        body["response_metadata"] = {"messages": [f"[ERROR] {each}" for each in refusal.errors]}
    if "retry_after" in body:
        headers["Retry-After"] = str(body.pop("retry_after"))
    return web.json_response(body, status=refusal.status, headers=headers)
