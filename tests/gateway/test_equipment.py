"""What models cost: as an entry says, as the packaged list has it, or nobody knows."""

from dataclasses import replace

import pytest

from agent.costs import Unknown
from agent.model_prices import ModelPrice
from gateway.config import Config, LocalModel, ProviderConfig, choose_providers
from gateway.config.stand_in import DEMO
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
