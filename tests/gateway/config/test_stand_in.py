"""Which model answers when the file names none, and what a start points out."""

from pathlib import Path

from gateway.config import (
    Config,
    LocalModel,
    ProviderConfig,
    Secret,
    advice,
    choose_providers,
    configured_platforms,
    keys_in,
    load,
    wants_local_probe,
)
from tests.gateway.config.test_load import written

LOCAL = LocalModel(base_url="http://127.0.0.1:11434/v1", model="qwen")
NAMED = ProviderConfig(name="a", api="demo", model="demo")


def test_what_the_file_names_wins() -> None:
    """With a provider in the file, neither the environment nor this machine is looked at."""
    config = Config(providers=(NAMED,))
    assert choose_providers(config, {"OPENAI_API_KEY": "k"}, LOCAL) == (NAMED,)
    assert not wants_local_probe(config, {})


def test_then_a_key_in_the_environment() -> None:
    """OPENAI_API_KEY means OpenAI itself; an empty one means nothing."""
    (provider,) = choose_providers(Config(), {"OPENAI_API_KEY": "k"}, LOCAL)
    assert (provider.base_url, provider.model, provider.api_key) == (
        "https://api.openai.com/v1",
        "gpt-5",
        Secret("k"),
    )
    assert not wants_local_probe(Config(), {"OPENAI_API_KEY": "k"})
    assert wants_local_probe(Config(), {"OPENAI_API_KEY": " "})


def test_then_anthropics() -> None:
    """ANTHROPIC_API_KEY means Anthropic itself, where there is no key of OpenAI's."""
    (provider,) = choose_providers(Config(), {"ANTHROPIC_API_KEY": "k"}, LOCAL)
    assert (provider.api, provider.base_url, provider.api_key) == (
        "anthropic-messages",
        "https://api.anthropic.com",
        Secret("k"),
    )
    assert not wants_local_probe(Config(), {"ANTHROPIC_API_KEY": "k"})
    both = {"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "o"}
    assert [each.name for each in choose_providers(Config(), both, None)] == ["openai"]
    assert keys_in(both) == ("o", "k")


def test_then_a_local_server_and_at_last_the_demonstration() -> None:
    """There is always somebody to answer."""
    (local,) = choose_providers(Config(), {}, LOCAL)
    assert (local.api, local.base_url, local.model, local.api_key) == (
        "openai-chat",
        LOCAL.base_url,
        "qwen",
        None,
    )
    (demo,) = choose_providers(Config(), {}, None)
    assert demo.api == "demo"


def test_a_platform_that_answers_nobody_is_pointed_out(tmp_path: Path) -> None:
    """An allowlist without a single entry is allowed and probably not meant."""
    text = (
        '[platforms.telegram]\ntoken = "1:a"\n[platforms.discord]\ntoken = "d"\n'
        '[access]\nusers = ["discord:42"]\n'
    )
    config = load(written(tmp_path, text), {})
    assert configured_platforms(config) == ("telegram", "discord")
    assert [sentence.split(":")[0] for sentence in advice(config)] == ["telegram"]
    assert advice(config, owned=("telegram",)) == ()  # its owner came by a code
    opened = load(written(tmp_path, text + '[access.telegram]\ndm = "open"'), {})
    assert advice(opened) == ()
