"""Pure: rules between keys of money, approvals, policy and tools."""

from collections.abc import Iterator
from typing import Any

from agent.rules import Layer
from agent.tools.base import Verdict
from gateway.config import reading, values
from gateway.config.facts import Broken, Facts, name_taken
from gateway.config.faults import KeyPath, Wrong
from gateway.config.ids import parse_chat
from gateway.config.policy import rule_id

_NEEDS = {
    "web_search": (("tools", "web_search"), "add [tools.web_search] with its base_url"),
    "hf_": (("tools", "huggingface"), "add [tools.huggingface] with a token"),
}


def broken_spending(facts: Facts) -> Iterator[Broken]:
    """Yield every such rule the file breaks."""
    yield from _approvals(facts)
    yield from _people(facts)
    yield from _policy(facts)
    yield from _tools(facts)
    yield from _mcp(facts)


def _approvals(facts: Facts) -> Iterator[Broken]:
    low: KeyPath = ("approvals", "requester_up_to")
    high: KeyPath = ("approvals", "approver_up_to")
    if facts.known(low, high):
        own = reading.money(facts.get(low, 1))
        theirs = reading.money(facts.get(high, 20))
        if own > theirs:
            yield (
                low if facts.has(low) else high,
                Wrong(
                    "lets whoever asks approve more than approvers may",
                    "keep requester_up_to at or below approver_up_to",
                ),
            )
    chats: KeyPath = ("approvals", "chats")
    for text in _names(facts, chats):
        try:
            parse_chat(text)
        except Wrong as wrong:
            yield (*chats, text), wrong


def _people(facts: Facts) -> Iterator[Broken]:
    seen: dict[str, str] = {}
    for name in _names(facts, ("people",)):
        here: KeyPath = ("people", name)
        try:
            reading.provider_name(name)
        except Wrong as wrong:
            yield here, wrong
        for index, ident in enumerate(_items(facts, here)):
            if facts.known((*here, index)):
                if ident in seen:
                    yield (
                        (*here, index),
                        Wrong(f'"{ident}" is {seen[ident]} already', "one id is one person"),
                    )
                seen.setdefault(ident, name)


def _policy(facts: Facts) -> Iterator[Broken]:
    seen: set[str] = set()
    for index, entry in enumerate(_items(facts, ("policy",))):
        here: KeyPath = ("policy", index)
        if not isinstance(entry, dict) or not facts.known(here):
            continue
        ident = (*here, "id")
        if facts.known(ident):
            name = rule_id(facts.get(ident), index + 1)
            if name in seen:
                yield ident, Wrong(f'"{name}" is taken by a rule above', "choose another")
            seen.add(name)
        yield from _rule(facts, here)


def _rule(facts: Facts, here: KeyPath) -> Iterator[Broken]:
    verdict, layer, match = (*here, "verdict"), (*here, "layer"), (*here, "match")
    if facts.known(verdict, layer):
        word, speaks = facts.get(verdict), facts.get(layer, Layer.OPERATOR)
        if word == Verdict.ALLOW.value:
            yield from _allowing(facts, here, speaks)
            if facts.known(match) and not facts.get(match):
                yield (
                    verdict,
                    Wrong(
                        "an allow rule shows what it allows",
                        'add match = [{ op = "...", args = { } }]',
                    ),
                )
        if speaks in (Layer.CHAT.value, Layer.USER.value) and not facts.has((*here, speaks)):
            yield layer, Wrong(f"a rule of a {speaks} names it", f"add {speaks} = [...]")
    firm = (*here, "firm")
    if facts.known(verdict, firm) and facts.get(firm) and facts.get(verdict) != "ask":
        yield firm, Wrong('does nothing without verdict = "ask"', "remove the key")
    low, high = (*here, "ceiling", "min"), (*here, "ceiling", "max")
    both = facts.known(low, high) and facts.has(low) and facts.has(high)
    if both and reading.money(facts.get(low)) > reading.money(facts.get(high)):
        yield low, Wrong("is above max", "swap them")
    yield from _server_of_rule(facts, (*here, "tool"))


def _allowing(facts: Facts, here: KeyPath, speaks: str) -> Iterator[Broken]:
    if speaks != Layer.OPERATOR.value:
        yield (
            (*here, "verdict"),
            Wrong(f"a rule of the layer {speaks} only tightens", 'write "ask" or "deny"'),
        )


def _server_of_rule(facts: Facts, key: KeyPath) -> Iterator[Broken]:
    if not facts.known(key, ("mcp",)):
        return
    server = str(facts.get(key, "")).partition("mcp:")[2].partition("/")[0]
    listed = [entry.get("name") for entry in _items(facts, ("mcp",)) if isinstance(entry, dict)]
    if server and not server.endswith("*") and server not in listed:
        yield key, Wrong(f'there is no [[mcp]] server "{server}"', "name one that stands there")


def _tools(facts: Facts) -> Iterator[Broken]:
    enabled: KeyPath = ("tools", "enabled")
    for index, tool in enumerate(_items(facts, enabled)):
        if tool not in values.TOOL_NAMES:
            continue
        for prefix, (section, fix) in _NEEDS.items():
            if tool.startswith(prefix) and facts.known(section) and not facts.has(section):
                yield (*enabled, index), Wrong(f'"{tool}" has nothing to work with', fix)


def _mcp(facts: Facts) -> Iterator[Broken]:
    seen: set[str] = set()
    for index, entry in enumerate(_items(facts, ("mcp",))):
        here: KeyPath = ("mcp", index)
        if not isinstance(entry, dict) or not facts.known(here):
            continue
        yield from name_taken(facts, here, seen, by="an entry")
        yield from _mcp_server(facts, here)


def _mcp_server(facts: Facts, here: KeyPath) -> Iterator[Broken]:
    command, url = (*here, "command"), (*here, "url")
    if not facts.known(command, url):
        return
    local, remote = bool(facts.get(command)), facts.has(url)
    if local and remote:
        yield url, Wrong("stands beside command", "keep one of the two")
    elif not local and not remote:
        yield here, Wrong("has neither command nor url", "add one of the two")
    for key, of in (("env", "command"), ("headers", "url")):
        if facts.known((*here, key)) and facts.get((*here, key)) and not facts.has((*here, of)):
            yield (*here, key), Wrong(f"does nothing without {of}", "remove the key")
    declared = facts.get((*here, "effects"), {})
    for key in ("tags", "price"):
        table = facts.get((*here, key))
        if not isinstance(table, dict) or not isinstance(declared, dict):
            continue
        for tool in table:
            if tool not in declared and facts.known((*here, key)):
                yield (
                    (*here, key, tool),
                    Wrong(f'"{tool}" is not declared', "say in effects what a crash means for it"),
                )


def _names(facts: Facts, path: KeyPath) -> list[str]:
    table = facts.get(path)
    return list(table) if isinstance(table, dict) and facts.known(path) else []


def _items(facts: Facts, path: KeyPath) -> list[Any]:
    found = facts.get(path)
    return found if isinstance(found, list) and facts.known(path) else []
