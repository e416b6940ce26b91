"""`gatepost login SERVICE`: an account somebody logs in to, kept by the gateway.

The log-in is made here; its tokens go to the running gateway over its socket, or into the rows of
a stopped one. They are never printed.
"""

import asyncio
import os
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.credential_login import DeviceCode, LoginFailed, PastedCode, log_in
from agent.credential_oauth import NotKept
from agent.oauth_services import SERVICES, Tokens
from gateway import logs
from gateway.cli.asking import NotRunning, ask
from gateway.cli.place import state_dir
from gateway.clock import SystemClock
from gateway.config.credential_reading import account_name, auth_url
from gateway.config.faults import Wrong
from gateway.config.sources import find_file, read_file, with_environment
from gateway.control_requests import KeepLogin
from gateway.credential_rows import CredentialRows, login_name
from gateway.credentials import SYSTEM, tokens_of, told
from gateway.errors import GatewayError, StoreFailed

LEAVE = (
    "A log-in with a subscription needs the leave of {service}; a key of its API does not.\n"
    "See docs/credentials.md."
)


def login(config: Path | None, *, service: str, account: str) -> int:
    """Log in, and hand the tokens to the gateway; raises GatewayError with what went wrong."""
    place = state_dir(config, os.environ)
    found = _entry(config, service, account)
    try:
        root = _auth_url(found)
        if account:
            account_name(account)
    except Wrong as wrong:
        raise GatewayError(str(wrong)) from wrong
    print(LEAVE.format(service=service))
    endpoints = SERVICES[service].at(root)
    try:
        tokens = asyncio.run(log_in(endpoints, time=SYSTEM, draw=secrets.token_bytes, show=_show))
    except LoginFailed as exc:
        raise GatewayError(f"not logged in: {exc}") from exc
    kept = KeepLogin(
        service=service,
        account=account,
        access=tokens.access,
        refresh=tokens.refresh,
        expires_at=tokens.expires_at or 0,
        owner=tokens.account,
    )
    try:
        print(ask(place, kept))
    except NotRunning:
        asyncio.run(_keep(place, login_name(service, account), service, tokens_of_now(kept)))
        print(told(login_name(service, account), used=found is not None))
    return 0


def tokens_of_now(kept: KeepLogin) -> Tokens:
    """The tokens as a gateway that runs would keep them."""
    return tokens_of(kept, now=SystemClock().now())


async def _show(begun: DeviceCode | PastedCode) -> str:
    """Tell the person what to do, and take what is pasted."""
    match begun:
        case DeviceCode(user_code=code, verify_at=page, within_s=within_s):
            print(f"Open {page}\nand type in: {code}\nWaiting, {within_s / 60:.0f} min at most.")
            return ""
        case PastedCode(page=page):
            print(f"Open {page}\nand paste the code it shows.")
            return await asyncio.to_thread(input, "Code: ")


def _entry(config: Path | None, service: str, account: str) -> Mapping[str, Any] | None:
    """The credential of the file that is this login; the rest of the file is not looked at.

    Whoever logs in need not have the gateway's other tokens in their environment.
    """
    file = find_file(config, os.environ)
    if file is None:
        return None
    try:
        tree = tomllib.loads(read_file(file))
    except (ValueError, RecursionError):
        return None
    listed = tree.get("providers")
    for entry in listed if isinstance(listed, list) else ():
        given = entry.get("credential") if isinstance(entry, dict) else None
        for one in given if isinstance(given, list) else (given,):
            if not isinstance(one, dict) or one.get("kind") != "oauth":
                continue
            if (one.get("service"), one.get("account", "")) == (service, account):
                return one
    return None


def _auth_url(found: Mapping[str, Any] | None) -> str | None:
    """Where to log in, if the file names another place than the service's own."""
    if found is None or "auth_url" not in found:
        return None
    written, _ = with_environment({"auth_url": found["auth_url"]}, os.environ)
    return auth_url(written)


async def _keep(place: Path, name: str, service: str, tokens: Tokens) -> None:
    """Write a login into the rows of a stopped gateway."""
    from gateway.store import migrate
    from gateway.store.sqlite import open_sqlite

    store = await open_sqlite(place, migrate.packaged(), on_failure=_told_by_the_write)
    try:
        rows = CredentialRows(store, SystemClock(), hide=logs.hide_renewed)
        await rows.logged_in(name, service, tokens)
    except NotKept as exc:
        raise GatewayError(f"the login can't be stored: {exc}") from exc
    finally:
        await store.close()


def _told_by_the_write(_failure: StoreFailed) -> None:
    """The write raises it too."""
