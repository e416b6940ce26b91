"""What jobs of the clock posted, for the sessions in which people answer it.

A job's turn has a session of its own, so its words are unknown where they stand. The next turn
there begins with them, each once in a session: those of the last day, or the one its thread hangs
under. Words of a turn that had read foreign things enter as an inbox row of the job, which taints.
"""

from typing import Final

import orjson

from gateway import refs
from gateway.store.base import Row, Tx
from gateway.store.records import inbox

HEARD: Final = "heard_fire"
"""The setting of a session that holds the last fire whose words it has."""

AT_MOST: Final = 3
YOUNG_US: Final = 86_400_000_000
AUTHOR: Final = "job:{name}"


def unheard(
    tx: Tx, row: inbox.Waiting, *, session_id: int, turn_id: int, now: int
) -> tuple[inbox.Content, ...]:
    """Words of jobs that a session has not heard yet, as messages of a turn that begins now."""
    found = tx.row("SELECT settings FROM session WHERE id = ?", session_id)
    settings = orjson.loads(found[0]) if found else {}
    posts = _posts(tx, row, heard=int(settings.get(HEARD, 0)), now=now)
    if not posts:
        return ()
    settings[HEARD] = max(int(ident) for ident, *_ in posts)
    tx.run(
        "UPDATE session SET settings = ? WHERE id = ?", orjson.dumps(settings).decode(), session_id
    )
    return tuple(_heard(tx, row, post, turn=(session_id, turn_id), now=now) for post in posts)


def _posts(tx: Tx, row: inbox.Waiting, *, heard: int, now: int) -> list[Row]:
    """The last posts of jobs in the place of a message, oldest first."""
    place = row.content.reply_to or row.chat
    posts = {
        int(post[0]): post
        for form in refs.written_as(place)
        for post in tx.rows(
            "SELECT id, job, said, tainted FROM cron_fire WHERE account = ? AND chat = ?"
            " AND said <> '' AND id > ? AND made_at > ? ORDER BY id DESC LIMIT ?",
            row.account,
            form,
            heard,
            now - YOUNG_US,
            AT_MOST,
        )
    }
    last = [posts[ident] for ident in sorted(posts)][-AT_MOST:]
    root = refs.root_text(place)
    if root == place:
        return last
    above = [
        post
        for form in refs.written_as(root)
        for post in tx.rows(
            "SELECT cron_fire.id, cron_fire.job, cron_fire.said, cron_fire.tainted FROM outbox"
            " JOIN cron_fire ON cron_fire.turn_id = outbox.turn_id WHERE outbox.account = ?"
            " AND outbox.chat = ? AND outbox.message_id = ? AND cron_fire.said <> ''"
            " AND cron_fire.id > ? LIMIT 1",
            row.account,
            form,
            place.rpartition("/")[2],
            heard,
        )
    ]
    return [*above, *(post for post in last if post not in above)]


def _heard(
    tx: Tx, row: inbox.Waiting, post: Row, *, turn: tuple[int, int], now: int
) -> inbox.Content:
    """One post as a message; where it taints, with a row that `why` and the gate read."""
    ident, job, said, tainted = post
    session_id, turn_id = turn
    content = inbox.Content(
        kind="message",
        author=AUTHOR.format(name=job),
        author_name=f"job {job}",
        reply_to=row.content.reply_to,
        grouped=row.content.grouped,
        shared=True,
        text=said,
    )
    if tainted:
        arrival = inbox.Arrival(
            account=row.account,
            delivery_key=f"heard:{session_id}:{ident}",
            logical_key=f"heard:{session_id}:{ident}",
            state="new",
            reason=None,
            lane="turn",
            session_key=row.session_key,
            chat=row.chat,
            message_id=None,
            author=content.author,
            order=(0, 0),
            occurred_at=now,
            received_at=now,
            content=content,
            raw="",
        )
        if (entered := inbox.insert(tx, arrival)) is not None:
            inbox.claim(tx, [entered], turn_id)
    return content
