"""The guards of one model call: each recovery is tried once, and only where it has a cause."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent.credentials import Service, Standing
from agent.errors import (
    CredentialExhausted,
    NotEntitled,
    ProviderAuthFailed,
    ProviderError,
    ProviderRateLimited,
    ProviderUnavailable,
    RequestRejected,
    StreamBroken,
)
from agent.providers.base import AS_IT_IS, Adjustments
from agent.recovery import (
    Adjust,
    Advance,
    Compact,
    GiveUp,
    Guard,
    Move,
    Reconnect,
    Renew,
    Rotate,
    Sent,
    TurnRetryState,
    Wait,
)
from tests.agent.failures import READY, decide, failed, failure, place, unfit

OWN = Sent(own_parts=True)
MEDIA = Sent(media=True)
TOOL_MEDIA = Sent(media=True, tool_media=True)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the guard table: what triggers it, what it does, and what it spends."""

    guard: Guard
    error: ProviderError
    move: Move
    sent: Sent = field(default_factory=Sent)
    service: Service = Service.STATIC
    where: dict[str, Any] = field(default_factory=dict)
    used: frozenset[Guard] = frozenset()
    reconnects: int = 0
    failures: int = 0
    costs: int = 0
    lost_cause: Sent | None = None


AUTH = failed(ProviderAuthFailed, "auth", status=401)
LIMITED = failed(ProviderRateLimited, "rate_limited", status=429)
GONE = failed(ProviderUnavailable, "transport")


def changed(**fields: Any) -> Adjust:
    """An Adjust of a copy that was as it is."""
    remember = fields.pop("remember", "")
    cap = fields.pop("cap", None)
    return Adjust(adjustments=replace(AS_IT_IS, **fields), cap=cap, remember=remember)


ROWS = (
    Row(guard=Guard.CODEX_AUTH, service=Service.CODEX, error=AUTH, move=Renew()),
    Row(guard=Guard.XAI_AUTH, service=Service.XAI, error=AUTH, move=Renew()),
    Row(
        guard=Guard.XAI_AUTH,
        service=Service.XAI,
        error=failed(ProviderAuthFailed, "auth", status=403),
        move=Renew(),
    ),
    Row(
        guard=Guard.ANTHROPIC_AUTH,
        service=Service.ANTHROPIC,
        where={"api": "anthropic-messages"},
        error=AUTH,
        move=Renew(),
    ),
    Row(
        guard=Guard.ANTHROPIC_AUTH,
        where={"api": "anthropic-messages"},
        error=AUTH,
        move=Renew(after_s=1.0),
    ),
    Row(guard=Guard.NOUS_AUTH, service=Service.NOUS, error=AUTH, move=Renew()),
    Row(
        guard=Guard.NOUS_ENTITLEMENT,
        service=Service.NOUS,
        error=failed(CredentialExhausted, "billing", status=402),
        move=Renew(),
    ),
    Row(guard=Guard.COPILOT_AUTH, service=Service.COPILOT, error=AUTH, move=Renew()),
    Row(
        guard=Guard.COPILOT_STALE,
        service=Service.COPILOT,
        error=failed(ProviderAuthFailed, "copilot_stale", status=400),
        move=Renew(),
    ),
    Row(guard=Guard.VERTEX_AUTH, service=Service.COMMAND, error=AUTH, move=Renew()),
    Row(
        guard=Guard.VERTEX_AUTH,
        service=Service.COMMAND,
        where={"api": "anthropic-messages"},
        error=AUTH,
        move=Renew(),
    ),
    Row(guard=Guard.STATIC_AUTH, error=AUTH, move=Renew(after_s=1.0)),
    Row(
        guard=Guard.RETRIED_429,
        where=READY,
        error=LIMITED,
        move=Wait(seconds=1.0),
        costs=1,
    ),
    Row(
        guard=Guard.AUTH_FAILOVER,
        where=READY,
        used=frozenset({Guard.STATIC_AUTH}),
        error=AUTH,
        move=Advance(),
    ),
    Row(
        guard=Guard.PRIMARY_TRANSPORT,
        error=GONE,
        failures=2,
        move=Reconnect(seconds=6.0),
        costs=-2,
    ),
    Row(
        guard=Guard.THINKING_SIGNATURE,
        error=unfit("thinking_signature"),
        sent=OWN,
        lost_cause=Sent(),
        move=changed(replay=False),
    ),
    Row(
        guard=Guard.THINKING_SIGNATURE,
        error=unfit("thinking_signature"),
        sent=Sent(own_parts=True, in_tool_loop=True),
        lost_cause=Sent(in_tool_loop=True),
        move=changed(replay=False, thinking=False),
    ),
    Row(
        guard=Guard.ENCRYPTED_REASONING,
        error=unfit("encrypted_reasoning"),
        sent=OWN,
        lost_cause=Sent(),
        move=changed(replay=False, remember="replay_off"),
    ),
    Row(
        guard=Guard.ENCRYPTED_REASONING,
        error=unfit("encrypted_reasoning"),
        sent=OWN,
        lost_cause=Sent(own_parts=True, adjustments=Adjustments(replay=False)),
        move=changed(replay=False, remember="replay_off"),
    ),
    Row(
        guard=Guard.IMAGE_SHRINK,
        error=unfit("image_too_large"),
        sent=MEDIA,
        lost_cause=Sent(),
        move=changed(image_bytes=5_000_000, image_pixels=8_000),
    ),
    Row(
        guard=Guard.IMAGE_SHRINK,
        error=unfit("image_too_large", figure=3_750_000),
        sent=TOOL_MEDIA,
        lost_cause=Sent(),
        move=changed(image_bytes=3_750_000),
    ),
    Row(
        guard=Guard.IMAGE_SHRINK,
        error=unfit("image_too_large", pixels=2_000),
        sent=MEDIA,
        lost_cause=Sent(),
        move=changed(image_pixels=2_000),
    ),
    Row(
        guard=Guard.TOOL_IMAGES,
        error=unfit("tool_images"),
        sent=TOOL_MEDIA,
        lost_cause=MEDIA,
        move=changed(tool_media=False, remember="tool_images"),
    ),
    Row(
        guard=Guard.TEXT_ONLY,
        error=unfit("image_unsupported"),
        sent=MEDIA,
        lost_cause=Sent(),
        move=changed(media=False, tool_media=False, remember="text_only"),
    ),
    Row(
        guard=Guard.LONG_CONTEXT_BETA,
        error=unfit("long_context_beta"),
        lost_cause=Sent(adjustments=Adjustments(long_context=False)),
        move=changed(long_context=False, remember="long_context_off"),
    ),
    Row(
        guard=Guard.LONG_CONTEXT_TIER,
        error=unfit("long_context_tier"),
        move=changed(remember="window_200k"),
    ),
    Row(
        guard=Guard.GRAMMAR,
        error=unfit("grammar"),
        sent=Sent(keywords=True),
        move=changed(keywords=False),
    ),
    Row(guard=Guard.GRAMMAR, error=unfit("grammar"), move=Wait(seconds=1.0)),
    Row(
        guard=Guard.EFFORT,
        error=unfit("effort", levels=("low", "high")),
        sent=Sent(effort="max"),
        lost_cause=Sent(),
        move=changed(effort="high", remember="effort"),
    ),
    Row(
        guard=Guard.EFFORT_OFF,
        error=unfit("effort", levels=("low", "high")),
        sent=Sent(effort="high", adjustments=Adjustments(effort="high")),
        used=frozenset({Guard.EFFORT}),
        lost_cause=Sent(),
        move=changed(effort=None, remember="effort"),
    ),
    Row(
        guard=Guard.OUTPUT_CAP,
        error=unfit("output_cap", figure=4_160),
        sent=Sent(cap=8_192),
        lost_cause=Sent(cap=4_096),
        move=changed(cap=4_096),
    ),
    Row(
        guard=Guard.STREAM_OFF,
        error=unfit("streaming_unsupported"),
        lost_cause=Sent(adjustments=Adjustments(stream=False)),
        move=changed(stream=False, remember="stream_off"),
    ),
    Row(
        guard=Guard.RESPONSES_PLAIN,
        error=failed(StreamBroken, "stream_broken"),
        where={"api": "openai-responses"},
        reconnects=1,
        failures=1,
        lost_cause=Sent(adjustments=Adjustments(plain=True)),
        move=changed(plain=True),
    ),
)
BY_NAME = [pytest.param(row, id=f"{row.guard.value}-{i}") for i, row in enumerate(ROWS)]


def stands(row: Row, *, used: frozenset[Guard] | None = None) -> TurnRetryState:
    """The state a row is met in."""
    return TurnRetryState(
        used=row.used if used is None else used,
        attempts=3,
        failures=row.failures,
        reconnects=row.reconnects,
    )


@pytest.mark.parametrize("row", BY_NAME)
def test_a_guard_fires_with_its_move(row: Row) -> None:
    """The trigger leads to the row's recovery, and the guard is used from then on."""
    where = place(service=row.service, **row.where)
    decision = decide(row.error, stands(row), where, failure(sent=row.sent))
    assert decision.move == row.move
    if not isinstance(row.move, Advance):  # the next entry starts with all guards fresh
        assert decision.state.used == row.used | {row.guard}
        assert decision.state.failures == row.failures + row.costs
    assert decision.state.attempts == 3


@pytest.mark.parametrize("row", BY_NAME)
def test_a_guard_does_not_fire_twice(row: Row) -> None:
    """The same failure again has another cause, so something else is done about it."""
    where = place(service=row.service, **row.where)
    state = stands(row, used=row.used | {row.guard})
    decision = decide(row.error, state, where, failure(sent=row.sent))
    assert decision.move != row.move


@pytest.mark.parametrize("row", [row for row in ROWS if row.lost_cause is not None])
def test_a_heal_needs_its_cause(row: Row) -> None:
    """What is not in the copy can't be taken out of it: the refusal means something else."""
    assert row.lost_cause is not None
    where = place(service=row.service, **(row.where | READY))
    decision = decide(row.error, stands(row), where, failure(sent=row.lost_cause))
    assert isinstance(decision.move, Advance)
    state = replace(stands(row), failures=2)
    alone = decide(row.error, state, place(**row.where), failure(sent=row.lost_cause))
    assert isinstance(alone.move, GiveUp)


def test_every_guard_has_a_row() -> None:
    """The table above is the whole of it."""
    assert {row.guard for row in ROWS} == set(Guard)


def test_the_next_entry_has_every_guard_again_but_one() -> None:
    """Transport recovery is once in a call; all else belongs to the entry."""
    state = TurnRetryState(
        used=frozenset(Guard),
        failures=2,
        attempts=7,
        reconnects=1,
        malformed=1,
        refused=frozenset({"key-1"}),
    )
    onward = decide(failed(RequestRejected, "parameter"), state, place(**READY)).state
    assert onward == TurnRetryState(used=frozenset({Guard.PRIMARY_TRANSPORT}), attempts=7)


# -- renewing and rotating


def test_auth_renews_then_rotates_then_goes_on() -> None:
    """A login is renewed once, then another key is tried, then the next entry."""
    where = place(service=Service.CODEX, standing=Standing(ready=1), **READY)
    first = decide(AUTH, None, where)
    assert (first.move, first.because) == (Renew(), "renew codex_auth")
    second = decide(AUTH, first.state, where)
    assert (second.move, second.because) == (Rotate(), "rotate")
    other = failed(ProviderAuthFailed, "auth", status=401, credential="key-2")
    third = decide(other, second.state, replace(where, standing=Standing(ready=0)))
    assert third.move == Advance()
    assert third.because == "auth to next"


def test_a_key_that_was_rotated_away_from_is_not_rotated_to_again() -> None:
    """Where a pool hands out the refused key again there is nothing left to rotate to."""
    where = place(standing=Standing(ready=1), **READY)
    state = TurnRetryState(attempts=3, used=frozenset({Guard.STATIC_AUTH}))
    rotated = decide(AUTH, state, where)
    assert rotated.move == Rotate()
    assert isinstance(decide(AUTH, rotated.state, where).move, Advance)


def test_the_two_guards_of_copilot_may_both_happen() -> None:
    """A stale model list and a refused token are renewed apart from each other."""
    where = place(service=Service.COPILOT)
    stale = failed(ProviderAuthFailed, "copilot_stale", status=400)
    first = decide(stale, None, where)
    second = decide(AUTH, first.state, where)
    assert (first.move, second.move) == (Renew(), Renew())
    assert isinstance(decide(stale, second.state, where).move, GiveUp)


def test_a_dead_login_is_not_renewed() -> None:
    """Keys that need a person can't be brought back by a renewal; a live one beside them can."""
    where = place(service=Service.CODEX, standing=Standing(ready=0, dead=1), **READY)
    assert isinstance(decide(AUTH, None, where, failure(leased=False)).move, Advance)
    assert decide(AUTH, None, where).move == Renew()


def test_a_key_that_rests_already_is_neither_renewed_nor_waited_for() -> None:
    """Another key is taken at once, else another entry."""
    rests = failed(ProviderAuthFailed, "auth", retry_after_s=200.0)
    where = place(service=Service.CODEX, standing=Standing(ready=0, rests_until=9), **READY)
    unleased = failure(leased=False)
    assert isinstance(decide(rests, None, where, unleased).move, Advance)
    limited = failed(ProviderRateLimited, "rate_limited", retry_after_s=200.0)
    assert decide(limited, None, where, unleased).move == Advance()
    billing = failed(CredentialExhausted, "billing", retry_after_s=3_600.0)
    nous = replace(where, service=Service.NOUS)
    assert decide(billing, None, nous, unleased).move == Advance()


def test_a_token_endpoint_that_is_down_costs_the_key_and_not_the_entry() -> None:
    """Where no key could be had another is asked for, before any wait."""
    where = place(standing=Standing(ready=1), api="openai-responses")
    down = failed(ProviderUnavailable, "transport", credential="")
    first = decide(down, None, where, failure(leased=False))
    assert first.move == Rotate()
    assert decide(down, first.state, where, failure(leased=False)).move == Wait(
        seconds=2.0, fresh=True
    )


@pytest.mark.parametrize("service", [s for s in Service if s is not Service.NOUS])
def test_only_nous_renews_when_credit_is_out(service: Service) -> None:
    """Anywhere else an empty account stays empty."""
    error = failed(CredentialExhausted, "billing", status=402)
    where = place(service=service, standing=Standing(ready=1), **READY)
    assert decide(error, None, where).move == Rotate()


@pytest.mark.parametrize("service", list(Service))
def test_who_is_not_entitled_is_never_renewed(service: Service) -> None:
    """A fresh token has the same plan: another key, else another entry."""
    error = failed(NotEntitled, "entitlement", status=403)
    where = place(service=service, standing=Standing(ready=1), **READY)
    first = decide(error, None, where)
    assert first.move == Rotate()
    assert decide(error, first.state, where).move == Advance()


def test_an_auth_failover_that_led_nowhere_is_not_repeated() -> None:
    """No looping on one broken login."""
    state = TurnRetryState(attempts=2, used=frozenset({Guard.STATIC_AUTH, Guard.AUTH_FAILOVER}))
    decision = decide(AUTH, state, place(**READY))
    assert decision.move == GiveUp()


# -- heals


@pytest.mark.parametrize(
    ("asked", "allowed", "found"),
    [
        ("max", (), "xhigh"),
        ("xhigh", (), "high"),
        ("high", (), "medium"),
        ("medium", (), "low"),
        ("low", (), "none"),
        ("max", ("medium", "low"), "medium"),
        ("high", ("high", "low"), "low"),
        ("xhigh", ("none",), "none"),
        ("medium", ("medium",), None),
        ("low", ("medium", "high"), None),
        ("none", (), None),
        ("thorough", ("low",), None),
    ],
)
def test_effort_steps_to_the_best_level_below(
    asked: str, allowed: tuple[str, ...], found: str | None
) -> None:
    """Never up, never to a level that is not taken; with none below the field goes."""
    sent = Sent(effort=asked, adjustments=Adjustments(effort=asked))
    decision = decide(unfit("effort", levels=allowed), None, None, failure(sent=sent))
    assert decision.move == changed(effort=found, remember="effort")
    used = Guard.EFFORT if found else Guard.EFFORT_OFF
    assert decision.state.used == {used}


@pytest.mark.parametrize("figure", [None, 0, 64, 9_000])
def test_an_output_cap_without_a_use_is_a_rejection(figure: int | None) -> None:
    """No figure, none that leaves room, or one above what was asked for."""
    sent = failure(sent=Sent(cap=8_192))
    decision = decide(unfit("output_cap", figure=figure), None, place(**READY), sent)
    assert decision.move == Advance()


def test_a_refused_cap_never_folds_the_chat() -> None:
    """Figures that lie twice lead to the next entry, and the history stays whole."""
    state = TurnRetryState(attempts=2, used=frozenset({Guard.OUTPUT_CAP}))
    decision = decide(unfit("output_cap", figure=100), state, place(**READY))
    assert not isinstance(decision.move, Compact)


def test_a_long_window_that_is_given_up_is_a_plain_rate_limit() -> None:
    """The second refusal of the tier rotates, or waits like any other 429."""
    state = TurnRetryState(attempts=2, used=frozenset({Guard.LONG_CONTEXT_TIER}))
    error = unfit("long_context_tier")
    assert decide(error, state).move == Wait(seconds=30.0)
    pool = place(standing=Standing(ready=1))
    once = decide(error, state, pool)
    assert once.move == Wait(seconds=1.0)
    assert decide(error, once.state, pool).move == Rotate()


def test_several_heals_may_follow_each_other() -> None:
    """Heals are free, keep what the one before has changed, and spend no retry."""
    sent = Sent(own_parts=True, media=True)
    first = decide(unfit("encrypted_reasoning"), None, None, failure(sent=sent))
    assert isinstance(first.move, Adjust)
    sent = Sent(media=True, adjustments=first.move.adjustments)
    second = decide(unfit("image_unsupported"), first.state, None, failure(sent=sent))
    assert second.move == changed(replay=False, media=False, tool_media=False, remember="text_only")
    assert second.state.failures == 0
    assert second.because == "heal text_only"


def test_an_unknown_heal_is_a_rejection() -> None:
    """A reason that names no heal goes on to somebody else."""
    assert decide(unfit("novel"), None, place(**READY)).move == Advance()


def test_a_heal_rebuilds_the_request() -> None:
    """The next attempt is built anew, and the sign is gone once it has begun."""
    decision = decide(unfit("streaming_unsupported"))
    assert decision.state.attempted().attempts == 2
