"""Which addresses and URLs a page may be fetched from."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tools.addresses import AddressRefused, Guard, UrlRefused, as_address, target

REFUSED = [
    *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1"),
    *("172.31.255.255", "192.168.1.1", "169.254.169.254", "169.254.0.1", "100.64.0.1"),
    *("100.100.100.200", "100.127.255.255", "192.0.0.192", "192.0.0.9", "192.0.2.1"),
    *("198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8", "fe80::1", "fe80::1%eth0"),
    *("fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
    *("64:ff9b:1::7f00:1", "2002:7f00:1::1", "2002:808:808::1", "2001:db8::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "100::1", "no address", "", "127.1"),
]
PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255"),
    *("100.128.0.1", "192.167.255.255", "223.255.255.255", "2606:4700:4700::1111"),
    *("::ffff:8.8.8.8", "64:ff9b::808:808"),
]


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_the_public_internet_is_refused(address: str) -> None:
    """Private, loopback, link-local, metadata, carrier, multicast and their IPv6 disguises."""
    with pytest.raises(AddressRefused):
        Guard().check(address)
    with pytest.raises(AddressRefused):
        Guard().check_all(("8.8.8.8", address))


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_not(address: str) -> None:
    """Its neighbours by number are allowed."""
    Guard().check(address)
    Guard().check_all((address,))


def test_no_address_is_refused() -> None:
    """A name that leads nowhere is not reached."""
    with pytest.raises(AddressRefused):
        Guard().check_all(())


@given(inner=st.ip_addresses(v=4))
def test_a_disguise_is_never_looser(inner: ipaddress.IPv4Address) -> None:
    """What is refused as IPv4 is refused in every IPv6 form that carries it."""
    number = int(inner)
    forms = [
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address(number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1),
    ]

    def passes(address: object) -> bool:
        try:
            Guard().check(str(address))
        except AddressRefused:
            return False
        return True

    assert not any(passes(form) for form in forms) or passes(inner)


@given(address=st.ip_addresses())
def test_what_the_registries_call_local_is_refused(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """The guard allows nothing that the standard library does not call global, disguises aside."""
    try:
        Guard().check(str(address))
    except AddressRefused:
        return
    assert address.is_global or getattr(address, "ipv4_mapped", None)
    assert not address.is_multicast


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "a.localhost", "printer.local", "metadata.google.internal", "127.0.0.1"),
        *("::1", "[::1]", "nas.lan", "router.home.arpa"),
    ],
)
def test_hosts_that_need_no_look_up(host: str) -> None:
    """Names of this machine and its network are refused before anything is asked."""
    with pytest.raises(AddressRefused):
        Guard().check_host(host)


def test_allowed_addresses_are_exact() -> None:
    """What was allowed is that address and no neighbour."""
    guard = Guard(allowed=frozenset({"127.0.0.1"}))
    guard.check("127.0.0.1")
    for other in ("127.0.0.2", "::1", "::ffff:127.0.0.1", "10.0.0.1"):
        with pytest.raises(AddressRefused):
            guard.check(other)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/", "must begin with"),
        ("file:///etc/passwd", "must begin with"),
        ("javascript:alert(1)", "must begin with"),
        ("//example.com/", "must begin with"),
        ("example.com", "must begin with"),
        ("", "must begin with"),
        ("http:///x", "no host"),
        ("http://user@example.com/", "user name"),
        ("http://user:word@example.com/", "user name"),
        ("http://:@example.com/", "can't be read|user name"),
        ("http://example.com:22/", "port 22"),
        ("http://example.com:0/", "port 0"),
        ("http://example.com:99999/", "can't be read"),
        ("http://example.com/a b", "blanks"),
        ("http://example.com\\@evil.example/", "backslashes"),
        ("http://exa\u200bmple.com/", "invisible"),
        ("http://example.com/\u202egnp.exe", "invisible"),
        ("http://2130706433/", "four decimal"),
        ("http://0x7f.1/", "four decimal"),
        ("http://127.1/", "four decimal"),
        ("http://0177.0.0.1/", "four decimal"),
        ("http://[fe80::1%25eth0]/", "percent"),
        ("http://ex%61mple.com/", "percent"),
        ("http://xn--/", "can't be read"),
        ("http://example.com/" + "x" * 5000, "longer"),
    ],
)
def test_urls_that_are_refused(url: str, words: str) -> None:
    """Each says why."""
    with pytest.raises(UrlRefused, match=words):
        target(url)


@pytest.mark.parametrize(
    ("url", "host", "foreign"),
    [
        ("https://Example.COM./x?y=1#z", "example.com", None),
        ("https://bücher.example/", "xn--bcher-kva.example", "bücher.example"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "bücher.example"),
        ("http://①②⑦.0.0.1:8080/", "127.0.0.1", None),
        ("http://[::1]:8080/", "::1", None),
    ],
)
def test_hosts_as_they_are_understood(url: str, host: str, foreign: str | None) -> None:
    """Lower case, punycode, and how it was written if that is other letters."""
    found = target(url)
    assert (found.host, found.foreign, found.text) == (host, foreign, url)


def test_a_look_alike_of_an_address_is_that_address() -> None:
    """Digits in circles do not pass the guard."""
    assert as_address(target("http://①②⑦.0.0.1/").host) == ipaddress.ip_address("127.0.0.1")


@given(text=st.text(max_size=30) | st.text(max_size=20).map(lambda t: f"http://{t}"))
def test_reading_a_url_is_total(text: str) -> None:
    """Any text is a target or is refused in words."""
    try:
        found = target(text)
    except UrlRefused as refused:
        assert str(refused)
    else:
        assert found.host
