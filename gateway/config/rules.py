"""Pure: what single keys cannot know, rules between keys.

A rule looks at the file's own values and stays silent while one of them has a fault of its own:
mending that fault may mend the rule.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config import values
from gateway.config.facts import Broken, Facts
from gateway.config.faults import KeyPath, Wrong
from gateway.config.provider_rules import broken_providers
from gateway.config.reading import listen


def broken_rules(facts: Facts, place: Callable[[str], Path]) -> Iterator[Broken]:
    """Yield every rule the file breaks; `place` makes a path of the file absolute."""
    yield from _web(facts)
    yield from _telegram(facts)
    yield from _slack(facts)
    yield from _access(facts)
    yield from broken_providers(facts)
    yield from _workspace(facts, place)


def _web(facts: Facts) -> Iterator[Broken]:
    keys = ("web", "enabled"), ("web", "listen"), ("web", "token")
    if not facts.known(*keys) or not facts.get(keys[0], True) or facts.has(keys[2]):
        return
    address = listen(facts.get(keys[1], str(values.WebConfig().listen)))
    if not address.loopback:
        yield (
            keys[1],
            Wrong(
                f'"{address}" can be reached from other machines and there is no token',
                "set web.token, or listen on 127.0.0.1",
            ),
        )


def _telegram(facts: Facts) -> Iterator[Broken]:
    here: KeyPath = ("platforms", "telegram")
    mode, url, secret = (*here, "mode"), (*here, "webhook_url"), (*here, "webhook_secret")
    base: KeyPath = (*here, "base_url")
    token = (*here, "token")
    if facts.known(token) and re.match(r"bot\d", str(facts.get(token, ""))):
        yield (
            token,
            Wrong("begins with bot, as addresses of the Bot API do", "write it from its digits on"),
        )
    if not facts.has(here) or not facts.known(mode):
        return
    if facts.get(mode, "polling") == "polling":
        for key in (url, secret):
            if facts.known(key) and facts.has(key):
                yield key, Wrong('does nothing while mode is "polling"', 'set mode = "webhook"')
        return
    if facts.known(url) and not facts.has(url):
        yield mode, Wrong('"webhook" needs webhook_url', "add the public address of the webhook")
    if facts.known(secret) and not facts.has(secret):
        yield (
            mode,
            Wrong('"webhook" needs webhook_secret', "add one, from `openssl rand -hex 32`"),
        )
    if facts.known(url, base) and facts.has(url):
        own_server = facts.get(base, values.TELEGRAM_URL) != values.TELEGRAM_URL
        if urlsplit(facts.get(url)).scheme != "https" and not own_server:
            yield url, Wrong("is not an https address", "Telegram calls no other")
    yield from _needs_web(facts, mode, '"webhook"')


def _slack(facts: Facts) -> Iterator[Broken]:
    here: KeyPath = ("platforms", "slack")
    bot, app, signing = (*here, "bot_token"), (*here, "app_token"), (*here, "signing_secret")
    if not facts.has(here):
        return
    for key, prefix, right in ((bot, "xapp-", "app_token"), (app, "xoxb-", "bot_token")):
        given = facts.get(key, "")
        entries = given if isinstance(given, list) else [given]
        if facts.known(key) and any(str(each).startswith(prefix) for each in entries):
            yield key, Wrong(f"begins with {prefix}", f"that is the value of {right}")
    if not facts.known(app, signing):
        return
    if not facts.has(app) and not facts.has(signing):
        yield (
            here,
            Wrong(
                "has neither app_token nor signing_secret, so nothing can come in",
                "add app_token for Socket Mode or signing_secret for HTTP events",
            ),
        )
    if facts.has(signing) and not facts.has(app):
        yield from _needs_web(facts, signing, "signing_secret without app_token")


def _needs_web(facts: Facts, key: KeyPath, what: str) -> Iterator[Broken]:
    enabled: KeyPath = ("web", "enabled")
    if facts.known(key, enabled) and facts.get(enabled, True) is False:
        yield key, Wrong(f"{what} comes in over [web], which is off", "set web.enabled = true")


def _access(facts: Facts) -> Iterator[Broken]:
    for platform in ("telegram", "slack", "discord"):
        for name in ("users", "chats"):
            path: KeyPath = ("access", platform, name)
            if not facts.known(path):
                continue
            for index, entry in enumerate(facts.get(path, ())):
                item = (*path, index)
                if facts.known(item) and not entry.startswith(f"{platform}:"):
                    yield (
                        item,
                        Wrong(f'"{entry}" is of another platform', f"move it to access.{name}"),
                    )


def _workspace(facts: Facts, place: Callable[[str], Path]) -> Iterator[Broken]:
    state_key: KeyPath = ("gateway", "state_dir")
    work_key: KeyPath = ("tools", "workspace")
    if not facts.known(state_key, work_key):
        return
    state = place(facts.get(state_key, str(values.GatewayConfig().state_dir)))
    work = place(facts.get(work_key, str(values.ToolsConfig().workspace)))
    if state == work or state in work.parents or work in state.parents:
        yield (
            work_key if facts.has(work_key) else state_key,
            Wrong(
                "workspace and state_dir share a directory, so the model could read the database",
                "give each a directory of its own",
            ),
        )
