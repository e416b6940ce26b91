-- The language people read, as their platform told last; one row for each of their ids.
CREATE TABLE tongue (
    person TEXT PRIMARY KEY,
    language TEXT NOT NULL,
    heard_at BIGINT NOT NULL
);
