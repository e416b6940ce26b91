"""Pure: which addresses, ports and URLs a page may be fetched from.

What is not plainly the public internet is refused: this machine, its network, the cloud's own
addresses, and every IPv6 form that carries such an IPv4 address within.
"""

import ipaddress
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import yarl

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

URL_MAX: Final = 4_000

_REFUSED: Final = tuple(
    (ipaddress.ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this machine"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a carrier's private address"),
        ("127.0.0.0/8", "this machine"),
        ("169.254.0.0/16", "a link-local address"),  # 169.254.169.254: cloud metadata
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),  # 192.0.0.192: metadata of one cloud
        ("192.168.0.0/16", "a private address"),
        ("168.63.129.16/32", "a cloud's own address"),  # public by its number, Azure's host agent
        ("224.0.0.0/4", "a multicast address"),
        ("::/128", "this machine"),
        ("::1/128", "this machine"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a private address"),
        ("ff00::/8", "a multicast address"),
    )
)
"""Source: the IANA special-purpose address registries; RFC 6598 for the carriers' range."""

_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")
_CARRYING: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in ("64:ff9b:1::/48", "::/96", "2002::/16", "2001::/32", "::ffff:0:0:0/96")
)
"""IPv6 that leads to an IPv4 address; only the plain translation is of any use today.
Source: RFC 6052, 8215, 4291, 3056, 4380, 2765."""

_LOCAL_NAMES: Final = ("localhost", "local", "internal", "home.arpa", "lan", "intranet")

_PORTS_REFUSED: Final = frozenset(
    (
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95),
        *(101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161),
        *(179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563),
        *(587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060),
        *(5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
    )
)
"""Ports of other protocols, which no page is served on. Source: the Fetch standard, "bad port"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL that may be asked for: as it was written, and as it is understood."""

    text: str
    url: yarl.URL

    @property
    def host(self) -> str:
        """The host as it is looked up: lower case, other letters as punycode."""
        return (self.url.raw_host or "").rstrip(".").lower()

    @property
    def foreign(self) -> str | None:
        """The host as it was written if it has other letters than ASCII."""
        shown = self.url.host or ""
        return None if shown.isascii() else shown


class UrlRefused(ValueError):
    """Not a URL that can be fetched; the text says why."""


class AddressRefused(ValueError):
    """An address that must not be reached; the text says which kind it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Tells which addresses may be reached; `allowed` ones may whatever they are."""

    allowed: frozenset[str] = frozenset()

    def check(self, address: str) -> None:
        """Raise AddressRefused unless the address is on the public internet."""
        if address in self.allowed:
            return
        try:
            found = ipaddress.ip_address(address.split("%", 1)[0])
        except ValueError as exc:
            raise AddressRefused("no address") from exc
        if (what := _refused(found)) is not None:
            raise AddressRefused(what)

    def check_all(self, addresses: Iterable[str]) -> None:
        """Raise AddressRefused if one of them may not be reached, or there is none."""
        none = True
        for address in addresses:
            self.check(address)
            none = False
        if none:
            raise AddressRefused("no address")

    def check_host(self, host: str) -> None:
        """Raise AddressRefused for a host that needs no look-up to be refused."""
        if (literal := as_address(host)) is not None:
            self.check(str(literal))
        elif not self.allowed and any(
            host == name or host.endswith(f".{name}") for name in _LOCAL_NAMES
        ):
            raise AddressRefused("a name of this machine or its network")


def target(text: str) -> Target:
    """Read a URL; raises UrlRefused."""
    if len(text) > URL_MAX:
        raise UrlRefused(f"it is longer than {URL_MAX} characters")
    if any(unicodedata.category(char)[0] in "CZ" or char == "\\" for char in text):
        raise UrlRefused("it has blanks, backslashes or invisible characters")
    try:
        url = yarl.URL(text)
        port, host, shown = url.port, url.raw_host, url.host
    except ValueError as exc:
        raise UrlRefused("it can't be read") from exc
    if url.scheme not in {"http", "https"}:
        raise UrlRefused("it must begin with https:// or http://")
    if not host or not shown:
        raise UrlRefused("it names no host")
    if "%" in host:
        raise UrlRefused("its host must not hold percent signs")
    if url.raw_user is not None or url.raw_password is not None or "@" in url.raw_authority:
        raise UrlRefused("it must not hold a user name or a password")
    if port is None or port in _PORTS_REFUSED or port == 0:
        raise UrlRefused(f"port {port} is not one that pages are served on")
    _check_number(host)
    return Target(text=text, url=url)


def as_address(host: str) -> Address | None:
    """The address a host is, if it is one and no name."""
    try:
        return ipaddress.ip_address(host.strip("[]").split("%", 1)[0])
    except ValueError:
        return None


def _check_number(host: str) -> None:
    """Refuse spellings of IPv4 addresses that systems read in ways of their own."""
    last = host.rstrip(".").rpartition(".")[2]
    number = last.isdigit() or last.lower().startswith("0x")
    if ":" not in host and number and (as_address(host) is None):
        raise UrlRefused("write an address as four decimal numbers")


def _refused(address: Address) -> str | None:
    """Which kind of address it is that must not be reached; None for the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _refused(address.ipv4_mapped)
        if address in _TRANSLATED:
            return _refused(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    for network, what in _REFUSED:
        if address.version == network.version and address in network:
            return what
    if any(address in network for network in _CARRYING) or not address.is_global:
        return "a reserved address"
    return None
