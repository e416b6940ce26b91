"""The table of rests: every event, its scope, its length, and what ends it."""

import pytest

from agent.credential_rests import (
    EARLY,
    HOUR,
    SECOND,
    Booked,
    Cause,
    LoginEnded,
    Rest,
    as_error,
    place_of,
    rest_of,
)
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

NOW = 1_700_000_000 * SECOND
DAY = 24 * HOUR


def failed(
    make: type[ProviderError],
    *,
    words: str = "no",
    reason: str = "x",
    retry_after_s: float | None = None,
) -> ProviderError:
    return make(words, provider="main", model="m", reason=reason, retry_after_s=retry_after_s)


def booked(*, at: int = NOW, renewable: bool = False) -> Booked:
    return Booked(key="k", label="main", model="m", leased_at=at, renewable=renewable)


def in_a_row(
    error: ProviderError, times: int, *, apart: int, renewable: bool = False
) -> list[Rest]:
    """The rests that one failure after another brings."""
    rests: list[Rest] = []
    for number in range(times):
        now = NOW + number * apart
        before = rests[-1] if rests else None
        rest = rest_of(error, booked(at=now, renewable=renewable), before, now=now)
        assert rest is not None
        rests.append(rest)
    return rests


def lengths(rests: list[Rest]) -> list[int]:
    return [rest.until - rest.began_at for rest in rests]


@pytest.mark.parametrize(
    ("error", "scope", "seconds"),
    [
        (failed(ProviderRateLimited, reason="rate_limited"), "m", [30, 60, 300, 300]),
        (failed(ProviderRateLimited, reason="rate_limited", retry_after_s=7200), "m", [7200, 7200]),
        (failed(ProviderRateLimited, reason="rate_limited", retry_after_s=0.5), "m", [0.5]),
        (failed(NeedsAdjustment, reason="long_context_tier"), "m", [30, 60]),
        (failed(CredentialExhausted, reason="billing"), "", [3600, 18_000, 86_400, 86_400]),
        (failed(NotEntitled, reason="entitlement"), "m", [3600, 3600]),
        (failed(NotEntitled, reason="forbidden"), "m", [3600]),
        (failed(ProviderAuthFailed, reason="auth"), "", [300]),
    ],
    ids=lambda value: value.reason if isinstance(value, ProviderError) else None,
)
def test_every_event_has_its_scope_and_its_length(
    error: ProviderError, scope: str, seconds: list[float]
) -> None:
    """By streak where it has one; the provider's own time comes first."""
    rests = in_a_row(error, len(seconds), apart=DAY + SECOND)
    assert {rest.model for rest in rests} == {scope}
    assert lengths(rests) == [int(each * SECOND) for each in seconds]
    assert not any(rest.dead for rest in rests)


@pytest.mark.parametrize(
    "error",
    [
        failed(ProviderOverloaded, reason="overloaded"),
        failed(ProviderUnavailable, reason="timeout"),
        failed(ProviderUnavailable, reason="transport"),
        failed(ProviderUnavailable, reason="server_error"),
        failed(ProviderRateLimited, reason="upstream_limited"),
        failed(StreamBroken, reason="stream_broken"),
        failed(ReplyMalformed, reason="reply_malformed"),
        failed(ModelUnavailable, reason="model_missing"),
        failed(PolicyBlocked, reason="policy_blocked"),
        failed(TlsUntrusted, reason="tls_untrusted"),
        failed(RequestRejected, reason="bad_request"),
        failed(RequestInvalid, reason="request_invalid"),
        failed(ContentBlocked, reason="content_blocked"),
        failed(ContextOverflow, reason="context_overflow"),
        failed(NeedsAdjustment, reason="effort"),
    ],
    ids=lambda error: error.reason,
)
def test_what_is_not_the_keys_fault_lets_nothing_rest(error: ProviderError) -> None:
    """It is the breaker's matter, or the request's."""
    assert rest_of(error, booked(), None, now=NOW) is None
    assert place_of(error, booked()) is None


def test_the_second_refusal_within_a_day_is_the_end() -> None:
    """The first rests five minutes; a day later it counts as a first again."""
    error = failed(ProviderAuthFailed, reason="auth")
    first, second = in_a_row(error, 2, apart=DAY)
    assert (first.dead, second.dead) == (False, True)
    assert [rest.dead for rest in in_a_row(error, 2, apart=DAY + 1)] == [False, False]


@pytest.mark.parametrize(
    ("words", "renewable", "dead"),
    [
        ("your API key was revoked", False, True),
        ("this account has been deactivated", True, True),
        ("Incorrect API key provided", False, True),
        ("invalid x-api-key", False, True),
        ("API key not valid. Please pass a valid API key.", False, True),
        ("invalid_api_key", True, False),
        ("the token has expired", True, False),
        ("unauthorized", False, False),
    ],
)
def test_a_key_the_provider_calls_invalid_or_revoked_ends_at_once(
    words: str, renewable: bool, dead: bool
) -> None:
    """A token that can be renewed is not ended by being called invalid, only by being revoked."""
    error = failed(ProviderAuthFailed, words=words, reason="auth")
    rest = rest_of(error, booked(renewable=renewable), None, now=NOW)
    assert rest is not None
    assert rest.dead is dead


def test_a_login_that_is_over_is_dead_and_stays_so() -> None:
    """Nothing that is booked later changes that."""
    dead = rest_of(failed(LoginEnded, reason="auth"), booked(renewable=True), None, now=NOW)
    assert dead is not None
    assert dead.dead
    assert dead.holds(NOW + 1000 * DAY)
    later = rest_of(failed(ProviderAuthFailed), booked(at=NOW + DAY), dead, now=NOW + DAY)
    assert later is dead


def test_attempts_side_by_side_count_once() -> None:
    """Eight that meet the same limit make no streak of eight; nor do they end a key."""
    for make, dead in ((ProviderRateLimited, False), (ProviderAuthFailed, False)):
        rest: Rest | None = None
        for number in range(8):
            rest = rest_of(failed(make), booked(at=NOW - 1), rest, now=NOW + number)
        assert rest is not None
        assert rest.streak == 1
        assert rest.dead is dead


@pytest.mark.parametrize(
    ("cause", "make"),
    [
        (Cause.LIMIT, ProviderRateLimited),
        (Cause.CREDIT, CredentialExhausted),
        (Cause.ENTITLEMENT, NotEntitled),
        (Cause.REFUSED, ProviderAuthFailed),
    ],
)
def test_a_rest_is_told_as_the_error_that_brought_it(
    cause: Cause, make: type[ProviderError]
) -> None:
    """With the time that is left; none for a dead key."""
    rest = Rest(key="k", model="", label="main", cause=cause, began_at=NOW, until=NOW + HOUR)
    error = as_error(rest, provider="p", endpoint="e", model="m", now=NOW)
    assert type(error) is make
    assert (error.provider, error.endpoint, error.model) == ("p", "e", "m")
    assert (error.credential, error.retry_after_s) == ("main", 3600)


@pytest.mark.parametrize(
    ("asked_s", "waits_s", "seconds"), [(None, 1.0, 1.0), (None, 30.0, 30.0), (4.0, 4.0, 4.0)]
)
def test_a_key_that_is_waited_for_rests_as_long(
    asked_s: float | None, waits_s: float, seconds: float
) -> None:
    """That is no rest of a streak: the next one without a wait is the first."""
    error = failed(ProviderRateLimited, retry_after_s=asked_s)
    rest = rest_of(error, booked(), None, now=NOW, again_s=waits_s)
    assert rest is not None
    assert (rest.until - NOW, rest.streak) == (int(seconds * SECOND), 0)
    later = NOW + 40 * SECOND
    first = rest_of(failed(ProviderRateLimited), booked(at=later), rest, now=later)
    assert first is not None
    assert (first.until - later, first.streak) == (30 * SECOND, 1)
    beside = rest_of(failed(ProviderRateLimited), booked(at=NOW - 1), rest, now=NOW + 1)
    assert beside is not None
    assert (beside.until, beside.streak) == (NOW + 1 + 30 * SECOND, 1)


def test_who_waits_for_a_key_changes_no_other_rest() -> None:
    """Nobody waits for credit."""
    error = failed(CredentialExhausted)
    assert rest_of(error, booked(), None, now=NOW, again_s=1.0) == rest_of(
        error, booked(), None, now=NOW
    )


def test_the_longest_of_attempts_side_by_side_holds() -> None:
    """A limit that says nothing does not shorten one that has said when."""
    long = rest_of(failed(ProviderRateLimited, retry_after_s=300), booked(), None, now=NOW)
    for again_s in (None, 1.0):
        error = failed(ProviderRateLimited)
        rest = rest_of(error, booked(at=NOW - 1), long, now=NOW + 1, again_s=again_s)
        assert rest is not None
        assert (rest.until, rest.streak) == (NOW + 300 * SECOND, 1)


def test_a_rest_is_over_when_its_timer_is() -> None:
    """The clock may be a little behind it."""
    rest = Rest(key="k", model="", label="main", cause=Cause.LIMIT, began_at=NOW, until=NOW + 10)
    assert not rest.holds(NOW + 10)
    assert not rest.holds(NOW + 10 - EARLY)
    assert rest.holds(NOW + 9 - EARLY)
