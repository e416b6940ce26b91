"""The chain of entries: what each is asked with, and what its model costs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.costs import Quote, Unknown
from agent.credential_pool import CredentialPool
from agent.credentials import Service
from agent.messages import Media, Usage, UserMessage
from agent.model_prices import ModelPrice
from agent.providers.base import ModelRequest
from gateway.codex_entries import tools_of
from gateway.config import (
    Config,
    GatewayConfig,
    LocalModel,
    LoginConfig,
    PriceConfig,
    ProviderConfig,
    Secret,
    choose_providers,
)
from gateway.config.stand_in import DEMO
from gateway.config.values import Api
from gateway.equipment import PriceOfToday, price_of, providers, reasons
from gateway.errors import GatewayError

HERE = "http://127.0.0.1:4000/v1"
CODEX = "https://chatgpt.com/backend-api/codex"
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


def paid(**given: Any) -> ProviderConfig:
    """An entry with a price of its own."""
    price = PriceConfig(input=1_000_000, output=10_000_000, cached_input=None)
    return replace(ENTRY, price=price, **given)


async def quoted(
    config: ProviderConfig, *, output: int | None = None, media: tuple[Media, ...] = ()
) -> Quote:
    """What an entry's first call costs at most, in its own cap unless another is asked for."""
    (entry,) = await providers(Config(providers=(config,)))
    request = ModelRequest(
        system="",
        messages=(UserMessage(text="x" * 10_000, media=media),),
        tools=(),
        max_output_tokens=output or entry.max_output_tokens,
    )
    await entry.provider.close()
    return entry.pricing.quote(request)


async def ceiling_of(config: ProviderConfig, media: tuple[Media, ...] = ()) -> int:
    """The known ceiling of that."""
    most = (await quoted(config, media=media)).ceiling
    assert isinstance(most, int)
    return most


async def test_what_goes_into_a_cache_is_reserved() -> None:
    """Where a cache is paid for: more than plain input, and for an hour twice."""
    output = 8_192 * 10
    plain = await ceiling_of(paid()) - output
    claude = await ceiling_of(paid(api="anthropic-messages")) - output
    hour = await ceiling_of(paid(api="anthropic-messages", cache_ttl="1h")) - output
    assert plain >= 10_000
    assert (claude, hour) == (-(-plain * 5 // 4), 2 * plain)


async def test_an_hour_of_cache_is_reserved_at_the_packaged_price() -> None:
    """The table has both."""
    claude = replace(ENTRY, api="anthropic-messages", model="claude-sonnet-4-5")
    short = await ceiling_of(claude)
    hour = await ceiling_of(replace(claude, cache_ttl="1h"))
    assert hour - short >= 10_000 * (6_000_000 - 3_750_000) // 1_000_000


async def test_a_picture_is_reserved_as_its_model_counts_it() -> None:
    """One of a model that counts pictures dearer costs more than another's."""
    picture = (Media(mime="image/png", data=b"x"),)
    cheap = replace(ENTRY, model="gpt-4o-mini")
    assert await ceiling_of(paid(model="m"), picture) - await ceiling_of(paid(model="m")) == 20_000
    more = await ceiling_of(paid(model="gpt-4o-mini"), picture)
    assert more - await ceiling_of(paid(model="gpt-4o-mini")) == 50_000
    assert await ceiling_of(cheap, picture) > await ceiling_of(cheap)


@pytest.mark.parametrize(
    ("given", "cap", "quantity"),
    [
        ({"api": "openai-responses"}, 8_192, 8_192),
        ({"api": "openai-responses", "base_url": CODEX}, None, 128_000),
        ({"api": "openai-responses", "base_url": CODEX, "max_output_tokens": 64_000}, 64_000, 0),
        ({"api": "openai-responses", "omit": ("max_output_tokens",)}, None, 128_000),
        ({"api": "openai-chat", "omit": ("max_tokens",)}, None, 128_000),
        ({"api": "openai-chat", "omit": ("temperature",)}, 8_192, 8_192),
        ({"api": "anthropic-messages"}, 8_192, 8_192),
    ],
)
async def test_without_a_cap_the_models_maximum_is_reserved(
    given: dict[str, Any], cap: int | None, quantity: int
) -> None:
    """Also for a call that asks for less, since nobody tells the model."""
    config = paid(**given)
    (entry,) = await providers(Config(providers=(config,)))
    await entry.provider.close()
    assert entry.max_output_tokens == cap
    assert (await quoted(config)).quantity == (quantity or cap)
    if quantity != cap:
        assert (await quoted(config, output=100)).quantity == (quantity or cap)


async def test_a_raised_cap_is_billed_by_what_was_asked() -> None:
    """An answer longer than an entry's own cap is no absurd count if so much was asked for."""
    (entry,) = await providers(Config(providers=(paid(),)))
    await entry.provider.close()
    usage = Usage(input=100, output=20_000)
    assert entry.pricing.spent(usage, cap=16_384) == 100 + 200_000
    assert entry.pricing.spent(usage) is None


@pytest.mark.parametrize(
    ("model", "given", "thinks"),
    [
        ("claude-opus-4-5", {}, False),
        ("claude-opus-4-5", {"effort": "high"}, True),
        ("claude-opus-4-5", {"thinking": "budget"}, True),
        ("claude-opus-5", {}, True),
        ("claude-opus-5", {"effort": "none"}, False),
        ("claude-3-5-sonnet-20241022", {"effort": "high"}, False),
        ("deepseek-reasoner", {}, True),
    ],
)
def test_whether_a_claude_thinks_is_what_its_wire_knows(
    model: str, given: dict[str, Any], thinks: bool
) -> None:
    """By its generation and the effort that is asked for, as it is sent."""
    config = replace(ENTRY, api="anthropic-messages", model=model, **given)
    assert reasons(config) == thinks


def test_a_price_begins_with_its_day() -> None:
    """The packaged price of an entry is looked up again when another day has begun."""
    config = replace(ENTRY, model="gpt-4o")
    price = price_of(config)
    assert isinstance(price, ModelPrice)
    days = [0]
    stale = replace(price, version="yesterday")
    today = PriceOfToday(config, stale, now_ns=lambda: days[0] * 86_400_000_000_000 + 5)
    assert today() is stale
    days[0] = 1
    assert today() == price


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


async def test_another_model_of_an_entry_has_its_own_price(tmp_path: Path) -> None:
    """Where the table has it, and nobody knows where not; what is configured holds for all."""
    coder = ProviderConfig(name="d", api="codex-app-server", model="gpt-5", api_key=Secret("k"))
    state = GatewayConfig(state_dir=tmp_path)
    for config in (coder, replace(coder, price="included")):
        (entry,) = await providers(Config(gateway=state, providers=(config,)))
        if config.price is not None:
            assert entry.reprice is None
            continue
        assert entry.reprice is not None
        used = Usage(input=1_000, output=1_000)
        own, dear = entry.pricing.spent(used), entry.reprice("gpt-5-pro").spent(used)
        assert own is not None and dear is not None and dear > own
        assert entry.reprice("nobody-knows-it").spent(used) is None
