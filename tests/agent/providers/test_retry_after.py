"""Every form in which a provider says how long to wait."""

import pytest

from agent.providers.retry_after import retry_after_s, retry_after_words, seconds_of

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
EPOCH = 1_792_567_680  # that date


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "1500", "retry-after": "20"}, 1.5),
        ({"retry-after-ms": "-5"}, 0),
        ({"retry-after-ms": "soon", "retry-after": "20"}, 20),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": DATE}, 30),
        ({"retry-after": "Wednesday, 21-Oct-26 07:28:30 GMT", "date": DATE}, 30),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:30 GMT", "date": DATE}, 0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "2026-10-21T07:29:00Z", "date": DATE}, 60),
        ({"retry-after": "2026-10-21T09:29:00+02:00", "date": DATE}, 60),
        ({"retry-after": str(EPOCH + 40), "date": DATE}, 40),
        ({"retry-after": str(EPOCH + 40)}, None),
        ({"retry-after": "1m30s"}, 90),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({"x-ratelimit-reset-requests": "6ms", "x-ratelimit-remaining-requests": "3"}, None),
        ({"x-ratelimit-reset-tokens": "1m0.5s", "x-ratelimit-remaining-tokens": "0"}, 60.5),
        (
            {
                "x-ratelimit-reset-tokens": "2s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-requests": "7s",
                "x-ratelimit-remaining-requests": "0",
            },
            7,
        ),
        (
            {
                "x-ratelimit-reset": str((EPOCH + 50) * 1000),
                "x-ratelimit-remaining": "0",
                "date": DATE,
            },
            50,
        ),
        (
            {
                "anthropic-ratelimit-input-tokens-reset": "2026-10-21T07:28:20Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-10-21T07:29:20Z",
                "anthropic-ratelimit-requests-remaining": "9",
                "date": DATE,
            },
            20,
        ),
        (
            {
                "retry-after": "3",
                "x-ratelimit-reset-tokens": "60s",
                "x-ratelimit-remaining-tokens": "0",
            },
            3,
        ),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": DATE}, 366 * 86_400),
    ],
)
def test_forms(headers: dict[str, str], expected: float | None) -> None:
    """Seconds, milliseconds, dates against the response's own clock, durations, buckets."""
    assert retry_after_s(headers) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please try again in 20s.", 20),
        ("Rate limit reached. Please try again in 9.816s. Visit https://x", 9.816),
        ("Please try again in 6ms.", 0.006),
        ("Please try again in 1m30s", 90),
        ("try again in 6m0.5s.", 360.5),
        ("Usage limit reached, try again in 5 minutes", 300),
        ("try again in 1 hour, 2 minutes and 3 seconds", 3723),
        ("Please retry in 38.2s.", 38.2),
        ("Please retry after 30 seconds.", 30),
        ("The limit resets in 2h", 7200),
        ("Try again in about 1 day", 86_400),
        ("please wait 10 seconds", 10),
        ("Usage resets over a rolling 24-hour window", None),
        ("Please retry 3 times", None),
        ("Please try again later.", None),
        ("Please try again with 5 messages", None),
        ("Limit 30000, Requested 3082", None),
        ("", None),
    ],
)
def test_words(text: str, expected: float | None) -> None:
    """A message that names its wait is believed; one that names other numbers is not."""
    assert retry_after_words(text) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("text", "expected"), [("38s", 38), ("7", 7), ("-1", 0), ("1h1m", 3660), ("x", None)]
)
def test_durations(text: str, expected: float | None) -> None:
    """A number or a duration."""
    assert seconds_of(text) == expected
