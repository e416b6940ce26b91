"""What a file that is in order becomes."""

import os
from pathlib import Path

import pytest

from gateway.config import (
    ChatPattern,
    Config,
    ConfigError,
    Listen,
    Secret,
    UserId,
    find_file,
    load,
)
from gateway.config.values import (
    AccessConfig,
    DiscordConfig,
    GatewayConfig,
    PlatformsConfig,
    ProviderConfig,
    SessionsConfig,
    SlackConfig,
    TelegramConfig,
    ToolsConfig,
    WebConfig,
)

FULL = """
[gateway]
state_dir = "./state"
store = "sqlite"
durability = "process"
timezone = "Europe/Berlin"
drain_s = 5
owners = ["telegram:1001", "slack:T1/U1", "discord:42", "web:local"]

[web]
enabled = true
listen = "[::1]:0"
token = "${GATEPOST_WEB_TOKEN}"

[platforms.telegram]
token = "${TELEGRAM_TOKEN}"
base_url = "http://127.0.0.1:1/"
mode = "webhook"
webhook_url = "http://127.0.0.1:2/telegram/webhook"
webhook_secret = "s"

[platforms.slack]
bot_token = "xoxb-1"
app_token = "xapp-1"
signing_secret = "s"
base_url = "http://127.0.0.1:3/api"
threads = "off"

[platforms.discord]
token = { file = "secrets/discord" }
base_url = "http://127.0.0.1:4/api/v10"
threads = "auto"

[access]
dm = "allowlist"
users = ["telegram:7"]
chats = ["slack:T1/C1", "telegram:-100200"]
require_mention = true
bots = "none"

[access.telegram]
dm = "open"
users = ["telegram:8"]
require_mention = false

[sessions]
group = "shared"
busy = "interrupt"
idle_reset = "off"

[[providers]]
name = "main"
api = "openai-chat"
base_url = "http://127.0.0.1:5/v1/"
model = "m"
api_key = "k"
context_window = 200000
max_output_tokens = 8192

[[providers]]
name = "spare"
api = "demo"

[tools]
enabled = []
workspace = "work"
"""


def written(directory: Path, text: str) -> Path:
    """Write a configuration file and return its path."""
    path = directory / "gatepost.toml"
    path.write_text(text)
    return path


def test_every_key_reaches_its_value(tmp_path: Path) -> None:
    """A file with every key this version knows becomes exactly these values."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "discord").write_text("from-file\n")
    path = written(tmp_path, FULL)
    owners = (
        UserId(platform="telegram", id="1001"),
        UserId(platform="slack", space="T1", id="U1"),
        UserId(platform="discord", id="42"),
        UserId(platform="web", id="local"),
    )
    listed = (*owners, UserId(platform="telegram", id="7"))
    chats = (
        ChatPattern(platform="slack", parts=("T1", "C1")),
        ChatPattern(platform="telegram", parts=("-100200",)),
    )
    general = AccessConfig(users=listed, chats=chats)
    telegram = AccessConfig(
        dm="open",
        users=(*listed, UserId(platform="telegram", id="8")),
        chats=chats,
        require_mention=False,
    )
    assert load(path, {"GATEPOST_WEB_TOKEN": "w", "TELEGRAM_TOKEN": "1:a"}) == Config(
        source=path,
        gateway=GatewayConfig(
            state_dir=tmp_path / "state",
            durability="process",
            timezone="Europe/Berlin",
            drain_s=5.0,
            owners=owners,
        ),
        web=WebConfig(listen=Listen(host="::1", port=0), token=Secret("w")),
        platforms=PlatformsConfig(
            telegram=TelegramConfig(
                token=Secret("1:a"),
                base_url="http://127.0.0.1:1",
                mode="webhook",
                webhook_url="http://127.0.0.1:2/telegram/webhook",
                webhook_secret=Secret("s"),
            ),
            slack=SlackConfig(
                bot_token=(Secret("xoxb-1"),),
                app_token=Secret("xapp-1"),
                signing_secret=Secret("s"),
                base_url="http://127.0.0.1:3/api/",
                threads=False,
            ),
            discord=DiscordConfig(
                token=Secret("from-file"), base_url="http://127.0.0.1:4/api/v10", threads=True
            ),
        ),
        access=general,
        access_by_platform={"telegram": telegram, "slack": general, "discord": general},
        sessions=SessionsConfig(group="shared", busy="interrupt"),
        providers=(
            ProviderConfig(
                name="main",
                api="openai-chat",
                base_url="http://127.0.0.1:5/v1",
                model="m",
                api_key=Secret("k"),
                context_window=200_000,
                max_output_tokens=8192,
            ),
            ProviderConfig(name="spare", api="demo", model="demo"),
        ),
        tools=ToolsConfig(enabled=(), workspace=tmp_path / "work"),
    )


def test_an_empty_file_and_no_file_are_the_same_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema's defaults are those of the values; only the source differs."""
    monkeypatch.chdir(tmp_path)
    embedded = load(None, {"HOME": str(tmp_path / "home")})
    assert embedded == Config(
        gateway=GatewayConfig(state_dir=tmp_path / "state"),
        tools=ToolsConfig(workspace=tmp_path / "workspace"),
    )
    from_file = load(written(tmp_path, ""), {})
    assert from_file.source == tmp_path / "gatepost.toml"
    assert from_file.access_for("telegram") == embedded.access_for("telegram")
    for name in ("gateway", "web", "platforms", "access", "sessions", "providers", "tools"):
        assert getattr(from_file, name) == getattr(embedded, name)


def test_the_first_place_that_has_a_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--config wins over $GATEPOST_CONFIG, that over the working directory, that over home."""
    monkeypatch.chdir(tmp_path)
    environ = {"HOME": str(tmp_path / "home")}
    assert find_file(None, environ) is None
    at_home = tmp_path / "home" / ".config" / "gatepost"
    at_home.mkdir(parents=True)
    written(at_home, "")
    assert find_file(None, environ) == at_home / "gatepost.toml"
    written(tmp_path, "")
    assert find_file(None, environ) == Path("gatepost.toml")
    assert find_file(None, environ | {"GATEPOST_CONFIG": "/x"}) == Path("/x")
    assert find_file(Path("/y"), environ | {"GATEPOST_CONFIG": "/x"}) == Path("/y")
    assert find_file(None, environ | {"GATEPOST_CONFIG": ""}) == Path("gatepost.toml")


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    """Neither the working directory nor links decide where the state lies; ~ is home."""
    text = '[gateway]\nstate_dir = "../data/./state"\n[tools]\nworkspace = "~/work"'
    config = load(written(tmp_path, text), {"HOME": "/home/ann"})
    assert config.gateway.state_dir == Path(os.path.normpath(tmp_path / "../data/state"))
    assert config.tools.workspace == Path("/home/ann/work")


def test_variables_are_replaced_anywhere_in_text(tmp_path: Path) -> None:
    """`${NAME}` works inside a value and twice, `$${` is a plain `${`, other dollars stay."""
    text = '[tools]\nworkspace = "a-${X}-${Y}-$${X}-$X-$"'
    assert load(written(tmp_path, text), {"X": "1", "Y": "${X}"}).tools.workspace == (
        tmp_path / "a-1-${X}-${X}-$X-$"
    )


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path: Path) -> None:
    """Files from other systems are read, and their lines counted right."""
    path = tmp_path / "gatepost.toml"
    path.write_bytes(b"\xef\xbb\xbf[web]\r\n# c\r\nenabled = false\r\n")
    assert not load(path, {}).web.enabled
    path.write_bytes(b"\xef\xbb\xbf[web]\r\n# c\r\nenabled = 0\r\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert [fault.line for fault in caught.value.faults] == [3]


CREDENTIALS = {
    "web.token": "w",
    "telegram.token": "t",
    "slack.bot_token": "b",
    "slack.app_token": "a",
    "discord.token": "d",
    "providers.main.api_key": "k",
    "unrelated": "x",
}


def credentials(directory: Path, **over: str) -> Path:
    """Write one file per systemd credential."""
    directory.mkdir()
    for name, text in (CREDENTIALS | over).items():
        (directory / name).write_text(text + "\n")
    return directory


def test_systemd_credentials_fill_what_the_file_leaves_out(tmp_path: Path) -> None:
    """A credential is found by name, adds no platform, and yields to a key in the file."""
    path = written(
        tmp_path,
        '[platforms.telegram]\n[platforms.slack]\nbot_token = "from-file"\n'
        '[[providers]]\nname = "main"\napi = "openai-chat"\nmodel = "m"',
    )
    config = load(path, {"CREDENTIALS_DIRECTORY": str(credentials(tmp_path / "c"))})
    assert config.web.token == Secret("w")
    assert config.platforms.telegram == TelegramConfig(token=Secret("t"))
    assert config.platforms.slack == SlackConfig(
        bot_token=(Secret("from-file"),), app_token=Secret("a")
    )
    assert config.platforms.discord is None
    assert config.providers[0].api_key == Secret("k")


def test_credentials_work_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded defaults take the web token too."""
    monkeypatch.chdir(tmp_path)
    config = load(None, {}, credentials(tmp_path / "c"))
    assert (config.source, config.web.token) == (None, Secret("w"))


def test_a_bad_credential_names_the_key_it_fills(tmp_path: Path) -> None:
    """An empty or oversized credential is a fault of its key."""
    path = written(tmp_path, "[platforms.telegram]\n\n[platforms.discord]")
    directory = credentials(tmp_path / "c")
    (directory / "telegram.token").write_text("")
    (directory / "discord.token").write_bytes(b"x" * (1 << 17))
    with pytest.raises(ConfigError) as caught:
        load(path, {}, directory)
    assert [(fault.line, fault.key, fault.problem) for fault in caught.value.faults] == [
        (1, "platforms.telegram.token", "is empty"),
        (
            3,
            "platforms.discord.token",
            'names the file "discord.token", which is larger than 64 KiB',
        ),
    ]
