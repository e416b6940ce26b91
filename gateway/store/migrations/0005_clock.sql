-- Jobs of the clock and their fires.

-- source: the configuration, or people in chats. since: from when its slots count, set anew by every
-- edit. account: the connected account of the chat it answers in, empty until one was seen.
-- next_at: its next slot, NULL if it has none. failures: fires in a row that failed.
CREATE TABLE cron_job (
    name TEXT PRIMARY KEY,
    source TEXT NOT NULL CHECK (source IN ('config', 'chat')),
    definition TEXT NOT NULL,
    maker TEXT NOT NULL DEFAULT '',
    maker_name TEXT NOT NULL DEFAULT '',
    account TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL CHECK (state IN ('active', 'paused', 'over', 'removed')),
    reason TEXT NOT NULL DEFAULT '',
    since BIGINT NOT NULL,
    next_at BIGINT,
    next_fold INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX cron_job_next ON cron_job (next_at) WHERE next_at IS NOT NULL;

-- One time a job was due. fold: 0 and 1 as the wall clock has it, 2 for a run outside of its slots.
-- begin_at: not before then. missed: further slots this row stands for. inbox_id: NULL until it
-- begins. said: what it posted, tainted if its turn had read what nobody of us wrote.
CREATE TABLE cron_fire (
    id {{serial}},
    job TEXT NOT NULL,
    slot BIGINT NOT NULL,
    fold INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('due', 'running', 'sending', 'delivered',
        'nothing_to_say', 'failed', 'skipped')),
    reason TEXT NOT NULL DEFAULT '',
    by_whom TEXT NOT NULL DEFAULT '',
    missed INTEGER NOT NULL DEFAULT 0,
    begin_at BIGINT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 1,
    account TEXT NOT NULL DEFAULT '',
    chat TEXT NOT NULL DEFAULT '',
    approver_account TEXT NOT NULL DEFAULT '',
    approver_chat TEXT NOT NULL DEFAULT '',
    inbox_id BIGINT,
    turn_id BIGINT,
    request_key TEXT,
    digest TEXT NOT NULL DEFAULT '',
    data TEXT NOT NULL DEFAULT '',
    said TEXT NOT NULL DEFAULT '',
    tainted INTEGER NOT NULL DEFAULT 0,
    made_at BIGINT NOT NULL,
    ended_at BIGINT,
    UNIQUE (job, slot, fold)
);
CREATE INDEX cron_fire_job ON cron_fire (job, id);
CREATE INDEX cron_fire_open ON cron_fire (state, id) WHERE state IN ('due', 'running', 'sending');
CREATE INDEX cron_fire_turn ON cron_fire (turn_id) WHERE turn_id IS NOT NULL;
CREATE INDEX cron_fire_key ON cron_fire (job, request_key) WHERE request_key IS NOT NULL;
CREATE INDEX cron_fire_said ON cron_fire (account, chat, id) WHERE said <> '';
