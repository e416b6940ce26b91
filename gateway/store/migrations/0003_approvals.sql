-- Approvals and money. Amounts are integer micro-dollars; NULL is unknown, never zero.

-- One card: what people are asked together, in one message per revision. A request is one item.
-- kind: call (may it run?), question (the model asks), limit (a budget is used up),
-- in_doubt (it may have run). detail: what the card shows beside its items, JSON.
CREATE TABLE card (
    id TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('call', 'question', 'limit', 'in_doubt')),
    state TEXT NOT NULL CHECK (state IN ('queued', 'open', 'closed')),
    rev INTEGER NOT NULL DEFAULT 1,
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    origin_account TEXT NOT NULL,
    origin TEXT NOT NULL,
    session_id BIGINT NOT NULL REFERENCES session (id),
    turn_id BIGINT NOT NULL REFERENCES turn (id),
    step INTEGER NOT NULL DEFAULT 0,
    tier TEXT NOT NULL CHECK (tier IN ('requester', 'approver', 'owner')),
    two_person INTEGER NOT NULL DEFAULT 0,
    requester TEXT NOT NULL,
    requester_name TEXT NOT NULL,
    policy TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT '{}',
    seen TEXT NOT NULL DEFAULT '[]',
    created_at BIGINT NOT NULL,
    opened_at BIGINT,
    posted_at BIGINT,
    expires_at BIGINT,
    remind_at BIGINT,
    closed_at BIGINT
);
CREATE UNIQUE INDEX card_code ON card (code) WHERE state IN ('queued', 'open');
CREATE INDEX card_old_code ON card (code);
CREATE INDEX card_open ON card (account, chat, created_at) WHERE state IN ('queued', 'open');
CREATE INDEX card_origin ON card (origin_account, origin, created_at)
    WHERE state IN ('queued', 'open');
CREATE INDEX card_expiry ON card (expires_at) WHERE state = 'open';
CREATE INDEX card_reminder ON card (remind_at) WHERE state = 'open' AND remind_at IS NOT NULL;
CREATE INDEX card_unposted ON card (created_at) WHERE state = 'open' AND posted_at IS NULL;
CREATE INDEX card_turn ON card (turn_id);
CREATE INDEX card_session ON card (session_id);
CREATE INDEX card_closed ON card (closed_at) WHERE closed_at IS NOT NULL;

-- One thing to decide. arguments: canonical JSON, what runs and nothing else; ceiling NULL with
-- unknown saying why. votes: people who said yes where two must.
CREATE TABLE request (
    id TEXT PRIMARY KEY,
    card_id TEXT NOT NULL REFERENCES card (id),
    ordinal INTEGER NOT NULL,
    call_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'answered', 'expired',
        'superseded', 'withdrawn', 'undeliverable')),
    tool TEXT NOT NULL,
    operation TEXT NOT NULL DEFAULT '',
    arguments TEXT NOT NULL DEFAULT '{}',
    schema_hash TEXT NOT NULL DEFAULT '',
    fingerprint TEXT NOT NULL DEFAULT '',
    effect TEXT,
    tags TEXT NOT NULL DEFAULT '[]',
    rule TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    ceiling BIGINT,
    unknown TEXT,
    quote TEXT NOT NULL DEFAULT '{}',
    detail TEXT NOT NULL DEFAULT '{}',
    votes TEXT NOT NULL DEFAULT '[]',
    edited TEXT NOT NULL DEFAULT '',
    earlier TEXT,
    decided_at BIGINT,
    decided_by TEXT,
    decided_name TEXT,
    decided_from TEXT,
    words TEXT NOT NULL DEFAULT '',
    UNIQUE (card_id, ordinal)
);
CREATE INDEX request_call ON request (call_id);
CREATE INDEX request_pending ON request (card_id) WHERE state = 'pending';
CREATE INDEX request_fingerprint ON request (fingerprint);

-- What a call is judged and run by, beside what the model wrote.
ALTER TABLE tool_call ADD COLUMN operation TEXT NOT NULL DEFAULT '';
ALTER TABLE tool_call ADD COLUMN canonical TEXT;
ALTER TABLE tool_call ADD COLUMN fingerprint TEXT;
ALTER TABLE tool_call ADD COLUMN snapshots TEXT NOT NULL DEFAULT '{}';
ALTER TABLE tool_call ADD COLUMN quote TEXT;
ALTER TABLE tool_call ADD COLUMN rule TEXT;
ALTER TABLE tool_call ADD COLUMN reservation_id TEXT;
ALTER TABLE tool_call ADD COLUMN decided_at BIGINT;
ALTER TABLE tool_call ADD COLUMN decided_by TEXT;
ALTER TABLE tool_call ADD COLUMN taints TEXT NOT NULL DEFAULT '';
ALTER TABLE tool_call ADD COLUMN finds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tool_call ADD COLUMN deadline_at BIGINT;
CREATE INDEX tool_call_taints ON tool_call (turn_id) WHERE taints <> '';
CREATE INDEX tool_call_finds ON tool_call (turn_id) WHERE finds = 1;
-- halted: the sentence that ends the turn when it is taken up next.
ALTER TABLE turn ADD COLUMN halted TEXT NOT NULL DEFAULT '';
-- What stood in the chat when the turn last waited: its words so far, and their messages. What
-- comes after a card stands below it, in messages of its own.
ALTER TABLE turn ADD COLUMN words_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turn ADD COLUMN parts_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE step ADD COLUMN reservation_id TEXT;
-- chat: ACCOUNT|CHAT of whoever spends, without threads.
ALTER TABLE step ADD COLUMN chat TEXT NOT NULL DEFAULT '';
CREATE INDEX step_chat ON step (chat, opened_at);

-- Work that goes on elsewhere. state: running, stopping (its end was asked for), ended,
-- unknown (nobody can tell; tries go on). waits: the turn waits for its end. recurring: it begins
-- again and again, and ends before the hold of its call is used up. record: the id of its bill.
CREATE TABLE remote_job (
    call_id TEXT PRIMARY KEY REFERENCES tool_call (id),
    turn_id BIGINT NOT NULL REFERENCES turn (id),
    tool TEXT NOT NULL,
    handle TEXT NOT NULL,
    label TEXT NOT NULL,
    record TEXT NOT NULL DEFAULT '',
    waits INTEGER NOT NULL DEFAULT 1,
    recurring INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL CHECK (state IN ('running', 'stopping', 'ended', 'unknown')),
    started_at BIGINT NOT NULL,
    deadline_at BIGINT NOT NULL,
    look_at BIGINT NOT NULL,
    looks INTEGER NOT NULL DEFAULT 0,
    stop_by TEXT,
    stop_at BIGINT,
    ended_at BIGINT
);
CREATE INDEX remote_job_open ON remote_job (look_at) WHERE state <> 'ended';
CREATE INDEX remote_job_turn ON remote_job (turn_id);
CREATE INDEX remote_job_record ON remote_job (record);

-- What recurring work has begun. ceiling NULL: nobody knows its price. state: running, booked
-- (spent is in the ledger; NULL if no figure was to be had), apart (a call of its own pays).
CREATE TABLE remote_run (
    record TEXT PRIMARY KEY,
    call_id TEXT NOT NULL REFERENCES remote_job (call_id) ON DELETE CASCADE,
    handle TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'booked', 'apart')),
    ceiling BIGINT,
    spent BIGINT,
    found_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX remote_run_open ON remote_run (call_id) WHERE state = 'running';
CREATE INDEX remote_run_call ON remote_run (call_id);

-- Limits: what is settled and held per scope and window, and what people have raised it by.
-- scope: turn:7, session:3, chat_day:ACCOUNT|CHAT, user_day:PERSON, org_month, background_day,
-- grant:ID; whole:3 is all of a session. span: local date or month, '' for a life. cap: the limit
-- as last used, NULL counts only. noticed: the 80 % notice is out.
CREATE TABLE balance (
    scope TEXT NOT NULL,
    span TEXT NOT NULL,
    begins_at BIGINT,
    ends_at BIGINT,
    cap BIGINT,
    settled BIGINT NOT NULL DEFAULT 0,
    held BIGINT NOT NULL DEFAULT 0,
    raised BIGINT NOT NULL DEFAULT 0,
    noticed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, span)
);
CREATE INDEX balance_ended ON balance (ends_at) WHERE ends_at IS NOT NULL;

-- Money put aside before something can cost. scopes: JSON list of [scope, span] it counts in.
-- leave: by whose word. estimate: what it cost as far as anyone can tell, while the figure is
-- awaited. booked: parts that are settled already, while the rest is held. A charged one may still
-- be settled, when its figure comes late.
CREATE TABLE reservation (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('model', 'tool')),
    state TEXT NOT NULL CHECK (state IN ('held', 'settled', 'released', 'charged')),
    leave TEXT NOT NULL CHECK (leave IN ('policy', 'person', 'grant', 'auto')),
    amount BIGINT NOT NULL,
    actual BIGINT,
    estimate BIGINT,
    booked BIGINT NOT NULL DEFAULT 0,
    scopes TEXT NOT NULL,
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    turn_id BIGINT,
    step INTEGER,
    call_id TEXT,
    what TEXT NOT NULL,
    payer TEXT NOT NULL DEFAULT '',
    requester TEXT NOT NULL DEFAULT '',
    unit_price BIGINT,
    source TEXT NOT NULL DEFAULT '',
    as_of BIGINT,
    estimator TEXT NOT NULL DEFAULT '',
    flags TEXT NOT NULL DEFAULT '',
    opened_at BIGINT NOT NULL,
    deadline_at BIGINT NOT NULL,
    closed_at BIGINT
);
CREATE INDEX reservation_held ON reservation (deadline_at) WHERE state = 'held';
CREATE INDEX reservation_since ON reservation (opened_at);
CREATE INDEX reservation_turn ON reservation (turn_id);
CREATE INDEX reservation_opened ON reservation (account, chat, opened_at);
CREATE INDEX reservation_closed ON reservation (closed_at) WHERE closed_at IS NOT NULL;

-- Append-only: every movement of money. Per scope and span, settled is the sum of settle, charge,
-- overrun, unheld and correct; held is that of hold less settle, release and charge.
CREATE TABLE ledger (
    seq {{serial}},
    at BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('hold', 'settle', 'release', 'charge', 'raise', 'unheld',
        'overrun', 'correct')),
    amount BIGINT NOT NULL,
    reservation_id TEXT,
    turn_id BIGINT,
    step INTEGER,
    call_id TEXT,
    what TEXT NOT NULL,
    scopes TEXT NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    chat TEXT NOT NULL DEFAULT '',
    payer TEXT NOT NULL DEFAULT '',
    requester TEXT NOT NULL DEFAULT '',
    unit_price BIGINT,
    source TEXT NOT NULL DEFAULT '',
    as_of BIGINT,
    record TEXT NOT NULL DEFAULT ''
);
CREATE INDEX ledger_at ON ledger (at);
CREATE INDEX ledger_reservation ON ledger (reservation_id);

-- Estimators whose figure was too low: unknown until an owner clears it.
CREATE TABLE estimator (
    name TEXT PRIMARY KEY,
    since BIGINT NOT NULL,
    reason TEXT NOT NULL
);

-- No money moves while one of these stands. scope: 'all' or ACCOUNT|CHAT.
CREATE TABLE freeze (
    scope TEXT PRIMARY KEY,
    by_whom TEXT NOT NULL,
    by_name TEXT NOT NULL,
    reason TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- Leave given once for several calls. kind auto: `/auto`, for everything it may cover.
CREATE TABLE allowance (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('grant', 'auto')),
    state TEXT NOT NULL CHECK (state IN ('live', 'ended')),
    session_id BIGINT,
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    requester TEXT NOT NULL,
    giver TEXT NOT NULL,
    giver_name TEXT NOT NULL,
    tool TEXT NOT NULL DEFAULT '',
    operation TEXT NOT NULL DEFAULT '',
    bounds TEXT NOT NULL DEFAULT '{}',
    ceiling BIGINT NOT NULL,
    uses_left INTEGER NOT NULL,
    cap BIGINT NOT NULL,
    schema_hash TEXT NOT NULL DEFAULT '',
    policy TEXT NOT NULL DEFAULT '',
    request_id TEXT,
    created_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_because TEXT
);
CREATE INDEX allowance_live ON allowance (account, chat) WHERE state = 'live';
CREATE INDEX allowance_session ON allowance (session_id) WHERE state = 'live';
CREATE INDEX allowance_until ON allowance (until_at) WHERE state = 'live';
CREATE INDEX allowance_ended ON allowance (ended_at) WHERE ended_at IS NOT NULL;

-- Append-only chain: hash = SHA-256 of the canonical row with the hash before it.
CREATE TABLE audit (
    seq {{serial}},
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    chat TEXT NOT NULL DEFAULT '',
    subject TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_subject ON audit (subject);
CREATE INDEX audit_at ON audit (at);

-- Questions asked by a message that is to be answered by a reply (Telegram's forms).
CREATE TABLE prompt (
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    message_id TEXT NOT NULL,
    form_id TEXT NOT NULL,
    field TEXT NOT NULL,
    person TEXT NOT NULL,
    until_at BIGINT NOT NULL,
    PRIMARY KEY (account, chat, message_id)
);
CREATE INDEX prompt_until ON prompt (until_at);

-- What the agent was asked to remember, per place: a chat, or one person in direct chats.
CREATE TABLE memory (
    id {{serial}},
    place TEXT NOT NULL,
    text TEXT NOT NULL,
    author TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX memory_place ON memory (place, id);

-- Secret keys of this state directory, newest last (buttons are sealed with them).
CREATE TABLE seal (
    id {{serial}},
    secret TEXT NOT NULL,
    made_at BIGINT NOT NULL
);

-- Tools of MCP servers as last seen, and the digest an operator's declaration is about.
CREATE TABLE mcp_pin (
    server TEXT NOT NULL,
    tool TEXT NOT NULL,
    description TEXT NOT NULL,
    parameters TEXT NOT NULL,
    agreed TEXT NOT NULL,
    declaration TEXT NOT NULL,
    PRIMARY KEY (server, tool)
);

-- Calls in doubt are asked about on cards from now on: what waited is taken up and asked anew.
UPDATE turn SET state = 'open' WHERE state = 'waiting';
DROP TABLE question;

-- What the gate and the desk ask of the past without going through it: whether a person has
-- written in a chat, when somebody last did, and which presses came before a moment.
DROP INDEX inbox_author;
CREATE INDEX inbox_author ON inbox (account, author, chat, message_id);
CREATE INDEX inbox_heard ON inbox (account, received_at) WHERE lane = 'turn';
CREATE INDEX inbox_pressed ON inbox (account, received_at)
    WHERE state = 'new' AND lane IN ('now', 'press');

-- Whose words a turn was given, also after it has ended.
CREATE INDEX inbox_given ON inbox (turn_id) WHERE turn_id IS NOT NULL;
