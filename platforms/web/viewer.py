"""Who looks at the page. The listener decides that and leaves it on the request."""

from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The person behind a guarded request; `user` is an Author id.

    `signed_in` by the page, so that signing out makes sense. `by_header` authenticated with a
    header no foreign page can send, so a form token would prove nothing more.
    """

    user: str
    signed_in: bool = False
    by_header: bool = False


VIEWER: web.RequestKey[Viewer] = web.RequestKey("gatepost.viewer", Viewer)
"""Set by the listener on every guarded request before an adapter's handler sees it."""
