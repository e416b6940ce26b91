"""What owners say about who gets in, and what anyone may ask about themselves: commands, presses.

The command line says the same over the control socket (`AccessDesk.answer`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import assert_never, get_args

from gateway import refs
from gateway.clock import Clock
from gateway.config import Config
from gateway.control_requests import (
    AboutAccess,
    AskOwners,
    AskPairings,
    DecidePairing,
    MakeOwnerCode,
    RemoveOwner,
)
from gateway.entitled import Rights
from gateway.ingest import Entered, Stored
from gateway.listed import ListedChats
from gateway.membership import ChatDecided, ChatVerb, Memberships, chat_from, listing
from gateway.owner_codes import OwnerCodes
from gateway.owners_desk import OwnersDesk
from gateway.pairing import Decided, PairingDesk, Verb, listed_line
from gateway.roles import Roles
from gateway.shell_desk import Decided as Told
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import explain, inbox, listed, pairings
from gateway.store.records.inbox import Waiting
from gateway.store.records.outbox import OutboxRow
from gateway.store.records.pairings import Pairing
from gateway.words import access as said
from gateway.words.phrase import Reader
from platforms.events import PlatformName

PRESSED = ("pair ", "allow ", "leave ")
"""What a button's payload begins with that is one of these commands."""

AT_THE_SHELL = Reader(mark="gatepost ")

_VERBS: tuple[Verb, ...] = get_args(Verb)


class AccessDesk:
    """Carries out what is said about access, each in one unit, and lets in what it released."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        config: Config,
        pairing: PairingDesk,
        memberships: Memberships,
        codes: OwnerCodes,
        listed: ListedChats,
        account_of: Callable[[str], str | None],
        leave: Callable[[str, str], Awaitable[str]],
        rights: Rights,
        roles: Roles,
        route: Callable[[Stored], None],
        reader: Callable[[Waiting], Reader],
    ) -> None:
        """`route` is handed what may enter now, and what is to be sent.

        `account_of` names a platform's connected account; `leave` leaves a chat of an account and
        returns why it could not.
        """
        self._store = store
        self._clock = clock
        self._config = config
        self.pairing = pairing
        self.memberships = memberships
        self.codes = codes
        self._owners_desk = OwnersDesk(store=store, clock=clock, codes=codes)
        self.listed = listed
        self._account_of = account_of
        self._leave_chat = leave
        self._rights = rights
        self._roles = roles
        self._route = route
        self._reader = reader

    def handlers(self) -> dict[str, Callable[[Waiting], Awaitable[str]]]:
        """The commands this desk carries out."""
        return {
            "pair": self._pair,
            "allow": self._allow,
            "leave": self._leave,
            "why": self._why,
            "privacy": self._privacy,
        }

    async def pressed(self, row: Waiting) -> str:
        """Carry out the command on a button, for owners."""
        standing = await self._roles.standing(
            account=row.account,
            chat=row.content.reply_to or row.chat,
            person=row.content.author,
            name=row.content.author_name,
            human=not row.content.barred,
        )
        if not standing.owner:
            return said.ONLY_OWNERS.to(self._reader(row))
        verb, _, words = row.content.args.partition(" ")
        return await self._carried_out(verb, words, row)

    async def answer(self, request: AboutAccess, *, by: str) -> object:
        """Carry a request of the command line out; see `gateway.control_requests`."""
        match request:
            case AskPairings():
                return await self._people()
            case DecidePairing(verb=verb, whom=whom):
                decided = await self._decide(verb, whom, by=by, row=None)
                return Told(text=decided.text.replace("`", ""), done=decided.done)
            case MakeOwnerCode() | AskOwners() | RemoveOwner():
                return await self._owners_desk.answer(request, by=by)
            case _:
                assert_never(request)

    async def post_due_cards(self) -> None:
        """Ask owners about who wrote, and what called, before it was known where they are asked."""

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            return (*self.pairing.cards_due(tx), *self.memberships.cards_due(tx))

        rows = await self._store.write(unit, transition=transitions.NOTICE_STORED)
        self._route(Stored(replies=rows))

    async def _carried_out(self, verb: str, words: str, row: Waiting) -> str:
        match verb:
            case "pair":
                what, _, whom = words.strip().partition(" ")
                chosen = next((each for each in _VERBS if each == what.lower()), None)
                if chosen is None or not whom:
                    return said.PAIR_USAGE.to(self._reader(row))
                by = row.content.author
                return (await self._decide(chosen, whom, by=by, row=row)).text
            case "allow" | "leave":
                return (await self._decide_chat(verb, words, row=row)).text
            case _:
                return said.PAIR_USAGE.to(self._reader(row))

    async def _pair(self, row: Waiting) -> str:
        words = row.content.args.strip()
        if words.lower() in ("", "list"):
            now, reader = self._clock.now(), self._reader(row)
            lines = [listed_line(each, now=now, reader=reader) for each in await self._people()]
            return "\n".join(lines) or said.NOBODY_ASKS.to(reader)
        return await self._carried_out("pair", words, row)

    async def aloud(self, row: Waiting, text: str) -> str:
        """What a command is answered with where others read it too: no words of strangers."""
        if row.content.command != "pair" or row.content.args.strip().lower() not in ("", "list"):
            return text
        now, people = self._clock.now(), await self._people()
        asking = sum(each.is_open(now) for each in people)
        if not people:
            return text
        counts = {"asking": asking, "decided": len(people) - asking}
        return said.PAIR_COUNTS.to(self._reader(row), **counts)

    async def _allow(self, row: Waiting) -> str:
        words = row.content.args.strip()
        if not words:
            return said.ALLOW_USAGE.to(self._reader(row))
        return await self._carried_out("allow", words, row)

    async def _leave(self, row: Waiting) -> str:
        words = row.content.args.strip() or refs.root_text(row.chat)
        return await self._carried_out("leave", words, row)

    async def _decide_chat(self, verb: ChatVerb, words: str, *, row: Waiting) -> ChatDecided:
        """Carry an owner's word about a chat out; it is left once that is stored."""
        place = chat_from(words)
        account = self._account_for(place.platform, row) if place is not None else None
        if place is None or account is None:
            return ChatDecided(text="Name a chat of several people by its id, as the log has it.")
        chat, by = str(place), row.content.author
        access, reader = self._config.access_for(place.platform), self._reader(row)

        def unit(tx: Tx) -> ChatDecided:
            kept = inbox.kept_answer(tx, row.id)
            if kept is not None:
                return ChatDecided(text=kept)
            now_at = chat_from(listed.address(tx, account, chat)) or place
            listed_as = listing(now_at, access.chats)
            decided = self.memberships.decide(
                tx, verb, account, chat, by=by, listed_as=listed_as, reader=reader
            )
            inbox.keep_answer(tx, row.id, decided.text)
            return decided

        decided = await self._store.write(unit, transition=transitions.ACCESS_CHANGED)
        await self.listed.load(self._store)
        self._route(Stored(replies=decided.rows))
        if (
            verb == "leave"
            and decided.done
            and (why := await self._leave_chat(account, decided.chat))
        ):
            return replace(decided, text=f"{decided.text} I am still in it: {why}")
        return decided

    def _account_for(self, platform: PlatformName, row: Waiting) -> str | None:
        """The account a chat belongs to: the one an owner writes on, if it is of its platform."""
        if row.account.startswith(f"{platform}:"):
            return row.account
        return self._account_of(platform)

    async def _people(self) -> list[Pairing]:
        now = self._clock.now()
        return await self._store.read(lambda tx: pairings.listed(tx, now=now))

    async def _decide(self, verb: Verb, whom: str, *, by: str, row: Waiting | None) -> Decided:
        """Carry a word out, once for a command that a crash kept from being answered."""
        reader = self._reader(row) if row is not None else AT_THE_SHELL

        def unit(tx: Tx) -> Decided:
            kept = inbox.kept_answer(tx, row.id) if row is not None else None
            if kept is not None:
                return Decided(text=kept)
            decided = self.pairing.decide(tx, verb, whom, by=by, reader=reader)
            if row is not None:
                inbox.keep_answer(tx, row.id, decided.text)
            return decided

        decided = await self._store.write(unit, transition=transitions.ACCESS_CHANGED)
        entered = tuple(Entered(row=row) for row in decided.released)
        self._route(Stored(entered=entered, replies=decided.rows))
        return decided

    async def _why(self, row: Waiting) -> str:
        ident = row.content.args.strip().strip("`")
        if not ident:
            return said.WHY_USAGE.to(self._reader(row))
        owner = self._rights.owns(row.content.author) and not row.content.barred
        mine = frozenset(self._rights.people.linked(row.content.author))

        def query(tx: Tx) -> tuple[str, ...] | None:
            if not owner and explain.person_of(tx, ident) not in mine:
                return None
            return explain.explain(tx, ident)

        lines = await self._store.read(query)
        if lines is None:
            return said.WHY_NOT_YOURS.to(self._reader(row))
        if not lines:
            return said.WHY_UNKNOWN.to(self._reader(row))
        return "```\n" + "\n".join(line.replace("`", "'") for line in lines) + "\n```"

    async def _privacy(self, row: Waiting) -> str:
        return privacy_text(self._config, grouped=row.content.grouped, reader=self._reader(row))


def privacy_text(config: Config, *, grouped: bool, reader: Reader) -> str:
    """What is kept of what people write here, for how long, and who sees it."""
    days = config.gateway.retention_days
    models = ", ".join(dict.fromkeys(f"`{each.model}`" for each in config.providers))
    kept = said.PRIVACY_KEPT if days else said.PRIVACY_KEPT_FOREVER
    groups = said.PRIVACY_GROUPS if days else said.PRIVACY_GROUPS_FOREVER
    lines = (
        kept.to(reader, days=days),
        said.PRIVACY_GIVEN.to(reader, models=f" ({models})" if models else ""),
        (said.PRIVACY_SEEN_HERE if grouped else said.PRIVACY_SEEN).to(reader),
        groups.to(reader),
        said.PRIVACY_ENDS.to(reader),
    )
    return "\n".join(f"- {line}" for line in lines)


__all__ = ("PRESSED", "AccessDesk", "privacy_text")
