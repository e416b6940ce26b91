"""Pure: rules between the keys of one `[[providers]]` entry, and between entries."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.config import values
from gateway.config.facts import Broken, Facts, name_taken
from gateway.config.faults import KeyPath, Wrong

OPENAI: Final = "openai-chat", "openai-responses"
HTTP: Final = (*OPENAI, "anthropic-messages")

ONLY_WITH: Final[Mapping[str, tuple[str, ...]]] = {
    "base_url": HTTP,
    "api_key": (*HTTP, "codex-app-server"),
    "api_keys": HTTP,
    "credential": HTTP,
    "pool": HTTP,
    "aggregator": HTTP,
    "effort": (*HTTP, "codex-app-server"),
    "reasoning_replay": ("openai-chat",),
    "omit": OPENAI,
    "cap_field": ("openai-chat",),
    "thinking": ("anthropic-messages",),
    "long_context": ("anthropic-messages",),
    "cache_ttl": ("anthropic-messages",),
    "command": ("codex-app-server",),
    "home": ("codex-app-server",),
}
"""The `api`s each key does something with; keys that are not listed do with every one."""

SERVICE_APIS: Final[Mapping[str, tuple[str, ...]]] = {
    "codex": ("openai-responses",),
    "anthropic": ("anthropic-messages",),
    "nous": OPENAI,
    "xai": OPENAI,
    "copilot": HTTP,
}
"""What the servers of each service speak."""

_VENDORS: Final[Mapping[str, tuple[str, str, str]]] = {
    "openai-chat": (values.OPENAI_URL, "gpt-5", "OPENAI_API_KEY"),
    "openai-responses": (values.OPENAI_URL, "gpt-5", "OPENAI_API_KEY"),
    "anthropic-messages": (values.ANTHROPIC_URL, "claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
    "codex-app-server": ("", "gpt-5-codex", ""),
}


def broken_providers(facts: Facts) -> Iterator[Broken]:
    """Yield every rule the entries break."""
    seen: set[str] = set()
    entries = facts.get(("providers",), ())
    for index in range(len(entries) if isinstance(entries, list) else 0):
        here: KeyPath = ("providers", index)
        yield from _entry(facts, here)
        yield from name_taken(facts, here, seen, by="an entry")


def _entry(facts: Facts, here: KeyPath) -> Iterator[Broken]:
    api = facts.get((*here, "api"))
    if not facts.known((*here, "api")) or api not in values.APIS:
        return
    for key, apis in ONLY_WITH.items():
        path: KeyPath = (*here, key)
        if api not in apis and facts.known(path) and facts.has(path):
            yield path, Wrong(f'does nothing with api = "{api}"', "remove the key")
    if api == "demo":
        return
    _, example, _ = _VENDORS[api]
    if facts.known((*here, "model")) and not facts.has((*here, "model")):
        yield here, Wrong("has no model", f'add one, for example model = "{example}"')
    if api in HTTP:
        yield from _keys(facts, here, api)


def _keys(facts: Facts, here: KeyPath, api: str) -> Iterator[Broken]:
    ways: tuple[KeyPath, ...] = tuple((*here, key) for key in ("api_key", "api_keys", "credential"))
    if not facts.known(*ways):
        return
    given = [path for path in ways if facts.has(path)]
    for path in given[1:]:
        yield path, Wrong(f"stands beside {given[0][-1]}", "keep one of the two")
    if not given:
        yield from _keyless(facts, here, api)
    if len(given) == 1:
        value = facts.get(given[0])
        yield from _pool(facts, here, value)
        if given[0][-1] == "credential":
            yield from _service(given[0], value, api)
        if given[0][-1] == "api_keys":
            yield from _keys_once(given[0], value)


def _keyless(facts: Facts, here: KeyPath, api: str) -> Iterator[Broken]:
    """The vendor's own address asks for a key."""
    default, _, variable = _VENDORS[api]
    url: KeyPath = (*here, "base_url")
    host = urlsplit(facts.get(url, default)).hostname if facts.known(url) else None
    if host is not None and host == urlsplit(default).hostname:
        yield here, Wrong("has no api_key", f'add api_key = "${{{variable}}}"')


def _keys_once(path: KeyPath, keys: list[Any]) -> Iterator[Broken]:
    if not keys:
        yield path, Wrong("is empty", "give a value or remove the key")
    for index, key in enumerate(keys):
        if key in keys[:index]:
            yield (*path, index), Wrong("stands twice", "remove one of the two")


def _pool(facts: Facts, here: KeyPath, value: object) -> Iterator[Broken]:
    path: KeyPath = (*here, "pool")
    several = isinstance(value, list) and len(value) > 1
    if facts.known(path) and facts.has(path) and not several:
        yield path, Wrong("does nothing with one key", "give several in api_keys, or remove it")


def _service(path: KeyPath, value: Any, api: str) -> Iterator[Broken]:
    first = value[0] if isinstance(value, list) else value
    service = first.get("service")
    apis = SERVICE_APIS.get(service)
    if apis is not None and api not in apis:
        choices = " or ".join(f'"{each}"' for each in apis)
        yield path, Wrong(f'{service} does not speak "{api}"', f"write api = {choices}")
