"""Pure: a file's own values as rules between keys see them."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config.faults import KeyPath, Wrong

Broken = tuple[KeyPath, Wrong]
"""The key a person should look at first, and what is wrong."""


class Facts:
    """The file's values, minus those that already have a fault."""

    def __init__(self, tree: Mapping[str, Any], faulty: frozenset[KeyPath]) -> None:
        self._tree = tree
        self._faulty = faulty

    def known(self, *paths: KeyPath) -> bool:
        """Whether none of these keys, nor a table around them, has a fault."""
        return not any(path[:end] in self._faulty for path in paths for end in range(len(path) + 1))

    def get(self, path: KeyPath, default: Any = None) -> Any:
        """Return the value at `path`, or `default` where the file has none."""
        here: Any = self._tree
        for key in path:
            try:
                here = here[key]
            except (KeyError, IndexError, TypeError):
                return default
        return here

    def has(self, path: KeyPath) -> bool:
        """Whether the file has that key or table."""
        return self.get(path) is not None


def name_taken(facts: Facts, here: KeyPath, seen: set[str], *, by: str) -> Iterator[Broken]:
    """Yield that an entry's name is one of `seen`, if it is; from then on it is."""
    key = (*here, "name")
    name = facts.get(key)
    if not facts.known(key) or name is None:
        return
    if name in seen:
        yield key, Wrong(f'"{name}" is taken by {by} above', "choose another")
    seen.add(name)
