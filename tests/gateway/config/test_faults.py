"""Every kind of fault a file can have, and the exact sentence each one gets."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.config import ConfigError, load

SLACK_HINT = (
    'write an id such as "slack:T1/U1" (in Slack: profile, the three dots, Copy member ID; the'
    " team id is the T... part of the address in the browser)"
)
DISCORD_HINT = (
    'write an id such as "discord:42" (in Discord: settings, Advanced, Developer Mode; then'
    " right-click the person, Copy User ID)"
)
TELEGRAM_HINT = (
    'write an id such as "telegram:1001" (the person writes to the bot, and the log names the id'
    " it did not know)"
)
PLATFORM_HINT = 'write PLATFORM:ID, for example "telegram:1001" or "slack:T1/U1"'
TELEGRAM = '[platforms.telegram]\ntoken = "1:a"\n'
SLACK = '[platforms.slack]\nbot_token = "xoxb-1"\n'
PROVIDER = '[[providers]]\nname = "a"\napi = "openai-chat"\nmodel = "m"\napi_key = "k"\n'

# Each row: the file, and what `load` says about it, without the file's name.
TABLE: tuple[tuple[str, str], ...] = (
    # unknown keys
    ('[gateway]\nstate_dri = "x"', ':2: gateway.state_dri: unknown key; did you mean "state_dir"?'),
    ("[gatway]\na = 1", ':1: gatway: unknown key; did you mean "gateway"?'),
    (
        "[sessions]\nxyzzy = 1",
        ":2: sessions.xyzzy: unknown key; remove it; known here: group, busy, idle_reset",
    ),
    ("[web]\nowners = []", ":2: web.owners: unknown key here; it belongs in [gateway]"),
    ('state_dir = "x"', ":1: state_dir: unknown key here; it belongs in [gateway]"),
    (
        '[slack]\nbot_token = "x"',
        ":1: slack: unknown key here; it belongs in [platforms.slack] or [access.slack]",
    ),
    (
        '[tools]\nbase_url = "x"',
        ":2: tools.base_url: unknown key here; it belongs in [platforms.telegram] or"
        " [platforms.slack] or [platforms.discord] or [[providers]] or [tools.web_search] or"
        " [tools.huggingface] or [transcription]",
    ),
    ('[access.slak]\ndm = "open"', ':1: access.slak: unknown key; did you mean "slack"?'),
    ("web.prot = 1", ":1: web.prot: unknown key; remove it; known here: enabled, listen, token"),
    # of a later version
    (
        '[gateway]\nstore = "postgresql://u:password@h/db"',
        ':2: gateway.store: "postgresql" is not in this version; write store = "sqlite"',
    ),
    (
        '[access]\nbots = "all"',
        ':2: access.bots: "all" is not one of its values; write "none", "listed", or a list of ids'
        ' such as ["discord:42"]',
    ),
    (
        '[sessions]\nidle_reset = "daily"',
        ':2: sessions.idle_reset: "daily" is no duration; write "off", or one such as "4h" or "2d"',
    ),
    (
        '[sessions]\nidle_reset = "5s"',
        ':2: sessions.idle_reset: "5s" is out of bounds; write a minute to a year',
    ),
    (
        '[tools]\nenabled = ["files", "research"]',
        ':2: tools.enabled: "research" is not in this version; remove it from the list',
    ),
    # wrong types
    ("gateway = 1", ":1: gateway: must be a table, not a number; write its keys under [gateway]"),
    ("[[web]]", ":1: web: must be a table, not a list; write its keys under [web]"),
    (
        '[providers]\nname = "a"',
        ":1: providers: must be a list of tables; write [[providers]] above each entry",
    ),
    (
        "providers = [1]",
        ":1: providers: must be a table, not a number; write its keys under [[providers]]",
    ),
    (
        '[platforms]\ntelegram = "1:a"',
        ":2: platforms.telegram: must be a table, not text; write its keys under"
        " [platforms.telegram]",
    ),
    (
        '[web]\nenabled = "yes"',
        ":2: web.enabled: must be true or false, not text; write true or false without quotes",
    ),
    (
        '[gateway]\ndrain_s = "20"',
        ":2: gateway.drain_s: must be a number, not text; write it without quotes",
    ),
    (
        PROVIDER + "context_window = 1.5",
        ":6: providers.a.context_window: must be a whole number, not a decimal number; write it"
        " without quotes and without a point",
    ),
    ("[web]\nlisten = 8787", ":2: web.listen: must be text, not a number; put the value in quotes"),
    (
        '[gateway]\nowners = "telegram:1"',
        ":2: gateway.owners: must be a list, not text; put the values in [ ]",
    ),
    (
        "[gateway]\nowners = [1001]",
        ":2: gateway.owners: must be text, not a number; put the value in quotes",
    ),
    (
        "[gateway]\ntimezone = 2026-11-21",
        ":2: gateway.timezone: must be text, not a date or time; put the value in quotes",
    ),
    (
        TELEGRAM + "mode = true",
        ":3: platforms.telegram.mode: must be text, not true or false; put the value in quotes",
    ),
    (
        SLACK + 'app_token = "xapp-1"\nthreads = "no"',
        ':4: platforms.slack.threads: must be true or false, not "no"; write true or false'
        " without quotes",
    ),
    # values out of range or of no meaning
    ("[gateway]\ndrain_s = -1", ":2: gateway.drain_s: is too small: -1; write 0 or more"),
    (
        "[gateway]\ndrain_s = 9e9",
        ":2: gateway.drain_s: is too large: 9e+09; write 3600 or less",
    ),
    (
        "[gateway]\ndrain_s = nan",
        ":2: gateway.drain_s: must be finite; write a number",
    ),
    (
        '[gateway]\ndurability = "powr"',
        ':2: gateway.durability: "powr" is not one of its values; did you mean "power"?',
    ),
    (
        '[sessions]\nbusy = "zzz"',
        ':2: sessions.busy: "zzz" is not one of its values; write "join" or "queue" or "interrupt"',
    ),
    (
        '[gateway]\ntimezone = "europe/berlin2"',
        ':2: gateway.timezone: "europe/berlin2" is not a time zone; did you mean "Europe/Berlin"?',
    ),
    (
        '[gateway]\ntimezone = "zzzzzzzz"',
        ':2: gateway.timezone: "zzzzzzzz" is not a time zone; write one such as "UTC" or'
        ' "Europe/Berlin"',
    ),
    (
        '[web]\nlisten = "8787"',
        ':2: web.listen: "8787" is not an address and a port; write HOST:PORT, for example'
        ' "127.0.0.1:8787" or "[::1]:8787"',
    ),
    (
        '[web]\nlisten = "127.0.0.1:99999"',
        ':2: web.listen: "127.0.0.1:99999" is not an address and a port; write HOST:PORT, for'
        ' example "127.0.0.1:8787" or "[::1]:8787"',
    ),
    (
        TELEGRAM + 'base_url = "api.telegram.org"',
        ":3: platforms.telegram.base_url: is not an address; write one that begins with https://"
        " or http://",
    ),
    (
        TELEGRAM + 'base_url = "https://me:pw@h"',
        ":3: platforms.telegram.base_url: carries a user name or password; take it out; tokens"
        " have their own keys",
    ),
    (
        TELEGRAM + 'base_url = "https://h/?a=1"',
        ":3: platforms.telegram.base_url: has a part after ? or #; write the root address alone",
    ),
    (
        '[gateway]\nstate_dir = ""',
        ":2: gateway.state_dir: is empty; give a value or remove the key",
    ),
    (
        '[[providers]]\nname = "My Model"\napi = "demo"',
        ':2: providers.My Model.name: "My Model" cannot be a name; use up to 40 lower-case'
        " letters, digits, - and _",
    ),
    (
        '[platforms.telegram]\ntoken = "bot7000000001:AAHx"',
        ":2: platforms.telegram.token: begins with bot, as addresses of the Bot API do; write it"
        " from its digits on",
    ),
    # missing keys
    (
        "[platforms.telegram]",
        ":1: platforms.telegram.token: is missing; add it, or give the systemd credential"
        " telegram.token",
    ),
    ('[[providers]]\napi = "demo"', ":1: providers.1.name: is missing; add it"),
    ('[[providers]]\nname = "a"', ":1: providers.a.api: is missing; add it"),
    # secrets
    (
        '[platforms.telegram]\ntoken = ""',
        ':2: platforms.telegram.token: is empty; give the value, ${NAME} or { file = "path" },'
        " or remove the key",
    ),
    (
        '[platforms.telegram]\ntoken = "${EMPTY}"',
        ':2: platforms.telegram.token: is empty; give the value, ${NAME} or { file = "path" },'
        " or remove the key",
    ),
    (
        '[platforms.telegram]\ntoken = "a b"',
        ":2: platforms.telegram.token: holds a space, a line break or a letter outside ASCII;"
        " copy it again: no token has any of them",
    ),
    (
        '[platforms.slack]\nbot_token = "xoxb-..."\napp_token = "xapp-1"',
        ":2: platforms.slack.bot_token: is still the placeholder of the example; put the real"
        " value in its place",
    ),
    (
        '[platforms.slack]\nbot_token = ["xoxb-1", 5]\napp_token = "xapp-1"',
        ":2: platforms.slack.bot_token: must be text, not a number; put the value in quotes",
    ),
    (
        '[platforms.slack]\nbot_token = []\napp_token = "xapp-1"',
        ":2: platforms.slack.bot_token: is an empty list; give one value or several",
    ),
    (
        '[platforms.slack]\nbot_token = ["xoxb-1", "xoxb-1"]\napp_token = "xapp-1"',
        ":2: platforms.slack.bot_token: stands there twice; take one of them out",
    ),
    (
        '[platforms.slack]\nbot_token = ["xoxb-1", "xapp-1"]\napp_token = ["xapp-1"]',
        ":2: platforms.slack.bot_token: begins with xapp-; that is the value of app_token\n"
        ":3: platforms.slack.app_token: must be one value, not a list; keep one",
    ),
    (
        "[platforms.discord]\ntoken = 5",
        ":2: platforms.discord.token: must be text, not a number; put the value in quotes",
    ),
    (
        '[platforms.discord]\ntoken = { path = "x" }',
        ':2: platforms.discord.token: is a table of another form; write { file = "path" }',
    ),
    (
        '[platforms.discord]\ntoken = { file = "no/such" }',
        ':2: platforms.discord.token: cannot be read from the file "no/such" (no such file or'
        " directory); name a file this account can read",
    ),
    (
        '[platforms.discord]\ntoken = { file = "." }',
        ':2: platforms.discord.token: cannot be read from the file "." (is a directory); name a'
        " file this account can read",
    ),
    (
        '[platforms.discord]\ntoken = "${UNSET}"',
        ":2: platforms.discord.token: needs the environment variable UNSET, which is not set; set"
        " UNSET, or put the value elsewhere",
    ),
    (
        '[platforms.discord]\ntoken = "${oh no}"',
        ":2: platforms.discord.token: has a ${ that begins no variable; write ${NAME}, or $${ for"
        " a plain ${",
    ),
    # people and chats
    (
        '[gateway]\nowners = ["@ann"]',
        f':2: gateway.owners: "@ann" is a name, and names change hands; {PLATFORM_HINT}',
    ),
    (
        '[gateway]\nowners = ["1001"]',
        f':2: gateway.owners: "1001" is not a user id: it names no platform; {PLATFORM_HINT}',
    ),
    (
        '[gateway]\nowners = [\n  "telegram:1",\n  "telegram:@ann",\n]',
        f':4: gateway.owners: "telegram:@ann" is a name, and names change hands; {TELEGRAM_HINT}',
    ),
    (
        '[access]\nusers = ["slack:U1"]',
        f':2: access.users: "slack:U1" does not have the shape of an id; {SLACK_HINT}',
    ),
    (
        '[access]\nusers = ["discord:ann"]',
        f':2: access.users: "discord:ann" is a name, and names change hands; {DISCORD_HINT}',
    ),
    (
        '[access]\nchats = ["slack:T1/#general"]',
        ':2: access.chats: "slack:T1/#general" does not have the shape of an id; write an id such'
        ' as "slack:T1/C1", or "slack:T1/*" for all (in Slack: channel details, at the bottom; the'
        " team id is the T... part of the address in the browser)",
    ),
    (
        '[access]\nchats = ["*"]',
        ':2: access.chats: "*" is not a chat id: it names no platform; write PLATFORM:ID, for'
        ' example "telegram:-100200" or "slack:T1/C1"',
    ),
    (
        '[access.telegram]\nusers = ["telegram:1", "slack:T1/U1"]',
        ':2: access.telegram.users: "slack:T1/U1" is of another platform; move it to access.users',
    ),
    # contradictions
    (
        '[web]\nlisten = "0.0.0.0:80"',
        ':2: web.listen: "0.0.0.0:80" can be reached from other machines and there is no token;'
        " set web.token, or listen on 127.0.0.1",
    ),
    (
        '[web]\nlisten = "[::]:80"',
        ':2: web.listen: "[::]:80" can be reached from other machines and there is no token;'
        " set web.token, or listen on 127.0.0.1",
    ),
    (
        SLACK,
        ":1: platforms.slack: has neither app_token nor signing_secret, so nothing can come in;"
        " add app_token for Socket Mode or signing_secret for HTTP events",
    ),
    (
        '[platforms.slack]\nbot_token = "xapp-1"\napp_token = "xoxb-1"',
        ":2: platforms.slack.bot_token: begins with xapp-; that is the value of app_token\n"
        ":3: platforms.slack.app_token: begins with xoxb-; that is the value of bot_token",
    ),
    (
        SLACK + 'signing_secret = "s"\n[web]\nenabled = false',
        ":3: platforms.slack.signing_secret: signing_secret without app_token comes in over"
        " [web], which is off; set web.enabled = true",
    ),
    (
        TELEGRAM + 'mode = "webhook"',
        ':3: platforms.telegram.mode: "webhook" needs webhook_url; add the public address of the'
        " webhook\n"
        ':3: platforms.telegram.mode: "webhook" needs webhook_secret; add one, from'
        " `openssl rand -hex 32`",
    ),
    (
        TELEGRAM + 'mode = "webhook"\nwebhook_url = "http://h/t"\nwebhook_secret = "s"',
        ":4: platforms.telegram.webhook_url: is not an https address; Telegram calls no other",
    ),
    (
        TELEGRAM + 'mode = "webhook"\nwebhook_url = "https://h/t"\nwebhook_secret = "s!"',
        ":5: platforms.telegram.webhook_secret: has a character Telegram does not take; use up to"
        " 256 letters, digits, - and _, for example from `openssl rand -hex 32`",
    ),
    (
        TELEGRAM + 'mode = "webhook"\nwebhook_url = "https://h/t"\nwebhook_secret = "s"\n'
        "[web]\nenabled = false",
        ':3: platforms.telegram.mode: "webhook" comes in over [web], which is off; set'
        " web.enabled = true",
    ),
    (
        TELEGRAM + 'webhook_url = "https://h/t"',
        ':3: platforms.telegram.webhook_url: does nothing while mode is "polling"; set mode ='
        ' "webhook"',
    ),
    (PROVIDER + PROVIDER, ':7: providers.a.name: "a" is taken by an entry above; choose another'),
    (
        '[[providers]]\nname = "a"\napi = "openai-chat"',
        ':1: providers.a: has no model; add one, for example model = "gpt-5"\n'
        ':1: providers.a: has no api_key; add api_key = "${OPENAI_API_KEY}"',
    ),
    (
        '[[providers]]\nname = "a"\napi = "demo"\napi_key = "k"',
        ':4: providers.a.api_key: does nothing with api = "demo"; remove the key',
    ),
    (
        '[tools]\nworkspace = "."',
        ":2: tools.workspace: workspace and state_dir share a directory, so the model could read"
        " the database; give each a directory of its own",
    ),
    (
        '[gateway]\nstate_dir = "workspace/s"',
        ":2: gateway.state_dir: workspace and state_dir share a directory, so the model could"
        " read the database; give each a directory of its own",
    ),
    # not TOML
    (
        "[gateway]\nstate_dir = ./state",
        ":2: not valid TOML: Invalid value; text needs quotes; numbers, true and false have none",
    ),
    (
        "[gateway\n",
        ":1: not valid TOML: Expected ']' at the end of a table declaration; mend the line",
    ),
    (
        '[web]\n\nlisten = "a"\nlisten = "b"\n',
        ":4: not valid TOML: Cannot overwrite a value; the key or table stands twice; keep one",
    ),
    (
        "[web]\n[web]",
        ":2: not valid TOML: Cannot declare ('web',) twice; the key or table stands"
        " twice; keep one",
    ),
    ('a = """x\n\n', ":1: not valid TOML: Unterminated string; mend the line"),
    ("a = 1" + "0" * 5000, ": not valid TOML: a number is too long; shorten it"),
    (
        "a = " + "[" * 5000,
        ": not valid TOML: lists or tables are nested too deeply; nest less",
    ),
)


def faults_of(path: Path, environ: Mapping[str, str] | None = None) -> str:
    """Load a file that must be refused, and return what is said about it."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    assert len(caught.value.faults) == len(str(caught.value).splitlines())
    return "\n".join(line.removeprefix(str(path)) for line in str(caught.value).splitlines())


@pytest.mark.parametrize(("text", "said"), TABLE, ids=[said[:60] for _, said in TABLE])
def test_says_what_is_wrong_where_and_what_to_do(text: str, said: str, tmp_path: Path) -> None:
    """Each fault names file, line, key, problem and fix."""
    path = tmp_path / "gatepost.toml"
    path.write_text(text)
    assert faults_of(path, {"EMPTY": ""}) == said


def test_reports_all_faults_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """A file with many faults of different kinds is told about all of them in one go."""
    texts = [text for text, _ in TABLE if text.startswith(("[gateway]\n", "[access]\n"))]
    sections: dict[str, list[str]] = {}
    for text in texts:
        header, _, body = text.partition("\n")
        key = body.partition(" =")[0]
        if not any(line.startswith(key) for line in sections.get(header, [])):
            sections.setdefault(header, []).append(body)
    path = tmp_path / "gatepost.toml"
    path.write_text("\n".join(f"{head}\n" + "\n".join(body) for head, body in sections.items()))
    lines = [int(line.split(":")[1]) for line in faults_of(path).splitlines()]
    assert len(lines) == sum(len(body) for body in sections.values())
    assert lines == sorted(lines)


def test_a_variable_that_is_missing_is_one_fault_and_not_two(tmp_path: Path) -> None:
    """A key whose variable is unset is not also called empty or of the wrong shape."""
    path = tmp_path / "gatepost.toml"
    path.write_text('[web]\nlisten = "${HOST}:80"\ntoken = "${TOKEN}"')
    assert [line.split(";")[0] for line in faults_of(path).splitlines()] == [
        ":2: web.listen: needs the environment variable HOST, which is not set",
        ":3: web.token: needs the environment variable TOKEN, which is not set",
    ]


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    """Neither --config nor $GATEPOST_CONFIG falls back to another file."""
    path = tmp_path / "other.toml"
    said = ": cannot be read (no such file or directory); name a readable file with --config"
    assert faults_of(path) == said
    with pytest.raises(ConfigError, match="cannot be read"):
        load(None, {"GATEPOST_CONFIG": str(path)})


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"# a\n# \xff", ":2: is not UTF-8 text; save the file as UTF-8"),
        (b"#" * (1 << 20) + b"#", ": is larger than 1 MiB; this is not a configuration file"),
    ],
)
def test_what_is_no_text_is_refused(raw: bytes, said: str, tmp_path: Path) -> None:
    """Binary and oversized files get a sentence too."""
    path = tmp_path / "gatepost.toml"
    path.write_bytes(raw)
    assert faults_of(path) == said
