"""Whether a request comes from our own page: checked before anything else looks at it. Pure.

A page of a foreign site can make a browser on this machine call us. Two facts give it away. The
`Host` is the name under which the browser knows the address: a foreign name that was pointed at
us (DNS rebinding) is still a foreign name. The `Origin` is the page that makes the call.

Without a token everything rests on this, and only names of this machine count. With a token any
name will do (the gateway cannot know what a proxy calls it): under a foreign name the browser has
no cookie of ours to send, and what changes anything must come from a page of that same name.
"""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")


def host_allowed(host: str, *, has_token: bool) -> bool:
    """Whether the Host header names us."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    return has_token or _is_this_machine(match["v6"] or match["name"])


def origin_allowed(*, host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Whether the Origin, or Sec-Fetch-Site in its place, says: same site, or no browser at all.

    The scheme is not compared: behind a proxy that ends TLS we do not know it.
    """
    if origin is not None:
        try:
            return urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:
            return False
    return fetch_site in (None, "same-origin", "none")


def _is_this_machine(name: str) -> bool:
    if name.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
