"""`[[providers]]`: what every key becomes, and the sentence for each bad combination."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config import (
    CommandConfig,
    ConfigError,
    ExchangeConfig,
    LoginConfig,
    ProviderConfig,
    Secret,
    load,
)
from gateway.config.values import SERVICE_URLS, VENDOR_URLS

HEAD = '[[providers]]\nname = "a"\n'
CHAT = HEAD + 'api = "openai-chat"\nmodel = "m"\n'
RESPONSES = HEAD + 'api = "openai-responses"\nmodel = "m"\n'
MESSAGES = HEAD + 'api = "anthropic-messages"\nmodel = "m"\n'
CODEX = HEAD + 'api = "codex-app-server"\nmodel = "m"\n'
KEY = 'api_key = "k"\n'

# Each row: the file, and what its entry holds beside the defaults.
READ: tuple[tuple[str, dict[str, Any]], ...] = (
    (CHAT + KEY, {"base_url": VENDOR_URLS["openai-chat"], "api_key": Secret("k")}),
    (RESPONSES + KEY, {"base_url": VENDOR_URLS["openai-responses"], "api_key": Secret("k")}),
    (MESSAGES + KEY, {"base_url": "https://api.anthropic.com", "api_key": Secret("k")}),
    (CODEX, {"base_url": None}),
    (
        CHAT + 'api_keys = ["k1", { file = "k2" }]\npool = "least_used"',
        {"api_keys": (Secret("k1"), Secret("from a file")), "pool": "least_used"},
    ),
    (
        RESPONSES + 'credential = { kind = "oauth", service = "codex" }',
        {"base_url": SERVICE_URLS["codex"], "credential": (LoginConfig(service="codex"),)},
    ),
    (
        MESSAGES + 'credential = { kind = "oauth", service = "anthropic", file = "claude.json" }',
        {"credential": (LoginConfig(service="anthropic", file=Path("claude.json")),)},
    ),
    (
        CHAT + 'credential = { kind = "oauth", service = "nous" }',
        {"base_url": SERVICE_URLS["nous"], "credential": (LoginConfig(service="nous"),)},
    ),
    (
        CHAT + 'credential = [{ kind = "oauth", service = "xai" },'
        ' { kind = "oauth", service = "xai", account = "two", auth_url = "http://[::1]:1/" }]\n'
        'pool = "random"',
        {
            "base_url": SERVICE_URLS["xai"],
            "credential": (
                LoginConfig(service="xai"),
                LoginConfig(service="xai", account="two", auth_url="http://[::1]:1"),
            ),
            "pool": "random",
        },
    ),
    (
        MESSAGES + 'credential = { kind = "exchange", service = "copilot", token = "gho_1" }',
        {
            "base_url": SERVICE_URLS["copilot"],
            "credential": (ExchangeConfig(service="copilot", token=Secret("gho_1")),),
        },
    ),
    (
        CHAT + 'base_url = "https://h/v1"\n'
        'credential = { kind = "command", argv = ["gcloud", "auth", "print-access-token"] }',
        {
            "base_url": "https://h/v1",
            "credential": (CommandConfig(argv=("gcloud", "auth", "print-access-token")),),
        },
    ),
    (
        CHAT + KEY + 'aggregator = true\npatience = "full"\neffort = "high"\nomit = ["user"]\n'
        'reasoning_replay = "always"\ncap_field = "max_tokens"',
        {
            "api_key": Secret("k"),
            "aggregator": True,
            "patience": "full",
            "effort": "high",
            "omit": ("user",),
            "reasoning_replay": "always",
            "cap_field": "max_tokens",
        },
    ),
    (
        MESSAGES + KEY + 'thinking = "budget"\nlong_context = true\ncache_ttl = "1h"',
        {
            "api_key": Secret("k"),
            "thinking": "budget",
            "long_context": True,
            "cache_ttl": "1h",
        },
    ),
    (
        CODEX + 'command = ["npx", "codex"]\nhome = "child"',
        {"command": ("npx", "codex"), "home": Path("child")},
    ),
)

COPILOT = 'credential = { kind = "exchange", service = "copilot", token = "gho_1" }\n'
LOGIN = 'credential = { kind = "oauth", service = "codex" }\n'

# Each row: the file, and what is said about it, without the file's name.
FAULTS: tuple[tuple[str, str], ...] = (
    # keys that do nothing with this api
    *(
        (
            head + (KEY if keyed else "") + line,
            f':{5 + keyed}: providers.a.{line.split()[0]}: does nothing with api = "{api}";'
            " remove the key",
        )
        for head, api, keyed, lines in (
            (RESPONSES, "openai-responses", True, ('reasoning_replay = "never"', 'home = "x"')),
            (RESPONSES, "openai-responses", True, ('cap_field = "max_tokens"',)),
            (CHAT, "openai-chat", True, ('thinking = "off"', "long_context = true")),
            (CHAT, "openai-chat", True, ('cache_ttl = "1h"', 'command = ["codex"]')),
            (MESSAGES, "anthropic-messages", True, ('omit = ["user"]',)),
            (CODEX, "codex-app-server", False, ('base_url = "https://h"', "aggregator = true")),
            (CODEX, "codex-app-server", False, ('api_keys = ["k"]', LOGIN.strip())),
        )
        for line in lines
    ),
    (
        HEAD + 'api = "demo"\neffort = "low"',
        ':4: providers.a.effort: does nothing with api = "demo"; remove the key',
    ),
    # what an entry needs
    (
        HEAD + 'api = "anthropic-messages"\n' + KEY,
        ':1: providers.a: has no model; add one, for example model = "claude-sonnet-4-5"',
    ),
    (
        HEAD + 'api = "codex-app-server"',
        ':1: providers.a: has no model; add one, for example model = "gpt-5-codex"',
    ),
    (MESSAGES, ':1: providers.a: has no api_key; add api_key = "${ANTHROPIC_API_KEY}"'),
    (RESPONSES, ':1: providers.a: has no api_key; add api_key = "${OPENAI_API_KEY}"'),
    # one way to prove who asks
    (
        CHAT + KEY + 'api_keys = ["k1"]',
        ":6: providers.a.api_keys: stands beside api_key; keep one of the two",
    ),
    (
        RESPONSES + KEY + LOGIN,
        ":6: providers.a.credential: stands beside api_key; keep one of the two",
    ),
    (
        CHAT + KEY + 'pool = "random"',
        ":6: providers.a.pool: does nothing with one key; give several in api_keys, or remove it",
    ),
    (CHAT + "api_keys = []", ":5: providers.a.api_keys: is empty; give a value or remove the key"),
    (
        CHAT + 'api_keys = ["k", "k"]',
        ":5: providers.a.api_keys: stands twice; remove one of the two",
    ),
    (
        CHAT + 'api_keys = ["k", ""]',
        ':5: providers.a.api_keys: is empty; give the value, ${NAME} or { file = "path" }, or'
        " remove the key",
    ),
    # the credential itself
    (
        CHAT + 'credential = "k"',
        ":5: providers.a.credential: must be a table, not text; write"
        ' { kind = "oauth", service = "codex" }, for example',
    ),
    (
        CHAT + "credential = []",
        ":5: providers.a.credential: is empty; give a value or remove the key",
    ),
    (
        CHAT + 'credential = { service = "codex" }',
        ':5: providers.a.credential: has no kind; write { kind = "oauth", service = "codex" },'
        " for example",
    ),
    (
        CHAT + 'credential = { kind = "oath" }',
        ':5: providers.a.credential.kind: "oath" is not one of its values; did you mean "oauth"?',
    ),
    (
        CHAT + 'credential = { kind = "oauth" }',
        ':5: providers.a.credential: has no service; add service = "codex"',
    ),
    (
        CHAT + 'credential = { kind = "oauth", service = "google" }',
        ':5: providers.a.credential.service: "google" is not one of its values; write "codex" or'
        ' "anthropic" or "nous" or "xai"',
    ),
    (
        CHAT + 'credential = { kind = "oauth", service = "xai", acount = "x" }',
        ':5: providers.a.credential.acount: unknown key for kind = "oauth"; did you mean'
        ' "account"?',
    ),
    (
        CHAT + 'credential = { kind = "oauth", service = "xai", account = "My Account" }',
        ':5: providers.a.credential.account: "My Account" cannot be a name; use up to 40'
        " lower-case letters, digits, - and _",
    ),
    (
        CHAT + 'credential = { kind = "oauth", service = "xai", file = "x" }',
        ":5: providers.a.credential.file: does nothing for xai; remove the key",
    ),
    (
        CHAT + 'credential = { kind = "oauth", service = "xai", auth_url = "http://h" }',
        ":5: providers.a.credential.auth_url: is not an https address; tokens go there: write"
        " https://",
    ),
    (
        CHAT + 'credential = { kind = "exchange", service = "copilot" }',
        ':5: providers.a.credential: has no token; add token = "${GITHUB_TOKEN}"',
    ),
    (
        CHAT + 'credential = { kind = "exchange", service = "copilot", token = "ghp_abc" }',
        ":5: providers.a.credential.token: is a classic GitHub token (ghp_), which Copilot"
        ' refuses; write a fine-grained one with the permission "Copilot Requests", or what'
        " `gh auth token` prints",
    ),
    (
        CHAT + 'credential = { kind = "command" }',
        ':5: providers.a.credential: has no argv; add argv = ["program", "word"]',
    ),
    (
        CHAT + 'credential = { kind = "command", argv = [] }',
        ":5: providers.a.credential.argv: is empty; write the program and its words,"
        ' ["program", "word"]',
    ),
    (
        CHAT + 'credential = { kind = "command", argv = "gcloud" }',
        ":5: providers.a.credential.argv: must be a list, not text; put the words in [ ]",
    ),
    # which server speaks what, and one service in a pool
    (
        CHAT + LOGIN,
        ':5: providers.a.credential: codex does not speak "openai-chat"; write api ='
        ' "openai-responses"',
    ),
    (
        RESPONSES + 'credential = { kind = "oauth", service = "anthropic" }',
        ':5: providers.a.credential: anthropic does not speak "openai-responses"; write api ='
        ' "anthropic-messages"',
    ),
    (
        MESSAGES + 'credential = { kind = "oauth", service = "nous" }',
        ':5: providers.a.credential: nous does not speak "anthropic-messages"; write api ='
        ' "openai-chat" or "openai-responses"',
    ),
    (
        CHAT + 'credential = [{ kind = "oauth", service = "xai" },'
        ' { kind = "oauth", service = "nous" }]',
        ":5: providers.a.credential.2: is of another service than the one before; give each service"
        " a [[providers]] entry of its own",
    ),
    (
        CHAT + 'credential = [{ kind = "oauth", service = "xai" },'
        ' { kind = "oauth", service = "xai" }]',
        ":5: providers.a.credential.2: stands twice; remove one of the two",
    ),
    # words
    (
        CHAT + KEY + 'patience = "eagre"',
        ':6: providers.a.patience: "eagre" is not one of its values; did you mean "eager"?',
    ),
    (
        CHAT + KEY + 'effort = "much"',
        ':6: providers.a.effort: "much" is not one of its values; write "none" or "low" or'
        ' "medium" or "high" or "xhigh" or "max"',
    ),
    (
        CHAT + 'api_keys = "k"',
        ":5: providers.a.api_keys: must be a list, not text; put the values in [ ]",
    ),
)


def _written(directory: Path, text: str) -> Path:
    (directory / "k2").write_text("from a file".replace(" ", "-"))
    path = directory / "gatepost.toml"
    path.write_text(text)
    return path


def _placed(directory: Path, holds: dict[str, Any]) -> dict[str, Any]:
    """The same with paths below the file's directory."""
    placed = dict(holds)
    if "home" in placed:
        placed["home"] = directory / placed["home"]
    placed["credential"] = tuple(
        LoginConfig(service=one.service, file=directory / one.file)
        if isinstance(one, LoginConfig) and one.file
        else one
        for one in placed.get("credential", ())
    )
    return placed


@pytest.mark.parametrize(("text", "holds"), READ, ids=lambda value: str(value)[:60])
def test_every_key_is_read(text: str, holds: dict[str, Any], tmp_path: Path) -> None:
    """With the address that belongs to its vendor or login where it names none."""
    (entry,) = load(_written(tmp_path, text), {}).providers
    api = text.split('api = "')[1].split('"', maxsplit=1)[0]
    expected: dict[str, Any] = {"base_url": VENDOR_URLS.get(api)} | _placed(tmp_path, holds)
    if expected.get("api_keys"):
        expected["api_keys"] = (Secret("k1"), Secret("from-a-file"))
    assert entry == ProviderConfig(name="a", api=api, model="m", **expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "said"), FAULTS, ids=[row[1][:70] for row in FAULTS])
def test_a_bad_combination_gets_its_sentence(text: str, said: str, tmp_path: Path) -> None:
    """One line that names the key and says what to do."""
    path = _written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load(path, {})
    assert str(raised.value) == f"{path}{said}"


def test_a_systemd_credential_does_not_join_other_keys(tmp_path: Path) -> None:
    """It fills `api_key` only where the file names no other proof."""
    (tmp_path / "providers.a.api_key").write_text("from-systemd")
    for way in ('api_keys = ["k"]', LOGIN.strip()):
        (entry,) = load(_written(tmp_path, RESPONSES + way), {}, tmp_path).providers
        assert entry.api_key is None
    (entry,) = load(_written(tmp_path, RESPONSES), {}, tmp_path).providers
    assert entry.keys == (Secret("from-systemd"),)
