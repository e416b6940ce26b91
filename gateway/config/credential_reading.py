"""Pure: how `credential` of a provider is read, alone or as a list that makes a pool."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.config.faults import Wrong
from gateway.config.ids import shown
from gateway.config.reading import base_url, closest, one_of, secret, text, type_name
from gateway.config.secret import Secret
from gateway.config.values import (
    LOGIN_SERVICES,
    CommandConfig,
    CredentialConfig,
    ExchangeConfig,
    Listen,
    LoginConfig,
)

ReadFile = Callable[[str], str]

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "oauth": ("service", "account", "file", "auth_url"),
    "exchange": ("service", "token", "auth_url"),
    "command": ("argv",),
}
"""The kinds of credential and the keys of each beside `kind`."""

_MEANINGS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "kind": ("What it is.", {"type": "string", "enum": list(KINDS)}),
    "service": ("Whose it is.", {"type": "string", "enum": [*LOGIN_SERVICES, "copilot"]}),
    "account": ("With oauth: a name for one of several logins.", {"type": "string"}),
    "file": ("With oauth: where the vendor's program keeps its login.", {"type": "string"}),
    "auth_url": ("Another server to log in at.", {"type": "string", "format": "uri"}),
    "token": ("With exchange: a GitHub token.", {"type": ["string", "object"], "x-secret": True}),
    "argv": ("With command: its words.", {"type": "array", "items": {"type": "string"}}),
}
KEYS_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        name: {**shape, "description": meaning} for name, (meaning, shape) in _MEANINGS.items()
    },
    "required": ["kind"],
    "additionalProperties": False,
}
FORM: Final = 'write { kind = "oauth", service = "codex" }, for example'


def credentials(value: object, read_file: ReadFile) -> tuple[CredentialConfig, ...]:
    """Take one credential or a list of them; `read_file` raises Wrong when it cannot."""
    if not isinstance(value, list):
        return (_credential(value, read_file),)
    if not value:
        raise Wrong("is empty", "give a value or remove the key")
    found: list[CredentialConfig] = []
    for index, item in enumerate(value):
        try:
            one = _credential(item, read_file)
            _add(found, one)
        except Wrong as wrong:
            raise Wrong(wrong.problem, wrong.fix, at=(index, *wrong.at)) from wrong
    return tuple(found)


def _add(found: list[CredentialConfig], one: CredentialConfig) -> None:
    if one in found:
        raise Wrong("stands twice", "remove one of the two")
    if found and service_of(one) != service_of(found[0]):
        raise Wrong(
            "is of another service than the one before",
            "give each service a [[providers]] entry of its own",
        )
    found.append(one)


def service_of(credential: CredentialConfig) -> str:
    """The service a credential belongs to; `command` for a program's."""
    return "command" if isinstance(credential, CommandConfig) else credential.service


def _credential(value: object, read_file: ReadFile) -> CredentialConfig:
    if not isinstance(value, dict):
        raise Wrong(f"must be a table, not {type_name(value)}", FORM)
    if "kind" not in value:
        raise Wrong("has no kind", FORM)
    kind = _at("kind", one_of(KINDS), value["kind"])
    for name in value:
        if name != "kind" and name not in KINDS[kind]:
            raise Wrong(f'unknown key for kind = "{kind}"', _known(name, kind), at=(name,))
    match kind:
        case "oauth":
            return _login(value)
        case "exchange":
            return _exchange(value, read_file)
        case _:
            return CommandConfig(argv=_needed(value, "argv", _argv, 'argv = ["program", "word"]'))


def _known(name: str, kind: str) -> str:
    near = closest(name, KINDS[kind])
    return f'did you mean "{near}"?' if near else f"known here: {', '.join(KINDS[kind])}"


def _login(value: Mapping[str, Any]) -> LoginConfig:
    service = _needed(value, "service", one_of(LOGIN_SERVICES), 'service = "codex"')
    file = value.get("file")
    if file is not None and service not in ("codex", "anthropic"):
        raise Wrong(f"does nothing for {service}", "remove the key", at=("file",))
    return LoginConfig(
        service=service,
        account=_at("account", account_name, value["account"]) if "account" in value else "",
        file=None if file is None else Path(_at("file", text, file)),
        auth_url=auth_url(value),
    )


def _exchange(value: Mapping[str, Any], read_file: ReadFile) -> ExchangeConfig:
    _needed(value, "service", one_of(("copilot",)), 'service = "copilot"')
    return ExchangeConfig(
        service="copilot",
        token=_needed(
            value,
            "token",
            lambda token: github_token(secret(token, read_file)),
            'token = "${GITHUB_TOKEN}"',
        ),
        auth_url=auth_url(value),
    )


def github_token(value: Secret) -> Secret:
    """Take a GitHub token that Copilot takes; it refuses classic personal ones."""
    if value.reveal().startswith("ghp_"):
        raise Wrong(
            "is a classic GitHub token (ghp_), which Copilot refuses",
            'write a fine-grained one with the permission "Copilot Requests", or what'
            " `gh auth token` prints",
        )
    return value


def _argv(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Wrong(f"must be a list, not {type_name(value)}", "put the words in [ ]")
    if not value:
        raise Wrong("is empty", 'write the program and its words, ["program", "word"]')
    return tuple(text(word) for word in value)


def account_name(value: object) -> str:
    """Take a name for one of several log-ins of a service."""
    name = text(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise Wrong(
            f"{shown(name)} cannot be a name", "use up to 40 lower-case letters, digits, - and _"
        )
    return name


def auth_url(value: Mapping[str, Any]) -> str | None:
    """Take the root of another server to log in at, None if there is none; tokens go there."""
    if "auth_url" not in value:
        return None
    url: str = _at("auth_url", base_url, value["auth_url"])
    parts = urlsplit(url)
    if parts.scheme != "https" and not Listen(host=parts.hostname or "", port=0).loopback:
        raise Wrong("is not an https address", "tokens go there: write https://", at=("auth_url",))
    return url


def _needed(
    value: Mapping[str, Any], name: str, read: Callable[[object], Any], example: str
) -> Any:
    if name not in value:
        raise Wrong(f"has no {name}", f"add {example}")
    return _at(name, read, value[name])


def _at(name: str, read: Callable[[object], Any], value: object) -> Any:
    try:
        return read(value)
    except Wrong as wrong:
        raise Wrong(wrong.problem, wrong.fix, at=(name, *wrong.at)) from wrong
