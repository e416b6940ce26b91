"""The ladder by class of error: with somebody ready, with somebody left, with nobody."""

from dataclasses import replace

import pytest

from agent.credentials import Service, Standing
from agent.errors import (
    AgentStopped,
    ContentBlocked,
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
from agent.recovery import (
    Adjust,
    Advance,
    Compact,
    Decision,
    Failure,
    GiveUp,
    Guard,
    Move,
    Place,
    Reconnect,
    Restart,
    Rotate,
    TurnRetryState,
    Wait,
)
from tests.agent.failures import READY, RESTING, decide, failed, failure, overflow, place

FULL = READY | {"patience": "full"}
SERVER = failed(ProviderUnavailable, "server_error", status=500)
TRANSPORT = failed(ProviderUnavailable, "transport")
TIMEOUT = failed(ProviderUnavailable, "timeout")
OVERLOADED = failed(ProviderOverloaded, "overloaded", status=529)
ENDED = failed(StreamBroken, "stream_broken")
LIMITED = failed(ProviderRateLimited, "rate_limited", status=429)
UPSTREAM = failed(ProviderRateLimited, "upstream_limited", status=429)
MALFORMED = failed(ReplyMalformed, "reply_malformed")


def silent() -> ProviderError:
    """A stream that our own bound on its silence ended."""
    error = failed(StreamBroken, "stream_broken")
    assert isinstance(error, StreamBroken)
    error.silent = True
    return error


def moves(
    error: ProviderError,
    where: Place,
    what: Failure | None = None,
    *,
    jitter: float = 0.0,
) -> list[Move]:
    """Every move on one entry while the same failure goes on, until it is left."""
    made: list[Move] = []
    state, waited = TurnRetryState(), 0.0
    while not made or not isinstance(made[-1], Advance | GiveUp):
        known = replace(what or failure(), waited_s=waited)
        decision = decide(error, state.attempted(), where, known, jitter=jitter)
        state = decision.state
        made.append(decision.move)
        if isinstance(decision.move, Wait | Reconnect):
            waited += decision.move.seconds
        if isinstance(decision.move, Adjust):
            what = replace(known, sent=replace(known.sent, adjustments=decision.move.adjustments))
    return made


def waits(*seconds: float, fresh: bool = False) -> list[Move]:
    """One Wait after the other."""
    return [Wait(seconds=each, fresh=fresh) for each in seconds]


# -- at once


@pytest.mark.parametrize(
    ("kind", "reason", "move"),
    [
        (ContentBlocked, "content_blocked", Advance()),
        (ModelUnavailable, "model_missing", Advance()),
        (RequestRejected, "parameter", Advance()),
        (RequestRejected, "bad_request", Advance()),
        (PolicyBlocked, "policy_blocked", Advance(elsewhere=True)),
        (TlsUntrusted, "tls_untrusted", Advance(elsewhere=True)),
        (CredentialExhausted, "billing", Advance()),
        (NotEntitled, "entitlement", Advance()),
    ],
)
@pytest.mark.parametrize("patience", ["eager", "full"])
def test_some_failures_are_left_at_once(
    kind: type[ProviderError], reason: str, move: Advance, patience: str
) -> None:
    """No wait helps: the next entry, resting or not, else the end; the operator is told."""
    error = failed(kind, reason)
    for behind in (READY, RESTING):
        decision = decide(error, None, place(**(behind | {"patience": patience})))
        assert decision.move == move
        assert decision.because == f"{reason} to next"
    alone = decide(error, None, place(patience=patience))
    assert alone.move == GiveUp()
    assert alone.because == "nobody left"


@pytest.mark.parametrize("where", [place(), place(**READY), place(**RESTING)])
def test_what_we_could_not_build_is_asked_of_nobody(where: Place) -> None:
    """It is ours to fix."""
    decision = decide(failed(RequestInvalid, "request_invalid"), None, where)
    assert decision.move == GiveUp()
    assert decision.because == "request invalid"


# -- transient


@pytest.mark.parametrize("error", [SERVER, failed(ProviderUnavailable, "unknown", status=404)])
@pytest.mark.parametrize("behind", [{}, RESTING, FULL])
def test_a_sick_server_is_asked_three_times(error: ProviderError, behind: dict[str, bool]) -> None:
    """Two waits that double, then somebody else; there is no recovery of the connection."""
    end = Advance() if behind else GiveUp()
    assert moves(error, place(**behind)) == [*waits(2.0, 4.0), end]


@pytest.mark.parametrize(
    ("jitter", "seconds"), [(0.0, (2.0, 4.0)), (0.5, (2.5, 5.0)), (1.0, (3.0, 6.0))]
)
def test_chance_lengthens_a_wait_by_half_at_most(
    jitter: float, seconds: tuple[float, float]
) -> None:
    """Many chats that failed together do not come back together."""
    assert moves(SERVER, place(), jitter=jitter) == [*waits(*seconds), GiveUp()]


@pytest.mark.parametrize("error", [TRANSPORT, TIMEOUT, silent()])
def test_a_lost_connection_gets_one_more_cycle(error: ProviderError) -> None:
    """Three attempts on fresh connections, a rebuilt client after 6 s, three more, the end."""
    made = moves(error, place())
    cycle = waits(2.0, 4.0, fresh=True)
    assert made == [*cycle, Reconnect(seconds=6.0), *cycle, GiveUp()]


def test_transport_recovery_is_named_and_costs_its_guard() -> None:
    """It opens a new cycle, once in a call."""
    decision = decide(TRANSPORT, TurnRetryState(attempts=3, failures=2))
    assert decision.because == "transport recovery"
    assert decision.state.failures == 0
    assert Guard.PRIMARY_TRANSPORT in decision.state.used


@pytest.mark.parametrize(("attempts", "seconds"), [(3, 6.0), (4, 7.0), (5, 8.0), (9, 8.0)])
def test_the_wait_before_recovery_grows_to_eight_seconds(attempts: int, seconds: float) -> None:
    """min(3 + n, 8) with n attempts made."""
    decision = decide(TRANSPORT, TurnRetryState(attempts=attempts, failures=2))
    assert decision.move == Reconnect(seconds=seconds)


@pytest.mark.parametrize(
    ("where", "what", "error"),
    [
        (place(index=1), failure(), TRANSPORT),
        (place(direct=False), failure(), TRANSPORT),
        (place(api="codex-app-server"), failure(), TRANSPORT),
        (place(), failure(shown=True), TRANSPORT),
        (place(), failure(), ENDED),
        (place(), failure(), SERVER),
        (place(), failure(), OVERLOADED),
        (place(), failure(waited_s=115.0), TRANSPORT),
        (place(), failure(), failed(AgentStopped, "unknown")),
    ],
)
def test_recovery_is_for_the_primarys_own_connection(
    where: Place, what: Failure, error: ProviderError
) -> None:
    """Not behind the primary, nor over an aggregator, nor after words, nor for a clean end."""
    state = TurnRetryState(attempts=4, failures=3)
    assert isinstance(decide(error, state, where, what).move, GiveUp)


def test_recovery_is_not_for_who_has_somebody_ready() -> None:
    """An eager entry is left; a patient one does all of it first."""
    assert not any(isinstance(move, Reconnect) for move in moves(TRANSPORT, place(**READY)))
    patient = moves(TRANSPORT, place(**FULL))
    assert sum(isinstance(move, Reconnect) for move in patient) == 1
    assert patient[-1] == Advance()


def test_a_broken_stream_is_retried_on_a_fresh_connection() -> None:
    """One that simply ended gets no recovery."""
    assert moves(ENDED, place()) == [*waits(2.0, 4.0, fresh=True), GiveUp()]


def test_an_overloaded_model_alone_is_asked_four_times() -> None:
    """5, 15 and 30 seconds, without chance, with the same key."""
    pool = place(standing=Standing(ready=3))
    assert moves(OVERLOADED, pool, jitter=1.0) == [*waits(5.0, 15.0, 30.0), GiveUp()]
    assert moves(OVERLOADED, place(**RESTING)) == [*waits(5.0, 15.0, 30.0), Advance()]


def test_a_patient_entry_does_not_wait_longer_for_overload_than_for_anything() -> None:
    """With somebody else ready it is a transient failure: three attempts."""
    assert moves(OVERLOADED, place(**FULL)) == [*waits(2.0, 4.0), Advance()]


# -- eager


@pytest.mark.parametrize("error", [SERVER, TRANSPORT, TIMEOUT, OVERLOADED, ENDED])
def test_an_eager_entry_is_left_after_the_second_failure(error: ProviderError) -> None:
    """One retry after a second, on a fresh connection, whatever the failure."""
    assert moves(error, place(**READY)) == [Wait(seconds=1.0, fresh=True), Advance()]


@pytest.mark.parametrize("error", [SERVER, TRANSPORT, OVERLOADED, silent()])
@pytest.mark.parametrize(("lost_s", "left"), [(4.9, False), (5.0, True), (31.0, True)])
def test_an_eager_entry_is_left_after_a_slow_failure(
    error: ProviderError, lost_s: float, left: bool
) -> None:
    """What cost five seconds is not repeated while somebody else is ready."""
    decision = decide(error, None, place(**READY), failure(lost_s=lost_s))
    assert isinstance(decision.move, Advance) is left
    if left:
        assert decision.because == "eager to next"


@pytest.mark.parametrize("api", ["openai-chat", "openai-responses", "anthropic-messages"])
@pytest.mark.parametrize(("lost_s", "bar_s"), [(0.01, 6.0), (1.5, 6.0), (30.0, 31.0)])
def test_somebody_else_is_asked_within_the_bars(api: str, lost_s: float, bar_s: float) -> None:
    """Six seconds for a port that is refused or dead, 31 for a server that is silent."""
    made = moves(TIMEOUT, place(api=api, **READY), failure(lost_s=lost_s))
    waited = sum(move.seconds for move in made if isinstance(move, Wait))
    assert made[-1] == Advance()
    assert waited + lost_s * len(made) <= bar_s


@pytest.mark.parametrize("behind", [{}, RESTING, FULL])
def test_a_slow_failure_is_repeated_where_nobody_else_is_ready(behind: dict[str, bool]) -> None:
    """Full patience, by choice or for want of anybody else."""
    decision = decide(SERVER, None, place(**behind), failure(lost_s=40.0))
    assert decision.move == Wait(seconds=2.0)


@pytest.mark.parametrize(
    ("asked", "move"),
    [
        (0.0, Wait(seconds=1.0, fresh=True)),
        (4.0, Wait(seconds=4.0, fresh=True)),
        (5.0, Wait(seconds=5.0, fresh=True)),
        (5.1, Advance()),
    ],
)
def test_an_eager_entry_waits_five_seconds_at_most(asked: float, move: Move) -> None:
    """A longer wait that a provider asks for is spent with somebody else."""
    error = failed(ProviderUnavailable, "server_error", status=503, retry_after_s=asked)
    assert decide(error, None, place(**READY)).move == move


# -- rate limits


def test_a_busy_key_is_tried_once_more_then_left() -> None:
    """The same key after a second, then the next entry."""
    assert moves(LIMITED, place(**READY)) == [Wait(seconds=1.0), Advance()]
    assert moves(LIMITED, place(**FULL)) == [Wait(seconds=1.0), Advance()]


@pytest.mark.parametrize(
    ("asked", "status", "move"),
    [
        (None, 429, Wait(seconds=1.0)),
        (0.0, 429, Wait(seconds=0.0)),
        (5.0, 429, Wait(seconds=5.0)),
        (5.1, 429, Rotate()),
        (None, 402, Rotate()),
        (2.0, 402, Rotate()),
    ],
)
def test_a_long_or_a_usage_limit_rotates_at_once(
    asked: float | None, status: int, move: Move
) -> None:
    """The same key is only asked again when it may be back within five seconds."""
    error = failed(ProviderRateLimited, "rate_limited", status=status, retry_after_s=asked)
    assert decide(error, None, place(standing=Standing(ready=1))).move == move


def test_a_busy_key_is_tried_once_more_then_rotated() -> None:
    """The second key is not waited for: the guard is the entry's, and another key is free."""
    where = place(standing=Standing(ready=1), **READY)
    first = decide(LIMITED, None, where)
    assert first.move == Wait(seconds=1.0)
    second = decide(LIMITED, first.state, where)
    assert second.move == Rotate()
    other = failed(ProviderRateLimited, "rate_limited", status=429, credential="key-2")
    third = decide(other, second.state, replace(where, standing=Standing(ready=0)))
    assert third.move == Advance()


@pytest.mark.parametrize("behind", [{}, RESTING])
def test_with_nobody_else_a_bucket_is_given_time_to_refill(behind: dict[str, bool]) -> None:
    """30 and 60 seconds, three attempts; then even a resting entry, else the end."""
    end = Advance() if behind else GiveUp()
    assert moves(LIMITED, place(**behind), jitter=1.0) == [*waits(30.0, 60.0), end]


def test_with_nobody_else_the_providers_word_counts() -> None:
    """Its own time is waited for, short or long, as long as the turn may wait."""
    for asked in (3.0, 50.0):
        error = failed(ProviderRateLimited, "rate_limited", retry_after_s=asked)
        assert moves(error, place()) == [*waits(asked, asked), GiveUp()]


def test_an_upstream_limit_never_rotates() -> None:
    """Another key of ours is the same to the aggregator's supplier: the next entry at once."""
    pool = Standing(ready=3)
    assert moves(UPSTREAM, place(standing=pool, **READY)) == [Advance()]
    assert moves(UPSTREAM, place(standing=pool)) == [*waits(30.0, 60.0), GiveUp()]


def test_a_guard_of_the_upstream_is_not_used_up() -> None:
    """The retry of a key's own limit is still there after the aggregator's."""
    state = decide(UPSTREAM, None, place()).state
    assert Guard.RETRIED_429 not in state.used


# -- waiting


@pytest.mark.parametrize("error", [SERVER, TRANSPORT, OVERLOADED, LIMITED, MALFORMED, ENDED])
@pytest.mark.parametrize("behind", [{}, READY, RESTING, FULL])
def test_a_provider_that_says_so_is_not_asked_again(
    error: ProviderError, behind: dict[str, bool]
) -> None:
    """`x-should-retry: false` forbids the retry, and nothing else."""
    word = failed(type(error), error.reason, status=error.status, retry=False)
    end = Advance if behind else GiveUp
    assert isinstance(decide(word, None, place(**behind)).move, end)
    if isinstance(error, ProviderRateLimited):
        pool = place(standing=Standing(ready=1), **behind)
        assert decide(word, None, pool).move == Rotate()


@pytest.mark.parametrize("error", [SERVER, TRANSPORT, OVERLOADED, LIMITED, MALFORMED, ENDED])
def test_retry_after_counts_on_any_status(error: ProviderError) -> None:
    """Whatever failed, the provider's own time replaces ours."""
    asked = failed(type(error), error.reason, status=error.status, retry_after_s=17.0)
    move = decide(asked).move
    assert isinstance(move, Wait)
    assert move.seconds == 17.0


@pytest.mark.parametrize(
    ("waited", "asked", "waits_on"),
    [(0.0, 120.0, True), (0.0, 120.1, False), (100.0, 20.0, True), (100.0, 21.0, False)],
)
def test_a_turn_waits_two_minutes_in_all(waited: float, asked: float, waits_on: bool) -> None:
    """A longer demand goes on to whoever is left, or ends the turn."""
    error = failed(ProviderRateLimited, "rate_limited", status=429, retry_after_s=asked)
    what = failure(waited_s=waited)
    alone = decide(error, None, place(), what)
    resting = decide(error, None, place(**RESTING), what)
    if waits_on:
        assert alone.move == resting.move == Wait(seconds=asked)
    else:
        assert (alone.move, alone.because) == (GiveUp(), "wait too long")
        assert resting.move == Advance()


def test_a_key_is_not_reissued_when_the_turn_may_not_wait() -> None:
    """The second before a static key is tried again counts like any wait."""
    refused = failed(ProviderAuthFailed, "auth", status=401)
    what = failure(waited_s=119.5)
    assert isinstance(decide(refused, None, place(**READY), what).move, Advance)


def test_retries_are_named_for_the_trace() -> None:
    """`why` says which attempt of how many comes next."""
    first = decide(SERVER)
    assert first.because == "retry 2 of 3"
    assert decide(SERVER, first.state.attempted()).because == "retry 3 of 3"
    assert decide(OVERLOADED).because == "retry 2 of 4"


@pytest.mark.parametrize(
    "error",
    [
        SERVER,
        LIMITED,
        MALFORMED,
        overflow(),
        failed(ProviderAuthFailed, "auth"),
        failed(NeedsAdjustment, "streaming_unsupported"),
        failed(ContentBlocked, "content_blocked"),
    ],
)
def test_a_call_ends_after_sixteen_attempts(error: ProviderError) -> None:
    """Free heals included, and with somebody ready too: another entry is another attempt."""
    where = place(standing=Standing(ready=1), **READY)
    fifteenth: Decision = decide(error, TurnRetryState(attempts=15), where)
    assert not isinstance(fifteenth.move, GiveUp)
    assert isinstance(decide(error, TurnRetryState(attempts=16), where).move, GiveUp)


# -- replies and requests


@pytest.mark.parametrize("behind", [{}, RESTING, FULL])
def test_a_reply_that_makes_no_sense_is_asked_for_once_more(behind: dict[str, bool]) -> None:
    """Then somebody else has to answer."""
    end = Advance() if behind else GiveUp()
    assert moves(MALFORMED, place(**behind)) == [Wait(seconds=2.0), end]
    eager = moves(MALFORMED, place(**READY), failure(lost_s=9.0))
    assert eager == [Wait(seconds=1.0), Advance()]


@pytest.mark.parametrize("reason", ["context_overflow", "payload_too_large"])
def test_a_request_that_is_too_long_is_folded_three_times(reason: str) -> None:
    """It spends no retry; then an entry with a larger window, without a word to the operator."""
    where = place(**READY)
    for done in range(3):
        decision = decide(overflow(reason), None, where, failure(compactions=done))
        assert decision.move == Compact(bytes_first=reason == "payload_too_large")
        assert decision.because == f"{done + 1} of 3"
        assert decision.state.restart is Restart.COMPACTED
        assert decision.state.failures == 0
    assert decide(overflow(reason), None, where, failure(compactions=3)).move == Advance()
    alone = decide(overflow(reason), None, None, failure(compactions=3))
    assert alone.move == GiveUp()


# -- the rungs of the Responses API

RESPONSES = {"api": "openai-responses"}
IN_BAND = failed(ProviderUnavailable, "server_error")


@pytest.mark.parametrize("error", [TRANSPORT, ENDED, silent(), IN_BAND])
def test_the_rungs_of_responses_come_before_the_ladder(error: ProviderError) -> None:
    """One reconnect, then the same request without streaming, then the ladder as it is."""
    made = moves(error, place(**RESPONSES))
    plain = made[1]
    assert made[0] == Wait(seconds=1.0, fresh=True)
    assert isinstance(plain, Adjust)
    assert plain.adjustments.plain
    assert sum(isinstance(move, Adjust) for move in made) == 1
    assert isinstance(made[2], Wait)
    assert made[2].seconds == 4.0  # the reconnect was a retry, the plain request was free


def test_behind_the_rungs_the_ladder_goes_on() -> None:
    """The connection of a direct primary is rebuilt after them, and what was plain stays plain."""
    made = moves(TRANSPORT, place(**RESPONSES))
    assert [type(move) for move in made[:2]] == [Wait, Adjust]
    assert made[2:] == [
        Wait(seconds=4.0, fresh=True),
        Reconnect(seconds=7.0),
        *waits(2.0, 4.0, fresh=True),
        GiveUp(),
    ]


def test_the_rungs_are_climbed_with_somebody_ready_too() -> None:
    """They bring out the cause; then the entry is left. A silent server is left before."""
    made = moves(TRANSPORT, place(**(RESPONSES | READY)))
    assert [type(move) for move in made] == [Wait, Adjust, Advance]
    slow = decide(silent(), None, place(**(RESPONSES | READY)), failure(lost_s=30.0))
    assert slow.move == Advance()


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (SERVER, failure()),
        (OVERLOADED, failure()),
        (failed(ProviderUnavailable, "server_error", retry_after_s=2.0), failure()),
        (TRANSPORT, failure(leased=False)),
    ],
)
def test_an_answer_with_a_status_is_no_matter_of_the_stream(
    error: ProviderError, what: Failure
) -> None:
    """What has said its status would say nothing else without streaming."""
    assert not any(isinstance(m, Adjust) for m in moves(error, place(**RESPONSES), what))


def test_an_error_frame_inside_a_good_reply_is_one() -> None:
    """Its status is the frame's word, not the answer's."""
    decision = decide(SERVER, None, place(**RESPONSES), failure(opened=True))
    assert decision.because == "reconnect"
    assert decision.state.reconnects == 1


@pytest.mark.parametrize("service", list(Service))
def test_a_transient_failure_is_nobodys_credentials_fault(service: Service) -> None:
    """Overload, 5xx and a lost connection neither renew nor rotate."""
    where = place(service=service, standing=Standing(ready=2))
    for error in (SERVER, TRANSPORT, OVERLOADED, ENDED):
        assert isinstance(decide(error, None, where).move, Wait)
