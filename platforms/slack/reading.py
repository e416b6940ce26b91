"""Pure: what readers of payloads share: who we are, who people are, and where things stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from platforms.events import Account, Author, AuthorKind, ChatKind, ChatRef, MessageRef
from platforms.fields import Body, identifier, string
from platforms.slack.stamps import is_stamp

Reason = Literal[
    "malformed", "unsupported_kind", "unknown_workspace", "service_message", "own_echo"
]

SLACKBOT = "USLACKBOT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the workspace knows of somebody and messages do not say."""

    name: str = ""
    guest: bool = False
    bot: bool = False
    team: str | None = None
    enterprise: str | None = None
    locale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are. `teams` are the ids our own workspace goes by, `space` the one we use.

    With `assistant` the app has the assistant view, where each thread of a direct message is a
    conversation. `elsewhere` are our users and bots of other workspaces, met in shared channels.
    """

    account: Account
    space: str
    teams: frozenset[str]
    user_id: str
    bot_id: str
    name: str = ""
    threads: bool = True
    assistant: bool = False
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What payloads lack; `uploads` are the nonces of our files by their ids.

    `teams` are those of every workspace the app is in, where that is more than one.
    """

    us: Identity
    teams: frozenset[str] = frozenset()
    people: Mapping[str, Person] = field(default_factory=dict)
    uploads: Mapping[str, str] = field(default_factory=dict)

    def name_of(self, user: str) -> str:
        """A person's name, or nothing."""
        if user == self.us.user_id:
            return self.us.name
        return self.people[user].name if user in self.people else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What every reader needs beside the object itself."""

    index: Index
    now: datetime
    key: str
    shared: bool = False
    late: bool = False

    @property
    def our_ids(self) -> frozenset[str]:
        """The users and bots that are us here."""
        us = self.index.us
        return frozenset({us.user_id, us.bot_id}) | (us.elsewhere if self.shared else frozenset())

    @property
    def teams(self) -> frozenset[str]:
        """The workspaces a payload may come for."""
        return self.index.teams or self.index.us.teams


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a message stands, and where its answer goes."""

    chat: ChatRef
    reply_to: ChatRef
    kind: ChatKind
    ts: str

    @property
    def ref(self) -> MessageRef:
        return MessageRef(chat=self.chat, message_id=self.ts)


def head_of(body: Body, ts: str | None, reading: Reading) -> Head | None:
    """Where it stands; a message in a channel is answered in a thread on it."""
    channel = identifier(body, "channel")
    if channel is None or not is_stamp(ts):
        return None
    us = reading.index.us
    root = identifier(body, "thread_ts")
    thread = root if is_stamp(root) and root != ts else None
    chat = ChatRef(account=us.account, space=us.space, chat_id=channel, thread_id=thread)
    kind = kind_of(channel, string(body, "channel_type"))
    reply_to = chat
    if thread is None and us.threads and kind != "dm":
        reply_to = ChatRef(account=us.account, space=us.space, chat_id=channel, thread_id=ts)
    return Head(chat=chat, reply_to=reply_to, kind=kind, ts=ts)


def root_of(chat: ChatRef) -> ChatRef:
    """The chat a thread is in."""
    return ChatRef(account=chat.account, space=chat.space, chat_id=chat.chat_id)


def kind_of(channel: str, said: str) -> ChatKind:
    """By what the payload says, else by the id: a mention does not name the kind of its chat."""
    if said in {"im", "directmessage"} or channel.startswith("D"):
        return "dm"
    return "group" if said == "mpim" or said.startswith("mpdm-") else "channel"


def person_of(
    user: Body, team: str | None, reading: Reading, *, kind: AuthorKind = "human"
) -> Author | None:
    """A person; who belongs to another workspace is external."""
    ident = identifier(user, "id")
    if ident is None:
        return None
    us = reading.index.us
    known = reading.index.people.get(ident, Person())
    ours = (
        team is None
        or not us.teams.isdisjoint({team, known.enterprise})
        or (us.space.startswith("E") and not reading.shared)
    )
    beside = team in reading.teams  # another workspace of ours, met in a shared channel
    return Author(
        id=ident,
        space=us.space if ours else team,
        name=known.name or string(user, "name"),
        kind="service" if ident == SLACKBOT else kind,
        is_us=ident in reading.our_ids,
        external=not ours and not beside,
        guest=known.guest,
        locale=known.locale,
    )


def presser_of(user: Body, reading: Reading) -> Author | None:
    """Who pressed or filled in a form, which may decide something.

    What nobody can say of them counts against them: somebody the workspace could not be asked
    about is a guest, somebody of no known workspace external.
    """
    ident = identifier(user, "id")
    if ident is None:
        return None
    us, known = reading.index.us, reading.index.people.get(ident)
    person = known or Person(guest=True)
    team = identifier(user, "team_id") or person.team
    ours = not us.teams.isdisjoint({team, person.enterprise})
    kind: AuthorKind = "bot" if person.bot else "human"
    return Author(
        id=ident,
        space=us.space if ours else team,
        name=person.name or string(user, "name"),
        kind="service" if ident == SLACKBOT else kind,
        is_us=ident == us.user_id,
        external=not ours and team not in reading.teams,
        guest=person.guest,
        locale=person.locale,
    )
