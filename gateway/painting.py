"""Cards as rows of the outbox: the first post of a card, and an edit for every change of it.

Painting happens inside the unit that changed something, so a card that says "approved" stands in
the outbox if and only if its row says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from gateway import outgoing, refs, tokens
from gateway.card import INLINE, INLINE_SMALL, Face, face
from gateway.card_controls import controls
from gateway.card_fence import full
from gateway.card_reading import CardReading
from gateway.card_view import CardView
from gateway.clock import Clock
from gateway.delivery import Deliveries
from gateway.entitled import deciders
from gateway.money import Money
from gateway.shown import shown
from gateway.store.base import Tx
from gateway.store.records import calls, cards, outbox
from gateway.store.records.cards import Card, Origin
from gateway.store.records.outbox import NewOutbox, OutboxRow
from gateway.tongues import Tongues
from gateway.words import card as beside
from gateway.words.phrase import Reader, reader_of
from platforms import blocks
from platforms.blocks import Blocks
from platforms.content import Controls
from platforms.markup import parse

EVIDENCE_SHOWN = 1_500
SHORT_MESSAGES = 4_000
"""A platform whose messages are shorter than this shows less of the arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What of a card is looked at: a page or one item of a batch, the further choices."""

    page: int = 0
    item: int = 0
    more: bool = False
    proposal: tuple[str, ...] = ()
    confirm: str = ""


class Painter:
    """Turns cards into messages."""

    def __init__(
        self,
        *,
        deliveries: Deliveries,
        money: Money,
        keys: Sequence[bytes],
        zone: tzinfo,
        clock: Clock,
        payers: tuple[str, ...] = (),
        tongues: Tongues,
    ) -> None:
        """`keys` seal the buttons, the newest last."""
        self._tongues = tongues
        self._deliveries = deliveries
        self._keys = tuple(keys)
        self._clock = clock
        self._payers = payers
        self._reading = CardReading(money=money, zone=zone, clock=clock)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What buttons may be sealed with."""
        return self._keys

    def reader(self, tx: Tx, account: str, person: str) -> Reader:
        """A person who reads what concerns them, on one account."""
        language = self._tongues.of_person(tx, person)
        return Reader(language=language, mark=self._deliveries.command_mark(account))

    def reader_of(self, card: Card) -> Reader:
        """Whom a card speaks to."""
        language = str(card.detail.get("language", ""))
        return reader_of(language, self._deliveries.command_mark(card.account))

    def post(self, tx: Tx, card_id: str) -> tuple[OutboxRow, ...]:
        """The message of a new card; one that queues is one line."""
        card = _known(tx, card_id)
        rows = []
        if card.state == "queued":
            text = beside.WAITS_IN_QUEUE.to(self.reader_of(card), code=card.code)
            rows.append(self._row(card, key="queued", words=_line(text)))
        else:
            rows.append(self._row(card, key="post", words=self.words(tx, card, Look())))
            away = (card.account, card.chat) != (card.origin_account, card.origin)
            if away and card.requester:  # of a clock's job nobody there waits for anything
                rows.append(self._elsewhere(tx, card))
        stored = (outbox.insert(tx, row, now=self._clock.now()) for row in rows)
        return tuple(row for row in stored if row is not None)

    def repaint(self, tx: Tx, card_id: str, look: Look | None = None) -> tuple[OutboxRow, ...]:
        """The card as it stands now, in place of what its message shows."""
        card = _known(tx, card_id)
        target = outbox.by_key(tx, f"card:{card.id}:post")
        if target is None and card.state == "closed":
            target = outbox.by_key(tx, f"card:{card.id}:queued")  # it never came before anybody
        if target is None:
            return ()
        words = self.words(tx, card, look or Look())
        row = self._row(card, key=self._clock.nonce(), words=words, target=target)
        stored = outbox.insert(tx, row, now=self._clock.now())
        return (stored,) if stored is not None else ()

    def repaint_call(self, tx: Tx, call_id: str) -> tuple[OutboxRow, ...]:
        """Every card that asked about a call: the one it was approved on tells its end too."""
        asked = cards.of_call(tx, call_id)
        rows = tuple(row for card_id in asked for row in self.repaint(tx, card_id))
        stored = calls.get(tx, call_id)
        leave, _, approved = stored.decided_by.partition(" ") if stored is not None else ("",) * 3
        return (*rows, *self.repaint_call(tx, approved)) if leave == calls.LATE else rows

    def in_full(self, tx: Tx, card: Card) -> tuple[OutboxRow, ...]:
        """All of a card as messages of their own, in order; not again for the same revision."""
        outlet = self._deliveries.outlet(card.account)
        fits = outlet.adapter.fits if outlet is not None else _fits_anywhere
        bars = outlet is None or not outlet.adapter.capabilities.code
        rows = []
        for number, body in enumerate(full(self.view(tx, card), fits, bars=bars)):
            key = f"full:{card.rev}:{number}"
            row = self._row(card, key=key, words=outgoing.Words(body=body))
            rows.append(outbox.insert(tx, row, now=self._clock.now()))
        return tuple(row for row in rows if row is not None)

    def evidence(self, tx: Tx, card: Card) -> tuple[OutboxRow, ...]:
        """What is known of a call in doubt, once."""
        (request,) = cards.requests_of(tx, card.id)
        stored = calls.get(tx, str(request.call_id))
        text = beside.KNOWN_OF_DOUBT.to(
            self.reader_of(card),
            tool=request.tool,
            call=request.call_id,
            turn=card.turn_id,
            name=card.requester_name or card.requester,
            began=self.time(stored.intended_at) if stored else "",
            found=self.time(card.created_at),
        )
        code = blocks.Code(text=shown(request.arguments)[:EVIDENCE_SHOWN], language="json")
        words = outgoing.Words(body=(*blocks.plain(text), code))
        row = self._row(card, key="evidence", words=words)
        stored_row = outbox.insert(tx, row, now=self._clock.now())
        return (stored_row,) if stored_row is not None else ()

    def line(self, tx: Tx, origin: Origin, key: str, text: str) -> tuple[OutboxRow, ...]:
        """One line of our own where a turn answers; a key is told once."""
        new = outgoing.notice(
            key=key,
            account=origin.account,
            chat=origin.chat,
            line=f"s{origin.session_id}",
            turn_id=origin.turn_id,
            words=_line(text),
            nonce=self._clock.nonce(),
        )
        stored = outbox.insert(tx, new, now=self._clock.now())
        return (stored,) if stored is not None else ()

    def words(self, tx: Tx, card: Card, look: Look) -> outgoing.Words:
        """What stands in the chat of a card."""
        view = self.view(tx, card, look)
        shown = self.face(view, card, look)
        return outgoing.Words(body=shown.body, controls=self._controls(view, card, look, shown))

    def face(self, view: CardView, card: Card, look: Look) -> Face:
        """The text of a card for the platform it stands on."""
        outlet = self._deliveries.outlet(card.account)
        small = outlet is not None and outlet.adapter.capabilities.text_max < SHORT_MESSAGES
        fenced = outlet is not None and outlet.adapter.capabilities.code
        return face(
            view,
            inline=INLINE_SMALL if small else INLINE,
            fits=outlet.adapter.fits if outlet is not None else _fits_anywhere,
            sigil="" if fenced else "/",
            page=look.page,
            item=look.item,
        )

    def view(
        self, tx: Tx, card: Card, look: Look | None = None, *, reader: Reader | None = None
    ) -> CardView:
        """Everything that may stand on a card; without `reader` as it stands in its chat.

        The pages and the shell read it in English.
        """
        look = look or Look()
        return self._reading.view(
            tx, card, reader or self.reader_of(card), item=look.item, proposal=look.proposal
        )

    def _controls(self, view: CardView, card: Card, look: Look, shown: Face) -> Controls:
        outlet = self._deliveries.outlet(card.account)
        if outlet is None or not view.is_open:
            return ()

        place = refs.root_text(card.chat)

        def seal(decision: tokens.Decision, option: int = 0) -> str:
            token = tokens.Token(id=card.id, rev=card.rev, decision=decision, option=option)
            return tokens.seal(token, key=self._keys[-1], account=card.account, chat=place)

        return controls(
            view,
            can=outlet.adapter.capabilities,
            seal=seal,
            look=look,
            payers=self._payers,
            cut=shown.cut,
        )

    def _elsewhere(self, tx: Tx, card: Card) -> NewOutbox:
        """The one line where a card was asked for that others decide elsewhere."""
        reader = self.reader(tx, card.origin_account, card.requester)
        who = deciders(card.tier, two_person=False, reader=reader)
        text = beside.ASKED_ELSEWHERE.to(reader, code=card.code, who=who)
        return outgoing.notice(
            key=f"card:{card.id}:elsewhere",
            account=card.origin_account,
            chat=card.origin,
            line=f"s{card.session_id}",
            turn_id=card.turn_id,
            words=_line(text),
            nonce=self._clock.nonce(),
        )

    def _row(
        self,
        card: Card,
        *,
        key: str,
        words: outgoing.Words,
        target: int | None = None,
    ) -> NewOutbox:
        here = (card.account, card.chat) == (card.origin_account, card.origin)
        return outgoing.notice(
            key=f"card:{card.id}:{key}",
            account=card.account,
            chat=card.chat,
            line=f"s{card.session_id}" if here else f"c{card.id}",
            turn_id=card.turn_id,
            words=words,
            nonce=self._clock.nonce(),
            target=target,
        )

    def time(self, micros: int | None) -> str:
        """A time as people of this gateway read it; empty for none."""
        return self._reading.time(micros)


def _known(tx: Tx, card_id: str) -> Card:
    card = cards.get(tx, card_id)
    if card is None:
        raise LookupError(f"no card {card_id}")
    return card


def _line(text: str) -> outgoing.Words:
    return outgoing.Words(body=parse(text))


def _fits_anywhere(body: Blocks) -> bool:
    return True
