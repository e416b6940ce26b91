"""Pure: the body of an error in any of the shapes in use, reduced to the provider's own words.

Only named fields are read and never what a provider echoes of a request: a user who quotes an
error message must not end a chat.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from agent.providers.retry_after import seconds_of

ERROR_TEXT = 16 * 1024
_FIELDS = ("code", "type", "status", "message", "msg", "detail", "reason")
_FIELD = re.compile(r'(?<!\\)"(code|type|param|message|detail)"\s*:\s*"((?:[^"\\]|\\.)*)')
_STATUS_OF_TYPE: Mapping[str, int] = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "usage_limit_reached": 429,
    "resource_exhausted": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,
    "unavailable_error": 503,
    "unavailable": 503,
    "timeout_error": 504,
    "overloaded_error": 529,
    "invalid_request_error": 400,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """What an error's body says.

    `status` is the one it names or its type stands for. `outer` is the message without the error
    of somebody else that it wraps, None if it wraps none.
    """

    status: int | None = None
    code: str = ""
    type: str = ""
    param: str = ""
    message: str = ""
    outer: str | None = None
    wait_s: float | None = None
    request_id: str | None = None


def read_body(body: bytes) -> ErrorBody:
    """Read the bytes of an error response; a page says nothing."""
    try:
        return read_error(orjson.loads(body))
    except orjson.JSONDecodeError:
        said = body[:ERROR_TEXT].decode(errors="replace").strip()
    if said.startswith("<"):
        return ErrorBody()
    return read_error(_start_of(said)) if said.startswith(("{", "[")) else ErrorBody(message=said)


def _start_of(text: str) -> dict[str, str]:
    """The first fields of JSON that was cut: of the rest nobody knows whose words they are."""
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(text):
        fields.setdefault(name, value.replace('\\"', '"'))
    return fields


def read_error(body: object) -> ErrorBody:
    """Read a decoded error: the object itself, one around it, or a list of them."""
    if isinstance(body, list):
        return read_error(body[0]) if body else ErrorBody()
    if isinstance(body, str):
        return ErrorBody(message=body[:ERROR_TEXT])
    if not isinstance(body, dict):
        return ErrorBody()
    error = _error_in(body)
    if isinstance(error, list):
        return read_error(error)
    if isinstance(error, str):  # xAI: the code stands beside it
        return _read({**body, "message": error}, body)
    return _read(error, body) if isinstance(error, dict) else ErrorBody()


def _error_in(body: Mapping[str, Any]) -> object:
    for name in ("error", "errors"):
        if body.get(name):
            return body[name]
    base = body.get("base_resp")  # MiniMax
    if isinstance(base, dict) and base.get("status_code"):
        return {"code": str(base["status_code"]), "message": base.get("status_msg")}
    return body if "error" not in body else None


def _read(error: Mapping[str, Any], around: Mapping[str, Any]) -> ErrorBody:
    message = error.get("message")
    if isinstance(message, dict):  # Mistral wraps FastAPI's list of faults
        message = _detail(message.get("detail"))
    said = _text(message) or _detail(error.get("detail"))
    said, wrapped = _unwrapped(said)
    inner = " | ".join(filter(None, (wrapped, *_behind(error))))
    kind = _text(error.get("type")) or _text(error.get("status"))
    return ErrorBody(
        status=_status(error, kind),
        code=_code(error.get("code")),
        type=kind,
        param=_text(error.get("param")),
        message=" | ".join(filter(None, (said, inner)))[:ERROR_TEXT],
        outer=said[:ERROR_TEXT] if inner else None,
        wait_s=_wait(error),
        request_id=_text(around.get("request_id")) or None,
    )


def _status(error: Mapping[str, Any], kind: str) -> int | None:
    for name in ("code", "status", "http_code", "status_code"):
        value = error.get(name)
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if type(number) is int and 400 <= number < 600:
            return number
    return _status_of_type(kind) or _status_of_type(error.get("code"))


def _status_of_type(kind: object) -> int | None:
    """The HTTP status an error type inside a stream stands for."""
    return _STATUS_OF_TYPE.get(kind.lower()) if isinstance(kind, str) else None


def _code(value: object) -> str:
    """A code in words, or a number that is no HTTP status (JSON-RPC, providers' own)."""
    if type(value) is int:
        return "" if 100 <= value < 600 else str(value)
    return _text(value)


def _detail(value: object) -> str:
    """FastAPI's list of faults: their messages, and not the input they quote."""
    if isinstance(value, list):
        return "; ".join(
            _text(each.get("msg")) or _text(each.get("type"))
            for each in value
            if isinstance(each, dict)
        )
    return _text(value)


def _behind(error: Mapping[str, Any]) -> Iterator[str]:
    """The words of the errors this one was made of."""
    metadata = error.get("metadata")
    if isinstance(metadata, dict):
        raw = _text(metadata.get("raw"))[:ERROR_TEXT]
        said, wrapped = _unwrapped(raw)
        yield " ".join(filter(None, (said, wrapped)))
    inner = error.get("innererror")
    if isinstance(inner, dict):
        yield _words(inner)
    details = error.get("details")
    for each in details if isinstance(details, list) else ():
        if isinstance(each, dict):
            yield _text(each.get("reason"))


def _unwrapped(text: str) -> tuple[str, str]:
    """Words before an error given as JSON text, and the words inside that error."""
    start = text.find("{")
    end = text.rfind("}") + 1
    if start < 0 or end <= start:
        return text, ""
    try:
        inner = orjson.loads(text[start:end])
    except orjson.JSONDecodeError:
        return text, ""
    if not isinstance(inner, dict):
        return text, ""
    fields = inner.get("error", inner)
    words = fields if isinstance(fields, str) else _words(fields)
    return (text[:start] + text[end:]).strip(), words


def _words(fields: object) -> str:
    if not isinstance(fields, dict):
        return ""
    words = [_text(fields.get(name)) for name in _FIELDS]
    nested = fields.get("message")
    if isinstance(nested, dict):
        words.append(_words(nested))
    return " ".join(filter(None, words))


def _wait(error: Mapping[str, Any]) -> float | None:
    seconds = error.get("resets_in_seconds", error.get("retry_after"))
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return max(float(seconds), 0.0)
    details = error.get("details")
    for each in details if isinstance(details, list) else ():
        if isinstance(each, dict) and isinstance(delay := each.get("retryDelay"), str):
            return seconds_of(delay)
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
