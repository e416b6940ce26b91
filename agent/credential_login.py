"""Logging in: a code typed in at the service, or one pasted from its page.

Nothing is stored here; whoever began gets the tokens.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from agent.credential_http import Answer, Ask, EndpointUnwell, ask_endpoint, ask_twice
from agent.credential_oauth import Now
from agent.credentials import Service
from agent.errors import AgentError
from agent.oauth_services import OAuthService, Tokens, tokens_from

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
LOGIN_WITHIN_S = 900.0
PAUSE_S = 5.0
LEAST_PAUSE_S = 0.1
SLOWER_S = 5.0
"""Added to the pause when the service asks for it. Source: RFC 8628, 3.5."""


class LoginFailed(AgentError):
    """The login did not come about; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """A login that waits for somebody to type `user_code` in at `verify_at`; seconds."""

    user_code: str
    verify_at: str
    device_code: str = field(repr=False)
    pause_s: float
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedCode:
    """A login whose code is shown on the page at `page` and pasted here."""

    page: str
    verifier: str = field(repr=False)
    state: str = field(repr=False)


async def begin_device(endpoints: OAuthService, *, time: Now) -> DeviceCode:
    """Ask for a code to type in; raises LoginFailed."""
    words = {"client_id": endpoints.client_id}
    if endpoints.service is Service.CODEX:
        ask = Ask(url=endpoints.device_at, json=words)
    else:
        ask = Ask(url=endpoints.device_at, form={**words, "scope": endpoints.scope})
    answer = await _asked(ask, time)
    device = answer.text("device_code") or answer.text("device_auth_id")
    user = answer.text("user_code") or answer.text("usercode")
    verify = (
        answer.text("verification_uri_complete")
        or answer.text("verification_uri")
        or endpoints.verify_at
    )
    if not answer.ok or not device or not user or not verify:
        raise LoginFailed(f"the service gave no code ({answer.status} {answer.error})".rstrip())
    return DeviceCode(
        user_code=user,
        verify_at=verify,
        device_code=device,
        pause_s=max(LEAST_PAUSE_S, answer.number("interval") or PAUSE_S),
        within_s=min(answer.number("expires_in") or LOGIN_WITHIN_S, LOGIN_WITHIN_S),
    )


async def end_device(endpoints: OAuthService, begun: DeviceCode, *, time: Now) -> Tokens:
    """Wait until the code was typed in; raises LoginFailed when its time is over."""
    ends_at = time.now() + int(begun.within_s * 1_000_000)
    pause_s = begun.pause_s
    while time.now() < ends_at:
        await time.sleep(pause_s)
        try:
            answer = await ask_endpoint(_poll(endpoints, begun))
        except EndpointUnwell:
            continue
        if answer.ok:
            return await _device_tokens(endpoints, answer, time=time)
        if answer.error == "slow_down":
            pause_s += SLOWER_S
        elif not _is_pending(endpoints, answer):
            raise LoginFailed(f"the service refused the login ({answer.error or answer.status})")
    raise LoginFailed("nobody typed the code in in time; begin again")


def _poll(endpoints: OAuthService, begun: DeviceCode) -> Ask:
    if endpoints.service is Service.CODEX:
        words = {"device_auth_id": begun.device_code, "user_code": begun.user_code}
        return Ask(url=endpoints.poll_at, json=words)
    words = {
        "grant_type": DEVICE_GRANT,
        "client_id": endpoints.client_id,
        "device_code": begun.device_code,
    }
    return Ask(url=endpoints.poll_at, form=words)


def _is_pending(endpoints: OAuthService, answer: Answer) -> bool:
    """Whether nobody has typed it in yet. Codex says so with a bare 403 or 404."""
    if answer.error == "authorization_pending":
        return True
    return endpoints.service is Service.CODEX and answer.status in (403, 404)


async def _device_tokens(endpoints: OAuthService, answer: Answer, *, time: Now) -> Tokens:
    """The tokens of a finished device login; Codex gives a code for them first."""
    code = answer.text("authorization_code")
    if code:
        answer = await _asked(
            endpoints.ask(
                {
                    "grant_type": "authorization_code",
                    "client_id": endpoints.client_id,
                    "code": code,
                    "code_verifier": answer.text("code_verifier"),
                    "redirect_uri": endpoints.redirect_uri,
                }
            ),
            time,
        )
    return _tokens(answer, time)


def begin_paste(endpoints: OAuthService, *, draw: Callable[[int], bytes]) -> PastedCode:
    """The page to open; `draw` gives so many random bytes."""
    verifier, state = _word(draw(32)), _word(draw(32))
    challenge = _word(hashlib.sha256(verifier.encode()).digest())
    query = {
        "code": "true",
        "client_id": endpoints.client_id,
        "response_type": "code",
        "redirect_uri": endpoints.redirect_uri,
        "scope": endpoints.scope,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": state,
    }
    return PastedCode(
        page=f"{endpoints.page_at}?{urlencode(query)}", verifier=verifier, state=state
    )


async def end_paste(
    endpoints: OAuthService, begun: PastedCode, pasted: str, *, time: Now
) -> Tokens:
    """Change the pasted `CODE#STATE` for tokens; raises LoginFailed."""
    code, _, state = pasted.strip().partition("#")
    if not code or (state and state != begun.state):
        raise LoginFailed("that is not the code of this login; begin again")
    answer = await _asked(
        endpoints.ask(
            {
                "grant_type": "authorization_code",
                "client_id": endpoints.client_id,
                "code": code,
                "state": begun.state,
                "redirect_uri": endpoints.redirect_uri,
                "code_verifier": begun.verifier,
            }
        ),
        time,
    )
    return _tokens(answer, time)


async def log_in(
    endpoints: OAuthService,
    *,
    time: Now,
    draw: Callable[[int], bytes],
    show: Callable[[DeviceCode | PastedCode], Awaitable[str]],
) -> Tokens:
    """The whole login; `show` tells the person what to do and returns what was pasted."""
    if endpoints.device_at:
        begun = await begin_device(endpoints, time=time)
        await show(begun)
        return await end_device(endpoints, begun, time=time)
    paste = begin_paste(endpoints, draw=draw)
    return await end_paste(endpoints, paste, await show(paste), time=time)


async def _asked(ask: Ask, time: Now) -> Answer:
    try:
        return await ask_twice(ask, sleep=time.sleep)
    except EndpointUnwell as exc:
        raise LoginFailed(str(exc)) from exc


def _tokens(answer: Answer, time: Now) -> Tokens:
    tokens = tokens_from(answer, before=None, now=time.now()) if answer.ok else None
    if tokens is None:
        raise LoginFailed(f"the service gave no tokens ({answer.error or answer.status})")
    return tokens


def _word(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
