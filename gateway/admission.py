"""Pure: may this event enter, and into which session? No rule means no.

The first rule that applies decides; its reason is kept with the event and shown by
`gatepost why`. What is ignored is silent; what is refused is told so.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never

from gateway import commands, refs
from gateway.config.values import AccessConfig, SessionsConfig
from gateway.store.records.inbox import Lane
from gateway.store.records.pairings import Pairing
from gateway.words import access
from gateway.words import replies as said
from gateway.words.phrase import ENGLISH, Reader
from platforms.events import (
    ButtonPressed,
    ChatMembershipChanged,
    ChatRef,
    CommandInvoked,
    FormSubmitted,
    InboundEvent,
    Mention,
    MentionKind,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReactionChanged,
)

TEXT_MAX = 100_000
"""Code points of one message."""

LATE_MAX = timedelta(hours=6)
"""Older messages that back-fill brings are kept, but no longer answered."""

HELD_MAX = 3
"""Messages of one person that wait for an owner's word."""

REQUESTS_MAX = 10
"""People of one account that owners are asked about at a time."""

OWN_SURFACES = frozenset({"web", "terminal"})
"""Surfaces that prove their people themselves, by token or by the system's user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What admission needs beside the event. `joined_thread`: we have answered there before.

    `bot_may_speak`: a person has written here lately, and bots not often since. `frozen`:
    nothing may be spent here. `chat_allowed`: an owner's word or an old address lets the chat in.
    `owner`: whoever it is by owns the gateway, by the configuration or by a code.
    `pairing` is what is known of the sender, `held` how many messages of theirs wait for an
    owner's word, `requests` how many people of the account owners are asked about.
    """

    access: AccessConfig
    sessions: SessionsConfig
    joined_thread: bool
    now: datetime
    chat_allowed: bool = False
    bot_may_speak: bool = False
    frozen: bool = False
    owner: bool = False
    reader: Reader = ENGLISH
    pairing: Pairing | None = None
    held: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """It enters. `shared` sessions hold several people, so the model is told who speaks."""

    session_key: str
    lane: Lane
    shared: bool = False
    command: commands.Recognised | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It is turned away with a word."""

    session_key: str
    reason: Literal[
        "anonymous_sender", "unknown_command", "not_entitled", "frozen", "too_large", "form_over"
    ]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """It waits for an owner's word about its sender; `then` is what becomes of it after a yes.

    `fresh`: owners are not asked about them yet. `then` is None where nothing would be answered.
    """

    session_key: str
    fresh: bool
    then: Admitted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """It is dropped in silence, and the reason is kept."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotListed:
    """A chat nobody listed: counted, never stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amends:
    """It changes a message that still waits, and nothing else: it never approves or addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """We were let into a chat nobody listed: owners are asked, and nothing is said there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """It tells of a chat, not of words: rows go along with it."""


Admission = Admitted | Held | Amends | Calls | Changes | Refused | Ignored | NotListed


def admit(event: InboundEvent, facts: Facts) -> Admission:
    """Decide about one event that is not yet known to be a repeat."""
    if isinstance(event, ChatMembershipChanged):
        return _membership(event, facts)
    if refusal := _wrong_author(event, facts):
        return refusal
    if _in_group(event) and not _is_listed(event, facts):
        return NotListed()
    match event:
        case ButtonPressed() | FormSubmitted():
            return _admitted(event, facts, lane="press")
        case CommandInvoked():
            return _entering(event, facts, lambda at: _native_command(event, at))
        case MessageEdited() | MessageDeleted():
            return Ignored(reason="blocked") if is_blocked(facts) else Amends()
        case ReactionChanged():
            turned = _sender(event, facts)
            return turned if isinstance(turned, Ignored) else Ignored(reason="reaction")
        case MessageReceived() if is_blocked(facts):
            return Ignored(reason="blocked")  # also of what others are told was said here
        case MessageReceived():
            return _not_addressed(event, facts) or _entering(
                event, facts, lambda at: _too_late(event, at) or _message(event, at)
            )
        case _:
            assert_never(event)


def _membership(event: ChatMembershipChanged, facts: Facts) -> Calls | Changes | NotListed:
    """Who did it does not matter: the platform tells of it in any case."""
    if _in_group(event) and not _is_listed(event, facts):
        return Calls() if event.change == "we_joined" else NotListed()
    return Changes()


def _is_listed(event: InboundEvent, facts: Facts) -> bool:
    return facts.chat_allowed or chat_listed(event.chat, facts.access)


def form_over(
    event: MessageReceived, sessions: SessionsConfig, reader: Reader = ENGLISH
) -> Refused:
    """An answer to a prompt that nobody waits for any more: it is not taken for other words."""
    return Refused(
        session_key=session_key(event, sessions),
        reason="form_over",
        text=said.FORM_OVER.to(reader),
    )


def session_place(event: InboundEvent) -> ChatRef:
    """The place whose session an event belongs to: a thread is its own."""
    if _in_group(event):
        return event.reply_to if event.reply_to.thread_id is not None else event.chat
    return event.chat


def session_key(event: InboundEvent, sessions: SessionsConfig) -> str:
    """Direct chat, or thread shared by all, or one person in a group (or the whole group)."""
    place = session_place(event)
    account = refs.account_text(event.account)
    if isinstance(event, MessageReceived) and event.chat_kind == "dm":
        if event.thread_kind != "topic":
            place = _root(place)
        return f"{account}|{refs.chat_text(place)}"
    if _in_group(event) and place.thread_id is None and sessions.group == "per_user":
        author = refs.person_text(event.author, event.account.platform)
        return f"{account}|{refs.chat_text(place)}|{author}"
    return f"{account}|{refs.chat_text(place)}"


def chat_of(session_key: str) -> str:
    """The chat a session key belongs to, its threads included."""
    account, _, rest = session_key.partition("|")
    place = rest.partition("|")[0]
    try:
        chat = refs.chat_from(place, refs.account_from(account))
    except ValueError:
        return session_key  # no key of ours; a chat of its own
    return f"{account}|{refs.chat_text(_root(chat))}"


def _wrong_author(event: InboundEvent, facts: Facts) -> Ignored | None:
    if event.author.is_us:
        return Ignored(reason="own_echo")
    match event.author.kind:
        case "human":
            return None
        case "service":
            return Ignored(reason="service_message")
        case "anonymous_admin":
            # Their words are answered with why they count for nothing; nothing else is.
            words = isinstance(event, MessageReceived | CommandInvoked)
            return None if words else Ignored(reason="anonymous_sender")
        case "bot":
            return _bot(event, facts)
        case "webhook" | "channel":
            return Ignored(reason="bot_not_listed")
        case kind:
            assert_never(kind)


def _bot(event: InboundEvent, facts: Facts) -> Ignored | None:
    """A listed bot may speak, but neither command nor decide, and not go on by itself."""
    if not is_listed_bot(event, facts.access) or not isinstance(event, MessageReceived):
        return Ignored(reason="bot_not_listed")
    if commands.recognise(event.text) is not None:
        return Ignored(reason="bot_command")
    return None if facts.bot_may_speak else Ignored(reason="bot_loop")


def is_listed_bot(event: InboundEvent, access: AccessConfig) -> bool:
    """Whether an event is by a bot whose words are answered."""
    author = event.author
    return author.kind == "bot" and any(
        bot.covers(platform=event.account.platform, space=author.space, author_id=author.id)
        for bot in access.bots
    )


def _not_addressed(event: MessageReceived, facts: Facts) -> Ignored | None:
    """In a group we answer to a mention, a reply, our command, or in a thread we are part of."""
    if event.addressed_command is False:
        return Ignored(reason="other_addressee")
    if event.chat_kind == "dm" or not facts.access.require_mention:
        return None
    if any(mention.kind is MentionKind.US for mention in event.mentions):
        return None
    if event.addressed_command or (event.quote is not None and event.quote.author.is_us):
        return None
    if _begins_with_someone(event.mentions):
        return Ignored(reason="other_addressee")
    known_command = isinstance(commands.recognise(event.text), commands.Recognised)
    if facts.joined_thread or known_command:
        return None
    return Ignored(reason="not_addressed")


def _begins_with_someone(mentions: tuple[Mention, ...]) -> bool:
    return any(mention.start == 0 and mention.kind is MentionKind.USER for mention in mentions)


def _entering(event: InboundEvent, facts: Facts, then: Callable[[Facts], Admission]) -> Admission:
    """What becomes of words, if their sender may speak here."""
    turned = _sender(event, facts)
    if turned is None:
        return then(facts)
    if isinstance(turned, Held):
        after = then(replace(facts, frozen=False))  # it is not answered now in any case
        return replace(turned, then=after if isinstance(after, Admitted) else None)
    return turned


def _sender(event: InboundEvent, facts: Facts) -> Ignored | Refused | Held | None:
    author, platform = event.author, event.account.platform
    if platform in OWN_SURFACES:
        return None
    if is_blocked(facts):
        return Ignored(reason="blocked")
    if author.kind == "anonymous_admin":
        return Refused(
            session_key=session_key(event, facts.sessions),
            reason="anonymous_sender",
            text=access.ANONYMOUS.to(facts.reader),
        )
    if is_listed_bot(event, facts.access):
        return None
    listed = facts.owner or any(
        user.covers(platform=platform, space=author.space, author_id=author.id)
        for user in facts.access.users
    )
    if listed:
        return None
    if author.guest or author.external:
        return Ignored(reason="sender_not_listed")
    if _in_group(event):
        return None
    match facts.access.dm:
        case "open":
            return None
        case "allowlist":
            return Ignored(reason="sender_not_listed")
        case "pairing":
            return _paired(event, facts)
        case rule:
            assert_never(rule)


def is_blocked(facts: Facts) -> bool:
    """Whether an owner has said that whoever it is by is to be ignored."""
    return facts.pairing is not None and facts.pairing.state == "blocked"


def _paired(event: InboundEvent, facts: Facts) -> Ignored | Held | None:
    """Whether an owner has let a stranger talk directly, or may be asked to."""
    pairing, now = facts.pairing, int(facts.now.timestamp() * 1_000_000)
    if pairing is not None and pairing.state == "allowed":
        return None
    if pairing is not None and pairing.state == "denied" and now < pairing.until_at:
        return Ignored(reason="pairing_denied")
    key = session_key(event, facts.sessions)
    if pairing is not None and pairing.is_open(now):
        if facts.held >= HELD_MAX:
            return Ignored(reason="pairing_waits")
        return Held(session_key=key, fresh=False)
    if facts.requests >= REQUESTS_MAX:
        return Ignored(reason="pairing_full")
    return Held(session_key=key, fresh=True)


def may_press(event: ButtonPressed | FormSubmitted, facts: Facts) -> bool:
    """Whether a message of whoever pressed would be admitted here; else they decide nothing.

    Whoever belongs to another organisation decides nothing, however they are listed.
    """
    author = event.author
    if author.external:
        return False
    if not author.guest and not is_blocked(facts) and _is_listed(event, facts):
        return True
    return _sender(event, facts) is None


def _too_late(event: MessageReceived, facts: Facts) -> Ignored | None:
    if event.late and facts.now - event.occurred_at > LATE_MAX:
        return Ignored(reason="too_late")
    return None


def _message(event: MessageReceived, facts: Facts) -> Admission:
    match commands.recognise(event.text):
        case commands.Recognised() | commands.Unknown() as found:
            return _command(event, facts, found)
        case None:
            pass
    if facts.frozen:
        return Refused(
            session_key=session_key(event, facts.sessions),
            reason="frozen",
            text=access.FROZEN.to(facts.reader),
        )
    if len(event.text) > TEXT_MAX:
        return Refused(
            session_key=session_key(event, facts.sessions),
            reason="too_large",
            text=said.TOO_LONG_A_MESSAGE.to(facts.reader, count=len(event.text), limit=TEXT_MAX),
        )
    return _admitted(event, facts, lane="turn")


def _native_command(event: CommandInvoked, facts: Facts) -> Admission:
    return _command(event, facts, commands.named(event.name, event.args))


def _command(
    event: InboundEvent, facts: Facts, found: commands.Recognised | commands.Unknown
) -> Admission:
    if isinstance(found, commands.Unknown):
        return Refused(
            session_key=session_key(event, facts.sessions),
            reason="unknown_command",
            text=commands.unknown_text(found, facts.reader),
        )
    if found.command.who == "owner" and not facts.owner:
        return Refused(
            session_key=session_key(event, facts.sessions),
            reason="not_entitled",
            text=commands.not_entitled_text(found.command, "owner", facts.reader),
        )
    return _admitted(event, facts, lane=found.command.lane, command=found)


def _admitted(
    event: InboundEvent,
    facts: Facts,
    *,
    lane: Lane,
    command: commands.Recognised | None = None,
) -> Admitted:
    place = session_place(event)
    shared = _in_group(event) and (place.thread_id is not None or facts.sessions.group == "shared")
    return Admitted(
        session_key=session_key(event, facts.sessions), lane=lane, shared=shared, command=command
    )


def _in_group(event: InboundEvent) -> bool:
    match event:
        case (
            MessageReceived(chat_kind=kind)
            | CommandInvoked(chat_kind=kind)
            | ReactionChanged(chat_kind=kind)
            | ChatMembershipChanged(chat_kind=kind)
        ):
            return kind != "dm"
        case MessageEdited() | MessageDeleted() | ButtonPressed() | FormSubmitted():
            return False
        case _:
            assert_never(event)


def chat_listed(chat: ChatRef, access: AccessConfig) -> bool:
    """Whether the configuration lets a chat in."""
    return any(pattern.names(chat) for pattern in access.chats)


def _root(chat: ChatRef) -> ChatRef:
    return ChatRef(account=chat.account, space=chat.space, chat_id=chat.chat_id)
