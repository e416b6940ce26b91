"""What comes after a model call that failed: guards, the state of one call, and the next move.

Pure throughout: times and chance are arguments, and whoever performs a move has no opinion of it.
"""

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal

from agent.credentials import Service, Standing
from agent.providers.base import AS_IT_IS, Adjustments

Patience = Literal["eager", "full"]


class Guard(Enum):
    """A recovery that is tried once: on one entry, `PRIMARY_TRANSPORT` once in a whole call."""

    CODEX_AUTH = "codex_auth"
    XAI_AUTH = "xai_auth"
    ANTHROPIC_AUTH = "anthropic_auth"
    NOUS_AUTH = "nous_auth"
    NOUS_ENTITLEMENT = "nous_entitlement"
    COPILOT_AUTH = "copilot_auth"
    COPILOT_STALE = "copilot_stale"
    VERTEX_AUTH = "vertex_auth"
    STATIC_AUTH = "static_auth"
    RETRIED_429 = "retried_429"
    AUTH_FAILOVER = "auth_failover"
    PRIMARY_TRANSPORT = "primary_transport"
    THINKING_SIGNATURE = "thinking_signature"
    ENCRYPTED_REASONING = "encrypted_reasoning"
    IMAGE_SHRINK = "image_shrink"
    TOOL_IMAGES = "tool_images"
    TEXT_ONLY = "text_only"
    LONG_CONTEXT_BETA = "long_context_beta"
    LONG_CONTEXT_TIER = "long_context_tier"
    GRAMMAR = "grammar"
    EFFORT = "effort"
    EFFORT_OFF = "effort_off"
    OUTPUT_CAP = "output_cap"
    STREAM_OFF = "stream_off"
    RESPONSES_PLAIN = "responses_plain"


class Restart(Enum):
    """Why the next attempt sends another request than the last one; it costs no retry.

    COMPACTED: the history is folded first. CONTINUED: the reply was cut by its length and goes
    on. REBUILT: what was shown was taken back, and the step begins again. REDIRECTED: new words
    cut the call, and the answer is asked for again with them.
    """

    COMPACTED = "compacted"
    CONTINUED = "continued"
    REBUILT = "rebuilt"
    REDIRECTED = "redirected"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRetryState:
    """How far the recovery of one model call has come; every model call starts with a new one.

    `failures` are the attempts of this entry and cycle that cost a retry, `attempts` all of the
    call. `reconnects` and `malformed` count what this entry has had of each; `refused` are the
    labels of the keys it has rotated away from. `restart` is for the next attempt alone.
    """

    used: frozenset[Guard] = frozenset()
    failures: int = 0
    attempts: int = 0
    reconnects: int = 0
    malformed: int = 0
    refused: frozenset[str] = frozenset()
    restart: Restart | None = None

    def take(self, guard: Guard) -> "TurnRetryState | None":
        """The state with this guard used, or None if it was."""
        if guard in self.used:
            return None
        return replace(self, used=self.used | {guard})

    def attempted(self) -> "TurnRetryState":
        """The state when one more attempt begins: the signal for it has been read."""
        return replace(self, attempts=self.attempts + 1, restart=None)

    def restarted(self, restart: Restart) -> "TurnRetryState":
        """The state with a signal for the next attempt."""
        return replace(self, restart=restart)

    def on_next_entry(self) -> "TurnRetryState":
        """The state on another entry: everything is fresh but what counts once in a call."""
        kept = self.used & {Guard.PRIMARY_TRANSPORT}
        rebuilt = self.restart if self.restart is Restart.REBUILT else None
        return TurnRetryState(used=kept, attempts=self.attempts, restart=rebuilt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the outgoing copy of an attempt held: a heal without a cause is not tried.

    `own_parts` are parts of the entry's own Origin (thinking, reasoning items). `cap` and `effort`
    are what was asked for, None if nothing was.
    """

    own_parts: bool = False
    in_tool_loop: bool = False
    media: bool = False
    tool_media: bool = False
    keywords: bool = False
    effort: str | None = None
    cap: int | None = None
    adjustments: Adjustments = AS_IT_IS


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The entry that was asked, and who else could be.

    `index` is its place in the plan; `direct` is False for aggregators. `standing` is that of its
    keys for its model; the one that has just failed is not among the ready. `next_ready`: an
    entry behind has a key that does not rest, a closed breaker, a price, and its worst case can
    be paid; `anyone_left`: there is an entry to go to at all.
    """

    api: str
    service: Service
    index: int
    direct: bool
    patience: Patience
    standing: Standing
    next_ready: bool
    anyone_left: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is known of a failed attempt beside its error.

    `lost_s` is what it cost in seconds, `shown` whether the reader saw words of it. `waited_s` and
    `compactions` are those of the turn so far. `leased` is False if no key was to be had for it,
    and `opened` is True if it failed inside a reply that had begun well.
    """

    sent: Sent
    lost_s: float
    shown: bool
    waited_s: float
    compactions: int
    leased: bool = True
    opened: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """Have the credential renewed and ask again, `after_s` seconds later."""

    after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate:
    """Ask again with another credential of the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Ask again after so many seconds; `fresh` on a new connection."""

    seconds: float
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjust:
    """Change the outgoing copy and ask again.

    `cap` replaces the output cap, if given. `remember` names what later calls know from now on:
    `effort`, `stream_off`, `text_only`, `tool_images`, `replay_off`, `long_context_off`,
    `window_200k`; empty: only this call.
    """

    adjustments: Adjustments
    cap: int | None = None
    remember: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """Close the entry's client, wait, and begin one more cycle on a new one."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compact:
    """Fold the history and ask again; `bytes_first`: media and old outputs go first."""

    bytes_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Go to the next entry. `elsewhere`: one with another endpoint."""

    elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Nobody is left, or nobody may be asked."""


Move = Renew | Rotate | Wait | Adjust | Reconnect | Compact | Advance | GiveUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The move, the state it leaves the call in, and its name for the trace (`why`)."""

    move: Move
    state: TurnRetryState = field(default_factory=TurnRetryState)
    because: str = ""
