"""Rows 1 to 20: the ways in."""

from tests.contracts.platforms.registry import CLOCK, REMOTE, at, row, shared

IN, PARSE = "test_ways_in.py", "test_parsing.py"
SLACK, DISCORD, TELEGRAM = "platforms/slack/", "platforms/discord/", "platforms/telegram/"
WEB, TERMINAL = "platforms/web/", "platforms/terminal/"
SLACK_CASE = "payload_becomes_the_expected_events"
DISCORD_CASE = "event_becomes_the_expected_events"
TELEGRAM_CASE = "update_becomes_the_expected_events"
ARRIVAL = "Messages have no place there but that of their arrival"
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


SOURCE_ROWS = (
    row(
        1,
        "source",
        "no acknowledgement, offset or 200 before it is stored, while the journal is held",
        each=shared(IN, "nothing_is_acknowledged_before_it_is_stored"),
        slack=at(f"{SLACK}test_source.py", "nothing_is_acknowledged_before_it_is_stored"),
        discord=at(f"{DISCORD}test_source.py", "a_press_is_stored_and_then_answered"),
        telegram=(
            *at(f"{TELEGRAM}test_polling.py", "nothing_is_confirmed_before_it_is_stored"),
            *at(f"{TELEGRAM}test_webhook.py", "an_update_is_stored_before_it_is_answered"),
        ),
        web=at(f"{WEB}test_page.py", "acknowledged_only_after_stored"),
        cron=at("gateway/test_hooks.py", "a_signed_request_runs_the_job"),
    ),
    row(
        2,
        "source",
        "what meets a full or slow journal is delivered again and admitted once",
        each=shared(IN, "what_finds_no_room_is_stored_later_once"),
        slack=at(
            f"{SLACK}test_source.py",
            "busy_is_delivered_again",
            "a_journal_that_takes_too_long_is_busy",
        ),
        discord=at(f"{DISCORD}test_source.py", "busy_is_offered_again_until_it_is_stored"),
        telegram=(
            *at(f"{TELEGRAM}test_polling.py", "one_busy_update_keeps_the_whole_batch"),
            *at(f"{TELEGRAM}test_webhook.py", "what_was_not_stored_comes_again_in_order"),
        ),
        also=at("faults/test_inbound.py", "a_busy_journal"),
        cron=at("gateway/test_hooks.py", "what_became_of_it_is_a_status"),
    ),
    row(
        3,
        "source",
        "each event twice, and up to three more at once: one row",
        each=(
            *shared(PARSE, "each_event_up_to_four_times_is_one_row"),
            *shared(IN, "the_same_words_many_times_at_once_are_one_act"),
            *at("faults/test_inbound.py", "delivered_over_and_over"),
        ),
        cron=at("gateway/test_cron.py", "two_clocks_over_one_store_fire_once"),
    ),
    row(
        4,
        "source",
        "two transports or event ids of one act: one row",
        slack=(
            *at(
                f"{SLACK}test_source.py",
                "a_mention_is_one_act_in_two_deliveries",
                "two_ways_in_share_one_journal",
            ),
            *at(
                f"{SLACK}test_workspaces.py",
                "a_shared_channel_seen_by_two_workspaces_is_one_act",
            ),
            *at(f"{SLACK}test_backfill.py", "live_messages_are_not_read_twice"),
        ),
        discord=at(f"{DISCORD}test_gaps.py", "the_present_of_a_chat_waits_for_its_past"),
        telegram=(
            *at(f"{TELEGRAM}test_offset.py", "one_act_under_two_update_ids"),
            *at(
                f"{TELEGRAM}test_parse.py",
                "a_redrawn_update_id_is_another_delivery_of_the_same_act",
            ),
        ),
        web=at(f"{WEB}test_page.py", "the_same_message_again_is_one_message"),
        terminal=at(
            f"{TERMINAL}test_terminal_client.py",
            "a_terminal_that_comes_back_after_a_restart_goes_on",
        ),
        cron=at("gateway/test_hooks.py", "a_key_of_the_sender_s_stands_for_timestamp_and_body"),
    ),
    row(
        5,
        "source",
        "shuffled arrival: `order` restores it",
        each=shared(IN, "order_restores_what_was_said"),
        slack=at(f"{SLACK}test_faults.py", "overtaking_messages_are_put_in_order"),
        discord=at(f"{DISCORD}test_faults.py", "reordered_events_are_put_in_order_by_theirs"),
        telegram=at(f"{TELEGRAM}test_offset.py", "duplicates_and_reordering_in_one_batch"),
        cron=at("platforms/cron/test_schedule.py", "slots_increase_from_wherever_one_looks"),
    ),
    row(
        6,
        "source",
        "recorded payloads give golden events, one file a case",
        slack=at(f"{SLACK}test_parse.py", SLACK_CASE),
        discord=at(f"{DISCORD}test_parse.py", DISCORD_CASE),
        telegram=at(f"{TELEGRAM}test_parse.py", TELEGRAM_CASE),
        web="The page's payloads are made by this gateway's own routes: nobody else records any",
        terminal="The terminal's lines are this gateway's own protocol: nobody else records any",
        cron=CLOCK,
    ),
    row(
        7,
        "source",
        "`parse` is total: mutated payloads by the thousand, 100,000 and 10 ms each in the soak",
        each=shared(PARSE, "any_mutation_of_a_payload_gives_a_result"),
        slack=at(f"{SLACK}test_parse.py", "any_value_gives_a_result"),
        discord=at(f"{DISCORD}test_parse.py", "any_json_gives_a_result"),
        telegram=at(f"{TELEGRAM}test_parse.py", "any_json_gives_events_or_a_reason"),
        web=at(f"{WEB}test_parse.py", "any_json_value_gives_a_result"),
        terminal=at(f"{TERMINAL}test_terminal_parse.py", "any_bytes_give_a_result"),
        cron=at("gateway/test_hooks.py", "the_body_is_bounded_and_may_be_anything"),
    ),
    row(
        8,
        "source",
        "one poisoned among a hundred: kept as ignored, the others admitted",
        each=shared(IN, "one_poisoned_among_a_hundred"),
        telegram=at(f"{TELEGRAM}test_offset.py", "one_poisoned_update_among_a_hundred"),
        discord=at(f"{DISCORD}test_source.py", "a_poisoned_event_among_many"),
        slack=at(f"{SLACK}test_source.py", "malformed_payloads_are_stored_and_acknowledged"),
        cron=CLOCK,
    ),
    row(
        9,
        "source",
        "bad, missing, stale or replayed proof: 401, no row, before the body is read",
        slack=at(
            f"{SLACK}test_http.py",
            "a_forged_request_is_refused",
            "a_stale_request_is_refused_before_its_body_is_read",
        ),
        discord="Nothing comes in by request: its gateway is a connection that our token opened",
        telegram=at(
            f"{TELEGRAM}test_webhook.py",
            "a_bad_secret_is_turned_away_before_the_body",
            "a_webhook_without_a_secret_is_refused",
        ),
        web=(
            *at(
                "gateway/web/test_server.py",
                "a_rebound_name_gets_nothing",
                "a_foreign_page_cannot_act",
                "the_token_is_asked_of_programs",
                "wrong_tokens_are_counted",
            ),
            *at(f"{WEB}test_page.py", "a_token_of_another_browser_is_worth_nothing"),
        ),
        terminal=at(
            "gateway/test_control.py",
            "a_chat_is_handed_over_with_who_the_system_says_it_is",
            "the_socket_is_private_and_goes_with_the_server",
        ),
        cron=at(
            "gateway/test_hooks.py",
            "what_is_not_signed_is_turned_away",
            "a_signed_request_is_good_for_one_key",
            "the_edges_of_the_time_are_let_in",
        ),
    ),
    row(
        10,
        "source",
        "oversize, slow and 500 idle connections: whoever speaks is acknowledged as ever",
        slack=(
            *shared("test_crowds.py", "who_speaks_is_answered_in_a_crowd"),
            *at(
                f"{SLACK}test_http.py",
                "a_body_that_is_too_large_is_refused",
                "too_many_at_once_are_turned_away",
            ),
        ),
        discord="Nothing listens there for anybody: one connection goes out, none comes in",
        telegram=(
            *shared("test_crowds.py", "who_speaks_is_answered_in_a_crowd"),
            *at(f"{TELEGRAM}test_webhook.py", "an_oversize_body_is_refused"),
        ),
        web=(
            *shared("test_crowds.py", "who_speaks_is_answered_in_a_crowd"),
            *at(
                "gateway/web/test_server.py",
                "a_body_has_a_maximum",
                "a_body_that_does_not_come_is_given_up",
                "only_so_many_requests_at_once",
            ),
            *at(f"{WEB}test_feed.py", "streams_are_bounded"),
        ),
        terminal=(
            *shared("test_crowds.py", "a_line_that_is_too_long_costs_a_terminal_nothing_else"),
            *at(
                f"{TERMINAL}test_terminal_client.py",
                "terminals_are_counted",
                "who_takes_no_answers_is_not_listened_to",
            ),
        ),
        cron=at(
            "gateway/test_hooks.py",
            "the_body_is_bounded_and_may_be_anything",
            "a_body_without_a_length_is_bounded_too",
        ),
    ),
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
        slack=at(
            f"{SLACK}test_backfill.py",
            "a_day_and_five_hundred_messages_are_the_limit",
            "reading_back_keeps_within_slacks_rates",
        ),
        discord=(
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
        cron=at("gateway/test_cron.py", "a_fire_that_was_stored_before_a_long_stop_is_missed"),
    ),
)
