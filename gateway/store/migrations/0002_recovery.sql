-- What recovery needs: who ran what, what is in doubt, which chats are dead, when we were deaf.

-- One run of the process; stopped_at stays empty if it died.
CREATE TABLE start (
    id {{serial}},
    at BIGINT NOT NULL,
    stopped_at BIGINT
);

-- start_id: the run that took the turn last; deaths: runs in a row that died with it open.
ALTER TABLE turn ADD COLUMN start_id BIGINT;
ALTER TABLE turn ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;

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
