"""Breakers: when they open, how long they rest, who tries, and what counts at all."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import (
    ContentBlocked,
    ContextOverflow,
    CredentialExhausted,
    ModelUnavailable,
    NeedsAdjustment,
    NotEntitled,
    PolicyBlocked,
    ProviderAuthFailed,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
    ReplyMalformed,
    RequestInvalid,
    RequestRejected,
    StreamBroken,
    TlsUntrusted,
)
from agent.health import Admission, Breaker, BreakerState, Health, countable
from agent.messages import Origin
from tests.agent.failures import failed

MAIN = Origin(provider="main", endpoint="http://main", model="m-1")
OTHER_MODEL = replace(MAIN, model="m-2")
DOWN = failed(ProviderUnavailable, "server_error", status=500)
LIMITED = failed(ProviderRateLimited, "rate_limited", status=429)
YES = Admission(allowed=True)
NO = Admission(allowed=False)


def fail(health: Health, now: float, *, cost_s: float = 0.1, trial: bool = False) -> None:
    """One countable failure of the main model."""
    health.failed(MAIN, DOWN, cost_s, now, trial=trial)


def opened(at: float = 0.0) -> Health:
    """The main model has just failed often enough."""
    health = Health()
    for _ in range(5):
        fail(health, at)
    return health


def trial_at(health: Health, now: float) -> Admission:
    """Ask for admission; it has to be a trial."""
    admission = health.admit(MAIN, now, reasons=False)
    assert admission.trial
    return admission


# -- what counts


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (failed(ProviderUnavailable, "transport"), True),
        (failed(ProviderUnavailable, "timeout"), True),
        (failed(ProviderUnavailable, "timeout", status=408), True),
        (failed(ProviderUnavailable, "timeout", status=504), True),
        (failed(ProviderUnavailable, "server_error", status=500), True),
        (failed(ProviderUnavailable, "server_error"), True),
        (failed(ProviderOverloaded, "overloaded", status=529), True),
        (failed(ProviderOverloaded, "overloaded", status=429), True),
        (failed(StreamBroken, "stream_broken", status=200), True),
        (failed(ProviderUnavailable, "unknown", status=404), False),
        (failed(ProviderRateLimited, "rate_limited", status=429), False),
        (failed(ProviderRateLimited, "upstream_limited", status=429), False),
        (failed(ProviderAuthFailed, "auth", status=401), False),
        (failed(CredentialExhausted, "billing", status=402), False),
        (failed(NotEntitled, "forbidden", status=403), False),
        (failed(RequestRejected, "bad_request", status=400), False),
        (failed(RequestInvalid, "request_invalid"), False),
        (failed(ModelUnavailable, "model_missing", status=404), False),
        (failed(PolicyBlocked, "policy_blocked", status=404), False),
        (failed(ContentBlocked, "content_blocked"), False),
        (failed(ContextOverflow, "context_overflow", status=500), False),
        (failed(NeedsAdjustment, "effort", status=400), False),
        (failed(ReplyMalformed, "reply_malformed"), False),
        (failed(TlsUntrusted, "tls_untrusted"), False),
    ],
)
def test_only_an_ill_model_is_counted(error: ProviderError, counts: bool) -> None:
    """Limits, logins, credit, content and requests say nothing about its health."""
    assert countable(error) is counts
    health = Health()
    for _ in range(9):
        health.failed(MAIN, error, 60.0, 0.0, trial=False)
    assert health.is_open(MAIN, 0.0) is counts


# -- closed


def test_five_points_open_it() -> None:
    """Four quick failures do not, the fifth does."""
    health = Health()
    for _ in range(4):
        fail(health, 0.0)
        assert health.admit(MAIN, 0.0, reasons=False) == YES
    fail(health, 0.0)
    assert health.admit(MAIN, 0.0, reasons=False) == NO


@pytest.mark.parametrize(
    ("costs", "opens"),
    [
        ((9.9, 9.9), False),
        ((10.0,), False),
        ((10.0, 0.1), False),
        ((10.0, 0.1, 0.1), True),
        ((10.0, 10.0), True),
        ((60.0, 60.0), True),
        ((9.9,) * 5, True),
    ],
)
def test_a_failure_that_cost_ten_seconds_counts_three(
    costs: tuple[float, ...], opens: bool
) -> None:
    """What made people wait opens it sooner."""
    health = Health()
    for cost in costs:
        fail(health, 0.0, cost_s=cost)
    assert health.is_open(MAIN, 0.0) is opens


def test_a_stream_that_our_bound_killed_counts_three() -> None:
    """Whatever it cost, somebody had to wait for silence."""
    stale = failed(StreamBroken, "stream_broken")
    assert isinstance(stale, StreamBroken)
    stale.silent = True
    health = Health()
    health.failed(MAIN, stale, 1.0, 0.0, trial=False)
    assert health.states(0.0)[0].points == 3


def test_points_lapse_after_two_minutes() -> None:
    """Only what failed within 120 seconds is added up, answers between or not."""
    health = Health()
    for now in (0.0, 10.0, 20.0, 30.0):
        fail(health, now)
        health.succeeded(MAIN, 0.5, now)
    fail(health, 120.0)
    assert not health.is_open(MAIN, 120.0)
    fail(health, 121.0)
    assert health.is_open(MAIN, 121.0)


def test_each_model_of_an_endpoint_has_its_own() -> None:
    """One ill model says nothing of its neighbour; a provider's name says nothing at all."""
    health = opened()
    assert not health.is_open(OTHER_MODEL, 0.0)
    assert health.is_open(replace(MAIN, provider="by another name"), 0.0)


# -- open


def test_rests_grow_to_a_minute() -> None:
    """15, 30, 60 and 60 again: a trial that fails begins the next."""
    health, now = opened(), 0.0
    for rest in (15.0, 30.0, 60.0, 60.0):
        assert health.is_open(MAIN, now + rest - 0.1)
        assert health.admit(MAIN, now + rest - 0.1, reasons=False) == NO
        now += rest
        assert not health.is_open(MAIN, now)
        trial_at(health, now)
        fail(health, now, trial=True)


def test_failures_of_calls_already_under_way_do_not_lengthen_a_rest() -> None:
    """Many chats may have been asking when it opened."""
    health = opened()
    for _ in range(20):
        fail(health, 5.0, cost_s=60.0)
    assert not health.is_open(MAIN, 15.0)
    trial_at(health, 15.0)
    fail(health, 16.0)
    assert not health.admit(MAIN, 16.0, reasons=False).allowed
    health.succeeded(MAIN, 1.0, 17.0)
    assert health.admit(MAIN, 17.0, reasons=False) == YES


# -- half open


def test_one_call_tries_and_the_others_pass() -> None:
    """Until the trial is over the model counts as open."""
    health = opened()
    trial_at(health, 15.0)
    for now in (15.0, 20.0, 300.0):
        assert health.is_open(MAIN, now)
        assert health.admit(MAIN, now, reasons=False) == NO


def test_success_closes_and_clears() -> None:
    """After it the first failure is a first failure, and the next rest is the shortest."""
    health = opened()
    trial_at(health, 15.0)
    fail(health, 16.0, trial=True)
    trial_at(health, 46.0)
    health.succeeded(MAIN, 1.0, 47.0)
    assert health.states(47.0) == ()
    for _ in range(4):
        fail(health, 48.0)
    assert health.admit(MAIN, 48.0, reasons=False) == YES
    fail(health, 48.0)
    assert not health.is_open(MAIN, 63.0)


def test_a_call_that_was_asked_although_it_rests_may_close_it() -> None:
    """With everybody open the primary is asked; its answer is as good as a trial's."""
    health = opened()
    health.succeeded(MAIN, 1.0, 3.0)
    assert health.admit(MAIN, 3.0, reasons=False) == YES


@pytest.mark.parametrize("how", ["released", "uncountable"])
def test_a_trial_without_a_verdict_leaves_it_to_the_next_call(how: str) -> None:
    """A stop or a rate limit says nothing about health: the next may try at once."""
    health = opened()
    trial_at(health, 15.0)
    if how == "released":
        health.released(MAIN)
    else:
        health.failed(MAIN, LIMITED, 1.0, 16.0, trial=True)
    assert not health.is_open(MAIN, 16.0)
    trial_at(health, 16.0)


def test_only_the_trial_itself_ends_the_trial() -> None:
    """Another call of the same model that was stopped or limited is no verdict on it."""
    health = opened()
    trial_at(health, 15.0)
    health.released(MAIN, trial=False)
    health.failed(MAIN, LIMITED, 1.0, 16.0, trial=False)
    fail(health, 16.0)
    assert health.admit(MAIN, 17.0, reasons=False) == NO


def test_a_trial_that_nobody_ended_lapses() -> None:
    """No step takes longer than half an hour, so nobody is waiting for it."""
    health = opened()
    trial_at(health, 15.0)
    assert health.is_open(MAIN, 15.0 + 1_799.0)
    trial_at(health, 15.0 + 1_800.0)


def test_releasing_what_is_unknown_is_nothing() -> None:
    """A call that ended before anything was counted leaves no trace."""
    health = Health()
    health.released(MAIN)
    assert health.states(0.0) == ()


@pytest.mark.parametrize(("reasons", "limit"), [(False, 10.0), (True, 30.0)])
def test_a_trial_waits_a_short_time_for_its_first_byte(reasons: bool, limit: float) -> None:
    """Ten seconds, thirty for a model that thinks first; nobody else is bound by it."""
    health = Health()
    assert health.admit(MAIN, 0.0, reasons=reasons).first_byte_s is None
    for _ in range(5):
        fail(health, 0.0)
    assert health.admit(MAIN, 15.0, reasons=reasons).first_byte_s == limit


def test_a_slow_but_healthy_model_can_come_back() -> None:
    """One that usually takes 20 seconds for its first byte gets 30."""
    health = Health()
    for _ in range(3):
        health.succeeded(MAIN, 20.0, 0.0)
    for _ in range(5):
        fail(health, 0.0)
    assert health.admit(MAIN, 15.0, reasons=False).first_byte_s == pytest.approx(30.0)


def test_what_is_usual_follows_slowly() -> None:
    """One fast answer does not make a slow model fast; an unknown time changes nothing."""
    health = Health()
    health.succeeded(MAIN, 20.0, 0.0)
    health.succeeded(MAIN, 10.0, 0.0)
    health.succeeded(MAIN, None, 0.0)
    for _ in range(5):
        fail(health, 0.0)
    assert health.admit(MAIN, 15.0, reasons=False).first_byte_s == pytest.approx(27.0)


# -- status


def test_status_tells_state_cause_and_end_of_the_rest() -> None:
    """What is well is not listed."""
    health = Health()
    assert health.states(0.0) == ()
    health.succeeded(OTHER_MODEL, 1.0, 0.0)
    fail(health, 0.0)
    assert health.states(0.0) == (
        BreakerState(origin=MAIN, state=Breaker.CLOSED, cause="server_error", points=1),
    )
    assert health.states(120.0) == ()
    for _ in range(5):
        fail(health, 121.0)
    (told,) = health.states(122.0)
    assert (told.state, told.cause, told.rests_until) == (Breaker.OPEN, "server_error", 136.0)
    (told,) = health.states(136.0)
    assert (told.state, told.rests_until) == (Breaker.HALF_OPEN, 136.0)


# -- over time


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), gap_s=st.floats(0.5, 20.0), sick_s=st.floats(0.0, 900.0))
def test_a_sick_model_is_tried_once_a_rest_and_is_back_within_a_minute(
    seed: int, gap_s: float, sick_s: float
) -> None:
    """Many chats ask while it is ill: one of them pays per rest; once well it is closed soon."""
    chance, health, now = random.Random(seed), opened(), 0.0
    tried: list[float] = []
    while now < sick_s:
        now += chance.uniform(0.0, 2 * gap_s)
        if health.admit(MAIN, now, reasons=False).allowed:
            tried.append(now)
            now += chance.uniform(0.0, 10.0)
            assert not health.admit(MAIN, now, reasons=False).allowed
            fail(health, now, trial=True)
    rests = [later - sooner for sooner, later in pairwise(tried)]
    assert all(rest >= least for rest, least in zip(rests, (30.0, 60.0), strict=False))
    assert all(rest >= 60.0 for rest in rests[2:])
    well = now
    while not (admission := health.admit(MAIN, now, reasons=False)).trial:
        assert not admission.allowed
        now += 0.5
        assert now - well <= 60.5
    health.succeeded(MAIN, 1.0, now)
    assert health.admit(MAIN, now, reasons=False) == YES


@given(
    events=st.lists(
        st.tuples(
            st.floats(0.0, 40.0), st.sampled_from(["well", "ill", "stopped"]), st.floats(0.0, 12.0)
        ),
        max_size=60,
    )
)
def test_however_it_flaps_there_is_one_trial_a_rest_and_no_rest_above_a_minute(
    events: list[tuple[float, str, float]],
) -> None:
    """While it rests nobody is let in, one trial is under way at most, and every rest ends."""
    health, now = Health(), 0.0
    for gap, outcome, cost in events:
        now += gap
        admission = health.admit(MAIN, now, reasons=False)
        for state in health.states(now):
            assert state.rests_until is None or state.rests_until <= now + 60.0
        if not admission.allowed:
            continue
        if admission.trial:
            assert not health.admit(MAIN, now, reasons=False).allowed
        now += cost
        if outcome == "well":
            health.succeeded(MAIN, cost, now)
        elif outcome == "ill":
            fail(health, now, cost_s=cost, trial=admission.trial)
        else:
            health.released(MAIN, trial=admission.trial)
    now += 60.0
    assert health.admit(MAIN, now, reasons=False).allowed
