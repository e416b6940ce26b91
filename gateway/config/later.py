"""Words of the configuration contract that this version does not carry out, and what to do instead.

They are refused by name: a key that is accepted and does nothing is a promise nobody keeps.
"""

from collections.abc import Mapping
from typing import Final

from gateway.config.faults import KeyPath

ANY: Final = "*"

KEYS: Final[Mapping[KeyPath, str]] = {}
STORES: Final[Mapping[str, str]] = {
    "postgresql": 'write store = "sqlite"',
    "postgres": 'write store = "sqlite"',
}
TOOLS: Final[Mapping[str, str]] = {
    "research": "remove it from the list",
}


def fix_for(path: KeyPath) -> str | None:
    """Return what to do about a key of a later version, or None for a key of no version."""
    for pattern, fix in KEYS.items():
        if len(pattern) == len(path) and all(
            want in (ANY, have) for want, have in zip(pattern, path, strict=True)
        ):
            return fix
    return None
