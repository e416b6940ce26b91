"""Small makers for what follows a failed attempt: an error, where it happened, what it cost."""

from typing import Any

from agent.credentials import Service, Standing
from agent.errors import ContextOverflow, NeedsAdjustment, ProviderError
from agent.next_move import next_move
from agent.recovery import Decision, Failure, Place, Sent, TurnRetryState

NOW = 1_700_000_000_000_000


def failed(kind: type[ProviderError], reason: str = "unknown", **fields: Any) -> ProviderError:
    """An error of this class; by default of the key `key-1`."""
    fields = {"credential": "key-1"} | fields
    return kind("no", provider="p", endpoint="e", model="m", reason=reason, **fields)


def unfit(
    reason: str,
    *,
    figure: int | None = None,
    pixels: int | None = None,
    levels: tuple[str, ...] = (),
) -> ProviderError:
    """A refusal that a change of the request may heal."""
    error = failed(NeedsAdjustment, reason, status=400)
    assert isinstance(error, NeedsAdjustment)
    error.figure, error.pixels, error.levels = figure, pixels, levels
    return error


def overflow(reason: str = "context_overflow") -> ProviderError:
    """A request that is too long."""
    return failed(ContextOverflow, reason, status=400)


def place(**fields: Any) -> Place:
    """The primary with one key, directly connected, and nobody behind it."""
    usual: dict[str, Any] = {
        "api": "openai-chat",
        "service": Service.STATIC,
        "index": 0,
        "direct": True,
        "patience": "eager",
        "standing": Standing(ready=0),
        "next_ready": False,
        "anyone_left": False,
    }
    return Place(**(usual | fields))


def failure(**fields: Any) -> Failure:
    """A failure that cost nothing and showed nothing."""
    usual: dict[str, Any] = {
        "sent": Sent(),
        "lost_s": 0.1,
        "shown": False,
        "waited_s": 0.0,
        "compactions": 0,
    }
    return Failure(**(usual | fields))


READY: dict[str, Any] = {"next_ready": True, "anyone_left": True}
RESTING: dict[str, Any] = {"next_ready": False, "anyone_left": True}


def decide(
    error: ProviderError,
    state: TurnRetryState | None = None,
    where: Place | None = None,
    what: Failure | None = None,
    *,
    jitter: float = 0.0,
) -> Decision:
    """The decision after the first attempt of a call, unless a state says otherwise."""
    return next_move(
        error,
        state or TurnRetryState(attempts=1),
        where or place(),
        what or failure(),
        jitter=jitter,
    )
