"""The server: refresh tokens are good for one use, and a second use of one ends the login.

It answers as OpenAI's, Anthropic's, xAI's and Nous' servers do, and as GitHub's exchange does.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.wire.server import LoopbackServer

CODEX = "POST /oauth/token"
ANTHROPIC = "POST /v1/oauth/token"
NOUS = "POST /api/oauth/token"
XAI = "POST /oauth2/token"
MINT = "POST /api/oauth/agent-key"
EXCHANGE = "GET /copilot_internal/v2/token"
TOKEN_PATHS = ("/oauth/token", "/v1/oauth/token", "/api/oauth/token", "/oauth2/token")
DEVICE_PATHS = ("/api/oauth/device/code", "/oauth2/device/code")


@dataclass(kw_only=True)
class Login:
    """One login: its current refresh token, what was spent, and whether it is over."""

    refresh: str
    access: set[str] = field(default_factory=set)
    spent: set[str] = field(default_factory=set)
    over: bool = False


class AuthServer(LoopbackServer):
    """`life_s` is what new tokens live; None sends no lifetime, `jwt_exp` puts one into them.

    `login()` begins one as if somebody had logged in. `typed_in` is whether the code of a device
    login was typed in; `github` are tokens the exchange takes.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        life_s: float | None = 3600.0,
        key_life_s: float = 1800.0,
        jwt: bool = False,
    ) -> None:
        super().__init__()
        self.life_s = life_s
        self.key_life_s = key_life_s
        self.jwt = jwt
        self.typed_in = False
        self.interval_s: float = 2
        self.github: set[str] = {"gho_good"}
        self.forbidden: set[str] = set()
        self.refresh_in_s: float | None = 1500.0
        self.api = ""
        self.inference = ""
        self.entitled = True
        self.challenge = ""
        self.logins: list[Login] = []
        self._now = now
        self._count = 0

    def login(self) -> Login:
        """Somebody logs in."""
        login = Login(refresh=self._fresh("refresh"))
        login.access.add(self._access())
        self.logins.append(login)
        return login

    @property
    def refreshes(self) -> int:
        """Requests that spent a refresh token, or tried to."""
        return sum(seen.arguments.get("grant_type") == "refresh_token" for seen in self.record)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return (
            *(web.post(path, self._token) for path in TOKEN_PATHS),
            *(web.post(path, self._device) for path in DEVICE_PATHS),
            web.post("/api/accounts/deviceauth/usercode", self._codex_device),
            web.post("/api/accounts/deviceauth/token", self._codex_poll),
            web.post("/api/oauth/agent-key", self._mint),
            web.get("/copilot_internal/v2/token", self._exchange),
        )

    # Tokens.

    async def _token(self, request: web.Request) -> web.Response:
        words = await _words(request)
        match words.get("grant_type"):
            case "refresh_token":
                refresh = request.headers.get("x-nous-refresh-token") or words.get("refresh_token")
                return self._refreshed(request, words, str(refresh))
            case "authorization_code":
                return self._code(request, words)
            case "urn:ietf:params:oauth:grant-type:device_code":
                if not self.typed_in:
                    return self._say(request, words, 400, {"error": "authorization_pending"})
                return self._say(request, words, 200, self._grant(self.login()))
        return self._say(request, words, 400, {"error": "unsupported_grant_type"})

    def _refreshed(
        self, request: web.Request, words: Mapping[str, Any], refresh: str
    ) -> web.Response:
        for login in self.logins:
            if refresh in login.spent:
                login.over = True  # somebody else has it: nobody may
                return self._say(request, words, 401, _nested("refresh_token_reused"))
            if login.refresh == refresh and not login.over:
                login.spent.add(refresh)
                login.refresh = self._fresh("refresh")
                return self._say(request, words, 200, self._grant(login))
        return self._say(request, words, 400, {"error": "invalid_grant"})

    def _code(self, request: web.Request, words: Mapping[str, Any]) -> web.Response:
        digest = hashlib.sha256(str(words.get("code_verifier")).encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if words.get("code") != "code-1" or (self.challenge and proof != self.challenge):
            return self._say(request, words, 400, {"error": "invalid_grant"})
        return self._say(request, words, 200, self._grant(self.login()))

    def _grant(self, login: Login) -> dict[str, Any]:
        access = self._access()
        login.access.add(access)
        granted: dict[str, Any] = {"access_token": access, "refresh_token": login.refresh}
        return granted if self.life_s is None else granted | {"expires_in": self.life_s}

    def _access(self) -> str:
        word = self._fresh("access")
        if not self.jwt:
            return word
        claims = {
            "exp": int(self._now() + 3600),
            "https://api.openai.com/auth": {"chatgpt_account_id": "acc-1"},
            "jti": word,
        }
        middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        return f"e30.{middle}.sig"

    def _fresh(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count:04d}-loopback"

    # Device codes.

    async def _device(self, request: web.Request) -> web.Response:
        words = await _words(request)
        body = {
            "device_code": "device-1",
            "user_code": "ABCD-EFGH",
            "verification_uri": f"{self.url}/device",
            "interval": self.interval_s,
            "expires_in": 600,
        }
        return self._say(request, words, 200, body)

    async def _codex_device(self, request: web.Request) -> web.Response:
        words = await _words(request)
        body = {
            "device_auth_id": "device-1",
            "user_code": "ABCD-EFGH",
            "interval": str(self.interval_s),
        }
        return self._say(request, words, 200, body)

    async def _codex_poll(self, request: web.Request) -> web.Response:
        words = await _words(request)
        if not self.typed_in:
            return self._say(request, words, 403, {})
        body = {"authorization_code": "code-1", "code_verifier": "verifier-1"}
        return self._say(request, words, 200, body)

    # Keys from logins.

    async def _mint(self, request: web.Request) -> web.Response:
        words = await _words(request)
        access = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not any(access in login.access and not login.over for login in self.logins):
            return self._say(request, words, 401, {"error": "invalid_token"})
        if not self.entitled:
            return self._say(request, words, 402, {"error": "subscription_required"})
        body: dict[str, Any] = {"api_key": self._fresh("key"), "expires_in": self.key_life_s}
        if self.inference:
            body["inference_base_url"] = self.inference
        return self._say(request, words, 200, body)

    async def _exchange(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("token ")
        if token in self.forbidden:
            return self._say(request, {}, 403, {"message": "no access"})
        if token not in self.github:
            return self._say(request, {}, 401, {"message": "Bad credentials"})
        body: dict[str, Any] = {
            "token": self._fresh("copilot"),
            "expires_at": self._now() + 1800,
            "endpoints": {"api": self.api} if self.api else {},
        }
        if self.refresh_in_s is not None:
            body["refresh_in"] = self.refresh_in_s
        return self._say(request, {}, 200, body)

    def _say(
        self, request: web.Request, words: Mapping[str, Any], status: int, body: Mapping[str, Any]
    ) -> web.Response:
        self.note(self.operation(request), words, status, request.headers)
        return web.json_response(body, status=status)


def _nested(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "it was used already"}}


async def _words(request: web.Request) -> Mapping[str, Any]:
    if request.content_type == "application/json":
        found = await request.json()
        return found if isinstance(found, dict) else {}
    return {name: str(value) for name, value in (await request.post()).items()}
