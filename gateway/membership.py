"""What becomes of a chat when somebody is let into it, or it is closed, or has a new address.

Runs in the unit that stores the event. Owners are asked about a chat nobody listed, once a day, and
nothing is said in the chat itself. A chat that can't be written to is dead, as if a message had
failed; whatever comes from it revives it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, assert_never

from gateway import audit, refs
from gateway.card_words import filled, name, said, value
from gateway.clock import Clock
from gateway.config.faults import Wrong
from gateway.config.ids import ChatPattern, parse_chat
from gateway.owner_cards import OwnerCards
from gateway.store.base import Tx
from gateway.store.records import chats, listed, moves, outbox
from gateway.store.records.chats import MarkedChat
from gateway.store.records.outbox import OutboxRow
from gateway.words import access as said_of
from gateway.words import owner_cards as told
from gateway.words.phrase import ENGLISH, Phrase, Reader
from platforms.blocks import Blocks, Paragraph, Spans
from platforms.content import Button
from platforms.events import ChatMembershipChanged

ASK_EVERY_US = 24 * 3_600 * 1_000_000

ChatVerb = Literal["allow", "leave"]

_SPACED = frozenset({"slack", "discord"})
_DEAD = {"blocked": "blocked", "we_left": "not a member", "archived": "archived"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a change leads to: cards to send, a chat that is dead, whether lists are to be read."""

    rows: tuple[OutboxRow, ...] = ()
    dead: MarkedChat | None = None
    reload: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatDecided:
    """What came of an owner's word about a chat, which may have another address by now."""

    text: str
    chat: str = ""
    done: bool = False
    rows: tuple[OutboxRow, ...] = ()


class Memberships:
    """Every method runs in the caller's unit."""

    def __init__(self, *, cards: OwnerCards, clock: Clock) -> None:
        self._cards = cards
        self._clock = clock

    def called(self, tx: Tx, event: ChatMembershipChanged) -> tuple[OutboxRow, ...]:
        """We were let into a chat that nobody listed: owners are asked, once a day."""
        account, chat = refs.account_text(event.account), root_of(event)
        now = self._clock.now()
        if not listed.ask(tx, account, chat, before=now - ASK_EVERY_US, now=now):
            return ()
        return self._card(tx, account, chat, now, card_of(event, self._cards.reader(tx)))

    def cards_due(self, tx: Tx) -> tuple[OutboxRow, ...]:
        """Cards of chats that called before anybody knew where owners are asked."""
        rows: list[OutboxRow] = []
        for each in listed.everything(tx):
            if each.state == "asked" and each.asked_at > self._clock.now() - ASK_EVERY_US:
                reader = self._cards.reader(tx)
                words = _asked_about(filled(told.ADDED, reader, chat=value(each.chat)), reader)
                rows += self._card(tx, each.account, each.chat, each.asked_at, words)
        return tuple(rows)

    def _card(
        self, tx: Tx, account: str, chat: str, asked_at: int, words: Blocks
    ) -> tuple[OutboxRow, ...]:
        """A card about a chat, unless it was made already."""
        reader = self._cards.reader(tx)
        buttons = (
            Button(label=told.ALLOW.to(reader), payload=f"allow {chat}", style="primary"),
            Button(label=told.LEAVE.to(reader), payload=f"leave {chat}"),
        )
        return self._cards.post(tx, _key(account, chat, asked_at), words, buttons)

    def changed(self, tx: Tx, event: ChatMembershipChanged) -> Changed:
        """Something about a chat of ours is different now."""
        account, chat = refs.account_text(event.account), root_of(event)
        now = self._clock.now()
        match event.change:
            case "we_joined" | "unblocked":
                chats.clear(tx, account=account, chat=chat, state="dead")
            case "blocked" | "we_left" | "archived":
                reason = _DEAD[event.change]
                fresh = chats.mark(
                    tx, account=account, chat=chat, state="dead", reason=reason, now=now
                )
                outbox.bury(tx, account=account, chat=chat, reason=reason, now=now)
                if fresh:
                    dead = MarkedChat(
                        account=account, chat=chat, state="dead", reason=reason, since=now
                    )
                    return Changed(dead=dead)
            case "moved":
                return self._moved(tx, event, account, chat)
            case "joined" | "left" | "rights" | "renamed":
                pass
            case change:
                assert_never(change)
        return Changed()

    def decide(
        self,
        tx: Tx,
        verb: ChatVerb,
        account: str,
        chat: str,
        *,
        by: str,
        listed_as: str = "",
        reader: Reader = ENGLISH,
    ) -> ChatDecided:
        """Carry out an owner's word about a chat; `listed_as` is how the configuration lets it in.

        A word about an address of before is about the one it has now.
        """
        now, chat = self._clock.now(), listed.address(tx, account, chat)
        still = said_of.STILL_LET_IN.to(reader, chat=chat, pattern=listed_as)
        known = listed.of(tx, account, chat)
        state: Literal["allowed", "left"] = "allowed" if verb == "allow" else "left"
        if known is not None and known.state == state and verb == "leave" and listed_as:
            return ChatDecided(text=still, chat=chat, done=True)
        if known is not None and known.state == state:
            done, owner = _WORDS[verb].to(reader), known.decided_by
            text = told.CHAT_ALREADY.to(reader, chat=chat, state=done, owner=owner)
            return ChatDecided(text=text)
        listed.decide(tx, account, chat, state, by=by, now=now)
        audit.append(
            tx,
            at=now,
            kind="chat",
            actor=by,
            account=account,
            chat=chat,
            subject=chat,
            detail={"verb": verb},
        )
        rows: tuple[OutboxRow, ...] = ()
        if known is not None:
            owners, decider = self._cards.reader(tx), value(by)
            done = _WORDS[verb].to(owners)
            words = filled(told.CHAT_DECIDED, owners, chat=value(chat), state=done, owner=decider)
            ended = (Paragraph(spans=words),)
            rows = self._cards.end(tx, _key(account, chat, known.asked_at), ended)
        text = still if verb == "leave" and listed_as else _AFTER[verb].to(reader, chat=chat)
        return ChatDecided(text=text, chat=chat, done=True, rows=rows)

    def _moved(self, tx: Tx, event: ChatMembershipChanged, account: str, old: str) -> Changed:
        if event.moved_to is None:
            return Changed()
        new, now = refs.chat_text(replace(event.moved_to, thread_id=None)), self._clock.now()
        listed.add_alias(tx, account, old, new, now=now)
        moves.follow(tx, account, old, new, now=now)
        chats.clear(tx, account=account, chat=new, state="dead")
        audit.append(
            tx,
            at=now,
            kind="moved",
            actor="gateway",
            account=account,
            chat=new,
            subject=old,
            detail={"to": new},
        )
        return Changed(reload=True)


def listing(chat: ChatPattern, patterns: tuple[ChatPattern, ...]) -> str:
    """Which of the configured patterns lets a chat in, or something of all that it stands for."""
    for each in patterns:
        if each.platform != chat.platform:
            continue
        # A Discord channel may be written without its guild: its id is unique by itself.
        alone = chat.parts[1:] if chat.platform == "discord" and len(chat.parts) > 1 else chat.parts
        covered = each.parts in (chat.parts[: len(each.parts)], alone[: len(each.parts)])
        below = chat.star and each.parts[: len(chat.parts)] == chat.parts
        if covered or below:
            return str(each)
    return ""


def chat_from(text: str) -> ChatPattern | None:
    """One chat as people write it, or all of a workspace or server; None if it is neither."""
    try:
        chat = parse_chat(text.strip().strip("`"))
    except Wrong:
        return None
    if not chat.parts or (chat.star and (chat.platform not in _SPACED or len(chat.parts) > 1)):
        return None
    return chat


def root_of(event: ChatMembershipChanged) -> str:
    """The chat an event is about, without its thread."""
    return refs.chat_text(replace(event.chat, thread_id=None))


def card_of(event: ChatMembershipChanged, reader: Reader) -> Blocks:
    """What owners read of a chat that calls us."""
    author, chat = event.author, value(root_of(event))
    person = value(refs.person_text(author, event.account.platform))
    phrase = told.ADDED_BY if author.name else told.ADDED
    called = name(author.name, reader)
    added = filled(phrase, reader, chat=chat, person=person, name=called)
    return _asked_about(added, reader)


def _asked_about(added: Spans, reader: Reader) -> Blocks:
    return (Paragraph(spans=added), Paragraph(spans=said(told.SILENT_THERE.to(reader))))


def _key(account: str, chat: str, asked_at: int) -> str:
    return f"chat:{account}:{chat}:{asked_at}"


_WORDS: Mapping[ChatVerb, Phrase] = {"allow": told.ALLOWED, "leave": told.LEFT_ALONE}
_AFTER: Mapping[ChatVerb, Phrase] = {"allow": told.CHAT_ALLOWED, "leave": told.CHAT_LEFT}
