"""Proof that a form was made by our own page for the browser that sends it.

A token is `issued.signature` over the browser's cookie and the user. It is bound, not one-time:
what makes an act happen once is the key of the act, which the journal knows. A token alone is
worth nothing without the cookie, and a foreign page can read neither.

Pure: time and randomness are arguments.
"""

import hmac
from hashlib import sha256

from platforms.web.limits import FORM_LIFE_S


class FormTokens:
    """Issues and checks form tokens; `secret` may be drawn anew at every start."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, *, browser: str, user: str, now_s: int) -> str:
        """A token for the forms of one page; `now_s` is seconds since the epoch."""
        return f"{now_s}.{self._signature(str(now_s), browser, user)}"

    def check(self, token: str, *, browser: str, user: str, now_s: int) -> bool:
        """Whether `token` was issued to this browser and user and is not too old."""
        issued, _, signature = token.partition(".")
        expected = self._signature(issued, browser, user)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return False
        # Signed by us, so it is a number.
        return 0 <= now_s - int(issued) <= FORM_LIFE_S

    def _signature(self, issued: str, browser: str, user: str) -> str:
        message = "\0".join((issued, browser, user)).encode("utf-8", "replace")
        return hmac.new(self._secret, message, sha256).hexdigest()
