"""Pure: the services somebody logs in to: their addresses, and how their answers read.

Every client id is the public one of the vendor's own program. To use a subscription from another
program needs the vendor's leave; nothing here pretends to be that program.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from agent.credential_http import Answer, Ask
from agent.credentials import Service

SECOND = 1_000_000
AHEAD = 300 * SECOND
AHEAD_SHARE = 5
"""A token is renewed this long before its end, or in the last fifth of a shorter life."""
NOUS_KEY_LIFE_S = 1800
_ENDED = frozenset(
    {
        "invalid_grant",
        "invalid_token",
        "access_denied",
        "unauthorized_client",
        "refresh_token_reused",
        "refresh_token_expired",
        "refresh_token_invalidated",
        "refresh_token_revoked",
        "account_deactivated",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a login is worth; times are microseconds since 1970, `expires_at` None if unknown.

    `generation` counts renewals. `account` is what some services want named beside the token.
    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: int | None
    obtained_at: int
    generation: int = 1
    account: str = ""

    def due_at(self) -> int | None:
        """When it should be renewed."""
        return due_at(self.obtained_at, self.expires_at)

    def expired(self, now: int) -> bool:
        """Whether it is of no use any more."""
        return self.expires_at is not None and self.expires_at <= now


def due_at(obtained_at: int, expires_at: int | None) -> int | None:
    """When a token of this life should be renewed: 300 s before its end, or its last fifth."""
    if expires_at is None:
        return None
    life = max(0, expires_at - obtained_at)
    return expires_at - min(AHEAD, life // AHEAD_SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthService:
    """One service: the addresses where its tokens are renewed and where somebody logs in.

    `device_at` begins a login by a code that is typed in at `verify_at`; without it the page at
    `page_at` shows a code to paste.
    """

    service: Service
    client_id: str
    renew_at: str
    scope: str
    device_at: str = ""
    poll_at: str = ""
    verify_at: str = ""
    page_at: str = ""
    redirect_uri: str = ""
    key_at: str = ""
    form: bool = True

    def at(self, root: str | None) -> "OAuthService":
        """The same service on another server."""
        if root is None:
            return self

        def moved(url: str) -> str:
            parts = urlsplit(url)
            return f"{root.rstrip('/')}{parts.path}" if url else ""

        return replace(
            self,
            renew_at=moved(self.renew_at),
            device_at=moved(self.device_at),
            poll_at=moved(self.poll_at),
            verify_at=moved(self.verify_at),
            page_at=moved(self.page_at),
            redirect_uri=moved(self.redirect_uri),
            key_at=moved(self.key_at),
        )

    def renewal(self, refresh: str) -> Ask:
        """The request that changes a refresh token for new tokens."""
        words = {"grant_type": "refresh_token", "client_id": self.client_id}
        if self.service is Service.NOUS:
            # Source: Nous portal: the refresh token goes in a header of its own.
            return Ask(url=self.renew_at, form=words, headers={"x-nous-refresh-token": refresh})
        return self.ask({**words, "refresh_token": refresh})

    def ask(self, words: Mapping[str, str]) -> Ask:
        """A request to the token endpoint in the form the service takes."""
        if self.form:
            return Ask(url=self.renew_at, form=words)
        return Ask(url=self.renew_at, json=words)

    def headers(self, tokens: Tokens) -> dict[str, str]:
        """What an attempt carries."""
        headers = {"Authorization": f"Bearer {tokens.access}"}
        if self.service is Service.CODEX and tokens.account:
            headers["ChatGPT-Account-ID"] = tokens.account
        if self.service is Service.ANTHROPIC:
            headers["anthropic-beta"] = "oauth-2025-04-20"
        return headers


# Source: openai/codex, codex-rs/login: issuer, client id, device code endpoints.
CODEX = OAuthService(
    service=Service.CODEX,
    client_id="app_EMoamEEZ73f0CkXaXp7hrann",
    renew_at="https://auth.openai.com/oauth/token",
    scope="openid profile email offline_access",
    device_at="https://auth.openai.com/api/accounts/deviceauth/usercode",
    poll_at="https://auth.openai.com/api/accounts/deviceauth/token",
    verify_at="https://auth.openai.com/codex/device",
    redirect_uri="https://auth.openai.com/deviceauth/callback",
)
# Source: the login page of Claude Code; code and state are shown to be pasted.
ANTHROPIC = OAuthService(
    service=Service.ANTHROPIC,
    client_id="9d1c250a-e61b-44d9-88ed-5944d1962f5e",
    renew_at="https://console.anthropic.com/v1/oauth/token",
    scope="org:create_api_key user:profile user:inference",
    page_at="https://claude.ai/oauth/authorize",
    redirect_uri="https://console.anthropic.com/oauth/code/callback",
    form=False,
)
# Source: the portal's device login; `agent-key` mints what the inference endpoint takes.
NOUS = OAuthService(
    service=Service.NOUS,
    client_id="hermes-cli",
    renew_at="https://portal.nousresearch.com/api/oauth/token",
    scope="inference:invoke",
    device_at="https://portal.nousresearch.com/api/oauth/device/code",
    poll_at="https://portal.nousresearch.com/api/oauth/token",
    key_at="https://portal.nousresearch.com/api/oauth/agent-key",
)
# Source: https://auth.x.ai/.well-known/openid-configuration
XAI = OAuthService(
    service=Service.XAI,
    client_id="b1a00492-073a-47ea-816f-4c329264a828",
    renew_at="https://auth.x.ai/oauth2/token",
    scope="openid profile email offline_access grok-cli:access api:access",
    device_at="https://auth.x.ai/oauth2/device/code",
    poll_at="https://auth.x.ai/oauth2/token",
)
SERVICES: Mapping[str, OAuthService] = {
    each.service.value: each for each in (CODEX, ANTHROPIC, NOUS, XAI)
}


def tokens_from(answer: Answer, *, before: Tokens | None, now: int) -> Tokens | None:
    """The tokens an endpoint gave, None if they can't be read.

    A refresh token that was not rotated stays; without a lifetime the token's own is read.
    """
    access = answer.text("access_token")
    refresh = answer.text("refresh_token") or (before.refresh if before else "")
    if not access or not refresh:
        return None
    life_s = answer.number("expires_in")
    claims = claims_of(access)
    account = account_of(claims_of(answer.text("id_token"))) or account_of(claims)
    return Tokens(
        access=access,
        refresh=refresh,
        expires_at=_expiry(claims) if life_s is None else now + int(life_s * SECOND),
        obtained_at=now,
        generation=before.generation + 1 if before else 1,
        account=account or (before.account if before else ""),
    )


def is_over(answer: Answer) -> bool:
    """Whether an endpoint says that a login can't be renewed any more."""
    return answer.status in (400, 401, 403) and answer.error in _ENDED


def claims_of(token: str) -> Mapping[str, Any]:
    """What a JWT says of itself, unchecked: it is only asked when it ends and whose it is."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        decoded = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def account_of(claims: Mapping[str, Any]) -> str:
    """The ChatGPT account a token belongs to."""
    about = claims.get("https://api.openai.com/auth")
    account = about.get("chatgpt_account_id") if isinstance(about, Mapping) else None
    return account if isinstance(account, str) else ""


def _expiry(claims: Mapping[str, Any]) -> int | None:
    ends = claims.get("exp")
    if isinstance(ends, bool) or not isinstance(ends, int | float) or not 0 < ends < 1e11:
        return None
    return int(ends * SECOND)


def tokens_in_file(service: Service, raw: bytes) -> Tokens | None:
    """The login that a vendor's own program keeps in a file, None if there is none in it.

    When it was obtained is not told there: its life counts as a long one.
    """
    try:
        kept = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    place = "tokens" if service is Service.CODEX else "claudeAiOauth"
    found = kept.get(place) if isinstance(kept, dict) else None
    if not isinstance(found, dict):
        return None
    answer = Answer(status=200, body=found)
    if service is Service.CODEX:
        tokens = tokens_from(answer, before=None, now=0)
        named = answer.text("account_id")
        return replace(tokens, account=named) if tokens is not None and named else tokens
    access, refresh = answer.text("accessToken"), answer.text("refreshToken")
    ends_ms = answer.number("expiresAt")
    if not access or not refresh:
        return None
    return Tokens(
        access=access,
        refresh=refresh,
        expires_at=None if ends_ms is None else int(ends_ms * 1000),
        obtained_at=0,
    )
