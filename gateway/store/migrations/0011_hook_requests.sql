-- Signed requests of hooks: under which key each came first, for as long as its signature is good.
-- signed: the SHA-256 of the signature.
CREATE TABLE hook_request (
    job TEXT NOT NULL,
    signed TEXT NOT NULL,
    request_key TEXT NOT NULL,
    good_until BIGINT NOT NULL,
    PRIMARY KEY (job, signed)
);
CREATE INDEX hook_request_good_until ON hook_request (good_until);
