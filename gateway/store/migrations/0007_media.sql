-- Files that came in: which payloads the messages of a session need; of session 0: an event that
-- brought its files along, sequence being its row in inbox. A payload that no row names is deleted.
CREATE TABLE media (
    payload TEXT NOT NULL,
    session_id BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    PRIMARY KEY (payload, session_id, sequence)
);
CREATE INDEX media_message ON media (session_id, sequence);
