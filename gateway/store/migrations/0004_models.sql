-- Model calls, what keys rest for, and what stands in place of older messages.

-- One row for every attempt at a provider, also one that failed, was cut, or was healed; NULL is
-- unknown, never zero. chat: ACCOUNT|CHAT of whoever spends, without threads. outcome: why the
-- reply ended, the reason of an error, `cancelled`, or `orphan`: the gateway died in it.
CREATE TABLE model_call (
    id {{serial}},
    session_id BIGINT NOT NULL,
    turn_id BIGINT NOT NULL,
    requester TEXT NOT NULL,
    chat TEXT NOT NULL,
    step INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
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
    status INTEGER,
    move TEXT NOT NULL,
    first_byte_ms BIGINT,
    total_ms BIGINT,
    reservation_id TEXT,
    price_source TEXT NOT NULL,
    flags TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX model_call_turn ON model_call (turn_id, id);
CREATE INDEX model_call_at ON model_call (at);
CREATE INDEX model_call_chat ON model_call (chat, at);
CREATE INDEX model_call_entry ON model_call (entry, at);
-- kind: what the call is for, known before it has an end.
ALTER TABLE step ADD COLUMN kind TEXT NOT NULL DEFAULT 'main';

-- Chats that were told that a model rests, and by which another one answers.
CREATE TABLE resting (
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    model TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account, chat, model)
);
CREATE INDEX resting_at ON resting (at);
