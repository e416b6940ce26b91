"""Pure: what people have allowed and the child has yet to ask for again."""

from collections import Counter


class Decisions:
    """Each allows one action of equal fingerprint, once; they are gone with the next turn's end."""

    def __init__(self) -> None:
        self._allowed: Counter[str] = Counter()

    def remember(self, fingerprint: str) -> None:
        """Allow it once."""
        self._allowed[fingerprint] += 1

    def take(self, fingerprint: str) -> bool:
        """Use one up, if there is one."""
        if self._allowed[fingerprint] <= 0:
            return False
        self._allowed[fingerprint] -= 1
        return True

    def clear(self) -> None:
        """What nobody asked for is not allowed any more."""
        self._allowed.clear()
