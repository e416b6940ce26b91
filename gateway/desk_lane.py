"""Presses, forms and the typed commands of approvals and money; all of them reach one desk."""

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from agent.costs import DOLLAR, dollars
from gateway import refs
from gateway.acts import Act, Answer
from gateway.approvals import Desk
from gateway.card_ends import Person
from gateway.card_words import so_far
from gateway.clock import Clock
from gateway.delivery import Deliveries
from gateway.entitled import Rights, Standing, may_approve, needed_to_raise
from gateway.gate import Rules
from gateway.grants import GrantsDesk, Here
from gateway.ledger import Leave, chat_scope
from gateway.money import spender_in
from gateway.presses import press_of
from gateway.roles import Roles
from gateway.scopes import scope_name
from gateway.spending import Spending, Whose
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import cards, freezes, inbox, ledger, prompts, sessions, spent
from gateway.store.records.balances import Room
from gateway.store.records.inbox import Waiting
from gateway.tokens import Decision
from gateway.words import desk as said
from gateway.words.phrase import Reader, reader_of
from platforms.content import OpenForm, Sent
from platforms.errors import PlatformError

PROMPT_US = 10 * 60 * 1_000_000

log = logging.getLogger(__name__)


class DeskLane:
    """Brings what people do in chats before the desk."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        desk: Desk,
        grants: GrantsDesk,
        rules: Rules,
        roles: Roles,
        spending: Spending,
        deliveries: Deliveries,
        freeze: Callable[[str, str], Awaitable[None]],
    ) -> None:
        """`freeze` stops what runs in a scope (`all` or ACCOUNT|CHAT) in a person's name."""
        self._store = store
        self._clock = clock
        self._desk = desk
        self._grants = grants
        self._rules = rules
        self._roles = roles
        self._spending = spending
        self._deliveries = deliveries
        self._freeze_now = freeze

    @property
    def rights(self) -> Rights:
        """Who is what."""
        return self._rules.rights

    def handlers(self) -> dict[str, Callable[[Waiting], Awaitable[str]]]:
        """The commands this lane carries out."""
        return {
            "approvals": self._approvals,
            "approve": self._approve,
            "deny": self._deny,
            "show": self._show,
            "answer": self._answer,
            "auto": self._auto,
            "grants": self._list_grants,
            "revoke": self._revoke,
            "spend": self._spend,
            "budget": self._budget,
            "freeze": self._freeze,
            "unfreeze": self._unfreeze,
        }

    async def pressed(self, row: Waiting) -> str | None:
        """Carry out a press or form; None if a form was opened and nothing is to be said."""
        act = self._act(row, Decision.SHOW, source=row.content.kind)
        act = replace(
            act,
            source="button" if row.content.kind == "press" else "form",
            message=row.message_id,
            values=dict(row.content.values),
        )
        answer = await self._desk.pressed(row.content.args, act)
        if answer.form is None:
            return answer.text
        return None if await self._open(row, answer) else said.NO_FORM.to(self._reader(row))

    async def _open(self, row: Waiting, answer: Answer) -> bool:
        """Show a form to whoever pressed; where forms are replies, remember the prompt."""
        outlet = self._deliveries.outlet(row.account)
        press = press_of(row.content, now=self._clock.now())
        if outlet is None or press is None or answer.form is None:
            return False
        content = row.content
        operation = OpenForm(
            press=press,
            form=answer.form,
            chat=refs.chat_from(content.reply_to or row.chat, outlet.account),
            person=refs.person_id(content.author),
            person_name=content.author_name,
        )
        try:
            outcome = await outlet.adapter.perform(operation)
        except PlatformError as error:
            log.info("a form was not opened: %s", error)
            return False
        if isinstance(outcome, Sent):
            prompt = prompts.Prompt(
                form_id=answer.form.id,
                field=answer.form.fields[0].name,
                person=content.author,
                until_at=self._clock.now() + PROMPT_US,
            )
            place = refs.root_text(refs.chat_text(outcome.message.chat))
            message_id = outcome.message.message_id
            await self._store.write(
                lambda tx: prompts.insert(
                    tx, account=row.account, chat=place, message_id=message_id, prompt=prompt
                ),
                transition=transitions.FORM_OPENED,
            )
            self._deliveries.end_press(row.account, press)
        return True

    # -- deciding by code

    async def _approve(self, row: Waiting) -> str:
        codes = row.content.args.upper().split()
        if not codes or len(codes) > 2 or (len(codes) == 2 and codes[0] != codes[1]):
            return said.APPROVE_USAGE.to(self._reader(row))
        act = replace(self._act(row, Decision.APPROVE), confirmed=len(codes) == 2)
        return (await self._desk.typed(codes[0], act)).text

    async def _deny(self, row: Waiting) -> str:
        code, _, reason = row.content.args.strip().partition(" ")
        if not code:
            return said.DENY_USAGE.to(self._reader(row))
        act = replace(self._act(row, Decision.DENY), values={"reason": reason})
        return (await self._desk.typed(code, act)).text

    async def _show(self, row: Waiting) -> str:
        code = row.content.args.strip()
        if not code:
            return said.SHOW_USAGE.to(self._reader(row))
        return (await self._desk.typed(code, self._act(row, Decision.SHOW))).text

    async def _answer(self, row: Waiting) -> str:
        code, _, words = row.content.args.strip().partition(" ")
        if not code or not words.strip():
            return said.ANSWER_USAGE.to(self._reader(row))
        act = replace(self._act(row, Decision.ANSWER), values={"answer": words})
        return (await self._desk.typed(code, act)).text

    async def _approvals(self, row: Waiting) -> str:
        found = await self._store.read(
            lambda tx: [
                (card, cards.requests_of(tx, card.id))
                for card in cards.pending_in_chat(tx, row.account, _place(row))
            ]
        )
        reader = self._reader(row)
        lines = [
            said.ASKED.to(
                reader,
                code=card.code,
                what=f"{items[0].tool} {items[0].operation}",
                more=said.MORE.to(reader, count=len(items) - 1) if len(items) > 1 else "",
                name=card.requester_name or card.requester,
                queued=said.QUEUED.to(reader) if card.state == "queued" else "",
            )
            for card, items in found
        ]
        return "\n".join(lines) or said.NOTHING_WAITS.to(reader)

    # -- leave for several calls

    async def _auto(self, row: Waiting) -> str:
        person = await self._person(row)
        words = row.content.args.strip()

        def unit(tx: Tx) -> str:
            session = sessions.current(tx, row.session_key)
            if session is None:
                return said.AUTO_NEEDS_SESSION.to(self._reader(row))
            here = Here(
                session_id=session.id,
                account=row.account,
                chat=_chat(row),
                shared=row.content.shared,
                requester=row.content.author,
            )
            return self._grants.auto(tx, here, words, person, self._reader(row))

        return await self._store.write(_once(row, unit), transition=transitions.ALLOWANCE_CHANGED)

    async def _list_grants(self, row: Waiting) -> str:
        def query(tx: Tx) -> str:
            session = sessions.current(tx, row.session_key)
            ident = session.id if session else None
            return self._grants.listed(tx, row.account, _chat(row), ident, self._reader(row))

        return await self._store.read(query)

    async def _revoke(self, row: Waiting) -> str:
        person = await self._person(row)
        ident = row.content.args.strip().strip("`")
        if not ident:
            return said.REVOKE_USAGE.to(self._reader(row))
        return await self._store.write(
            lambda tx: self._grants.revoke(
                tx, ident, person.standing, chat=_chat(row), reader=self._reader(row)
            ),
            transition=transitions.ALLOWANCE_CHANGED,
        )

    # -- money

    async def _spend(self, row: Waiting) -> str:
        words, now = row.content.args.strip(), self._clock.now()
        reader = self._reader(row)
        rights, person = self._rules.rights, row.content.author
        if rights.owns(person) and not row.content.barred:
            return await self._store.read(
                lambda tx: self._spending.told(tx, words, now=now, reader=reader)
            )
        people = frozenset(rights.people.linked(person))
        whose = Whose(account=row.account, chat=_chat(row), people=people)
        return await self._store.read(
            lambda tx: self._spending.told_of(tx, words, whose, now=now, reader=reader)
        )

    async def spent_today(self, row: Waiting) -> int:
        """Micro-dollars spent in a chat since its day began."""
        since = self._spending.day(self._clock.now())
        chat = _chat(row)
        return await self._store.read(
            lambda tx: spent.of_chat(tx, row.account, chat, since=since).settled
        )

    async def _budget(self, row: Waiting) -> str:
        words = row.content.args.split()
        if not words:
            return await self._store.read(lambda tx: self._limits_told(tx, row))
        person = await self._person(row)
        amount = _dollars(words[1]) if len(words) == 2 else None
        if amount is None:
            return said.BUDGET_USAGE.to(self._reader(row))
        return await self._store.write(
            _once(row, lambda tx: self._raise(tx, row, words[0], amount, person)),
            transition=transitions.BUDGET_RAISED,
        )

    def _raise(self, tx: Tx, row: Waiting, scope: str, amount: int, person: Person) -> str:
        rooms = self._rooms(tx, row)
        room = next((r for r in rooms if r.scope.partition(":")[0] == scope), None)
        if room is None or room.scope.startswith("whole:"):
            known = ", ".join(r.scope.partition(":")[0] for r in rooms)
            return said.NO_LIMIT.to(self._reader(row), known=known)
        tier, standing = needed_to_raise(room.scope), person.standing
        rights = self._rules.rights
        if not may_approve(standing, tier, two_person=False, requester="", rights=rights):
            phrase = said.OWNERS_RAISE if tier == "owner" else said.APPROVERS_RAISE
            return phrase.to(self._reader(row))
        now = self._clock.now()
        ledger.raise_limit(
            tx, room.scope, room.window.span, amount, by=person.standing.person, now=now
        )
        reader = self._reader(row)
        scope = scope_name(room.scope, reader)
        return said.RAISED.to(reader, scope=scope, amount=dollars(amount))

    def _limits_told(self, tx: Tx, row: Waiting) -> str:
        reader = self._reader(row)
        lines = [
            said.LIMIT.to(
                reader,
                kind=r.scope.partition(":")[0],
                scope=scope_name(r.scope, reader),
                spent=so_far(r.settled),
                held=so_far(r.held),
                left=so_far(r.left or 0),
                limit=so_far((r.limit or 0) + r.raised),
            )
            for r in self._rooms(tx, row)
        ]
        return "\n".join(lines)

    def _rooms(self, tx: Tx, row: Waiting) -> tuple[Room, ...]:
        """The limits that bind whoever writes here; a turn's own is on its card."""
        session = sessions.current(tx, row.session_key)
        spender = spender_in(
            row.account,
            _place(row),
            requester=row.content.author,
            session_id=session.id if session else None,
            turn_id=None,
        )
        rooms = self._rules.money.rooms(tx, spender, now=self._clock.now(), leave=Leave.POLICY)
        return tuple(room for room in rooms if room.limit is not None)

    async def _freeze(self, row: Waiting) -> str:
        person = await self._person(row)
        everywhere = row.content.args.strip() == "all"
        standing = person.standing
        if not (standing.owner or (standing.approver and not everywhere)):
            return said.WHO_FREEZES.to(self._reader(row))
        scope = freezes.EVERYWHERE if everywhere else chat_scope(row.account, _chat(row))
        name = standing.name or standing.person
        freeze = freezes.Freeze(
            scope=scope, by=standing.person, name=name, reason="/freeze", at=self._clock.now()
        )

        await self._store.write(
            lambda tx: freezes.freeze(tx, freeze), transition=transitions.FREEZE_CHANGED
        )
        await self._freeze_now(scope, name)
        phrase = said.FROZEN_EVERYWHERE if everywhere else said.FROZEN_HERE
        return phrase.to(self._reader(row))

    async def _unfreeze(self, row: Waiting) -> str:
        person = await self._person(row)
        if not person.standing.owner:
            return said.OWNER_UNFREEZES.to(self._reader(row))
        everywhere = row.content.args.strip() == "all"
        scope = freezes.EVERYWHERE if everywhere else chat_scope(row.account, _chat(row))

        def unit(tx: Tx) -> bool:
            by, now = person.standing.person, self._clock.now()
            return freezes.unfreeze(tx, scope, by=by, now=now)

        lifted = await self._store.write(unit, transition=transitions.FREEZE_CHANGED)
        other = await self._store.read(lambda tx: freezes.standing(tx, row.account, _chat(row)))
        if other is not None:
            return said.STILL_FROZEN.to(self._reader(row), name=other.name, scope=other.scope)
        return (said.GOES_ON if lifted else said.WAS_NOT_FROZEN).to(self._reader(row))

    # -- who

    def _reader(self, row: Waiting) -> Reader:
        return reader_of(row.content.language, self._deliveries.command_mark(row.account))

    async def _person(self, row: Waiting) -> Person:
        standing = await self.standing(row)
        return Person(standing=standing, source="command", at=row.received_at)

    async def standing(self, row: Waiting, *, fresh: bool = True) -> Standing:
        """What whoever wrote is there; `fresh`: a remembered answer does not count."""
        return await self._roles.standing(
            account=row.account,
            chat=_place(row),
            person=row.content.author,
            name=row.content.author_name,
            human=not row.content.barred,
            fresh=fresh,
            held=frozenset(row.content.roles),
        )

    def _act(self, row: Waiting, decision: Decision, *, source: str = "command") -> Act:
        content = row.content
        return Act(
            account=row.account,
            chat=row.chat,
            message=None,
            person=content.author,
            name=content.author_name,
            source=source,
            at=row.received_at,
            decision=decision,
            human=not content.barred,
            roles=frozenset(content.roles),
            reader=self._reader(row),
        )


def _once(row: Waiting, unit: Callable[[Tx], str]) -> Callable[[Tx], str]:
    """A command that adds something: done once, though a crash may come before its answer."""

    def once(tx: Tx) -> str:
        kept = inbox.kept_answer(tx, row.id)
        if kept is not None:
            return kept
        text = unit(tx)
        inbox.keep_answer(tx, row.id, text)
        return text

    return once


def _place(row: Waiting) -> str:
    """Where answers to a message go: what cards, grants and limits of its turn go by."""
    return row.content.reply_to or row.chat


def _chat(row: Waiting) -> str:
    """The chat of it, whose threads share leave, freezes and limits."""
    return refs.root_text(_place(row))


def _dollars(text: str) -> int | None:
    """`$5` or `2.50` in micro-dollars."""
    found = re.fullmatch(r"\+?\$?(\d{1,6})(?:\.(\d{1,2}))?", text)
    if found is None:
        return None
    amount = int(found[1]) * DOLLAR + int((found[2] or "").ljust(2, "0")) * (DOLLAR // 100)
    return amount or None
