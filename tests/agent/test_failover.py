"""The plan of one turn."""

import pytest

from agent.errors import (
    ContentBlocked,
    ContextOverflow,
    CredentialExhausted,
    ModelUnavailable,
    ProviderAuthFailed,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ReplyMalformed,
    RequestInvalid,
    RequestRejected,
    StreamBroken,
    TlsUntrusted,
)
from agent.failover import FailoverPlan, plan_for
from agent.messages import Origin
from tests.agent.scripted import ScriptedProvider, entry, unavailable


def origin(model: str) -> Origin:
    return Origin(provider=model, endpoint="http://loopback", model=model)


CHAIN = tuple(
    entry(ScriptedProvider(origin=origin(f"model-{name}")), name)
    for name in ("one", "two", "three")
)


def test_a_plan_starts_at_the_primary_and_moves_only_forward() -> None:
    """Each failure asks the next entry; behind the last there is nobody, and it stays there."""
    plan = FailoverPlan(CHAIN)
    assert plan.current is plan.primary is CHAIN[0]
    assert plan.advance(unavailable()) is CHAIN[1]
    assert plan.current is CHAIN[1]
    assert plan.advance(unavailable()) is CHAIN[2]
    assert plan.advance(unavailable()) is None
    assert plan.current is CHAIN[2]
    assert plan.primary is CHAIN[0]


def test_the_next_turn_starts_at_the_primary_again() -> None:
    """A plan forgets nothing over to another plan of the same chain."""
    spent = plan_for(CHAIN, None)
    spent.advance(unavailable())
    assert plan_for(CHAIN, None).current is CHAIN[0]


@pytest.mark.parametrize(
    "kind",
    [
        ContentBlocked,
        ContextOverflow,
        CredentialExhausted,
        ModelUnavailable,
        ProviderAuthFailed,
        ProviderOverloaded,
        ProviderRateLimited,
        ReplyMalformed,
        RequestRejected,
        StreamBroken,
        TlsUntrusted,
    ],
)
def test_every_failure_of_a_provider_asks_the_next(kind: type[ProviderError]) -> None:
    """Another provider may do what this one can't."""
    plan = FailoverPlan(CHAIN)
    assert plan.advance(kind("no", provider="one", model="m", reason="r")) is CHAIN[1]


def test_a_request_we_could_not_build_is_asked_of_nobody_else() -> None:
    """Our own fault is the same everywhere."""
    plan = FailoverPlan(CHAIN)
    assert plan.advance(RequestInvalid("no", provider="one", model="m", reason="r")) is None
    assert plan.current is CHAIN[0]


def test_a_session_may_prefer_another_primary() -> None:
    """The chosen entry comes first, the others keep their order; an unknown choice is none."""
    plan = plan_for(CHAIN, "two")
    assert plan.primary is CHAIN[1]
    assert [plan.advance(unavailable()) for _ in range(3)] == [CHAIN[0], CHAIN[2], None]
    assert plan_for(CHAIN, "gone").primary is CHAIN[0]
    assert CHAIN[1].model == "model-two"


def test_an_empty_plan_is_refused() -> None:
    """A turn without anybody to ask is a fault of the configuration, not of the turn."""
    with pytest.raises(ValueError, match="at least one"):
        plan_for((), None)
