-- Owners beside those of the configuration: accounts that a one-time code has made so.
CREATE TABLE owner (
    person TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    name TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_at BIGINT NOT NULL
);

-- Codes by their digest, for a day; at most one of them is open. ended_at: used, or over before
-- its time.
CREATE TABLE owner_code (
    digest TEXT NOT NULL PRIMARY KEY,
    made_by TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    ended_at BIGINT
);

-- What was said and asked in a session without a turn: /forget finds it whoever it is by.
CREATE INDEX inbox_turnless ON inbox (session_key, id)
    WHERE turn_id IS NULL AND pruned_at IS NULL AND state IN ('done', 'ignored', 'refused');

-- How often each person has sent what is no code since the open one was made.
CREATE TABLE owner_try (
    account TEXT NOT NULL,
    person TEXT NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (account, person)
);
