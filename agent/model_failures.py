"""What went wrong in one model call so far, and what is told of it if nobody can answer."""

from agent.effects import ModelFailed
from agent.errors import AllProvidersFailed, ContentBlocked, ProviderError
from agent.messages import Origin


class Failures:
    """The failures of a call in their order; `refused` are those whose filter stopped it."""

    def __init__(self) -> None:
        self.refused: tuple[Origin, ...] = ()
        self._errors: list[ProviderError] = []
        self._healed: list[ProviderError] = []
        self._longest = ""

    def add(self, error: ProviderError, origin: Origin | None = None) -> None:
        """One more; `origin` is whose attempt it was."""
        self._errors.append(error)
        if isinstance(error, ContentBlocked) and origin is not None:
            self.refused += (origin,)

    def heal(self, error: ProviderError) -> None:
        """Something is done about it: it will not be the headline."""
        self._healed.append(error)

    def shown(self, text: str, error: ProviderError) -> None:
        """Keep the longest text that a reader saw; what a filter stopped is nobody's to read."""
        if not isinstance(error, ContentBlocked):
            self._longest = max(self._longest, text, key=len)

    def outcome(self) -> ModelFailed:
        """Nobody could answer: the first cause that lasted is the headline."""
        lasting = [each for each in self._errors if each not in self._healed]
        error = AllProvidersFailed((*lasting, *self._healed))
        return ModelFailed(error=error, shown=self._longest)
