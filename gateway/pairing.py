"""Strangers who write directly, where `[access] dm = "pairing"`: held until an owner has decided.

Theory of operation. The first message of a stranger is held and makes a request: a row with a code
of a day, a card where owners are asked, and one sentence for the stranger, at most once an hour.
An owner's word changes the row: allow lets what is held in, in its order, and it is answered; deny
and block drop it. A request nobody decides lapses by its time alone, and the next message makes
another one. Whoever is let in may talk directly and nothing else: no group, no tier.
Deliberately left out: a word to whoever was denied. Silence tells a stranger least.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from gateway import audit, outgoing, refs
from gateway.admission import HELD_MAX, OWN_SURFACES, REQUESTS_MAX, Held
from gateway.asking import CODE_ALPHABET
from gateway.card_words import cut_inline, filled, name, said, value
from gateway.clock import Clock
from gateway.config.faults import Wrong
from gateway.config.ids import parse_user
from gateway.cron_jobs import BY_PEOPLE
from gateway.entitled import Rights
from gateway.owner_cards import OwnerCards
from gateway.store.base import Tx
from gateway.store.records import cron, fires, inbox, outbox, pairings
from gateway.store.records.outbox import OutboxRow
from gateway.store.records.pairings import Pairing, PairingState
from gateway.words import access as phrases
from gateway.words import owner_cards as told
from gateway.words.phrase import ENGLISH, Phrase, Reader, reader_of
from platforms.blocks import Blocks, Paragraph, Quote, Spans
from platforms.content import Button
from platforms.events import InboundEvent
from platforms.markup import parse

CODE_LENGTH = 8
LASTS_US = 24 * 3_600 * 1_000_000
"""How long owners have, and how long a denial rests."""

TELL_EVERY_US = 3_600 * 1_000_000
WORDS_SHOWN = 200
"""Characters of what a stranger wrote, as their card shows them."""

Verb = Literal["allow", "deny", "block"]

_STATES: dict[str, PairingState] = {"allow": "allowed", "deny": "denied", "block": "blocked"}
_DROPPED: dict[str, str] = {"deny": "pairing_denied", "block": "blocked"}
_CODE = re.compile(f"[{CODE_ALPHABET}]{{{CODE_LENGTH}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What came of an owner's word: the sentence for them, what may enter now, what is sent."""

    text: str
    done: bool = False
    released: tuple[inbox.Waiting, ...] = ()
    rows: tuple[OutboxRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What admission is told of a sender."""

    owner: bool = False
    frozen: bool = False
    pairing: Pairing | None = None
    held: int = 0
    requests: int = 0


class PairingDesk:
    """Holds strangers' messages and carries out what owners say; runs in the caller's unit."""

    def __init__(
        self,
        *,
        cards: OwnerCards,
        rights: Rights,
        clock: Clock,
        account_of: Callable[[str], str | None],
    ) -> None:
        """`account_of` names a platform's connected account."""
        self._cards = cards
        self._rights = rights
        self._clock = clock
        self._account_of = account_of

    def is_owner(self, event: InboundEvent) -> bool:
        """Whether an owner has done it."""
        return self._rights.owns(refs.person_text(event.author, event.account.platform))

    def known(self, tx: Tx, account: str, person: str, *, counted: bool) -> Known:
        """What is known of a sender; what waits of theirs is `counted` where that matters."""
        owner = self._rights.owns(person)
        if refs.account_from(account).platform in OWN_SURFACES:
            return Known(owner=owner)
        pairing = pairings.of(tx, account, person)
        if not counted or (pairing is not None and pairing.state in ("allowed", "blocked")):
            return Known(owner=owner, pairing=pairing)
        now = self._clock.now()
        return Known(
            owner=owner,
            pairing=pairing,
            held=pairings.held_count(tx, account, person, HELD_MAX),
            requests=len(pairings.open_ones(tx, account, now=now, limit=REQUESTS_MAX)),
        )

    def hold(self, tx: Tx, ident: int, arrival: inbox.Arrival, held: Held) -> tuple[OutboxRow, ...]:
        """Ask owners about the sender of a held message, and tell the sender so."""
        account, person = arrival.account, arrival.author or ""
        now = self._clock.now()
        pairing = None if held.fresh else pairings.of(tx, account, person)
        if pairing is None:
            pairings.drop_held(tx, account, person, reason="pairing_lapsed", but=ident)
            pairing = self._request(tx, arrival)
        rows = self._card(tx, pairing)
        if now - pairing.told_at >= TELL_EVERY_US:
            rows += self._told(tx, ident, arrival, pairing)
            pairing = replace(pairing, told_at=now)
        pairings.put(tx, pairing)
        return rows

    def decide(
        self, tx: Tx, verb: Verb, whom: str, *, by: str, reader: Reader = ENGLISH
    ) -> Decided:
        """Carry out an owner's word about a code, or about a person by id."""
        now = self._clock.now()
        code = code_of(whom)
        pairing = pairings.by_code(tx, code) if code else self._person(tx, whom.strip())
        if pairing is None:
            unknown = told.NOBODY_UNDER if code else told.NAME_SOMEBODY
            return Decided(text=unknown.to(reader, code=shown_code(code)))
        who = _who(pairing)
        if code and pairing.state != "open":
            state, owner = _STATE_WORDS[pairing.state].to(reader), pairing.decided_by
            text = told.DECIDED_ALREADY.to(reader, who=who, state=state, owner=owner)
            return Decided(text=text)
        if code and not pairing.is_open(now):
            return Decided(text=told.LAPSED.to(reader, who=who))
        if verb != "allow" and self._rights.owns(pairing.person):
            return Decided(text=told.IS_OWNER.to(reader, who=who))
        return self._decided(tx, pairing, verb, by=by, reader=reader)

    def cards_due(self, tx: Tx) -> tuple[OutboxRow, ...]:
        """Cards of requests that came before anybody knew where owners are asked."""
        now = self._clock.now()
        waiting = [each for each in pairings.listed(tx, now=now) if each.is_open(now)]
        return tuple(row for each in waiting for row in self._card(tx, each))

    def _request(self, tx: Tx, arrival: inbox.Arrival) -> Pairing:
        now = self._clock.now()
        return Pairing(
            account=arrival.account,
            person=arrival.author or "",
            state="open",
            code=self._code(tx),
            chat=arrival.content.reply_to,
            name=arrival.content.author_name,
            words=arrival.content.text[:WORDS_SHOWN],
            asked_at=now,
            until_at=now + LASTS_US,
        )

    def _decided(self, tx: Tx, pairing: Pairing, verb: Verb, *, by: str, reader: Reader) -> Decided:
        now = self._clock.now()
        released = pairings.release(tx, pairing.account, pairing.person) if verb == "allow" else []
        if verb in _DROPPED:
            reason = _DROPPED[verb]
            pairings.drop_held(tx, pairing.account, pairing.person, reason=reason)
        asked = pairing.state == "open"
        new = replace(
            pairing,
            state=_STATES[verb],
            words="",
            until_at=now + LASTS_US if verb == "deny" else 0,
            decided_by=by,
            decided_at=now,
        )
        pairings.put(tx, new)
        paused = self._pause_jobs(tx, new.person, by=by) if verb == "block" else ()
        audit.append(
            tx,
            at=now,
            kind="pairing",
            actor=by,
            account=new.account,
            chat=new.chat,
            subject=new.person,
            detail={
                "verb": verb,
                "code": new.code,
                "released": len(released),
                **({"paused": list(paused)} if paused else {}),
            },
        )
        rows = self._cards.end(tx, _key(pairing), self._ended(tx, new)) if asked else ()
        text = _AFTER[verb].to(reader, who=_who(new))
        if paused:
            names = ", ".join(f"`{name}`" for name in paused)
            text += f" {phrases.JOBS_PAUSED.to(reader, jobs=names)}"
        return Decided(text=text, done=True, released=tuple(released), rows=rows)

    def _ended(self, tx: Tx, new: Pairing) -> Blocks:
        """What stands in place of a request that is decided."""
        reader = self._cards.reader(tx)
        state, owner = _STATE_WORDS[new.state].to(reader), value(new.decided_by or "")
        whom = _whom(new, reader)
        words = filled(told.PERSON_DECIDED, reader, whom=whom, state=state, owner=owner)
        return (Paragraph(spans=words),)

    def _pause_jobs(self, tx: Tx, person: str, *, by: str) -> tuple[str, ...]:
        """Let the jobs that a person has made rest, what waits of them too; their names."""
        now = self._clock.now()
        why = f"{BY_PEOPLE}{by}: {person}, who made it, is blocked"
        paused: list[str] = []
        for job in cron.every(tx):
            if job.maker == person:
                fires.withdraw(tx, job.name, "paused", now=now)
                paused += [job.name] if cron.pause(tx, job.name, why) else []
        return tuple(paused)

    def _person(self, tx: Tx, whom: str) -> Pairing | None:
        """Whoever has an id, whether they have written or not; None if it is no id.

        What an account of before knows of them is no word about the one they write to now.
        """
        known = pairings.anywhere(tx, whom)
        connected = self._account_of(whom.partition(":")[0])
        for each in known:
            if connected in (None, each.account):
                return each
        try:
            user = parse_user(whom)
        except Wrong:
            return None
        account = self._account_of(user.platform)
        if account is None or user.platform in OWN_SURFACES:
            return None
        return Pairing(
            account=account,
            person=str(user),
            state="denied",
            code="",
            chat="",
            asked_at=self._clock.now(),
        )

    def _card(self, tx: Tx, pairing: Pairing) -> tuple[OutboxRow, ...]:
        """The card of a request, unless it was made already."""
        code, reader = pairing.code, self._cards.reader(tx)
        allow, deny, block = (p.to(reader) for p in (told.ALLOW, told.DENY, told.BLOCK))
        buttons = (
            Button(label=allow, payload=f"pair allow {code}", style="primary"),
            Button(label=deny, payload=f"pair deny {code}"),
            Button(label=block, payload=f"pair block {code}", style="danger"),
        )
        return self._cards.post(tx, _key(pairing), card_of(pairing, reader), buttons)

    def _told(
        self, tx: Tx, ident: int, arrival: inbox.Arrival, pairing: Pairing
    ) -> tuple[OutboxRow, ...]:
        reader = reader_of(arrival.content.language)
        text = phrases.ASKED.to(reader, code=shown_code(pairing.code))
        new = outgoing.notice(
            key=f"e{ident}:held",
            account=arrival.account,
            chat=arrival.content.reply_to,
            words=outgoing.Words(body=parse(text)),
            nonce=self._clock.nonce(),
        )
        row = outbox.insert(tx, new, now=self._clock.now())
        return () if row is None else (row,)

    def _code(self, tx: Tx) -> str:
        while True:
            number = int(self._clock.nonce(), 16)
            code = ""
            for _ in range(CODE_LENGTH):
                number, digit = divmod(number, len(CODE_ALPHABET))
                code += CODE_ALPHABET[digit]
            if pairings.by_code(tx, code) is None:
                return code


def code_of(text: str) -> str:
    """A code as people write it, without its hyphen; empty if it is none."""
    code = text.strip().strip("`").replace("-", "").upper()
    return code if _CODE.fullmatch(code) else ""


def shown_code(code: str) -> str:
    """A code as people read it."""
    return f"{code[:4]}-{code[4:]}"


def card_of(pairing: Pairing, reader: Reader) -> Blocks:
    """What owners read of somebody who asks to talk."""
    platform = pairing.account.partition(":")[0].capitalize()
    words = value(pairing.words, WORDS_SHOWN) or said(told.NO_WORDS.to(reader))
    whom = _whom(pairing, reader)
    return (
        Paragraph(spans=filled(told.WRITES, reader, platform=platform, whom=whom)),
        Quote(blocks=(Paragraph(spans=words),)),
        Paragraph(spans=said(told.GOOD_FOR_A_DAY.to(reader, code=shown_code(pairing.code)))),
    )


def listed_line(pairing: Pairing, *, now: int, reader: Reader = ENGLISH) -> str:
    """One person in a list, as Markdown."""
    who = _who(pairing)
    if pairing.is_open(now):
        code, words = shown_code(pairing.code), _quoted(pairing.words)
        return told.ASKS.to(reader, code=code, who=who, words=words)
    state = _STATE_WORDS[pairing.state].to(reader)
    return told.STANDS.to(reader, who=who, state=state, owner=pairing.decided_by)


def _whom(pairing: Pairing, reader: Reader) -> Spans:
    person = value(pairing.person)
    if not pairing.name:
        return person
    return filled(told.WHO, reader, person=person, name=name(pairing.name, reader))


def _who(pairing: Pairing) -> str:
    return f"`{pairing.person}`" + (f" ({_quoted(pairing.name)})" if pairing.name else "")


def _quoted(text: str) -> str:
    """Words of a stranger in Markdown: on one line, and nothing in them acts."""
    return f"`{cut_inline(text, WORDS_SHOWN).replace('`', chr(39))}`" if text.strip() else "``"


def _key(pairing: Pairing) -> str:
    return f"pairing:{pairing.account}:{pairing.person}:{pairing.asked_at}"


_AFTER: Mapping[Verb, Phrase] = {
    "allow": told.AFTER_ALLOW,
    "deny": told.AFTER_DENY,
    "block": told.AFTER_BLOCK,
}
_STATE_WORDS: Mapping[str, Phrase] = {
    "open": told.OPEN,
    "allowed": told.ALLOWED,
    "denied": told.DENIED,
    "blocked": told.BLOCKED,
}
