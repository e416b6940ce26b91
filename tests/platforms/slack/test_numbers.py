"""Slack's numbers, once more: what stands in `limits.py` is what is documented, or less."""

import pytest

from platforms.slack import limits
from platforms.slack.api import CONNECT_TIMEOUT_S, TOTAL_TIMEOUT_S
from tests.wire.slack import assistant, controls, interactions, rules, transport, views


@pytest.mark.parametrize(
    ("ours", "documented", "enforced"),
    [
        (limits.ACK_LIMIT_S, 2.0, transport.ACK_LIMIT_S),
        (limits.TEXT_MAX, 40_000, rules.TEXT_MAX),
        (limits.PART_SOFT, 3_900, rules.UPDATE_TEXT_MAX),
        (limits.FALLBACK_MAX, 3_900, rules.UPDATE_TEXT_MAX),
        (limits.BLOCKS_MAX, 45, rules.BLOCKS_MAX),
        (limits.JSON_MAX, 12_000, rules.BLOCKS_JSON_MAX),
        (limits.TABLE_ROWS_MAX, 100, rules.TABLE_ROWS_MAX),
        (limits.TABLE_COLUMNS_MAX, 20, rules.TABLE_COLUMNS_MAX),
        (limits.INDENT_MAX, 8, rules.INDENT_MAX),
        (limits.ROWS_MAX * limits.BUTTONS_PER_ROW, 25, rules.ACTIONS_ELEMENTS_MAX),
        (limits.LABEL_MAX, 75, controls.LABEL_MAX),
        (limits.VALUE_MAX_BYTES, 64, controls.VALUE_MAX),
        (limits.METADATA_MAX, 3_000, views.PRIVATE_METADATA_MAX),
        (limits.FORM_TITLE_MAX, 24, views.TITLE_MAX),
        (limits.FIELD_MAX, 3_000, views.INPUT_MAX),
        (limits.RESPONSE_URL_LIFE_S, 1_800, interactions.RESPONSE_URL_LIFE_S),
        (limits.PROMPTS_MAX, 4, assistant.PROMPTS_MAX),
        (limits.STATUS_REFRESH_S, 90.0, 120.0),
        (limits.UPLOAD_MAX_BYTES, 50 << 20, 1 << 30),
        (limits.PING_INTERVAL_S, 5.0, 5.0),
        (limits.STALE_S, 20.0, 20.0),
        (limits.SIGNATURE_AGE_MAX_S, 300, 300),
        (limits.LOOK_UP_MARGIN.total_seconds(), 5.0, 5.0),
        (2, 2, transport.SOCKETS_MAX),
        (60 / limits.BACKFILL_INTERVAL_S, 50, 50),
        (CONNECT_TIMEOUT_S, 5.0, TOTAL_TIMEOUT_S),
    ],
)
def test_ours_is_the_documented_number_and_no_more_than_is_enforced(
    ours: float, documented: float, enforced: float
) -> None:
    """A changed digit fails here, and one the server would refuse as well."""
    assert ours == documented
    assert ours <= enforced
