"""Forms that count once, and words that are shown once; both in memory, so a restart forgets them.

A page of these carries one token for all its forms. Whichever is sent first takes the token with
it: the same form sent again (a second press, the Back button, a page loaded anew) does nothing,
and neither does one made elsewhere, which has no token of this browser.
"""

import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FORM_LIFE_S = 24 * 3600
FORMS_MAX = 4_096
TOLD_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """For whom and for what a form was made: browser cookie, user, and the address of the page."""

    browser: str
    user: str
    subject: str


class OneTimeForms:
    """Issues tokens and takes each back at most once; `draw` gives one nobody can guess."""

    def __init__(self, draw: Callable[[], str]) -> None:
        self._draw = draw
        self._issued: OrderedDict[str, tuple[Bearer, int]] = OrderedDict()

    def issue(self, bearer: Bearer, *, now_s: int) -> str:
        """A token for the forms of one page; `now_s` is seconds since the epoch."""
        token = self._draw()
        self._issued[token] = (bearer, now_s)
        if len(self._issued) > FORMS_MAX:
            self._issued.popitem(last=False)
        return token

    def redeem(self, token: str, bearer: Bearer, *, now_s: int) -> bool:
        """Whether this form counts; the token is gone then. One of another stays theirs."""
        issued = self._issued.get(token)
        if issued is None:
            return False
        made_for, at = issued
        ours, theirs = (
            "\0".join((each.browser, each.user, each.subject)).encode("utf-8", "replace")
            for each in (made_for, bearer)
        )
        if not hmac.compare_digest(ours, theirs):
            return False
        del self._issued[token]
        return 0 <= now_s - at <= FORM_LIFE_S


class Told:
    """Sentences for the page that is loaded after an act; each is shown once."""

    def __init__(self, draw: Callable[[], str]) -> None:
        self._draw = draw
        self._kept: OrderedDict[str, str] = OrderedDict()

    def keep(self, sentence: str) -> str:
        """Keep a sentence; returns the id under which the next page finds it."""
        ident = self._draw()
        self._kept[ident] = sentence
        if len(self._kept) > TOLD_MAX:
            self._kept.popitem(last=False)
        return ident

    def take(self, ident: str) -> str:
        """The sentence, which is then forgotten; empty if there is none."""
        return self._kept.pop(ident, "")
