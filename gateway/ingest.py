"""The seam every adapter calls: journal first, then route. Nothing is acknowledged before.

A delivery is stored and routed by a task of its own: an adapter that stops waiting, or is told
BUSY because the commit came too late, takes neither back. Its repeat is then a duplicate.
Admission runs inside the unit that stores the row, so that what it looks up (have we answered
in this thread?) and what it decides are one state. A refusal's words are stored with its row.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, assert_never

from gateway import admission, amending, form_replies, outgoing, refs
from gateway.arrivals import arrival_of, as_form, ignored_arrival, waiting
from gateway.bot_turns import BotTurns
from gateway.clock import Clock
from gateway.config.values import Config
from gateway.crowding import SESSION_MAX, Coming, Crowded, Crowding
from gateway.errors import StoreError
from gateway.listed import ListedChats
from gateway.membership import Memberships
from gateway.owner_codes import REASONS, OwnerCodes, code_in, without_code, without_edit
from gateway.pairing import Known, PairingDesk
from gateway.presses import press_of
from gateway.recent import Recent
from gateway.slots import root_of
from gateway.store import transitions
from gateway.store.base import Store, Transition, Tx
from gateway.store.blobs import BLOB_THRESHOLD_BYTES, Blobs
from gateway.store.records import chats, cursors, freezes, inbox, outbox, sessions
from gateway.store.records.chats import MarkedChat
from gateway.tongues import tongues_of
from gateway.words.phrase import Reader
from platforms.blocks import Blocks
from platforms.events import (
    ChatMembershipChanged,
    Delivery,
    Ignored,
    InboundEvent,
    MessageReceived,
    PressToken,
    Receipt,
)
from platforms.markup import parse

COMMIT_LIMIT_S = 2.0
UNWANTED_KEPT = 10_000
UNLISTED_KEPT = 10
DAY_US = 24 * 3_600 * 1_000_000
UNKNOWN: Final = Known()

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A stored event that something must happen for now."""

    row: inbox.Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What one delivery left behind: events to route, words to deliver, outcomes to count.

    `turned_away` are presses and native commands nothing else will answer, by account; `dead` are
    chats that can't be written to any more. `reload`: chats have other addresses now, `owners`:
    somebody has become an owner.
    """

    entered: tuple[Entered, ...] = ()
    replies: tuple[outbox.OutboxRow, ...] = ()
    turned_away: tuple[tuple[str, PressToken], ...] = ()
    outcomes: tuple[str, ...] = ()
    dead: tuple[MarkedChat, ...] = ()
    reload: bool = False
    owners: bool = False


def _not_looked_up(event: MessageReceived) -> None:
    """Where nobody looks our own messages up they are only counted."""


def _with_a_slash(account: str) -> str:
    """What commands begin with where nobody tells."""
    return "/"


class Ingest:
    """Journals deliveries and hands on what entered. `counts` holds outcomes since the start."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        config: Config,
        clock: Clock,
        route: Callable[[Stored], None],
        pairing: PairingDesk,
        memberships: Memberships,
        codes: OwnerCodes,
        listed: ListedChats,
        own: Callable[[MessageReceived], None] = _not_looked_up,
        mark_of: Callable[[str], str] = _with_a_slash,
        commit_limit_s: float = COMMIT_LIMIT_S,
    ) -> None:
        """`own` is given our own messages as they come back; they are not stored.

        `mark_of` tells what commands begin with on an account's platform.
        """
        self._store = store
        self._blobs = blobs
        self._config = config
        self._clock = clock
        self._route = route
        self._pairing = pairing
        self._memberships = memberships
        self._codes = codes
        self._listed = listed
        self._own = own
        self._mark_of = mark_of
        self._tongues = tongues_of(config)
        self._commit_limit_s = commit_limit_s
        self._open = True
        self._crowding = Crowding()
        self._bots = BotTurns()
        self._taking: set[asyncio.Task[Receipt]] = set()
        self.counts: Counter[str] = Counter()
        self.unwanted: Recent[str, None] = Recent(UNWANTED_KEPT)
        self.unlisted: Recent[str, str] = Recent(UNLISTED_KEPT)
        """People and chats nobody listed who wrote, and the key that would let them in."""
        self.admitted_at: dict[str, float] = {}

    def close(self) -> None:
        """Take nothing more; every further delivery is BUSY and comes again."""
        self._open = False

    @property
    def is_open(self) -> bool:
        """Whether deliveries are taken."""
        return self._open

    async def __call__(self, delivery: Delivery) -> Receipt:
        """Store one delivery and say whether it may be acknowledged."""
        if not self._open:
            return Receipt.BUSY
        if self._echoes(delivery.events) or self._unwanted(delivery.events):
            return Receipt.UNWANTED
        taking = asyncio.create_task(self._take(delivery))
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)
        await asyncio.wait((taking,), timeout=self._commit_limit_s)
        if not taking.done():
            log.error("not acknowledged: no commit within %g s", self._commit_limit_s)
        receipt = taking.result() if taking.done() else Receipt.BUSY
        if receipt is Receipt.BUSY:
            self.counts["busy"] += 1
        return receipt

    async def _take(self, delivery: Delivery) -> Receipt:
        """Store a delivery; route what it left behind once that is committed."""
        try:
            raw = await self._raw(without_code(delivery.raw, delivery.events))
            stored = await self._write(delivery, raw)
        except StoreError as error:
            log.error("not journaled, so not acknowledged: %s", error)
            return Receipt.BUSY
        self.counts.update(stored.outcomes)
        if stored.reload:
            await self._listed.load(self._store)
        if stored.owners:
            await self._codes.owners.load(self._store)
        if stored.entered:
            account = refs.account_text(delivery.account)
            self.admitted_at[account] = self._clock.monotonic()
        if self._open:  # else the rows wait for the next start
            self._route(stored)
        return Receipt.STORED

    async def _write(self, delivery: Delivery, raw: str) -> Stored:
        try:
            return await self._store.write(
                lambda tx: self._journal(tx, delivery, raw), transition=self._class(delivery)
            )
        except StoreError:
            raise
        except Exception:
            log.exception("an event can't be stored as it is; its payload is kept as malformed")
        key = f"unstorable:{hashlib.sha256(delivery.raw).hexdigest()}"
        unread = replace(delivery, events=Ignored(delivery_key=key, reason="malformed"))
        return await self._store.write(
            lambda tx: self._journal(tx, unread, raw), transition=transitions.EVENT_IGNORED
        )

    def _echoes(self, events: tuple[InboundEvent, ...] | Ignored) -> bool:
        """Hand on our own messages; True if there is nothing else.

        Platforms tell of every edit of ours too, each with the whole text: those only count.
        """
        if isinstance(events, Ignored):
            own_edit = events.reason == "own_echo"
            if own_edit:
                self.counts["own_echo"] += 1
            return own_edit
        own = [e for e in events if isinstance(e, MessageReceived) and e.author.is_us]
        if not own or len(own) != len(events):
            return False
        for event in own:
            self.counts["own_echo"] += 1
            if not event.late:  # what is read back may be older than what is kept of it
                self._own(event)
        return True

    def _unwanted(self, events: tuple[InboundEvent, ...] | Ignored) -> bool:
        """Count events of chats nobody listed; True if there is nothing else."""
        if isinstance(events, Ignored) or not events:
            return False
        for event in events:
            if not isinstance(admission.admit(event, self._facts(event)), admission.NotListed):
                return False
        for event in events:
            self.counts["chat_not_listed"] += 1
            chat = refs.chat_text(event.chat)
            if chat not in self.unwanted:
                log.info("ignored chat_not_listed: %s (to let it in: [access] chats)", chat)
            self.unwanted[chat] = None
            self.unlisted[chat] = "access.chats"
            if isinstance(event, MessageReceived):
                self.unwanted[refs.message_text(event.message)] = None
        return True

    def _class(self, delivery: Delivery) -> Transition:
        """Power-safe for what may be admitted; what is surely ignored may wait for a sync."""
        if isinstance(delivery.events, Ignored):
            return transitions.EVENT_IGNORED
        if any(code_in(event) is not None for event in delivery.events):
            return transitions.OWNER_CODE_TAKEN
        for event in delivery.events:
            known = Known(owner=self._pairing.is_owner(event))
            facts = self._facts(event, known=known)
            if not isinstance(admission.admit(event, facts), admission.Ignored):
                return transitions.EVENT_STORED
        return transitions.EVENT_IGNORED

    def _facts(
        self, event: InboundEvent, *, joined_thread: bool = True, known: Known = UNKNOWN
    ) -> admission.Facts:
        access = self._config.access_for(event.account.platform)
        place = f"{refs.account_text(event.account)}|{root_of(event.chat)}"
        return admission.Facts(
            access=access,
            bot_may_speak=self._bots.may_speak(place, event.occurred_at),
            frozen=known.frozen,
            chat_allowed=self._listed.lets_in(event.chat, access),
            sessions=self._config.sessions,
            joined_thread=joined_thread,
            now=datetime.fromtimestamp(self._clock.now() / 1_000_000, tz=UTC),
            owner=known.owner,
            pairing=known.pairing,
            held=known.held,
            requests=known.requests,
        )

    def _known(self, tx: Tx, event: InboundEvent) -> Known:
        """What the rows know of whoever an event is by."""
        platform = event.account.platform
        person = refs.person_text(event.author, platform)
        asks = self._config.access_for(platform).dm == "pairing"
        account = refs.account_text(event.account)
        known = self._pairing.known(tx, account, person, counted=asks)
        if not isinstance(event, MessageReceived):
            return known
        return replace(known, frozen=freezes.standing(tx, account, root_of(event.chat)) is not None)

    async def _raw(self, raw: bytes) -> str:
        if len(raw) > BLOB_THRESHOLD_BYTES:
            return f"blob:{await self._blobs.put(raw)}"
        return raw.decode("utf-8", "replace")

    def _journal(self, tx: Tx, delivery: Delivery, raw: str) -> Stored:
        if isinstance(delivery.events, Ignored):
            inbox.insert(
                tx, ignored_arrival(delivery, delivery.events, raw=raw, now=self._clock.now())
            )
            return Stored(outcomes=(delivery.events.reason,))
        left = [self._journal_event(tx, event, raw) for event in delivery.events]
        return Stored(
            entered=tuple(entered for each in left for entered in each.entered),
            replies=tuple(reply for each in left for reply in each.replies),
            turned_away=tuple(press for each in left for press in each.turned_away),
            outcomes=tuple(outcome for each in left for outcome in each.outcomes),
            dead=tuple(chat for each in left for chat in each.dead),
            reload=any(each.reload for each in left),
            owners=any(each.owners for each in left),
        )

    def _journal_event(self, tx: Tx, event: InboundEvent, raw: str) -> Stored:
        """Store one event."""
        event = without_edit(event)
        key = admission.session_key(event, self._config.sessions)
        in_thread = admission.session_place(event).thread_id is not None
        joined = in_thread and sessions.knows(tx, key)
        known = self._known(tx, event)
        facts = self._facts(event, joined_thread=joined, known=known)
        given = self._codes.look(tx, event, blocked=admission.is_blocked(facts))
        if given is not None:
            event, facts = given.event, replace(facts, owner=facts.owner or given.makes_owner)
        mark = self._mark_of(refs.account_text(event.account))
        reader = Reader(language=self._tongues.of_event(tx, event), mark=mark)
        facts = replace(facts, reader=reader)
        outcome = admission.admit(event, facts)
        if given is not None and not given.goes_on and not isinstance(outcome, admission.NotListed):
            outcome = admission.Ignored(reason=REASONS[given.outcome])
        if isinstance(outcome, admission.Admitted):
            self._tongues.learn(tx, event, now=self._clock.now())
        if isinstance(outcome, admission.Amends) and not amending.is_stored(tx, event):
            # Of a chat nobody listed, as far as anyone can tell.
            return Stored(outcomes=("amends_nothing",))
        prompt = form_replies.answered(tx, event, outcome, now=self._clock.now())
        if isinstance(event, MessageReceived) and prompt is not None and not prompt.form_id:
            prompt, outcome = None, admission.form_over(event, self._config.sessions, reader)
        arrival = arrival_of(event, outcome, raw=raw, facts=facts, now=self._clock.now())
        if reader.language != "en":
            content = replace(arrival.content, language=reader.language)
            arrival = replace(arrival, content=content)
        if prompt is not None:
            arrival = as_form(arrival, prompt)
            outcome = admission.Admitted(session_key=key, lane="press")
        ident = inbox.insert(tx, arrival)
        if ident is None:
            # Both addresses of a chat tell of a move: whoever comes second may be let in only once
            # the list in memory knows it, and what came first may not have read that yet.
            moved = isinstance(event, ChatMembershipChanged) and event.moved_to is not None
            return Stored(outcomes=("duplicate",), reload=moved)
        if isinstance(event, MessageReceived):
            self._note_author(event, outcome)
            inbox.needs(tx, ident, (each.file for each in event.attachments if each.kept))
            cursors.advance(
                tx,
                account=arrival.account,
                chat=refs.chat_text(event.chat),
                message_id=event.message.message_id,
                position=event.order[0],
            )
        stored = self._outcome(tx, ident, event, arrival, outcome)
        if given is None or isinstance(outcome, admission.NotListed):
            return stored
        taken = self._codes.take(tx, ident, given, reader)
        return replace(
            stored,
            entered=(*(Entered(row=row) for row in taken.released), *stored.entered),
            replies=(*taken.rows, *stored.replies),
            owners=given.makes_owner,
        )

    def _note_author(self, event: MessageReceived, outcome: admission.Admission) -> None:
        """Bots are answered as often as people write."""
        place = f"{refs.account_text(event.account)}|{root_of(event.chat)}"
        if event.author.kind == "human":
            self._bots.person_wrote(place, event.occurred_at)
        elif isinstance(outcome, admission.Admitted):
            self._bots.bot_entered(place, event.occurred_at)

    def _outcome(
        self,
        tx: Tx,
        ident: int,
        event: InboundEvent,
        arrival: inbox.Arrival,
        outcome: admission.Admission,
    ) -> Stored:
        """What a stored event leads to."""
        press = press_of(arrival.content, now=self._clock.now())
        turned_away = ((arrival.account, press),) if press is not None else ()
        match outcome:
            case admission.Admitted():
                crowded = self._crowded(tx, ident, arrival)
                if crowded is not None:
                    inbox.refuse(tx, ident, crowded.reason)
                    return self._turned_away(tx, ident, event, crowded, turned_away)
                for known in (arrival.author, arrival.chat):
                    self.unlisted.pop(known or "", None)
                root = root_of(event.chat)
                chats.clear(tx, account=arrival.account, chat=root, state="dead")
                entered = Entered(row=waiting(ident, arrival))
                return Stored(entered=(entered,), outcomes=("admitted",))
            case admission.Held() as held:
                log.info("held pairing: e%d by %s in %s", ident, arrival.author, arrival.chat)
                chats.clear(tx, account=arrival.account, chat=root_of(event.chat), state="dead")
                replies = self._pairing.hold(tx, ident, arrival, held)
                return Stored(replies=replies, turned_away=turned_away, outcomes=("held",))
            case admission.Amends():
                amending.amend(tx, event)
                return Stored(outcomes=("amendment",))
            case admission.Refused() as refused:
                if refused.reason == "frozen" and not self._crowding.may_tell(
                    admission.chat_of(refused.session_key), arrival.received_at
                ):
                    refused = replace(refused, text="")
                return self._turned_away(tx, ident, event, refused, turned_away)
            case admission.Ignored(reason=reason):
                level = logging.DEBUG if reason == "own_echo" else logging.INFO
                stranger = reason == "sender_not_listed"
                if stranger and arrival.author is not None:
                    self.unlisted[arrival.author] = "access.users"
                hint = " (to let them in: [access] users)" if stranger else ""
                said = (reason, ident, arrival.author, arrival.chat, hint)
                log.log(level, "ignored %s: e%d by %s in %s%s", *said)
                return Stored(turned_away=turned_away, outcomes=(reason,))
            case admission.NotListed():
                return Stored(outcomes=("chat_not_listed",))
            case admission.Calls() | admission.Changes():
                return self._changed(tx, event, outcome)
            case unknown:
                assert_never(unknown)

    def _changed(
        self, tx: Tx, event: InboundEvent, outcome: admission.Calls | admission.Changes
    ) -> Stored:
        """What rows make of a chat that is different now."""
        if not isinstance(event, ChatMembershipChanged):
            raise TypeError(f"{type(event).__name__} changes no chat")
        log.info("%s: %s", event.change, refs.chat_text(event.chat))
        if isinstance(outcome, admission.Calls):
            rows = self._memberships.called(tx, event)
            return Stored(replies=rows, outcomes=("chat_not_listed",))
        changed = self._memberships.changed(tx, event)
        dead = (changed.dead,) if changed.dead is not None else ()
        return Stored(
            replies=changed.rows, outcomes=("membership",), dead=dead, reload=changed.reload
        )

    def _crowded(self, tx: Tx, ident: int, arrival: inbox.Arrival) -> Crowded | None:
        """Whether a message that may enter finds no room, or comes too fast."""
        if arrival.lane != "turn" or arrival.session_key is None:
            return None
        waiting = inbox.waiting_count(tx, arrival.session_key, SESSION_MAX + 1)
        coming = Coming(
            session_key=arrival.session_key,
            person=f"{arrival.account}|{arrival.author}",
            in_session=waiting - 1,  # this row waits there by now
            written_at=arrival.occurred_at,
            now=arrival.received_at,
        )
        return self._crowding.enter(coming, lambda: inbox.waiting_by_session(tx))

    def _turned_away(
        self,
        tx: Tx,
        ident: int,
        event: InboundEvent,
        refused: admission.Refused | Crowded,
        presses: tuple[tuple[str, PressToken], ...],
    ) -> Stored:
        """Refuse an event with its words, if there are any."""
        author = refs.person_text(event.author, event.account.platform)
        said = (refused.reason, ident, author, refs.chat_text(event.chat))
        log.log(
            logging.INFO if refused.text else logging.DEBUG, "refused %s: e%d by %s in %s", *said
        )
        key = f"e{ident}:refusal"
        if refused.reason == "anonymous_sender":  # told once a day
            day = self._clock.now() // DAY_US
            key = f"anonymous:{refs.account_text(event.account)}:{root_of(event.chat)}:{day}"
        row = self._refusal(tx, key, event, parse(refused.text)) if refused.text else None
        replies = (row,) if row is not None else ()
        return Stored(replies=replies, turned_away=presses, outcomes=(refused.reason,))

    def _refusal(
        self, tx: Tx, key: str, event: InboundEvent, body: Blocks
    ) -> outbox.OutboxRow | None:
        new = outgoing.notice(
            key=key,
            account=refs.account_text(event.account),
            chat=refs.chat_text(event.reply_to),
            words=outgoing.Words(body=body),
            nonce=self._clock.nonce(),
        )
        return outbox.insert(tx, new, now=self._clock.now())
