-- Who gets in beside whom the configuration names: people, chats, and what has moved.

-- A message may be held: its author is not let in yet. The state is part of a check, which can't be
-- changed in place.
CREATE TABLE inbox_with_held (
    id {{serial}},
    account TEXT NOT NULL,
    delivery_key TEXT NOT NULL,
    logical_key TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('new', 'claimed', 'done', 'ignored', 'refused', 'held')),
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
    pruned_at BIGINT,
    UNIQUE (account, delivery_key),
    UNIQUE (account, logical_key)
);
INSERT INTO inbox_with_held (id, account, delivery_key, logical_key, state, reason, lane,
        session_key, chat, message_id, author, order_major, order_minor, occurred_at, received_at,
        content, raw, repeats, turn_id, pruned_at)
    SELECT id, account, delivery_key, logical_key, state, reason, lane,
        session_key, chat, message_id, author, order_major, order_minor, occurred_at, received_at,
        content, raw, repeats, turn_id, pruned_at FROM inbox;
DROP TABLE inbox;
ALTER TABLE inbox_with_held RENAME TO inbox;
CREATE INDEX inbox_waiting ON inbox (session_key, order_major, order_minor, id) WHERE state = 'new';
CREATE INDEX inbox_message ON inbox (account, chat, message_id);
CREATE INDEX inbox_kept ON inbox (received_at, id) WHERE pruned_at IS NULL;
CREATE INDEX inbox_pruned ON inbox (pruned_at, id) WHERE pruned_at IS NOT NULL;
CREATE INDEX inbox_blob ON inbox (raw) WHERE substr(raw, 1, 5) = 'blob:';
CREATE INDEX inbox_turn ON inbox (turn_id) WHERE state = 'claimed';
CREATE INDEX inbox_now ON inbox (id) WHERE state = 'new' AND lane IN ('now', 'press');
CREATE INDEX inbox_author ON inbox (account, author, chat, message_id);
CREATE INDEX inbox_heard ON inbox (account, received_at) WHERE lane = 'turn';
CREATE INDEX inbox_pressed ON inbox (account, received_at)
    WHERE state = 'new' AND lane IN ('now', 'press');
CREATE INDEX inbox_given ON inbox (turn_id) WHERE turn_id IS NOT NULL;
CREATE INDEX inbox_held ON inbox (account, author, order_major, order_minor, id)
    WHERE state = 'held';

-- People who asked to talk in a direct chat, or of whom an owner has said something unasked.
-- until_at: open: nobody need decide after it; denied: they may ask again from then on.
CREATE TABLE pairing (
    account TEXT NOT NULL,
    person TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'allowed', 'denied', 'blocked')),
    code TEXT NOT NULL,
    chat TEXT NOT NULL,
    name TEXT NOT NULL,
    words TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    told_at BIGINT NOT NULL,
    decided_by TEXT,
    decided_at BIGINT,
    PRIMARY KEY (account, person)
);
CREATE INDEX pairing_code ON pairing (code);
CREATE INDEX pairing_open ON pairing (account, until_at) WHERE state = 'open';

-- Chats owners were asked about, or have let in. asked_at: when their card was made last.
CREATE TABLE listed_chat (
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('asked', 'allowed', 'left')),
    asked_at BIGINT NOT NULL,
    decided_by TEXT,
    decided_at BIGINT,
    PRIMARY KEY (account, chat)
);

-- Chats that have a new id: what is listed under the old one holds for the new one.
CREATE TABLE chat_alias (
    account TEXT NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account, old)
);
