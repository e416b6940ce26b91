"""How a model call or a tool can fail. A class says what to do, `reason` what happened."""


class AgentError(Exception):
    """Base of everything this package raises."""


class ProviderError(AgentError):
    """One attempt at a provider failed.

    `reason` is one of the names of `classify_error`. The message is for operators: it may quote
    the provider, never a key. People read a sentence chosen by class, never this text.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        model: str,
        reason: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.model = model
        self.reason = reason
        self.status = status
        self.retry_after_s = retry_after_s
        self.request_id = request_id


class ProviderUnavailable(ProviderError):
    """Timeout, transport, 5xx, anything unknown: a later attempt may succeed."""


class ProviderOverloaded(ProviderUnavailable):
    """The provider says it is overloaded."""


class StreamBroken(ProviderUnavailable):
    """The stream ended without its terminal marker, or broke one of its bounds."""


class ProviderRateLimited(ProviderError):
    """Too many requests for this credential and model."""


class ProviderAuthFailed(ProviderError):
    """The credential is refused: the operator must look."""


class CredentialExhausted(ProviderError):
    """The account has no credit left: the operator must look."""


class NotEntitled(ProviderError):
    """The account may not use this."""


class ReplyMalformed(ProviderError):
    """The reply can't be understood."""


class ContentBlocked(ProviderError):
    """The provider's safety filter stopped the request or the answer."""


class ModelUnavailable(ProviderError):
    """The model does not exist here."""


class TlsUntrusted(ProviderError):
    """The provider's certificate can't be trusted: never retried on this host."""


class RequestRejected(ProviderError):
    """The provider refuses the request as it stands."""


class ContextOverflow(ProviderError):
    """The conversation is too long for the model."""


class RequestInvalid(ProviderError):
    """We could not even build the request: our own fault."""


class AllProvidersFailed(AgentError):
    """Nobody in the plan could answer; `attempts` in order, the first is the headline."""

    def __init__(self, attempts: tuple[ProviderError, ...]) -> None:
        super().__init__("; ".join(f"{a.provider}: {a.reason}" for a in attempts))
        self.attempts = attempts


class ToolError(AgentError):
    """A tool failed in a way the model should read; becomes an error result."""


class NotStarted(ToolError):
    """A tool failed before its effect could begin: nothing happened and nothing is paid."""
