"""The token, the cookie that stands for it, and who tries too often."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.web.auth import (
    ADDRESSES_MAX,
    ATTEMPTS,
    ATTEMPTS_WINDOW_S,
    COOKIE_LIFE_S,
    Attempts,
    TokenAuth,
)

AUTH = TokenAuth("right")
COOKIE = AUTH.cookie(now_s=1_000)


@given(st.text(st.characters()))
def test_only_the_token_is_the_token(text: str) -> None:
    """Any other text is not, whatever characters it has."""
    assert AUTH.is_token("right")
    assert AUTH.is_token(text) == (text == "right")


def test_a_cookie_lives_its_time() -> None:
    """From now until a month later."""
    assert AUTH.is_cookie(COOKIE, now_s=1_000)
    assert AUTH.is_cookie(COOKIE, now_s=1_000 + COOKIE_LIFE_S)
    assert not AUTH.is_cookie(COOKIE, now_s=1_001 + COOKIE_LIFE_S)
    assert not AUTH.is_cookie(COOKIE, now_s=999)


def test_a_new_token_signs_everybody_out() -> None:
    """And the same token, after a restart, nobody."""
    assert not TokenAuth("other").is_cookie(COOKIE, now_s=1_000)
    assert TokenAuth("right").is_cookie(COOKIE, now_s=1_000)


def test_the_cookie_does_not_hold_the_token() -> None:
    """Who reads the cookie does not learn the token."""
    assert "right" not in COOKIE
    assert "right" not in repr(AUTH)


@given(st.text(st.characters()))
def test_no_other_text_is_a_cookie(text: str) -> None:
    """Anything else is refused without an exception."""
    assert not AUTH.is_cookie(text, now_s=1_000)
    assert not AUTH.is_cookie(f"1000.{text}", now_s=1_000)
    assert not AUTH.is_cookie(f"{text}.{COOKIE.partition('.')[2]}", now_s=1_000) or text == "1000"


def test_ten_wrong_tokens_a_minute_are_enough() -> None:
    """The address waits until its oldest mistake is a minute old; others do not."""
    attempts = Attempts()
    for second in range(ATTEMPTS):
        assert not attempts.exhausted("a", now_s=second)
        attempts.failed("a", now_s=second)
    assert attempts.exhausted("a", now_s=ATTEMPTS)
    assert not attempts.exhausted("b", now_s=ATTEMPTS)
    assert not attempts.exhausted("a", now_s=ATTEMPTS_WINDOW_S)


def test_attempts_are_bounded() -> None:
    """An attack from everywhere does not fill the memory."""
    attempts = Attempts()
    for _ in range(ATTEMPTS):
        attempts.failed("first", now_s=0)
    for number in range(ADDRESSES_MAX):
        attempts.failed(str(number), now_s=0)
    assert not attempts.exhausted("first", now_s=0)
