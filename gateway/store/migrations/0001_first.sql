-- Times are microseconds since 1970 (UTC). JSON is text. Account and chat are written as in
-- gateway/refs.py ("telegram:77", "slack:T1/C1/1699.2").

CREATE TABLE inbox (
    id {{serial}},
    account TEXT NOT NULL,
    delivery_key TEXT NOT NULL,
    logical_key TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('new', 'claimed', 'done', 'ignored', 'refused')),
    reason TEXT,
    lane TEXT CHECK (lane IN ('turn', 'now', 'press')),
    session_key TEXT,
    chat TEXT,
    message_id TEXT,
    author TEXT,
    order_major BIGINT NOT NULL DEFAULT 0,
    order_minor BIGINT NOT NULL DEFAULT 0,
    occurred_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    content TEXT,
    raw TEXT NOT NULL,
    repeats INTEGER NOT NULL DEFAULT 0,
    turn_id BIGINT,
    UNIQUE (account, delivery_key),
    UNIQUE (account, logical_key)
);
CREATE INDEX inbox_waiting ON inbox (session_key, order_major, order_minor, id) WHERE state = 'new';
CREATE INDEX inbox_author ON inbox (account, author);
CREATE INDEX inbox_message ON inbox (account, chat, message_id);

CREATE TABLE session (
    id {{serial}},
    key TEXT NOT NULL,
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    epoch BIGINT NOT NULL DEFAULT 0,
    settings TEXT NOT NULL DEFAULT '{}',
    title TEXT NOT NULL DEFAULT '',
    next_turn BIGINT NOT NULL DEFAULT 1,
    next_message BIGINT NOT NULL DEFAULT 1,
    created_at BIGINT NOT NULL,
    active_at BIGINT NOT NULL,
    closed_at BIGINT
);
CREATE UNIQUE INDEX session_current ON session (key) WHERE closed_at IS NULL;
CREATE INDEX session_key ON session (key);
CREATE INDEX session_chat ON session (account, chat);

CREATE TABLE turn (
    id {{serial}},
    session_id BIGINT NOT NULL REFERENCES session (id),
    number BIGINT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('open', 'waiting', 'done', 'failed', 'cancelled', 'halted')),
    attempt INTEGER NOT NULL DEFAULT 1,
    requester TEXT NOT NULL,
    requester_name TEXT NOT NULL,
    reply_to TEXT NOT NULL,
    grouped INTEGER NOT NULL,
    asked TEXT,
    served_by TEXT,
    mark TEXT,
    error TEXT,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT,
    UNIQUE (session_id, number)
);
CREATE INDEX turn_open ON turn (session_id) WHERE state IN ('open', 'waiting');

CREATE TABLE message (
    session_id BIGINT NOT NULL REFERENCES session (id),
    sequence BIGINT NOT NULL,
    turn_id BIGINT NOT NULL REFERENCES turn (id),
    body TEXT NOT NULL,
    stored_at BIGINT NOT NULL,
    PRIMARY KEY (session_id, sequence)
);
CREATE INDEX message_turn ON message (turn_id);

CREATE TABLE step (
    turn_id BIGINT NOT NULL REFERENCES turn (id),
    number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intent', 'done', 'failed')),
    reason TEXT,
    usage TEXT,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT,
    PRIMARY KEY (turn_id, number, attempt)
);

CREATE TABLE tool_call (
    id TEXT PRIMARY KEY,
    turn_id BIGINT NOT NULL REFERENCES turn (id),
    step INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    tool TEXT NOT NULL,
    arguments TEXT NOT NULL,
    effect TEXT,
    label TEXT,
    state TEXT NOT NULL,
    intended_at BIGINT,
    finished_at BIGINT
);
CREATE INDEX tool_call_turn ON tool_call (turn_id);

CREATE TABLE outbox (
    id {{serial}},
    dedupe_key TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    turn_id BIGINT,
    part INTEGER NOT NULL DEFAULT 0,
    purpose TEXT NOT NULL
        CHECK (purpose IN ('anchor', 'part', 'final', 'notice', 'command', 'send')),
    op TEXT NOT NULL CHECK (op IN ('post', 'edit', 'delete', 'upload')),
    target_id BIGINT REFERENCES outbox (id),
    content TEXT NOT NULL,
    nonce TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'in_flight', 'sent', 'unknown', 'dead')),
    reason TEXT,
    message_id TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    settled_at BIGINT
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE state IN ('pending', 'in_flight');
CREATE INDEX outbox_turn ON outbox (turn_id);
CREATE INDEX outbox_target ON outbox (target_id);
CREATE INDEX outbox_message ON outbox (account, chat, message_id);

CREATE TABLE cursor (
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (account, name)
);
