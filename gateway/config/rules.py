"""Pure: what single keys cannot know, rules between keys.

A rule looks at the file's own values and stays silent while one of them has a fault of its own:
mending that fault may mend the rule.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.config import values
from gateway.config.faults import KeyPath, Wrong
from gateway.config.reading import listen

OPENAI_HOST: Final = urlsplit(values.OPENAI_URL).hostname

Broken = tuple[KeyPath, Wrong]
"""The key a person should look at first, and what is wrong."""


class Facts:
    """The file's values, minus those that already have a fault."""

    def __init__(self, tree: Mapping[str, Any], faulty: frozenset[KeyPath]) -> None:
        self._tree = tree
        self._faulty = faulty

    def known(self, *paths: KeyPath) -> bool:
        """Whether none of these keys, nor a table around them, has a fault."""
        return not any(path[:end] in self._faulty for path in paths for end in range(len(path) + 1))

    def get(self, path: KeyPath, default: Any = None) -> Any:
        """Return the value at `path`, or `default` where the file has none."""
        here: Any = self._tree
        for key in path:
            try:
                here = here[key]
            except (KeyError, IndexError, TypeError):
                return default
        return here

    def has(self, path: KeyPath) -> bool:
        """Whether the file has that key or table."""
        return self.get(path) is not None


def broken_rules(facts: Facts, place: Callable[[str], Path]) -> Iterator[Broken]:
    """Yield every rule the file breaks; `place` makes a path of the file absolute."""
    yield from _web(facts)
    yield from _telegram(facts)
    yield from _slack(facts)
    yield from _access(facts)
    yield from _providers(facts)
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
        if facts.known(key) and str(facts.get(key, "")).startswith(prefix):
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


def _providers(facts: Facts) -> Iterator[Broken]:
    seen: dict[str, int] = {}
    entries = facts.get(("providers",), ())
    for index in range(len(entries) if isinstance(entries, list) else 0):
        here: KeyPath = ("providers", index)
        yield from _provider(facts, here)
        name = facts.get((*here, "name"))
        if not facts.known((*here, "name")) or name is None:
            continue
        if name in seen:
            yield (*here, "name"), Wrong(f'"{name}" is taken by an entry above', "choose another")
        seen[name] = index


def _provider(facts: Facts, here: KeyPath) -> Iterator[Broken]:
    api, url, model, key = (*here, "api"), (*here, "base_url"), (*here, "model"), (*here, "api_key")
    if not facts.known(api):
        return
    if facts.get(api) == "demo":
        for path in (url, key):
            if facts.known(path) and facts.has(path):
                yield path, Wrong('does nothing with api = "demo"', "remove the key")
    if facts.get(api) == "openai-chat":
        if facts.known(model) and not facts.has(model):
            yield here, Wrong("has no model", 'add one, for example model = "gpt-5"')
        host = urlsplit(facts.get(url, values.OPENAI_URL)).hostname if facts.known(url) else None
        if host == OPENAI_HOST and facts.known(key) and not facts.has(key):
            yield here, Wrong("has no api_key", 'add api_key = "${OPENAI_API_KEY}"')


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
