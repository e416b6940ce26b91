"""How a model call or a tool can fail. A class says what to do, `reason` what happened."""


class AgentError(Exception):
    """Base of everything this package raises."""


class ProviderError(AgentError):
    """One attempt at a provider failed.

    `reason` is one of the names of `classify_error`: it says what happened, the class what to do.
    The message is for operators: it may quote the provider, never a key. People read a sentence
    chosen by class, never this text. `retry_after_s` is what the provider asked for, on any
    status; `retry` False is its word that trying again is useless. `said` are the provider's own
    words for a reader (a refusal), if it has any. `sent` False: nothing of the request has left.
    """

    sent = True

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        model: str,
        reason: str,
        endpoint: str = "",
        credential: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
        retry: bool = True,
        request_id: str | None = None,
        said: str = "",
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.endpoint = endpoint
        self.model = model
        self.credential = credential
        self.reason = reason
        self.status = status
        self.retry_after_s = retry_after_s
        self.retry = retry
        self.request_id = request_id
        self.said = said


class ProviderUnavailable(ProviderError):
    """Timeout, transport, 5xx, anything unknown: a later attempt may succeed."""

    @property
    def transport(self) -> bool:
        """Whether a fresh connection may be all that is missing."""
        return self.reason in ("timeout", "transport")


class ProviderOverloaded(ProviderUnavailable):
    """The provider says it is overloaded: same credential, later."""


class StreamBroken(ProviderUnavailable):
    """The stream ended without its terminal marker, or broke one of its bounds.

    `silent`: it was our bound on its first byte or its silence, and not its end.
    """

    silent = False

    @property
    def transport(self) -> bool:
        """A silent stream is like a silent connection; one that ended is not."""
        return self.silent


class ProviderRateLimited(ProviderError):
    """Too many requests for this credential and model.

    `upstream`: the aggregator's own supplier is meant, and no other key of ours helps.
    """

    @property
    def upstream(self) -> bool:
        """Whether another credential is of no use."""
        return self.reason == "upstream_limited"


class ProviderAuthFailed(ProviderError):
    """The credential is refused: renew it, else the next one; the operator must look."""


class CredentialExhausted(ProviderError):
    """The account has no credit left: the next credential; the operator must look."""


class NotEntitled(ProviderError):
    """The account may not use this: never renewed; the next credential or provider."""


class ReplyMalformed(ProviderError):
    """The reply can't be understood: once more, then the next provider."""


class ContentBlocked(ProviderError):
    """The provider's safety filter stopped the request or the answer: the next provider."""


class ModelUnavailable(ProviderError):
    """The model does not exist here: the next provider."""


class TlsUntrusted(ProviderError):
    """The provider's certificate can't be trusted: never retried on this host."""


class PolicyBlocked(ProviderError):
    """The account's privacy settings at an aggregator exclude this: another endpoint."""


class RequestRejected(ProviderError):
    """The provider refuses the request as it stands: another wire may take it."""


class ContextOverflow(ProviderError):
    """The conversation is too long for the model: fold it, and again.

    `bytes_first`: the body was too large; media and old outputs go first. `tokens` of the input
    and the `limit` they are above, by our count or the provider's; None if nobody knows.
    """

    tokens: int | None = None
    limit: int | None = None

    @property
    def bytes_first(self) -> bool:
        """Whether bytes were counted, not tokens."""
        return self.reason == "payload_too_large"


class NeedsAdjustment(ProviderError):
    """The request can be healed: `reason` says how, `figure` and `levels` what the text named.

    `figure`: tokens left for output, or the most bytes of an image; None if it can't be read.
    `pixels`: the most a side of an image may have, where that is the limit.
    `levels`: the efforts the provider takes.
    """

    figure: int | None = None
    pixels: int | None = None
    levels: tuple[str, ...] = ()


class RequestInvalid(ProviderError):
    """We could not even build the request: our own fault, and nobody else is asked."""


class AgentStopped(ProviderUnavailable):
    """The coding agent's process on this host ended: the next attempt starts another."""


Cause = (
    ProviderUnavailable
    | ProviderOverloaded
    | StreamBroken
    | AgentStopped
    | ProviderRateLimited
    | ProviderAuthFailed
    | CredentialExhausted
    | NotEntitled
    | ReplyMalformed
    | ContentBlocked
    | ModelUnavailable
    | TlsUntrusted
    | PolicyBlocked
    | RequestRejected
    | ContextOverflow
    | NeedsAdjustment
    | RequestInvalid
)
"""Every class of a failed attempt: whoever tells people of one has a sentence for each."""


class AllProvidersFailed(AgentError):
    """Nobody in the plan could answer; `attempts` in order, the first is the headline."""

    def __init__(self, attempts: tuple[ProviderError, ...]) -> None:
        super().__init__("; ".join(f"{a.provider}: {a.reason}" for a in attempts))
        self.attempts = attempts

    @property
    def headline(self) -> Cause:
        """The first cause; one of no class of its own counts as a provider that can't be had."""
        first = self.attempts[0]
        if isinstance(first, Cause):
            return first
        return ProviderUnavailable(
            str(first), provider=first.provider, model=first.model, reason=first.reason
        )


class ToolError(AgentError):
    """A tool failed in a way the model should read; becomes an error result."""


class NotStarted(ToolError):
    """A tool failed before its effect could begin: nothing happened and nothing is paid."""


class LostTrack(ToolError):
    """What a tool has begun went on out of its sight: people say what became of it."""
