"""Pure: the lines of the app-server protocol, read and written.

JSON-RPC 2.0 without its version header, one message a line. Source: the README of codex-rs's
app-server, and the types that `codex app-server generate-ts` writes (checked with 0.125 and 0.169).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from agent.messages import JsonObject

MINIMUM: Final = (0, 125)
AGENTS_SINCE: Final = (0, 150)
"""From here on `agents.enabled` is tried, and left out where a version refuses it."""
LINE_BYTES: Final = 8 * 1024 * 1024
NOT_FOUND: Final = -32601
ABORTED: Final = "<turn_aborted>"
"""Words by which the agent's own harness says that a turn is over."""

KEY_VARIABLE: Final = "GATEPOST_CODEX_KEY"
OWN_PROVIDER: Final = "gatepost"
_PASSED: Final = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
)
_VERSION: Final = re.compile(r"/(\d+)\.(\d+)(?:\.(\d+))?")

RequestId = int | str
Version = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The child's answer to a request of ours; `error` is None where it went well."""

    id: RequestId
    result: JsonObject = field(default_factory=dict)
    error: "RpcFault | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcFault:
    """A request was refused."""

    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """Something happened in the child."""

    method: str
    params: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """The child asks, and waits for an answer."""

    id: RequestId
    method: str
    params: JsonObject


Incoming = Answered | Notified | Requested


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A thread as the child has opened it; `turns` are those it holds, oldest first."""

    thread: str
    model: str
    turns: tuple[str, ...] = ()


class NoMessage(ValueError):
    """A line that is no message of the protocol."""


def read_line(line: bytes) -> Incoming:
    """Read one line. Raises NoMessage."""
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise NoMessage("no JSON") from exc
    if not isinstance(message, dict):
        raise NoMessage("no object")
    number, method = message.get("id"), message.get("method")
    if number is not None and (isinstance(number, bool) or not isinstance(number, int | str)):
        raise NoMessage("an id that is none")
    if isinstance(method, str):
        params = _object(message.get("params"))
        if number is None:
            return Notified(method=method, params=params)
        return Requested(id=number, method=method, params=params)
    if number is None:
        raise NoMessage("neither a request nor an answer")
    if (fault := message.get("error")) is not None:
        return Answered(id=number, error=_fault(fault))
    return Answered(id=number, result=_object(message.get("result")))


def request(number: int, method: str, params: JsonObject) -> bytes:
    """A request of ours."""
    return _line({"id": number, "method": method, "params": params})


def notification(method: str) -> bytes:
    """A notification of ours."""
    return _line({"method": method})


def answer(number: RequestId, result: JsonObject) -> bytes:
    """Our answer to a request of the child."""
    return _line({"id": number, "result": result})


def refusal(number: RequestId, method: str) -> bytes:
    """Our answer to a request we do not know."""
    fault = {"code": NOT_FOUND, "message": f"{method} is not supported"}
    return _line({"id": number, "error": fault})


def initialize_params(version: str) -> JsonObject:
    """Who we are.

    Without `experimentalApi` the child leaves out of a question which further permissions its
    command would get: people would decide on less than what runs.
    """
    return {
        "clientInfo": {"name": "gatepost", "title": "Gatepost", "version": version},
        "capabilities": {"experimentalApi": True},
    }


def version_of(user_agent: object) -> Version | None:
    """The child's version from how it calls itself (`gatepost/0.169.0 (...)`)."""
    found = _VERSION.search(user_agent) if isinstance(user_agent, str) else None
    return (int(found[1]), int(found[2])) if found else None


def thread_params(
    *, model: str, provider: str | None, cwd: str, instructions: str, thread: str | None = None
) -> JsonObject:
    """A new thread, or the one that goes on; everything that limits it is said, nothing assumed."""
    params: dict[str, Any] = {
        "model": model,
        "cwd": cwd,
        "sandbox": "read-only",
        "approvalPolicy": "on-request",
        "approvalsReviewer": "user",
        "developerInstructions": instructions,
    }
    if provider is not None:
        params["modelProvider"] = provider
    if thread is not None:
        params["threadId"] = thread
    return params


def no_agents(version: Version | None) -> JsonObject:
    """What a thread is told to have no sub-agents; older versions can't read it at all."""
    if version is not None and version < AGENTS_SINCE:
        return {}
    return {"config": {"agents.enabled": False}}


def turn_params(
    *, thread: str, items: tuple[JsonObject, ...], model: str, cwd: str, effort: str | None
) -> JsonObject:
    """A turn; the limits are said again, since a resumed thread brings its own."""
    params: dict[str, Any] = {
        "threadId": thread,
        "input": list(items),
        "model": model,
        "cwd": cwd,
        "approvalPolicy": "on-request",
        "approvalsReviewer": "user",
        "sandboxPolicy": {"type": "readOnly", "networkAccess": False},
    }
    if effort is not None:
        params["effort"] = effort
    return params


def loosened(opened: JsonObject) -> str:
    """What the child took more freely than it was told; empty if nothing.

    Settings of its host's administrator go before ours, so the answer is looked at.
    """
    sandbox = _object(opened.get("sandbox"))
    if sandbox and (sandbox.get("type") != "readOnly" or sandbox.get("networkAccess")):
        return "its sandbox is not read-only without network"
    if opened.get("approvalPolicy", "on-request") not in ("on-request", "untrusted"):
        return "its approval policy is not on-request"
    if opened.get("approvalsReviewer", "user") != "user":
        return "its approvals are not reviewed by people"
    return ""


def environment(ours: Mapping[str, str], *, home: str, key: str) -> dict[str, str]:
    """What the child sees of our environment; its key is for its model provider alone."""
    passed = {name: ours[name] for name in _PASSED if name in ours}
    own = {"CODEX_HOME": home, "HOME": home}
    return {**passed, **own, **({KEY_VARIABLE: key} if key else {})}


def config_file(*, base_url: str) -> str:
    """The child's own configuration; the operator's is never read.

    It is the same for every entry of a directory: model and provider are named with each thread.
    Sub-agents are off: their questions would belong to threads that nobody here follows.
    """
    lines = [
        'approval_policy = "on-request"',
        'sandbox_mode = "read-only"',
        'cli_auth_credentials_store = "file"',
        "check_for_update_on_startup = false",
    ]
    lines += ["[analytics]", "enabled = false", "[features]", "multi_agent = false"]
    lines += ["[shell_environment_policy]", 'inherit = "core"', "ignore_default_excludes = false"]
    lines += [
        f"[model_providers.{OWN_PROVIDER}]",
        'name = "Gatepost"',
        f"base_url = {_quoted(base_url)}",
        'wire_api = "responses"',
        f"env_key = {_quoted(KEY_VARIABLE)}",
        "request_max_retries = 0",  # attempts are counted, and paid for, on our side
        "stream_max_retries = 0",
    ]
    return "\n".join(lines) + "\n"


def thread_of(message: Notified | Requested) -> str | None:
    """The thread a message speaks of, if it names one."""
    thread = message.params.get("threadId") or _object(message.params.get("thread")).get("id")
    return thread if isinstance(thread, str) else None


def turn_of(message: Notified | Requested) -> str | None:
    """The turn a message speaks of, if it names one."""
    turn = message.params.get("turnId") or _object(message.params.get("turn")).get("id")
    return turn if isinstance(turn, str) else None


def _line(message: JsonObject) -> bytes:
    return orjson.dumps(message) + b"\n"


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _fault(fault: object) -> RpcFault:
    said = _object(fault)
    code, message = said.get("code"), said.get("message")
    return RpcFault(
        code=code if isinstance(code, int) else 0,
        message=message if isinstance(message, str) else "no reason given",
    )


def _quoted(text: str) -> str:
    """A TOML string; JSON's spelling of one is among TOML's."""
    return orjson.dumps(text).decode()


def text_of(value: JsonObject) -> str:
    """An object as JSON text, its keys in order."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
