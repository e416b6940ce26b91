"""Form tokens: bound to a browser and a user, signed, and not for ever."""

from hypothesis import given
from hypothesis import strategies as st

from platforms.web.forms import FormTokens
from platforms.web.limits import FORM_LIFE_S

TOKENS = FormTokens(b"secret")
TOKEN = TOKENS.issue(browser="b", user="u", now_s=1_000)


def test_a_token_is_good_where_it_was_issued() -> None:
    """The same browser and user, for as long as it lives."""
    assert TOKENS.check(TOKEN, browser="b", user="u", now_s=1_000)
    assert TOKENS.check(TOKEN, browser="b", user="u", now_s=1_000 + FORM_LIFE_S)


def test_a_token_is_good_nowhere_else() -> None:
    """Not in another browser, for another user, under another secret, too late or too early."""
    assert not TOKENS.check(TOKEN, browser="c", user="u", now_s=1_000)
    assert not TOKENS.check(TOKEN, browser="b", user="v", now_s=1_000)
    assert not FormTokens(b"other").check(TOKEN, browser="b", user="u", now_s=1_000)
    assert not TOKENS.check(TOKEN, browser="b", user="u", now_s=1_001 + FORM_LIFE_S)
    assert not TOKENS.check(TOKEN, browser="b", user="u", now_s=999)


@given(st.text())
def test_no_other_text_is_a_token(text: str) -> None:
    """Anything else is refused without an exception."""
    assert not TOKENS.check(text, browser="b", user="u", now_s=1_000)
    assert not TOKENS.check(f"1000.{text}", browser="b", user="u", now_s=1_000)
