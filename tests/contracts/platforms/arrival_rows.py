"""Rows 1 to 10: what arrives is stored once, in order, and from whom it says it is."""

from tests.contracts.platforms.registry import CLOCK, at, row, shared

IN, PARSE = "test_ways_in.py", "test_parsing.py"
SLACK, DISCORD, TELEGRAM = "platforms/slack/", "platforms/discord/", "platforms/telegram/"
WEB, TERMINAL = "platforms/web/", "platforms/terminal/"
SLACK_CASE = "payload_becomes_the_expected_events"
DISCORD_CASE = "event_becomes_the_expected_events"
TELEGRAM_CASE = "update_becomes_the_expected_events"

ARRIVAL_ROWS = (
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
        cron=at(
            "gateway/test_hooks.py",
            "a_signed_request_runs_the_job",
            "what_became_of_it_is_a_status",
        ),
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
            *at("gateway/web/test_server.py", "a_body_that_does_not_come_is_given_up"),
        ),
        discord="Nothing listens there for anybody: one connection goes out, none comes in",
        telegram=(
            *shared("test_crowds.py", "who_speaks_is_answered_in_a_crowd"),
            *at(f"{TELEGRAM}test_webhook.py", "an_oversize_body_is_refused"),
            *at("gateway/web/test_server.py", "a_body_that_does_not_come_is_given_up"),
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
)
