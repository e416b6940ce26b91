"""Whose requests are heard: by the name they call us, and by the page that sends them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.origin import host_allowed, origin_allowed


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8787", "localhost:8787", "LOCALHOST", "[::1]:8787", "127.8.8.8"],
)
def test_this_machine_is_always_allowed(host: str) -> None:
    """Every name of the loopback."""
    assert host_allowed(host, has_token=False)
    assert host_allowed(host, has_token=True)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8787",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.5:8787",
        "0.0.0.0:8787",
        "[2001:db8::1]",
    ],
)
def test_without_a_token_no_other_name_is(host: str) -> None:
    """A name that was pointed at this machine is still another name."""
    assert not host_allowed(host, has_token=False)
    assert host_allowed(host, has_token=True)


@pytest.mark.parametrize("host", ["", " ", "a b", "a/b", "user@127.0.0.1", "127.0.0.1:x", "[::1"])
def test_what_is_no_host_is_refused(host: str) -> None:
    """With or without a token."""
    assert not host_allowed(host, has_token=False)
    assert not host_allowed(host, has_token=True)


@given(st.text(), st.booleans())
def test_any_host_gives_a_result(host: str, has_token: bool) -> None:
    """No header makes the check raise."""
    host_allowed(host, has_token=has_token)
    origin_allowed(host="a", origin=host, fetch_site=None)


@pytest.mark.parametrize(
    ("origin", "fetch_site", "allowed"),
    [
        (None, None, True),
        (None, "same-origin", True),
        (None, "none", True),
        (None, "same-site", False),
        (None, "cross-site", False),
        ("http://a.example:8787", None, True),
        ("https://A.example:8787", "cross-site", True),
        ("http://a.example", None, False),
        ("http://b.example:8787", "same-origin", False),
        ("null", None, False),
        ("http://[", None, False),
        ("", None, False),
    ],
)
def test_only_our_own_page_may_act(
    origin: str | None, fetch_site: str | None, allowed: bool
) -> None:
    """The Origin decides where there is one, else what the browser says of the site."""
    host = "a.example:8787"
    assert origin_allowed(host=host, origin=origin, fetch_site=fetch_site) is allowed
