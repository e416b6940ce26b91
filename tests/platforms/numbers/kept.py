"""Which test shows a number of `limits.py` at work that is no count the platform refuses."""

from collections.abc import Mapping
from types import MappingProxyType

_SLACK = {
    "OVERFLOW_OPTIONS": "slack/test_controls.py::test_a_menu_is_what_slack_has_room_for",
    "STATUS_REFRESH_S": "slack/test_numbers.py::"
    "test_ours_is_the_documented_number_and_no_more_than_is_enforced",
    "QUOTE_MAX": "slack/test_shortcuts.py::test_a_shortcut_under_a_message_quotes_it",
    "STATUS_MAX": "slack/test_assistant.py::test_titles",
    "RESPONSE_URL_LIFE_S": "slack/test_numbers.py::"
    "test_ours_is_the_documented_number_and_no_more_than_is_enforced",
    "SIGNATURE_AGE_MAX_S": "slack/test_http.py::test_a_forged_request_is_refused",
    "ACK_LIMIT_S": "slack/test_numbers.py::"
    "test_ours_is_the_documented_number_and_no_more_than_is_enforced",
    "STALE_S": "slack/test_sockets.py::test_a_quiet_socket_is_not_taken_for_a_dead_one",
    "SECOND_AFTER_S": "slack/test_sockets.py::test_the_second_socket_starts_half_a_minute_later",
    "RETIRE_S": "slack/test_sockets.py::test_a_warned_socket_listens_until_its_successor_stands",
    "ONE_SOCKET_S": "slack/test_sockets.py::test_with_too_many_sockets_one_goes_on",
    "RECOUNT_S": "slack/test_sockets.py::"
    "test_somebody_elses_sockets_are_an_alarm_until_they_are_gone",
    "HISTORY_PAGE": "slack/test_backfill.py::test_a_day_and_five_hundred_messages_are_the_limit",
    "BACKFILL_AGE": "slack/test_backfill.py::test_a_day_and_five_hundred_messages_are_the_limit",
    "BACKFILL_MESSAGES": "slack/test_backfill.py::"
    "test_a_day_and_five_hundred_messages_are_the_limit",
    "BACKFILL_OVERLAP": "slack/test_backfill.py::test_what_a_lost_socket_missed_is_read_back",
    "BACKFILL_INTERVAL_S": "slack/test_backfill.py::test_reading_back_keeps_within_slacks_rates",
    "BACKFILL_BURST": "slack/test_backfill.py::test_reading_back_keeps_within_slacks_rates",
    "REQUESTS_MAX": "slack/test_http.py::test_too_many_at_once_are_turned_away",
}
_DISCORD = {
    "TYPING_LIFE_S": "discord/test_numbers.py::test_what_is_shown_while_we_type_is_renewed_in_time",
    "LOCALES": "discord/test_commands.py::test_words_in_other_languages_go_along",
    "FIRST_ANSWER_S": "discord/test_forms.py::test_a_form_after_three_seconds_is_too_late",
    "FORM_WAIT_S": "discord/test_forms.py::test_a_form_that_does_not_come_is_waited_for_so_long",
    "IDENTIFIES_LEFT_MIN": "discord/test_numbers.py::test_the_last_ten_sessions_of_a_day_are_kept",
    "SHARDS_MAX": "discord/test_shards.py::test_more_connections_than_one_process_keeps",
    "IDENTIFY_WAIT_S": "discord/test_shards.py::test_sessions_begin_one_after_the_other",
    "OLD_MESSAGE_S": "discord/test_sink.py::test_old_messages_are_posted_anew",
    "EDGE_BAN_S": "discord/test_standing.py::test_a_ban_of_the_edge_is_ten_minutes_of_silence",
    "REFUSALS_MAX": "discord/test_standing.py::test_refusals_are_counted_and_stopped_early",
    "REFUSALS_WINDOW_S": "discord/test_standing.py::test_refusals_are_counted_and_stopped_early",
    "NONCE_LIFE_S": "discord/test_doubts.py::test_an_old_doubt_is_settled_by_looking",
    "BUDGETS": "discord/test_numbers.py::test_our_pace_stays_below_the_buckets",
}
_TELEGRAM = {
    "TYPING_LIFE_S": "telegram/test_numbers.py::test_what_is_documented_is_what_is_used",
    "TYPING_REFRESH_S": "telegram/test_numbers.py::test_what_is_documented_is_what_is_used",
    "EDIT_INTERVAL_S": "telegram/test_limits.py::test_edit_intervals_keep_the_documented_rates",
    "EDIT_INTERVAL_GROUP_S": "telegram/test_limits.py::"
    "test_edit_intervals_keep_the_documented_rates",
    "POLL_TIMEOUT_S": "telegram/test_limits.py::test_limits_are_those_of_the_server",
    "UPDATE_ID_MAX": "telegram/test_offset.py::test_a_senseless_id_never_becomes_an_offset",
    "QUEUE_LIFE_S": "telegram/test_polling.py::test_an_outage_is_told_to_the_caller",
    "DEAF_AFTER_S": "telegram/test_polling.py::test_a_poll_that_is_deaf_but_open_is_found_out",
    "BUDGETS": "telegram/test_numbers.py::test_what_is_documented_is_what_is_used",
}

KEPT: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (platform, name): f"tests/platforms/{test}"
        for platform, named in (
            ("slack", _SLACK),
            ("discord", _DISCORD),
            ("telegram", _TELEGRAM),
        )
        for name, test in named.items()
    }
)
