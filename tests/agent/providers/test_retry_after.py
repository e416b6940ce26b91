"""Every form in which a provider says how long to wait."""

import pytest

from agent.providers.retry_after import retry_after_s

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


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
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": DATE}, 30),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:30 GMT", "date": DATE}, 0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "2026-10-21T07:29:00Z", "date": DATE}, 60),
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
    ],
)
def test_forms(headers: dict[str, str], expected: float | None) -> None:
    """Seconds, milliseconds, dates against the response's own clock, durations, buckets."""
    assert retry_after_s(headers) == expected
