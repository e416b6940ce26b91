-- Model calls, what keys rest for, and what stands in place of older messages.

-- One row for every attempt at a provider, also one that failed, was cut, or was healed.
CREATE TABLE model_call (
    id {{serial}},
    session_id BIGINT NOT NULL,
    turn_id BIGINT NOT NULL,
    step BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    kind TEXT NOT NULL,
    entry TEXT NOT NULL,
    asked TEXT NOT NULL,
    served TEXT NOT NULL,
    credential TEXT NOT NULL,
    input_tokens BIGINT,
    cached_tokens BIGINT,
    cache_write_tokens BIGINT,
    cache_write_long_tokens BIGINT,
    output_tokens BIGINT,
    reasoning_tokens BIGINT,
    outcome TEXT NOT NULL,
    move TEXT NOT NULL,
    first_byte_ms BIGINT,
    total_ms BIGINT NOT NULL,
    reservation_id TEXT,
    price_source TEXT NOT NULL,
    flags TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX model_call_turn ON model_call (turn_id, id);
CREATE INDEX model_call_at ON model_call (at);
