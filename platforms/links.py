"""Which link targets may be live, and whether a label pretends to lead elsewhere. Pure."""

import re
import unicodedata
from urllib.parse import urlsplit

URL_MAX = 2_048
"""Characters; a longer target would not fit a message part with its label, so it stays text."""

_ABSOLUTE = re.compile(r"https?://(?:[^\s/@]*@)?([^\s/:?#\\]+)")
_BARE = re.compile(r"(?<![\w.-])(www\.)?((?:[\w-]{1,63}\.)+([^\W\d_]{2,63}))(/)?(?![\w-])")
# Names of files are not names of hosts, though some of these endings can be registered.
_FILE_SUFFIX = re.compile(
    "py|md|rs|sh|tsx?|jsx?|mjs|go|rb|pl|cc|so|ps|java|kt|cs|cpp|css|html?|json|toml|ya?ml|txt|xml|sql"
    "|lock|cfg|ini|conf|log|env|csv|pdf|png|jpe?g|gif|svg|zip|gz|tar|ipynb"
)


def link_allowed(url: str) -> bool:
    """Whether `url` may be a live link: http or https with a host, or mailto; <= URL_MAX."""
    return len(url) <= URL_MAX and link_target(url) != ""


def link_target(url: str) -> str:
    """What a reader has to know of a target: its host, or a mail address; empty if not allowed."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme == "mailto":
        return parts.path
    return host if parts.scheme in {"http", "https"} else ""


def label_misleads(label: str, url: str) -> bool:
    """Whether `label` reads like a host that is neither the target's nor above it."""
    host = link_target(url).rpartition("@")[2].rstrip(".").lower()
    return any(
        host != claimed and not host.endswith("." + claimed) for claimed in _claimed_hosts(label)
    )


def _claimed_hosts(label: str) -> set[str]:
    folded = (
        unicodedata.normalize("NFKC", label).casefold().replace("\N{IDEOGRAPHIC FULL STOP}", ".")
    )
    seen = "".join(char for char in folded if unicodedata.category(char) != "Cf")
    claimed = set(_ABSOLUTE.findall(seen))
    for www, host, suffix, slash in _BARE.findall(_ABSOLUTE.sub(" ", seen)):
        if www or slash or not _FILE_SUFFIX.fullmatch(suffix):
            claimed.add(host)
    return {_ascii_host(host.strip(".").removeprefix("www.")) for host in claimed}


def _ascii_host(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host
