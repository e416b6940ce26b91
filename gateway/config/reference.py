"""Pure: the reference page, written from the schema so that the two cannot disagree.

`python -m gateway.config.reference` prints it; `make docs` keeps it in docs/configuration.md.
"""

import sys
from collections.abc import Iterator
from typing import Any, Final

from gateway.config import later
from gateway.config.faults import KeyPath
from gateway.config.schema import json_schema
from gateway.config.sources import CREDENTIALS

INTRO: Final = """\
# Configuration

<!-- Written by `make docs` from gateway/config/schema.py; edit that file, not this one. -->

One TOML file, the first of these that exists:

1. `gatepost run --config FILE`
2. the file named by the environment variable `GATEPOST_CONFIG`
3. `./gatepost.toml`
4. `~/.config/gatepost/gatepost.toml`
5. `/etc/gatepost/gatepost.toml`

With none of them the gateway starts on the defaults below: chat page on loopback, no platforms,
everything kept in `./state`. A file that is named (1, 2) must exist. Every key is optional unless
it says otherwise.

`gatepost check` names every fault at once, each with its line and its fix, and starts nothing.
`gatepost config schema` prints JSON Schema for editors. A wrong configuration ends `run` and
`check` with exit code 78.

## Secrets

A key marked *secret* takes its value in one of four ways:

- `token = "${TELEGRAM_TOKEN}"`: from the environment. `${NAME}` works in any text of the file, also
  inside it; `$${` stands for a plain `${`.
- `token = { file = "/run/secrets/telegram" }`: from a file; space around the value is cut off, and
  a relative path starts at the configuration file.
- left out, from a systemd credential (`LoadCredential=`) of the name listed below. A credential
  adds no section: `[platforms.telegram]` must stand in the file. A key in the file wins.
- `token = "..."`: in the file itself, which then only its owner should be able to read.

Secrets are never written to logs, errors or pages.

## People and chats

Lists take immutable ids, never names, which change hands:

| | people | chats |
| --- | --- | --- |
| Telegram | `telegram:1001` | `telegram:-100200`, one topic `telegram:-100200/7` |
| Slack | `slack:T1/U1` | `slack:T1/C1`, one thread `slack:T1/C1/1700000000.000100` |
| Discord | `discord:42` | `discord:CHANNEL` or `discord:GUILD/CHANNEL`, with `/THREAD` behind it |
| web page, terminal | `web:local`, `terminal:UID` | |

A chat covers its threads. `*` as the last part means all below: `slack:T1/*`, `discord:GUILD/*`,
`telegram:*`. In a listed chat everyone may use the bot, guests and members of other organisations
only if they are listed themselves.

Where groups of people can be named: `slack:T1/S1` is a Slack user group, `discord:GUILD/&ROLE` a
Discord role, `admins` whoever administers a Telegram chat. In rules also `approvers` and `owners`.

## Money

Amounts are US dollars with up to six decimals, as a number (`1.25`) or as text (`"$1.25"`). They
are kept exactly; nothing is ever rounded down.
"""

MODELS: Final = """\
With no `[[providers]]` entry the model is, in this order: OpenAI's `gpt-5` when `OPENAI_API_KEY` is
set; Anthropic's `claude-sonnet-4-5` when `ANTHROPIC_API_KEY` is set; a server on this machine that
answers on port 11434 (Ollama) or 8080 (llama.cpp); the offline demonstration, which says what it
is.
"""


FORMATS: Final = {
    "uri": "address",
    "user-id": "user ids",
    "chat-id": "chat ids",
    "person-or-group": "people, groups",
    "dollars": "dollars",
    "model-price": 'table, `"included"`',
    "credential": "table, list of tables",
    "tool-prices": "dollars, table of dollars",
    "conditions": "table of conditions",
}


def reference_page() -> str:
    """Return the whole page as Markdown."""
    schema = json_schema()
    described: dict[str, list[str]] = {}
    for header, name in _tables(schema, schema, ()):
        described.setdefault(name, []).append(header)
    sections = (_section(headers, schema["$defs"][name]) for name, headers in described.items())
    return "\n".join([INTRO, *sections, _credentials(), _later()])


def _tables(
    schema: dict[str, Any], node: dict[str, Any], path: KeyPath
) -> Iterator[tuple[str, str]]:
    """Yield the header of every table and the name of its definition, outer tables first."""
    entries = dict(node["properties"])
    if isinstance(named := node.get("additionalProperties"), dict):
        entries['"..."'] = named
    for key, entry in entries.items():
        if name := _definition(entry):
            here = (*path, key)
            dotted = ".".join(map(str, here))
            yield (f"[[{dotted}]]" if "items" in entry else f"[{dotted}]"), name
            yield from _tables(schema, schema["$defs"][name], here)


def _definition(entry: dict[str, Any]) -> str | None:
    """Return the name of the table's definition, or None when the property is a plain key."""
    target: str | None = entry.get("$ref") or entry.get("items", {}).get("$ref")
    return target.rpartition("/")[2] if target else None


def _section(headers: list[str], table: dict[str, Any]) -> str:
    lines = [f"## {', '.join(f'`{header}`' for header in headers)}", "", table["description"], ""]
    if "[[providers]]" in headers:
        lines += [MODELS]
    keys = [
        _row(name, entry, required=name in table.get("required", ()))
        for name, entry in table["properties"].items()
        if not _definition(entry)
    ]
    if keys:
        lines += ["| key | takes | default | meaning |", "| --- | --- | --- | --- |", *keys, ""]
    return "\n".join(lines)


def _row(name: str, entry: dict[str, Any], *, required: bool) -> str:
    default = "**required**" if required else _toml(entry.get("default"))
    meaning = entry["description"].replace("|", "\\|")
    return f"| `{name}` | {_takes(entry)} | {default} | {meaning} |"


def _takes(entry: dict[str, Any]) -> str:
    if entry.get("x-secret"):
        return "secret"
    if "enum" in entry:
        return ", ".join(_toml(value) for value in entry["enum"])
    if found := FORMATS.get(entry.get("format", "")):
        return found
    if "anyOf" in entry:
        return "; or a ".join(_takes(each) for each in entry["anyOf"])
    if entry["type"] == "array":
        return f"list of {_takes(entry['items'])}"
    if entry["type"] == "object":
        named = next(iter(entry.get("patternProperties", {}).values()), None)
        named = named or entry.get("additionalProperties")
        return f"table of {_takes(named)}" if isinstance(named, dict) else "table"
    words = {"boolean": "true, false", "integer": "whole number", "number": "number"}
    takes = words.get(entry["type"]) or "text"
    low, high = entry.get("minimum"), entry.get("maximum")
    if low is not None:
        takes += f" {low:g} to {high:g}" if high is not None else f" from {low:g}"
    return takes


def _toml(value: Any) -> str:
    """Write a value as the file would."""
    match value:
        case None:
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return f'`"{value}"`'
        case dict() if not value:
            return "`{}`"
        case list():
            return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
        case _:
            return f"`{value:g}`"


def _credentials() -> str:
    rows = [f"| `{name}` | `{'.'.join(map(str, path))}` |" for name, path in CREDENTIALS.items()]
    rows.append("| `providers.NAME.api_key` | `api_key` of the entry with that name |")
    rows.append(
        "| `cron.NAME.secret` | `secret` of the job with that name, where it has no times |"
    )
    head = ["## systemd credentials", "", "| credential | key |", "| --- | --- |"]
    return "\n".join([*head, *rows, ""])


def _later() -> str:
    lines = ["## Not in this version", "", "Named in the configuration contract, refused by name:"]
    lines.append("")
    for path, fix in later.KEYS.items():
        dotted = ".".join(str(key) for key in path if key != later.ANY)
        lines.append(f"- `{dotted}`: {fix}")
    for key, fixes in VALUES_LATER:
        for fix in dict.fromkeys(fixes.values()):
            words = ", ".join(f'`"{word}"`' for word in fixes if fixes[word] == fix)
            lines.append(f"- `{key}` {words}: {fix}")
    return "\n".join([*lines, ""])


VALUES_LATER: Final = (
    ("gateway.store", later.STORES),
    ("tools.enabled", later.TOOLS),
)


if __name__ == "__main__":
    sys.stdout.write(reference_page())
