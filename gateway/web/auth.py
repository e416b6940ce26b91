"""The listener's token and the cookie that stands for it. Pure: time is an argument.

The cookie is signed with a key made from the token. So it outlives a restart, nothing has to be
stored, and a new token signs everybody out.
"""

import hmac
from collections import OrderedDict
from hashlib import sha256

COOKIE_LIFE_S = 30 * 24 * 3600

ATTEMPTS = 10
ATTEMPTS_WINDOW_S = 60
ADDRESSES_MAX = 1_000


class TokenAuth:
    """Knows the token by heart and tells it to nobody."""

    def __init__(self, token: str) -> None:
        self._token = sha256(token.encode()).digest()
        self._key = hmac.new(token.encode(), b"gatepost web cookie 1", sha256).digest()

    def is_token(self, text: str) -> bool:
        """Whether `text` is the token, in a time that does not depend on how nearly it is."""
        given = sha256(text.encode("utf-8", "surrogatepass")).digest()
        return hmac.compare_digest(given, self._token)

    def cookie(self, *, now_s: int) -> str:
        """What a browser that knew the token carries from now on."""
        return f"{now_s}.{self._signature(str(now_s))}"

    def is_cookie(self, text: str, *, now_s: int) -> bool:
        """Whether `text` is such a cookie, made from this token and not too old."""
        issued, _, signature = text.partition(".")
        expected = self._signature(issued)
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode()):
            return False
        # Signed by us, so it is a number.
        return 0 <= now_s - int(issued) <= COOKIE_LIFE_S

    def _signature(self, issued: str) -> str:
        return hmac.new(self._key, issued.encode("utf-8", "replace"), sha256).hexdigest()


class Attempts:
    """Counts wrong tokens by address, so that nobody tries them in bulk."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, ...]] = OrderedDict()

    def exhausted(self, address: str, *, now_s: int) -> bool:
        """Whether this address has to wait before it may try once more."""
        return len(self._recent(address, now_s)) >= ATTEMPTS

    def failed(self, address: str, *, now_s: int) -> None:
        """A wrong token came from this address."""
        self._failures[address] = (*self._recent(address, now_s), now_s)
        self._failures.move_to_end(address)
        if len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)

    def _recent(self, address: str, now_s: int) -> tuple[int, ...]:
        since = now_s - ATTEMPTS_WINDOW_S
        return tuple(at for at in self._failures.get(address, ()) if at > since)
