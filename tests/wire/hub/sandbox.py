"""The server inside a sandbox job, reached through the jobs proxy.

It answers what huggingface_hub's Sandbox asks. Nothing is run on this machine: `commands` says
what a command prints, `echo` (the default) prints the command itself.
Source: the request code of huggingface_hub 2.4, `_sandbox.py` (protocol 3).
"""

import asyncio
import json
import posixpath
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.wire.hub.jobs import body_of
from tests.wire.hub.world import FINAL, SANDBOX_PORT, Account, Job, Refusal

if TYPE_CHECKING:
    from tests.wire.hub.server import HubServer

PROTOCOL = 3
PROXY = rf"/proxy/{{id:[0-9a-f]+}}--{SANDBOX_PORT}.hf.jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command in a sandbox did."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0
    timed_out: bool = False


@dataclass(kw_only=True)
class Inside:
    """The inside of one sandbox."""

    files: dict[str, bytes] = field(default_factory=dict)
    ran: list[list[str]] = field(default_factory=list)


Command = Callable[[list[str], Inside], Awaitable[Ran]]


async def echo(argv: list[str], inside: Inside) -> Ran:
    """Print the command."""
    return Ran(stdout=" ".join(argv) + "\n")


class Sandboxes:
    """The routes of the proxy to sandbox servers."""

    def __init__(self, server: "HubServer") -> None:
        self._world = server.world
        self._server = server
        self.commands: Command = echo
        self.healthy = asyncio.Event()
        self.healthy.set()
        self.inside: dict[str, Inside] = {}

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """All of them."""
        wrap = self._server.answering
        return [
            web.get(PROXY + "/health", wrap("sandbox.health", self._health)),
            web.post(PROXY + "/v1/exec", wrap("sandbox.exec", self._exec)),
            web.get(PROXY + "/v1/files/stat", wrap("sandbox.stat", self._stat)),
            web.get(PROXY + "/v1/files/read", wrap("sandbox.read", self._read)),
            web.put(PROXY + "/v1/files/write", wrap("sandbox.write", self._write)),
        ]

    async def _health(self, request: web.Request, account: Account | None) -> web.Response:
        job = self._sandbox(request, account)
        if not self.healthy.is_set():
            raise Refusal(503, "starting")
        if job.stage == "SCHEDULING":
            self._world.start(job)
        return web.json_response({"status": "ok", "protocol": PROTOCOL, "version": "0.7.0"})

    async def _exec(self, request: web.Request, account: Account | None) -> web.StreamResponse:
        inside = self._inside(self._running(request, account))
        body = await body_of(request)
        argv = body["cmd"] if isinstance(body["cmd"], list) else ["/bin/sh", "-c", body["cmd"]]
        inside.ran.append(argv)
        ran = await self.commands(argv, inside)
        events: list[dict[str, Any]] = [{"event": "ping"}]
        events += [{"event": "stdout", "data": ran.stdout}] if ran.stdout else []
        events += [{"event": "stderr", "data": ran.stderr}] if ran.stderr else []
        events.append(
            {
                "event": "exit",
                "exit_code": None if ran.timed_out else ran.exit_code,
                "timed_out": ran.timed_out,
                "duration_ms": 5,
            }
        )
        text = "".join(json.dumps(event) + "\n" for event in events)
        return web.Response(text=text, content_type="application/x-ndjson")

    async def _stat(self, request: web.Request, account: Account | None) -> web.Response:
        path, content = self._file(request, account)
        name = posixpath.basename(path)
        shown = {"name": name, "path": path, "type": "file", "size": len(content)}
        return web.json_response(shown)

    async def _read(self, request: web.Request, account: Account | None) -> web.Response:
        _, content = self._file(request, account)
        first = int(request.query.get("offset", "0"))
        length = int(request.query.get("length", str(len(content))))
        return web.Response(body=content[first : first + length])

    async def _write(self, request: web.Request, account: Account | None) -> web.Response:
        inside = self._inside(self._running(request, account))
        inside.files[request.query["path"]] = await request.read()
        return web.json_response({})

    def _file(self, request: web.Request, account: Account | None) -> tuple[str, bytes]:
        inside = self._inside(self._running(request, account))
        path = request.query["path"]
        if path not in inside.files:
            raise Refusal(404, f"{path}: no such file")
        return path, inside.files[path]

    def _inside(self, job: Job) -> Inside:
        return self.inside.setdefault(job.id, Inside())

    def _running(self, request: web.Request, account: Account | None) -> Job:
        job = self._sandbox(request, account)
        if job.stage != "RUNNING":
            raise Refusal(502, "the job is not running")
        return job

    def _sandbox(self, request: web.Request, account: Account | None) -> Job:
        job = self._world.jobs.get(request.match_info["id"])
        if job is None or job.stage in FINAL:
            raise Refusal(404, "no such job")
        if account is None or not account.may_read(job.owner):
            raise Refusal(401, "Invalid credentials in Authorization header")
        token = (job.spec.get("secrets") or {}).get("SBX_TOKEN")
        if not token or request.headers.get("X-Sandbox-Token") != token:
            raise Refusal(403, "wrong sandbox token")
        return job
