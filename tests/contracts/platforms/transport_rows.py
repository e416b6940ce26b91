"""Rows 11 to 20: connections and their gaps, who and what is meant, and where it ends."""

from tests.contracts.platforms.arrival_rows import (
    DISCORD,
    DISCORD_CASE,
    IN,
    PARSE,
    SLACK,
    SLACK_CASE,
    TELEGRAM,
    TELEGRAM_CASE,
    TERMINAL,
    WEB,
)
from tests.contracts.platforms.registry import CLOCK, REMOTE, at, row, shared

IN_HAND = (
    "What is not acknowledged stays in the hands of whoever wrote it, and nothing waits elsewhere"
)
ALONE = "Every chat there is one person's own: nobody else is in it who could be meant"


def slack_cases(*names: str) -> tuple[str, ...]:
    """Recorded payloads of Slack with what they become."""
    return at(f"{SLACK}test_parse.py", *(f"{SLACK_CASE}[{name}]" for name in names))


def discord_cases(*names: str) -> tuple[str, ...]:
    """Recorded events of Discord with what they become."""
    return at(f"{DISCORD}test_parse.py", *(f"{DISCORD_CASE}[{name}]" for name in names))


def telegram_cases(*names: str) -> tuple[str, ...]:
    """Recorded updates of Telegram with what they become."""
    return at(f"{TELEGRAM}test_parse.py", *(f"{TELEGRAM_CASE}[{name}]" for name in names))


TRANSPORT_ROWS = (
    row(
        11,
        "source",
        "drop, refresh, reconnect, invalid session, 409, close codes: the right move and no loop",
        slack=(
            *at(
                f"{SLACK}test_source.py",
                "a_refresh_moves_to_a_new_socket",
                "a_socket_that_breaks_is_replaced",
                "without_any_socket_the_caller_is_told",
            ),
            *at(
                f"{SLACK}test_sockets.py",
                "sockets_that_never_last_are_no_loop",
                "with_too_many_sockets_one_goes_on",
                "a_place_that_fails_again_and_again_rests_longer_each_time",
            ),
        ),
        discord=(
            *at(
                f"{DISCORD}test_connection.py",
                "each_close_code_does_its_move",
                "a_final_close_stops_and_says_which_switch",
                "pauses_grow_while_connections_do_not_last",
            ),
            *at(
                f"{DISCORD}test_source.py",
                "a_lost_connection_is_resumed_without_loss",
                "a_session_that_is_over_is_begun_anew",
            ),
        ),
        telegram=(
            *at(
                f"{TELEGRAM}test_polling.py",
                "a_broken_poll_is_tried_again_on_a_new_connection",
                "an_outage_is_told_to_the_caller",
                "two_programs_on_one_token",
                "one_conflict_is_forgiven",
            ),
            *at(f"{TELEGRAM}test_hearing.py", "a_storm_of_429_is_waited_out"),
        ),
        web=(
            *at(f"{WEB}test_feed.py", "a_page_goes_on_where_it_was"),
            *at(f"{WEB}test_restart.py", "an_open_page_goes_on_after_a_restart"),
        ),
        terminal=(
            *at(
                f"{TERMINAL}test_terminal_client.py",
                "the_journal_decides_and_not_the_connection",
                "a_terminal_that_comes_back_after_a_restart_goes_on",
            ),
            *at("faults/test_connections.py", "cut_in_an_answer_and_in_a_question[terminal]"),
        ),
        cron=at(
            "gateway/test_cron.py",
            "a_gateway_that_was_down_follows_the_policy_of_each_job",
            "a_clock_set_back_fires_nothing_again",
        ),
    ),
    row(
        12,
        "source",
        "a transport that is open and deaf is found in time and replaced",
        slack=at(
            f"{SLACK}test_sockets.py",
            "one_deaf_socket_of_two_is_replaced_without_a_gap",
            "traffic_does_not_hide_a_deaf_socket",
            "a_quiet_socket_is_not_taken_for_a_dead_one",
        ),
        discord=at(
            f"{DISCORD}test_connection.py",
            "a_half_open_socket_is_replaced_without_a_goodbye",
            "a_socket_that_talks_and_never_acknowledges_is_replaced",
        ),
        telegram=at(
            f"{TELEGRAM}test_hearing.py",
            "a_poll_on_a_half_open_connection_is_replaced",
            "a_poll_that_only_drips_is_replaced",
            "polls_that_stay_empty_are_found_out_by_asking_twice",
        ),
        web=at(
            f"{WEB}test_feed.py",
            "a_dead_reader_is_cut_off",
            "a_heartbeat_finds_out_that_the_reader_is_gone",
        ),
        terminal=at(
            f"{TERMINAL}test_terminal_client.py",
            "a_dead_reader_is_dropped_with_what_it_was_sent",
        ),
        cron=CLOCK,
    ),
    row(
        13,
        "source",
        "a gap is back-filled: none lost in listed chats, none twice, marked late",
        slack=at(
            f"{SLACK}test_backfill.py",
            "what_a_lost_socket_missed_is_read_back",
            "what_a_dead_process_missed_is_read_back",
            "slacks_own_rate_notice_is_a_gap",
        ),
        discord=(
            *at(
                f"{DISCORD}test_gaps.py",
                "a_new_session_is_a_gap_until_all_is_read",
                "only_listed_chats_of_a_guild_are_read",
                "a_death_while_reading_loses_nothing",
            ),
            *at(f"{DISCORD}test_source.py", "what_came_while_nothing_ran_is_read_back"),
        ),
        telegram=at(
            f"{TELEGRAM}test_hearing.py",
            "an_outage_is_told_when_what_waited_is_stored",
            "beyond_the_life_of_the_queue_nothing_is_recovered",
        ),
        web=IN_HAND,
        terminal=IN_HAND,
        cron=at(
            "gateway/test_cron_slots.py",
            "what_was_missed_follows_the_policy",
            "a_year_down_is_looked_through_from_its_end",
        ),
    ),
    row(
        14,
        "source",
        "a backlog at the start: memory bounded, order kept in each chat",
        slack=(
            *at(
                f"{SLACK}test_backlog.py",
                "a_backlog_at_the_start",
                "a_socket_lives_while_nobody_reads_it",
                "a_command_does_not_wait_in_the_line",
            ),
            *at(
                f"{SLACK}test_backfill.py",
                "a_day_and_five_hundred_messages_are_the_limit",
                "reading_back_keeps_within_slacks_rates",
            ),
            *at(f"{SLACK}test_source.py", "a_journal_that_takes_too_long_is_busy"),
        ),
        discord=(
            *at(f"{DISCORD}test_backlog.py", "a_backlog_of_thousands"),
            *at(f"{DISCORD}test_source.py", "a_full_backlog_stops_reading_and_loses_nothing"),
            *at(f"{DISCORD}test_gaps.py", "at_most_500_messages_of_a_chat"),
        ),
        telegram=at(f"{TELEGRAM}test_offset.py", "a_backlog_of_ten_thousand"),
        web=IN_HAND,
        terminal=IN_HAND,
        cron=at("gateway/test_cron.py", "jobs_take_four_places_and_wait_for_one"),
    ),
    row(
        15,
        "source",
        "who is addressed: mention, role, reply, thread, another's command, everyone",
        also=at("gateway/test_admission.py", "is_it_meant_for_us"),
        over=REMOTE,
        slack=(
            *at(
                "scenarios/test_conversation.py",
                "group_message_must_address_the_bot[slack]",
            ),
            *at("scenarios/test_threads.py", "thread_of_others_is_left_alone[slack]"),
            *slack_cases("mention_in_channel", "reply_to_our_root"),
        ),
        discord=(
            *at(
                "scenarios/test_conversation.py",
                "group_message_must_address_the_bot[discord]",
                "reply_addresses_the_bot[discord]",
            ),
            *at("scenarios/test_threads.py", "thread_of_others_is_left_alone[discord]"),
            *discord_cases("everyone", "our_own_role_is_us", "reply_to_us"),
        ),
        telegram=(
            *at(
                "scenarios/test_conversation.py",
                "group_message_must_address_the_bot[telegram]",
                "reply_addresses_the_bot[telegram]",
            ),
            *at("scenarios/test_threads.py", "thread_of_others_is_left_alone[telegram]"),
            *telegram_cases("command_for_another_bot", "mention_of_somebody_else", "reply_to_us"),
        ),
        web=ALONE,
        terminal=ALONE,
        cron=CLOCK,
    ),
    row(
        16,
        "source",
        "kinds of authors: own, bot, webhook, service, anonymous, guest, external",
        also=at("gateway/test_admission.py", "only_people_enter", "other_bots"),
        over=REMOTE,
        slack=(
            *slack_cases("own_echo", "other_bot", "webhook_bot_message", "slackbot"),
            *slack_cases("guest", "external_person"),
        ),
        discord=discord_cases("own_message", "other_bot", "webhook", "someone_joined"),
        telegram=telegram_cases(
            "own_message", "other_bot", "anonymous_admin", "as_channel", "automatic_forward"
        ),
        web=at("gateway/test_admission.py", "own_surfaces_prove_their_people"),
        terminal=at("gateway/test_admission.py", "own_surfaces_prove_their_people"),
        cron=CLOCK,
    ),
    row(
        17,
        "source",
        "edit, delete, reaction, membership, migration, album, voice, topic",
        slack=slack_cases(
            "edited_message",
            "deleted_message",
            "reaction_added",
            "reaction_removed",
            "we_joined_a_channel",
            "member_left_channel",
            "channel_id_changed",
            "file_share",
            "assistant_thread_in_dm",
        ),
        discord=(
            *discord_cases(
                "edited",
                "deleted",
                "deleted_in_bulk",
                "reaction_added",
                "files",
                "voice_message",
                "thread_was_created",
                "channel_deleted",
            ),
            *at(f"{DISCORD}test_source.py", "a_guild_that_is_new_is_told_of"),
        ),
        telegram=telegram_cases(
            "edited_message",
            "reactions_changed",
            "we_joined_a_group",
            "member_left",
            "migrated_to_supergroup",
            "photo_with_caption_in_album",
            "voice",
            "topic_message",
        ),
        web="A page sends words, files, presses and forms; nobody edits, reacts or joins there",
        terminal="A terminal sends words, files and presses; nobody edits, reacts or joins there",
        cron=CLOCK,
    ),
    row(
        18,
        "source",
        "media: lying length, redirect, page to log in, expired link, private address",
        also=at(
            "gateway/test_file_fetch.py",
            "no_redirect_leads_off_the_platform",
            "a_name_that_leads_to_a_private_network_is_refused",
            "an_answer_that_ends_early_is_no_file",
            "more_than_was_declared_is_not_read",
            "a_page_to_log_in_is_no_file",
        ),
        over=REMOTE,
        slack=at(
            "contracts/test_files.py",
            "slack_without_the_right_shows_a_page_to_sign_in",
            "a_file_kept_outside_slack_is_not_asked_for",
        ),
        discord=at("contracts/test_files.py", "discord_is_asked_for_an_address_that_is_still_good"),
        telegram=at("contracts/test_files.py", "telegram_says_what_it_does_not_hand_out"),
        web=(
            *at(f"{WEB}test_uploads.py", "too_much_is_refused"),
            *at(
                "gateway/test_file_fetch.py", "what_came_with_its_message_is_read_from_what_is_kept"
            ),
        ),
        terminal=(
            *at(f"{TERMINAL}test_terminal_files.py", "too_many_at_once"),
            *at(
                "gateway/test_file_fetch.py", "what_came_with_its_message_is_read_from_what_is_kept"
            ),
        ),
        cron=CLOCK,
    ),
    row(
        19,
        "source",
        "two credentials, workspaces or people with chats of the same id: no mixing",
        each=shared(PARSE, "the_same_ids_of_another_credential_are_other_rows"),
        slack=at(f"{SLACK}test_workspaces.py", "the_same_chat_id_in_two_workspaces_never_mixes"),
        web=at(f"{WEB}test_parse.py", "users_do_not_share_addresses"),
        terminal=at(
            f"{TERMINAL}test_terminal_client.py",
            "every_open_terminal_of_a_chat_sees_it_and_no_other",
        ),
        cron=at("gateway/test_cron_lane.py", "a_job_of_another_chat_does_not_exist"),
    ),
    row(
        20,
        "source",
        "a stop in the middle of a delivery: nothing written after it, taken up again, quick",
        each=shared(IN, "stopped_in_the_middle_of_a_delivery"),
        slack=at(
            f"{SLACK}test_source.py",
            "stopping_is_quick_and_acknowledges_nothing_unstored",
            "stopping_lets_a_commit_finish",
        ),
        discord=at(
            f"{DISCORD}test_source.py",
            "a_cancelled_delivery_is_offered_by_the_next_run",
            "a_clean_stop_is_quick",
        ),
        telegram=at(f"{TELEGRAM}test_polling.py", "a_stop_confirms_nothing_and_is_quick"),
        web=(
            *at(f"{WEB}test_sink.py", "after_close_nothing_is_taken"),
            *at("gateway/web/test_server.py", "it_stops_in_time_whatever_is_open"),
        ),
        terminal=at(
            f"{TERMINAL}test_terminal_client.py",
            "closing_writes_what_is_left_and_takes_no_more",
            "before_intake_opens_nothing_is_taken",
        ),
        cron=at(
            "gateway/test_cron_slots.py",
            "what_was_stored_before_a_stop_runs_if_it_is_still_wanted",
        ),
    ),
)
