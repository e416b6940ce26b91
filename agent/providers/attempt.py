"""Pure: what is known of one attempt, and how what goes wrong becomes one typed error."""

from collections.abc import Mapping
from dataclasses import replace

import orjson

from agent.credentials import Lease
from agent.errors import ProviderError, StreamBroken
from agent.messages import Origin
from agent.providers.classify import (
    Facts,
    causes_of,
    classify_error,
    describe,
    error_fields,
    provider_error,
)


class Attempt:
    """Builds the errors of one attempt; secrets of its lease are cut out of every text.

    `headers` are those of the response, in lower case; `fill` is our count of the input over the
    window of the model.
    """

    def __init__(self, origin: Origin, lease: Lease) -> None:
        self.fill = 0.0
        self.headers: Mapping[str, str] = {}
        self._origin = origin
        values = lease.headers.values()
        self._secrets = tuple(word for value in values if (word := value.rpartition(" ")[2]))

    def invalid(self, error: Exception) -> ProviderError:
        """The request could not even be built."""
        return self._error("request_invalid", Facts(causes=causes_of(error)))

    def failed(self, error: Exception) -> ProviderError:
        """The connection failed."""
        facts = Facts(causes=causes_of(error), headers=self.headers)
        return classify_error(facts, self._origin, hide=self._secrets)

    def refused(self, status: int, body: bytes) -> ProviderError:
        """The provider answered with an error."""
        fields = _fields(body)
        facts = replace(fields, status=status, headers=self.headers, fill=self.fill)
        return classify_error(facts, self._origin, hide=self._secrets)

    def in_band(self, body: object) -> ProviderError:
        """The provider sent an error where a piece of the reply belongs."""
        code, kind, message, status = error_fields(body)
        facts = Facts(
            status=status,
            code=code,
            type=kind,
            message=message or "error inside the stream",
            headers=self.headers,
            fill=self.fill,
        )
        return classify_error(facts, self._origin, hide=self._secrets)

    def broken(self, why: str, *, silent: bool = False) -> ProviderError:
        """The stream ended or went on in a way it must not; `silent` if nothing came any more."""
        error = self._error("stream_broken", Facts(message=why, headers=self.headers))
        if isinstance(error, StreamBroken):
            error.silent = silent
        return error

    def malformed(self, why: str) -> ProviderError:
        """The reply can't be understood."""
        return self._error("reply_malformed", Facts(message=why, headers=self.headers))

    def _error(self, reason: str, facts: Facts) -> ProviderError:
        return provider_error(reason, describe(facts, self._secrets), self._origin, facts)


def _fields(body: bytes) -> Facts:
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode(errors="replace").strip()
        return Facts(message="" if text.startswith("<") else text)
    code, kind, message, _ = error_fields(decoded)
    return Facts(code=code, type=kind, message=message)
