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

-- What stands in place of older messages of a session; those stay stored. Sequences of message,
-- all inside. kind: prune (no text), summary, digest. kept: sequences left as they are, as JSON.
CREATE TABLE fold (
    id {{serial}},
    session_id BIGINT NOT NULL REFERENCES session (id),
    turn_id BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('prune', 'summary', 'digest')),
    first_sequence BIGINT NOT NULL,
    through_sequence BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL,
    kept TEXT NOT NULL,
    part_bytes BIGINT NOT NULL,
    text TEXT NOT NULL,
    gain_permille INTEGER NOT NULL,
    at BIGINT NOT NULL,
    undone_at BIGINT
);
CREATE INDEX fold_session ON fold (session_id, id);
CREATE INDEX fold_turn ON fold (turn_id);
-- Taken back by /undo or /retry: no model reads it again.
ALTER TABLE message ADD COLUMN undone_at BIGINT;
-- Time at work before its last wait for people.
ALTER TABLE turn ADD COLUMN active_us BIGINT NOT NULL DEFAULT 0;

-- Log-ins by name, each with its tokens; refresh tokens are good for one use. generation counts
-- renewals, expires_at is null where nobody has said.
CREATE TABLE credential_login (
    name TEXT PRIMARY KEY,
    service TEXT NOT NULL,
    access_token TEXT NOT NULL,
    refresh_token TEXT NOT NULL,
    expires_at BIGINT,
    obtained_at BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    account TEXT NOT NULL
);
-- What keys rest for; credential is told from the secret and tells nothing of it, an empty model
-- is all of them.
CREATE TABLE credential_rest (
    credential TEXT NOT NULL,
    model TEXT NOT NULL,
    cause TEXT NOT NULL CHECK (cause IN ('limit', 'credit', 'entitlement', 'refused')),
    label TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    rests_until BIGINT NOT NULL,
    streak INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (credential, model, cause)
);
-- When each key was last of use.
CREATE TABLE credential_use (
    credential TEXT PRIMARY KEY,
    label TEXT NOT NULL,
    last_good_at BIGINT NOT NULL
);
