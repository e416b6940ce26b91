"""What every provider over HTTP has: a name, its connections and the bounds of an attempt."""

from typing import Protocol

import aiohttp

from agent.credentials import Service
from agent.messages import Origin
from agent.providers.bounds import CLOUD, REASONING, Bounds, bounds_for
from agent.providers.http_wire import HttpWire


class Endpoint(Protocol):
    """Where and what to ask, as far as no wire differs in it."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def context_window(self) -> int | None: ...
    @property
    def service(self) -> Service: ...


class HttpProvider:
    """The part of a Provider that no wire differs in.

    A session that is passed in is shared and stays open; one of our own is made at the first
    request and closed by `close`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        base_url: str,
        bounds: Bounds,
        reasons: bool,
        session: aiohttp.ClientSession | None,
    ) -> None:
        """`base_url` as the origin names it; `reasons`: the model thinks before it answers."""
        self._origin = Origin(provider=endpoint.name, endpoint=base_url, model=endpoint.model)
        self._bounds = bounds
        self._wire = HttpWire(
            self._origin,
            bounds=bounds,
            window=endpoint.context_window,
            session=session,
            service=endpoint.service,
            reasons=reasons,
        )

    @property
    def origin(self) -> Origin:
        """Who this is, as it is noted beside what it answers."""
        return self._origin

    async def close(self) -> None:
        """Close the session if it is ours."""
        await self._wire.close()

    async def reset(self) -> None:
        """Make the next request over a new connection."""
        await self._wire.reset()

    def leave(self, session: str) -> None:
        """A reply that ended has left nothing at work."""


def usual_bounds(base_url: str, model: str, *, reasons: bool) -> Bounds:
    """The bounds of an endpoint, with the time for thought where its model is known to think."""
    bounds = bounds_for(base_url, model)
    return REASONING if reasons and bounds is CLOUD else bounds
