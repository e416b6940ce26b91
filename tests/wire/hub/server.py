"""The loopback Hub: one listening socket, the Hub's API, a page for people."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from tests.wire.hub.jobs import Jobs
from tests.wire.hub.page import Page
from tests.wire.hub.repos import Repos
from tests.wire.hub.sandbox import Sandboxes
from tests.wire.hub.world import Account, Refusal, World
from tests.wire.server import Handler, LoopbackServer

Answering = Callable[[web.Request, Account | None], Awaitable[web.StreamResponse]]
NAME = "dana"
TOKEN = "hf_" + "loopbackDanaLoopbackDanaLoopback00"


class HubServer(LoopbackServer):
    """`async with HubServer() as hub:`; Dana's token is `hub.token`, her team's is acme-research.

    `faults` go by the names in `answering`: `jobs.run`, `jobs.list`, `repos.commit`, ...
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host=host, port=port)
        self.world = World()
        self.token = TOKEN
        self.dana = self.world.person(NAME, TOKEN, {"acme-research": "write", "club": "read"})
        self.jobs = Jobs(self)
        self.repos = Repos(self)
        self.sandboxes = Sandboxes(self)
        self.page = Page(self)
        self._names: dict[Any, str] = {}

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """Whoami, jobs, sandboxes, the page; repositories last, their paths are the widest."""
        return [
            web.get("/api/whoami-v2", self.answering("whoami", self._whoami)),
            *self.page.routes(),
            *self.jobs.routes(),
            *self.sandboxes.routes(),
            *self.repos.routes(),
        ]

    def operation(self, request: web.Request) -> str:
        """The name given to `answering`, else method and path."""
        name = self._names.get(request.match_info.handler)
        return name or f"{request.method} {request.path}"

    def answering(self, name: str, answer: Answering) -> Handler:
        """Make a handler that knows who asks, says no as the Hub does, and keeps the record."""

        async def handle(request: web.Request) -> web.StreamResponse:
            arguments: dict[str, Any] = {**request.match_info, **request.query}
            if request.can_read_body and request.content_type == "application/json":
                arguments["body"] = await request.json()
            try:
                response = await answer(request, self.account_of(request))
            except Refusal as refusal:
                response = refused(refusal)
            self.note(name, arguments, response.status, request.headers)
            return response

        self._names[handle] = name
        return handle

    async def __aenter__(self) -> "HubServer":
        await super().__aenter__()
        return self

    async def _whoami(self, request: web.Request, account: Account | None) -> web.Response:
        if account is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        orgs = [
            {"type": "org", "id": name, "name": name, "roleInOrg": role, "canPay": True}
            for name, role in account.orgs.items()
        ]
        shown = {"type": "user", "id": account.id, "name": account.name, "orgs": orgs}
        return web.json_response({**shown, "canPay": True, "auth": {"type": "access_token"}})

    def account_of(self, request: web.Request) -> Account | None:
        """Who asks; a token nobody has is refused, none at all is a stranger."""
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        account = self.world.accounts.get(header.removeprefix("Bearer "))
        if account is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return account


def refused(refusal: Refusal) -> web.Response:
    """A refusal as the Hub writes it: the text as JSON and as a header."""
    headers = {"X-Error-Message": refusal.text}
    if refusal.code:
        headers["X-Error-Code"] = refusal.code
    return web.json_response({"error": refusal.text}, status=refusal.status, headers=headers)
