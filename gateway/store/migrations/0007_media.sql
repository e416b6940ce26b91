-- Files that came in: which payloads the messages of a session need. A payload that no row names
-- is deleted.
CREATE TABLE media (
    payload TEXT NOT NULL,
    session_id BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    PRIMARY KEY (payload, session_id, sequence)
);
CREATE INDEX media_message ON media (session_id, sequence);
