"""Pure: the tokens of one reply, gathered from counts that come in pieces.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching (`input_tokens` leaves
out what was read from and written to caches) and .../streaming (counts are cumulative).
"""

from agent.messages import Usage
from agent.providers.decoding import Json

_COUNTS = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
)
_CREATED = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


class Tally:
    """The last of each count that says something: gateways fill in with zeros, early or late."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, usage: object) -> Usage | None:
        """Take one usage object; returns the tokens so far, None while the input is unknown."""
        if not isinstance(usage, dict):
            return None
        self._keep(usage, _COUNTS)
        self._keep(usage.get("cache_creation"), _CREATED)
        self._keep(usage.get("output_tokens_details"), ("thinking_tokens",))
        return self._usage()

    @property
    def output(self) -> int:
        """Output tokens so far, 0 if nothing was said of them."""
        return self._counts.get("output_tokens", 0)

    def _keep(self, counts: object, names: tuple[str, ...]) -> None:
        if not isinstance(counts, dict):
            return
        for name in names:
            if (value := _count(counts, name)) is not None:
                self._counts[name] = value or self._counts.get(name, 0)

    def _usage(self) -> Usage | None:
        fresh, read, created, output = (self._counts.get(name, 0) for name in _COUNTS)
        short, long = (self._counts.get(name, 0) for name in _CREATED)
        written = max(created, short + long)
        if fresh + read + written == 0 or "output_tokens" not in self._counts:
            return None
        return Usage(
            input=fresh + read + written,
            output=output,
            cached_input=read,
            cache_write=written - long,
            cache_write_long=long,
            reasoning=min(self._counts.get("thinking_tokens", 0), output),
        )


def _count(usage: Json, name: str) -> int | None:
    value = usage.get(name)
    return value if type(value) is int and value >= 0 else None
