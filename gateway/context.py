"""What was said in a group before somebody turned to us, as the turn that answers it reads it.

Read once, when the turn opens, from the chat or thread of its first message, or where a platform
can't be read back from what came in the last 24 hours without turning to us: at most MESSAGES_MAX
messages, none from before the last one that the session was given, since it knows those. Our own
answers to others are among them, as ours; the session's own, cards and notices are not. The words
are quoted, and taint the turn where somebody wrote them who may not decide; who is blocked is not
among them. What can't be read in READ_S is gone without: an answer without its context is better
than none.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from agent.messages import UserMessage
from gateway import mailbox, refs
from gateway.attached import quoted_of
from gateway.clock import Clock
from gateway.store.base import Store, Tx
from gateway.store.records import due, earlier, inbox, overheard, pairings, sessions
from gateway.store.records.earlier import HEAD, Earlier
from platforms.base import Adapter, History
from platforms.errors import PlatformError
from platforms.events import Author, ChatRef, MessageRef, Said

MESSAGES_MAX: Final = 20
TEXT_MAX: Final = 500
"""Code points of one message; of all of them the newest that fit into ALL_MAX are given."""

ALL_MAX: Final = 6_000
READ_S: Final = 4.0
NAME_MAX: Final = 60

log = logging.getLogger(__name__)


async def read_before(
    key: str,
    adapter: Adapter,
    store: Store,
    clock: Clock,
    one_by_one: Callable[[Tx, str], bool],
) -> Earlier | None:
    """What was said before the message whose turn opens next; None if there is nothing to give.

    `one_by_one` says whether a turn of the session takes one message only.
    """
    now = clock.now()
    first = await store.read(lambda tx: _asked(tx, key, one_by_one=one_by_one(tx, key), now=now))
    if first is None or first.message_id is None or not first.content.grouped:
        return None
    account = refs.account_from(first.account)
    message = MessageRef(chat=refs.chat_from(first.chat, account), message_id=first.message_id)
    if not isinstance(adapter, History):
        kept = await store.read(lambda tx: _overheard(tx, key, first.id, message.chat, now=now))
        return earlier_of(first.id, kept) if kept else None
    try:
        async with asyncio.timeout(READ_S):
            said = await adapter.earlier(message, MESSAGES_MAX)
    except (PlatformError, TimeoutError) as error:
        why = "it took too long" if isinstance(error, TimeoutError) else error
        log.warning("what was said before could not be read: %s", why)
        return None
    found = await store.read(lambda tx: _unknown(tx, key, said))
    return earlier_of(first.id, found, root=message.chat.thread_id) if found else None


def earlier_of(row: int, said: Sequence[Said], *, root: str | None = None) -> Earlier:
    """Pure: messages, oldest first, as quoted data before the input that begins with a row.

    `root` is the message that a thread is about: it is given in any case, with its files.
    """
    about = tuple(each for each in said[:1] if each.message.message_id == root)
    room = ALL_MAX - sum(len(_line(each)) for each in about)
    told = (*about, *_newest(said[len(about) :], room))
    files = tuple(
        file for each in about for file in quoted_of(each.attachments, each.message, each.author)
    )
    text = "\n".join((HEAD, *map(_line, told)))
    media = tuple(each.to_media() for each in files if each.file)
    by = dict.fromkeys(_person(each) for each in told if not each.author.is_us)
    return Earlier(row=row, message=UserMessage(text=text, media=media), by=tuple(by), files=files)


def _newest(said: Sequence[Said], room: int) -> Sequence[Said]:
    """As many of the newest as there is room for."""
    for at in range(len(said) - 1, -1, -1):
        room -= len(_line(said[at]))
        if room < 0:
            return said[at + 1 :]
    return said


def _asked(tx: Tx, key: str, *, one_by_one: bool, now: int) -> inbox.Waiting | None:
    """The first message of the turn that would open now; None if none would."""
    found = due.look(tx, key, now=now)
    if found is None or found.opened or sessions.waiting_turn(tx, key) is not None:
        return None
    batch = mailbox.next_batch(inbox.waiting_in(tx, key), one_by_one=one_by_one)
    return batch[0] if batch and not batch[0].content.alone else None


def _overheard(tx: Tx, key: str, row: int, chat: ChatRef, *, now: int) -> list[Said]:
    """What is kept of a chat that can't be read back."""
    since = now - overheard.KEPT_US
    heard = overheard.before(tx, row, key, since=since, limit=MESSAGES_MAX)
    account = refs.account_text(chat.account)
    return [
        _as_said(each, chat)
        for each in heard
        if not _is_blocked(tx, account, each.content.author)  # since then, that is
    ]


def _as_said(heard: overheard.Overheard, chat: ChatRef) -> Said:
    content = heard.content
    own = (each for each in content.attachments if not each.quoted)
    files = (f"(file: {each.name or each.kind})" for each in own)
    return Said(
        author=Author(
            id=refs.person_id(content.author),
            space=refs.person_space(content.author),
            name=content.author_name,
        ),
        text=" ".join(filter(None, (content.text, *files))),
        message=MessageRef(chat=chat, message_id=heard.message_id),
    )


def _unknown(tx: Tx, key: str, said: Sequence[Said]) -> list[Said]:
    """What the session has not read: all after the last of it, but for what it says itself."""
    found: list[Said] = []
    for each in said:
        account = refs.account_text(each.message.chat.account)
        place = earlier.Place(
            account=account, chat=refs.chat_text(each.message.chat), message=each.message.message_id
        )
        if each.author.is_us:
            if not earlier.is_needless(tx, key, place):
                found.append(each)
            continue
        match earlier.given(tx, key, place):
            case True:
                found.clear()
            case False if _is_blocked(tx, account, _person(each)):
                pass
            case False:
                found.append(each)
            case None:
                pass
    return found


def _person(said: Said) -> str:
    return refs.person_text(said.author, said.message.chat.account.platform)


def _is_blocked(tx: Tx, account: str, person: str) -> bool:
    pairing = pairings.of(tx, account, person)
    return pairing is not None and pairing.state == "blocked"


def _line(said: Said) -> str:
    """One message; its further lines are indented, so that none passes for another person's."""
    name = "you" if said.author.is_us else _name(said.author.name or said.author.id)
    text = said.text if len(said.text) <= TEXT_MAX else f"{said.text[:TEXT_MAX]} ..."
    first, *more = text.splitlines() or [""]
    return "\n".join((f"> {name}: {first}", *(f">     {each}" for each in more)))


def _name(name: str) -> str:
    """A name that can't end its line or begin another's words, and is not ours."""
    marks = "".join(c if c.isprintable() and c not in ":>[]" else " " for c in name)
    plain = " ".join(marks.split())[:NAME_MAX]
    return f'"{plain}"' if plain.casefold() == "you" else plain or "somebody"
