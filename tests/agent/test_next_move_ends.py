"""Whatever fails, in whatever order: a call ends, and within its bounds."""

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from agent.credentials import Service, Standing
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
from agent.next_move import next_move
from agent.providers.base import EFFORTS, Adjustments
from agent.recovery import (
    Adjust,
    Advance,
    Compact,
    Failure,
    GiveUp,
    Guard,
    Place,
    Reconnect,
    Renew,
    Rotate,
    Sent,
    TurnRetryState,
    Wait,
)

KINDS: tuple[tuple[type[ProviderError], str], ...] = (
    (ProviderUnavailable, "server_error"),
    (ProviderUnavailable, "transport"),
    (ProviderUnavailable, "timeout"),
    (ProviderUnavailable, "unknown"),
    (ProviderOverloaded, "overloaded"),
    (StreamBroken, "stream_broken"),
    (ProviderRateLimited, "rate_limited"),
    (ProviderRateLimited, "upstream_limited"),
    (ProviderAuthFailed, "auth"),
    (ProviderAuthFailed, "copilot_stale"),
    (CredentialExhausted, "billing"),
    (NotEntitled, "entitlement"),
    (ReplyMalformed, "reply_malformed"),
    (ContentBlocked, "content_blocked"),
    (ModelUnavailable, "model_missing"),
    (TlsUntrusted, "tls_untrusted"),
    (PolicyBlocked, "policy_blocked"),
    (RequestRejected, "parameter"),
    (ContextOverflow, "context_overflow"),
    (ContextOverflow, "payload_too_large"),
    (RequestInvalid, "request_invalid"),
    (NeedsAdjustment, "thinking_signature"),
    (NeedsAdjustment, "encrypted_reasoning"),
    (NeedsAdjustment, "image_too_large"),
    (NeedsAdjustment, "tool_images"),
    (NeedsAdjustment, "image_unsupported"),
    (NeedsAdjustment, "long_context_beta"),
    (NeedsAdjustment, "long_context_tier"),
    (NeedsAdjustment, "grammar"),
    (NeedsAdjustment, "effort"),
    (NeedsAdjustment, "output_cap"),
    (NeedsAdjustment, "streaming_unsupported"),
)
APIS = ("openai-chat", "openai-responses", "anthropic-messages", "codex-app-server")


@st.composite
def errors(draw: st.DrawFn) -> ProviderError:
    """Any failure, with whatever the provider may have said beside it."""
    kind, reason = draw(st.sampled_from(KINDS))
    error = kind(
        "no",
        provider="p",
        model="m",
        reason=reason,
        credential=draw(st.sampled_from(["", "key-1", "key-2"])),
        status=draw(st.sampled_from([None, 200, 400, 401, 402, 429, 500, 529])),
        retry_after_s=draw(st.sampled_from([None, None, 0.0, 3.0, 40.0, 900.0])),
        retry=draw(st.booleans()) or draw(st.booleans()),
    )
    if isinstance(error, StreamBroken):
        error.silent = draw(st.booleans())
    if isinstance(error, NeedsAdjustment):
        error.figure = draw(st.sampled_from([None, 0, 1_000, 100_000]))
        error.levels = draw(st.sampled_from([(), ("low",), EFFORTS]))
    return error


SENT = st.builds(
    Sent,
    own_parts=st.booleans(),
    in_tool_loop=st.booleans(),
    media=st.booleans(),
    tool_media=st.booleans(),
    keywords=st.booleans(),
    effort=st.sampled_from([None, *EFFORTS]),
    cap=st.sampled_from([None, 4_096]),
    adjustments=st.builds(Adjustments, stream=st.booleans(), replay=st.booleans()),
)
FAILURES = st.builds(
    Failure,
    sent=SENT,
    lost_s=st.sampled_from([0.0, 1.0, 5.0, 60.0]),
    shown=st.booleans(),
    waited_s=st.just(0.0),
    compactions=st.just(0),
    leased=st.booleans(),
    opened=st.booleans(),
)
PLACES = st.builds(
    Place,
    api=st.sampled_from(APIS),
    service=st.sampled_from(list(Service)),
    index=st.just(0),
    direct=st.booleans(),
    patience=st.sampled_from(["eager", "full"]),
    standing=st.builds(Standing, ready=st.integers(0, 2), dead=st.integers(0, 1)),
    next_ready=st.booleans(),
    anyone_left=st.just(True),
)


@dataclass(kw_only=True)
class Call:
    """A call that goes on failing, and what was done about it."""

    entries: int
    state: TurnRetryState = field(default_factory=TurnRetryState)
    index: int = 0
    attempts: int = 0
    waited_s: float = 0.0
    folds: int = 0
    over: bool = False
    used: dict[int, list[Guard]] = field(default_factory=dict)

    def fail(self, error: ProviderError, place: Place, failure: Failure, jitter: float) -> None:
        """One more attempt, one more failure, one more move."""
        self.state = self.state.attempted()
        self.attempts += 1
        left = self.index + 1 < self.entries
        place = replace(
            place, index=self.index, anyone_left=left, next_ready=place.next_ready and left
        )
        failure = replace(failure, waited_s=self.waited_s, compactions=self.folds)
        before = self.state
        decision = next_move(error, before, place, failure, jitter=jitter)
        self.state = decision.state
        assert decision.because
        assert decision.state.attempts == before.attempts
        match decision.move:
            case Wait(seconds=seconds) | Reconnect(seconds=seconds) | Renew(after_s=seconds):
                assert seconds >= 0
                self.waited_s += seconds
            case Compact():
                self.folds += 1
            case Advance():
                assert left
                self.index += 1
            case GiveUp():
                self.over = True
            case Rotate() | Adjust():
                pass
        if not isinstance(decision.move, Advance):
            new = decision.state.used - before.used
            self.used.setdefault(self.index, []).extend(new)


STEPS = st.tuples(errors(), PLACES, FAILURES, st.floats(0.0, 1.0))


@given(entries=st.integers(1, 4), steps=st.lists(STEPS, min_size=16, max_size=18))
def test_every_call_ends_within_its_bounds(
    entries: int, steps: list[tuple[ProviderError, Place, Failure, float]]
) -> None:
    """At most 16 attempts, 120 s of waiting, 3 foldings; no guard twice on an entry, none back."""
    call = Call(entries=entries)
    for step in steps:
        index = call.index
        call.fail(*step)
        assert call.index >= index
        if call.over:
            break
    assert call.over
    assert call.attempts <= 16
    assert call.waited_s <= 120.0
    assert call.folds <= 3
    for guards in call.used.values():
        assert len(guards) == len(set(guards))
    everywhere = [guard for guards in call.used.values() for guard in guards]
    assert everywhere.count(Guard.PRIMARY_TRANSPORT) <= 1
    assert Guard.PRIMARY_TRANSPORT not in [g for i, gs in call.used.items() if i for g in gs]


@given(
    state=st.builds(
        TurnRetryState,
        used=st.frozensets(st.sampled_from(list(Guard))),
        failures=st.integers(0, 5),
        attempts=st.integers(1, 16),
        reconnects=st.integers(0, 2),
        malformed=st.integers(0, 2),
    ),
    step=STEPS,
    waited=st.floats(0.0, 200.0),
)
def test_from_any_state_a_move_keeps_within_the_turns_waiting(
    state: TurnRetryState, step: tuple[ProviderError, Place, Failure, float], waited: float
) -> None:
    """A guard that was used stays used, and no wait goes beyond what is left of the turn's."""
    error, place, failure, jitter = step
    decision = next_move(error, state, place, replace(failure, waited_s=waited), jitter=jitter)
    match decision.move:
        case Wait(seconds=seconds) | Reconnect(seconds=seconds) | Renew(after_s=seconds):
            assert seconds == 0 or waited + seconds <= 120.0
        case _:
            pass
    if not isinstance(decision.move, Advance):
        assert decision.state.used >= state.used
    if isinstance(decision.move, Reconnect):
        assert Guard.PRIMARY_TRANSPORT not in state.used
