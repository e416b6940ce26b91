-- What was said in chats of several people without turning to us: found by its place for whoever
-- turns to us next, and by its time to be forgotten after a day.
CREATE INDEX inbox_overheard ON inbox (account, chat, order_major, id)
    WHERE state = 'ignored' AND reason = 'not_addressed' AND pruned_at IS NULL;
CREATE INDEX inbox_overheard_at ON inbox (received_at, id)
    WHERE state = 'ignored' AND reason = 'not_addressed' AND pruned_at IS NULL;
