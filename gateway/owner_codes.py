"""One-time codes that make an account an owner.

Theory of operation. Whoever sits at the machine asks for a code (`gatepost pair owner`). It is open
for ten minutes, one at a time, and only its digest is stored. A direct message that begins with it
makes its author an owner, in the unit that stores the message, and ends the code; what follows it
in the message is taken like any other words. The code itself is never stored, whoever sends it. In
a chat of several people it is given away: it ends, and makes nobody anything.
A wrong code is told as long as there are tries left: a few for each person, more for all people of
an account together; beyond them nobody is told anything, and not even the right code is taken.
Deliberately left out: codes of bots, of people of other organisations and of whoever is blocked.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from gateway import audit, outgoing, refs
from gateway.asking import CODE_ALPHABET
from gateway.clock import Clock
from gateway.entitled import Rights
from gateway.owners import Owners
from gateway.store.base import Tx
from gateway.store.records import outbox, owners, pairings
from gateway.store.records.inbox import Waiting
from gateway.store.records.outbox import OutboxRow
from gateway.words import access as said
from gateway.words.phrase import Phrase, Reader
from platforms.events import Ignored, InboundEvent, MessageEdited, MessageReceived
from platforms.markup import parse

CODE_LENGTH, GROUP = 12, 4
OPEN_FOR_US = 10 * 60 * 1_000_000
KEPT_FOR_US = 24 * 3_600 * 1_000_000
TRIES_MAX = 5
"""Wrong codes of one person, while one code is open."""

TRIES_OF_ACCOUNT_MAX = 50
HIDDEN = "(a code)"
"""What stands for a code where it was."""

_GROUP = f"[{CODE_ALPHABET}{CODE_ALPHABET.lower()}]{{{GROUP}}}"
_CODE = re.compile(rf"\s*`?({_GROUP}-{_GROUP}-{_GROUP})`?(?:\s+(.*))?", re.DOTALL)

Outcome = Literal["made", "owner_already", "over", "wrong", "last_try", "no_more", "given_away"]

REASONS: dict[Outcome, str] = {
    "made": "owner_code",
    "owner_already": "owner_code",
    "over": "owner_code_over",
    "wrong": "owner_code_wrong",
    "last_try": "owner_code_wrong",
    "no_more": "owner_code_wrong",
    "given_away": "owner_code_public",
}
"""Why such a message is no words for anybody; none of it where more words follow a good code."""

_TOLD: dict[Outcome, Phrase] = {
    "made": said.OWNER_MADE,
    "owner_already": said.OWNER_ALREADY,
    "over": said.OWNER_CODE_OVER,
    "wrong": said.OWNER_CODE_WRONG,
    "last_try": said.OWNER_CODE_LAST_TRY,
    "given_away": said.OWNER_CODE_PUBLIC,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A message that begins with a code: what it means, and the event without it."""

    outcome: Outcome
    event: MessageReceived
    digest: str
    person: str

    @property
    def makes_owner(self) -> bool:
        """Whether its author is an owner from now on."""
        return self.outcome == "made"

    @property
    def goes_on(self) -> bool:
        """Whether words follow that are taken like any others."""
        good = self.outcome in ("made", "owner_already")
        return good and bool(self.event.text or self.event.attachments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A fresh code, as people type it; it is open until then, microseconds since 1970."""

    code: str
    until_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What comes of a code: what is sent, and what was held of its sender and enters now."""

    released: tuple[Waiting, ...] = ()
    rows: tuple[OutboxRow, ...] = ()


class OwnerCodes:
    """Makes codes and takes them; every method runs in the caller's unit."""

    def __init__(self, *, owners: Owners, rights: Rights, clock: Clock) -> None:
        self.owners = owners
        self._rights = rights
        self._clock = clock

    def make(self, tx: Tx, *, code: str, by: str) -> Made:
        """Open a code in place of the one before it; `code` is a fresh one."""
        now = self._clock.now()
        made = owners.Code(
            digest=digest_of(code), made_by=by, made_at=now, until_at=now + OPEN_FOR_US
        )
        owners.make_code(tx, made, keep_from=now - KEPT_FOR_US)
        audit.append(tx, at=now, kind="owner", actor=by, subject="", detail={"verb": "code"})
        return Made(code=code, until_at=made.until_at)

    def remove(self, tx: Tx, person: str, *, by: str) -> bool:
        """Let a person be no owner any more; False if no code has made them one."""
        if not owners.remove(tx, person):
            return False
        detail = {"verb": "remove"}
        audit.append(
            tx, at=self._clock.now(), kind="owner", actor=by, subject=person, detail=detail
        )
        return True

    def look(self, tx: Tx, event: InboundEvent, *, blocked: bool) -> Given | None:
        """What a code at the beginning of a message means; None if there is none that matters.

        Changes nothing: the message may be a repeat.
        """
        found = code_in(event)
        if found is None or not isinstance(event, MessageReceived):
            return None
        code, rest = found
        account, now = refs.account_text(event.account), self._clock.now()
        person = refs.person_text(event.author, event.account.platform)
        known = owners.code(tx, digest_of(code))
        if known is None and not owners.has_open_code(tx, now):
            return None
        given = Given(
            outcome="no_more",
            event=replace(event, text=rest, mentions=()),
            digest=digest_of(code),
            person=person,
        )
        is_open = known is not None and known.is_open(now)
        if event.chat_kind != "dm":
            return replace(given, outcome="given_away") if is_open else None
        if blocked or event.author.kind != "human" or event.author.external:
            return given
        own, all_together = owners.tries(tx, account, person)
        if own >= TRIES_MAX or all_together >= TRIES_OF_ACCOUNT_MAX:
            return given
        if known is None:
            return replace(given, outcome="last_try" if own + 1 == TRIES_MAX else "wrong")
        if self._rights.owns(person):
            return replace(given, outcome="owner_already")
        return replace(given, outcome="made" if is_open else "over")

    def take(self, tx: Tx, ident: int, given: Given, reader: Reader) -> Taken:
        """Carry out what a code means, and tell its sender; `ident` is the stored message."""
        now, account = self._clock.now(), refs.account_text(given.event.account)
        released: tuple[Waiting, ...] = ()
        match given.outcome:
            case "made":
                self._add(tx, given)
                released = tuple(pairings.release(tx, account, given.person))
                pairings.forget(tx, account, given.person)
            case "given_away":
                owners.end_code(tx, given.digest, now=now)
            case "wrong" | "last_try":
                owners.count_try(tx, account, given.person)
            case "owner_already" | "over" | "no_more":
                pass
        return Taken(released=released, rows=self._told(tx, ident, given, reader))

    def _told(self, tx: Tx, ident: int, given: Given, reader: Reader) -> tuple[OutboxRow, ...]:
        event, phrase = given.event, _TOLD.get(given.outcome)
        if phrase is None:
            return ()
        new = outgoing.notice(
            key=f"e{ident}:owner",
            account=refs.account_text(event.account),
            chat=refs.chat_text(event.reply_to),
            words=outgoing.Words(body=parse(phrase.to(reader))),
            nonce=self._clock.nonce(),
        )
        row = outbox.insert(tx, new, now=self._clock.now())
        return () if row is None else (row,)

    def _add(self, tx: Tx, given: Given) -> None:
        event, now = given.event, self._clock.now()
        account, chat = refs.account_text(event.account), refs.chat_text(event.chat)
        code = owners.code(tx, given.digest)
        made_by = code.made_by if code is not None else ""
        owners.end_code(tx, given.digest, now=now)
        owner = owners.Owner(
            person=given.person,
            account=account,
            chat=chat,
            name=event.author.name,
            made_by=made_by,
            made_at=now,
        )
        owners.add(tx, owner)
        audit.append(
            tx,
            at=now,
            kind="owner",
            actor=made_by,
            account=account,
            chat=chat,
            subject=given.person,
            detail={"verb": "made", "name": event.author.name},
        )


def code_in(event: InboundEvent) -> tuple[str, str] | None:
    """The code that a message begins with as it was typed, and the words behind it."""
    if not isinstance(event, MessageReceived | MessageEdited):
        return None
    found = _CODE.fullmatch(event.text)
    return None if found is None else (found[1], (found[2] or "").strip())


def without_edit(event: InboundEvent) -> InboundEvent:
    """An edit without the code that it brings: a code counts as it was sent, or not at all."""
    found = code_in(event)
    if found is None or not isinstance(event, MessageEdited):
        return event
    return replace(event, text=found[1] or HIDDEN)


def drawn(nonce: Callable[[], str]) -> str:
    """A fresh code, such as K7QF-2M9P-XW4T; `nonce` gives random hexadecimal digits."""
    number = int(nonce(), 16)
    digits = ""
    for _ in range(CODE_LENGTH):
        number, digit = divmod(number, len(CODE_ALPHABET))
        digits += CODE_ALPHABET[digit]
    return "-".join(digits[at : at + GROUP] for at in range(0, CODE_LENGTH, GROUP))


def digest_of(code: str) -> str:
    """What is stored of a code, however it was typed."""
    return hashlib.sha256(f"owner code {code.upper()}".encode()).hexdigest()


def without_code(raw: bytes, events: tuple[InboundEvent, ...] | Ignored) -> bytes:
    """A payload without the codes that its messages begin with."""
    for event in () if isinstance(events, Ignored) else events:
        if (found := code_in(event)) is not None:
            raw = raw.replace(found[0].encode(), HIDDEN.encode())
    return raw
