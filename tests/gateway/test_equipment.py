"""The chain of entries: what each is asked with, and what its model costs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.costs import Unknown
from agent.credential_pool import CredentialPool
from agent.credentials import Service
from agent.model_prices import ModelPrice
from gateway.codex_entries import tools_of
from gateway.config import (
    Config,
    GatewayConfig,
    LocalModel,
    LoginConfig,
    ProviderConfig,
    Secret,
    choose_providers,
)
from gateway.config.stand_in import DEMO
from gateway.config.values import Api
from gateway.equipment import price_of, providers
from gateway.errors import GatewayError

HERE = "http://127.0.0.1:4000/v1"
ENTRY = ProviderConfig(name="main", api="openai-chat", base_url=HERE, model="loopback-1")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1"])
def test_a_server_of_this_machine_may_pass_the_bill_on(host: str) -> None:
    """A proxy on loopback costs what its model costs, and an unknown model nobody knows what."""
    url = f"http://{host}:4000/v1"
    assert isinstance(price_of(replace(ENTRY, base_url=url)), Unknown)
    written = price_of(replace(ENTRY, base_url=url, price="included"))
    assert isinstance(written, ModelPrice) and written.source == "included"


def test_a_known_model_behind_a_proxy_has_its_packaged_price() -> None:
    """Its name decides where the address says nothing."""
    known = price_of(replace(ENTRY, model="gpt-4o"))
    assert isinstance(known, ModelPrice)
    assert known.source == "packaged"
    assert known == price_of(replace(ENTRY, model="gpt-4o", base_url="https://api.openai.com/v1"))


def test_a_server_that_was_looked_for_is_included() -> None:
    """Nobody configured it: it is a model server on its well-known port."""
    local = LocalModel(base_url="http://127.0.0.1:11434/v1", model="qwen")
    for entry in (*choose_providers(Config(), {}, local), DEMO):
        found = price_of(entry)
        assert isinstance(found, ModelPrice) and found.source == "included"


async def test_a_primary_without_a_price_does_not_start() -> None:
    """It is said what to write."""
    with pytest.raises(GatewayError, match=r"providers\.main\.price is missing.*included"):
        await providers(Config(providers=(ENTRY,)))


LOGIN = LoginConfig(service="codex")


async def test_every_kind_of_api_makes_its_wire(tmp_path: Path) -> None:
    """With what the file says of it; nothing is asked or started by that."""
    common: dict[str, Any] = {"model": "m", "price": "included"}
    config = Config(
        gateway=GatewayConfig(state_dir=tmp_path),
        providers=(
            ProviderConfig(name="a", api="openai-chat", base_url=HERE, aggregator=True, **common),
            ProviderConfig(
                name="b",
                api="openai-responses",
                base_url=HERE,
                credential=(LOGIN,),
                patience="full",
                **common,
            ),
            ProviderConfig(
                name="c", api="anthropic-messages", base_url=HERE, thinking="budget", **common
            ),
            ProviderConfig(name="d", api="codex-app-server", **common),
            ProviderConfig(name="e", api="demo", model="demo", effort="low"),
        ),
    )
    entries = await providers(config)
    try:
        assert [type(entry.provider).__name__ for entry in entries] == [
            "OpenAIChat",
            "OpenAIResponses",
            "AnthropicMessages",
            "CodexEntry",
            "Demo",
        ]
        assert [entry.api for entry in entries] == [each.api for each in config.providers]
        assert [entry.direct for entry in entries] == [False, True, True, True, True]
        assert [entry.patience for entry in entries] == ["eager", "full", "eager", "eager", "eager"]
        assert [entry.reasons for entry in entries] == [False, False, True, True, True]
        assert entries[1].credential.service is Service.CODEX
        assert set(tools_of(entries)) == {"codex_command", "codex_files", "codex_question"}
    finally:
        for entry in entries:
            await entry.provider.close()


async def test_a_fallback_that_can_not_be_had_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With a warning; the primary alone is fatal."""
    unpriced = replace(ENTRY, name="other")
    broken = ProviderConfig(name="broken", api="openai-chat", model="m", price="included")
    fine = replace(ENTRY, price="included")
    entries = await providers(Config(providers=(fine, unpriced, broken)))
    assert [entry.name for entry in entries] == ["main"]
    assert [record.args for record in caplog.records if "left out" in record.getMessage()]
    with pytest.raises(GatewayError, match=r"providers\.broken can't be used: .*base_url"):
        await providers(Config(providers=(broken, fine)))


async def test_a_key_of_two_entries_is_one_key() -> None:
    """Also a login: its token is renewed once for both."""
    entries = await providers(
        Config(
            providers=tuple(
                ProviderConfig(
                    name=name,
                    api="openai-responses",
                    base_url=HERE,
                    model=name,
                    credential=(LOGIN,),
                    price="included",
                )
                for name in ("a", "b")
            )
        )
    )
    one, two = (entry.credential for entry in entries)
    assert isinstance(one, CredentialPool)
    assert isinstance(two, CredentialPool)
    assert one.keys[0].source is two.keys[0].source
    assert one.book is two.book


async def test_keys_of_one_pool_are_told_apart_and_tell_nothing() -> None:
    """Each has a label; what rows know it by is not the key."""
    keys = (Secret("sk-first-secret"), Secret("sk-second-secret"))
    (entry,) = await providers(Config(providers=(replace(ENTRY, api_keys=keys, price="included"),)))
    pool = entry.credential
    assert isinstance(pool, CredentialPool)
    assert [key.label for key in pool.keys] == ["main.1", "main.2"]
    assert len({key.ident for key in pool.keys}) == 2
    assert "secret" not in repr(pool.keys)
    lease = await pool.lease(session="s", model="m")
    assert lease.headers == {"Authorization": "Bearer sk-first-secret"}


@pytest.mark.parametrize(
    ("api", "base_url", "header"),
    [
        ("openai-chat", HERE, "Authorization"),
        ("openai-responses", HERE, "Authorization"),
        ("anthropic-messages", HERE, "x-api-key"),
    ],
)
async def test_a_key_is_sent_as_its_server_takes_it(api: Api, base_url: str, header: str) -> None:
    """Anthropic's own header has no scheme."""
    config = replace(ENTRY, api=api, base_url=base_url, api_key=Secret("k"), price="included")
    (entry,) = await providers(Config(providers=(config,)))
    lease = await entry.credential.lease(session="s", model="m")
    assert lease.headers == {header: "k" if header == "x-api-key" else "Bearer k"}
