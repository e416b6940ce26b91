-- What recovery needs: who ran what, what is in doubt, which chats are dead, when we were deaf.

-- One run of the process; stopped_at stays empty if it died. boot: the machine's id of its boot.
CREATE TABLE start (
    id {{serial}},
    at BIGINT NOT NULL,
    stopped_at BIGINT,
    boot TEXT NOT NULL DEFAULT ''
);

-- start_id: the run that took the turn last; deaths: runs in a row that died with it open.
ALTER TABLE turn ADD COLUMN start_id BIGINT;
ALTER TABLE turn ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
-- Who said /stop while it ran; it ends when it is taken up again.
ALTER TABLE turn ADD COLUMN stopped_by TEXT;

-- A call in doubt that people are asked about; token is what its buttons carry.
CREATE TABLE question (
    id {{serial}},
    token TEXT NOT NULL UNIQUE,
    turn_id BIGINT NOT NULL REFERENCES turn (id),
    call_id TEXT NOT NULL REFERENCES tool_call (id),
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'again', 'skip', 'superseded')),
    decided_by TEXT,
    asked_at BIGINT NOT NULL,
    decided_at BIGINT
);
CREATE INDEX question_turn ON question (turn_id);

-- line: rows of one line leave in order; departed_at: when the last try began.
ALTER TABLE outbox ADD COLUMN line TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN departed_at BIGINT;
CREATE INDEX outbox_nonce ON outbox (nonce);

-- Chats that can't be written to (dead) or must not be for now (paused).
CREATE TABLE chat (
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('dead', 'paused')),
    reason TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (account, chat)
);

-- A time without transport that is over; recovered: messages read back, NULL where none can be.
CREATE TABLE gap (
    id {{serial}},
    account TEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    cause TEXT NOT NULL,
    recovered INTEGER
);
CREATE INDEX gap_account ON gap (account, until);

-- What `status` counts and lists without going through everything that was ever sent.
CREATE INDEX outbox_amiss ON outbox (id) WHERE state IN ('unknown', 'dead');
CREATE INDEX question_open ON question (id) WHERE state = 'open';
CREATE INDEX start_died ON start (at) WHERE stopped_at IS NULL;

-- What retention goes by. pruned_at: when a row lost its words; its keys stay another week.
ALTER TABLE inbox ADD COLUMN pruned_at BIGINT;
ALTER TABLE turn ADD COLUMN pruned_at BIGINT;
ALTER TABLE outbox ADD COLUMN pruned_at BIGINT;
CREATE INDEX inbox_kept ON inbox (received_at, id) WHERE pruned_at IS NULL;
CREATE INDEX inbox_pruned ON inbox (pruned_at, id) WHERE pruned_at IS NOT NULL;
CREATE INDEX inbox_blob ON inbox (raw) WHERE substr(raw, 1, 5) = 'blob:';
CREATE INDEX turn_kept ON turn (closed_at, id) WHERE pruned_at IS NULL AND closed_at IS NOT NULL;
CREATE INDEX turn_pruned ON turn (pruned_at, id) WHERE pruned_at IS NOT NULL;
CREATE INDEX outbox_kept ON outbox (settled_at, id)
    WHERE pruned_at IS NULL AND settled_at IS NOT NULL;
CREATE INDEX outbox_pruned ON outbox (pruned_at, id) WHERE pruned_at IS NOT NULL;

-- Rows that are gone for good: the highest number of a kind ('e', 't', 'o'), and when it went.
CREATE TABLE pruned (
    kind TEXT PRIMARY KEY,
    up_to BIGINT NOT NULL,
    at BIGINT NOT NULL
);

-- What would else be looked for in the whole past.
CREATE INDEX inbox_turn ON inbox (turn_id) WHERE state = 'claimed';
CREATE INDEX question_call ON question (call_id);
CREATE INDEX inbox_now ON inbox (id) WHERE state = 'new' AND lane IN ('now', 'press');
CREATE INDEX turn_next ON turn (session_id, number) WHERE state = 'open';
CREATE INDEX turn_unended ON turn (id) WHERE state = 'open';
CREATE INDEX turn_parked ON turn (session_id, id) WHERE state = 'waiting';
DROP INDEX outbox_waiting;
CREATE INDEX outbox_leaving ON outbox (account, id) WHERE state IN ('pending', 'in_flight');
CREATE INDEX outbox_pending ON outbox (account, chat) WHERE state = 'pending';

-- What a terminal missed; what was sent to one before this version counts as shown.
CREATE INDEX outbox_terminal ON outbox (chat, id) WHERE account = 'terminal:local';
INSERT INTO cursor (account, name, value, position)
    SELECT account, 'shown ' || chat, '', MAX(id) FROM outbox
    WHERE account = 'terminal:local' AND state = 'sent' GROUP BY account, chat;
