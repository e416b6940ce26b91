"""Pure: what is known of one attempt, and how what goes wrong becomes one typed error."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from agent.credentials import Lease, Service
from agent.errors import ProviderError, StreamBroken
from agent.messages import Origin
from agent.providers.classify import (
    Facts,
    causes_of,
    classify_error,
    describe,
    provider_error,
    status_of,
)
from agent.providers.error_body import ErrorBody, read_body, read_error


class Attempt:
    """Builds the errors of one attempt; secrets of its lease are cut out of every text.

    `headers` are those of the response, in lower case, and empty before its head has come; `fill`
    is our count of the input over the window of the model. `service` is what the credential
    belongs to, `reasons` whether the model thinks before it answers.
    """

    def __init__(
        self,
        origin: Origin,
        lease: Lease,
        *,
        service: Service = Service.STATIC,
        reasons: bool = False,
    ) -> None:
        self.fill = 0.0
        self.headers: Mapping[str, str] = {}
        self._origin = origin
        self._service = service
        self._reasons = reasons
        self._credential = lease.label
        self._host = _host(lease.base_url or origin.endpoint)
        values = lease.headers.values()
        self._secrets = tuple(word for value in values if (word := value.rpartition(" ")[2]))

    def invalid(self, error: Exception) -> ProviderError:
        """The request could not even be built."""
        return self._classified(replace(self._facts(), causes=causes_of(error), built=False))

    def failed(self, error: Exception) -> ProviderError:
        """The connection failed."""
        causes = causes_of(error)
        return self._classified(replace(self._facts(), causes=causes, status=status_of(causes)))

    def refused(self, status: int, body: bytes) -> ProviderError:
        """The provider answered with an error."""
        return self._classified(self._said(read_body(body), status))

    def in_band(self, body: object) -> ProviderError:
        """The provider sent an error where a piece of the reply belongs."""
        fields = read_error(body)
        return self._classified(self._said(fields, fields.status, "error inside the stream"))

    def broken(self, why: str, *, silent: bool = False) -> ProviderError:
        """The stream ended or went on in a way it must not; `silent` if nothing came any more."""
        error = self._error("stream_broken", replace(self._facts(), message=why))
        if isinstance(error, StreamBroken):
            error.silent = silent
        return error

    def malformed(self, why: str) -> ProviderError:
        """The reply can't be understood."""
        return self._error("reply_malformed", replace(self._facts(), message=why))

    def _said(self, body: ErrorBody, status: int | None, otherwise: str = "") -> Facts:
        return replace(
            self._facts(),
            status=status,
            code=body.code,
            type=body.type,
            param=body.param,
            message=body.message or otherwise,
            outer=body.outer,
            wait_s=body.wait_s,
            request_id=body.request_id,
        )

    def _facts(self) -> Facts:
        """What holds for every failure of this attempt."""
        return Facts(
            headers=self.headers,
            head=bool(self.headers),
            fill=self.fill,
            reasons=self._reasons,
            service=self._service,
            host=self._host,
        )

    def _classified(self, facts: Facts) -> ProviderError:
        return classify_error(facts, self._origin, credential=self._credential, hide=self._secrets)

    def _error(self, reason: str, facts: Facts) -> ProviderError:
        said = describe(facts, self._secrets)
        return provider_error(reason, said, self._origin, facts, credential=self._credential)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # an address that is none is reported where it is used
        return ""
