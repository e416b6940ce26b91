"""Who is in which group: asked of the platform, remembered for a minute where that will do."""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import assert_never

from gateway import refs
from gateway.clock import Clock
from gateway.config.ids import GroupId, UserId, Word, parse_person_or_group
from gateway.delivery import Deliveries
from gateway.entitled import Rights, Standing
from platforms.base import ADMIN
from platforms.errors import PlatformError

REMEMBERED_S = 60.0
REMEMBERED_MAX = 10_000
SHELL = "shell:"
"""What people are called who speak on the control socket: the gateway's own user, or root."""

log = logging.getLogger(__name__)

_Key = tuple[str, str, str, str]


class Roles:
    """Answers what a person is, by their immutable id. A failed lookup is never a yes."""

    def __init__(self, *, deliveries: Deliveries, rights: Rights, clock: Clock) -> None:
        self._deliveries = deliveries
        self._rights = rights
        self._clock = clock
        self._known: OrderedDict[_Key, tuple[float, bool]] = OrderedDict()

    async def standing(
        self,
        *,
        account: str,
        chat: str,
        person: str,
        name: str,
        human: bool = True,
        fresh: bool = True,
        held: frozenset[str] = frozenset(),
        named: str = "",
    ) -> Standing:
        """What a person is in a chat; `held` are role ids that came with what they did.

        `fresh`: a remembered answer does not count. `named` is the approver that a clock's job
        names, a person or a chat.
        """
        if not human:
            return Standing(person=person, name=name, human=False)
        if person.startswith(SHELL) or self._rights.owns(person):
            return Standing(person=person, name=name, owner=True, approver=True)
        approvers = self._rights.approvers_in(account, chat)
        of_job = named in self._rights.people.linked(person)
        approver: bool | None = of_job or self._rights.is_named(person, approvers)
        if not approver:
            groups = tuple(each for each in approvers if not isinstance(each, UserId))
            found = await self._any_of(groups, account, chat, person, fresh=fresh, held=held)
            approver = found
        return Standing(person=person, name=name, approver=approver)

    async def groups(
        self, names: frozenset[str], *, account: str, chat: str, person: str
    ) -> Mapping[str, bool | None]:
        """For each group that rules name, whether a person is in it; None: nobody can tell."""
        if not names:
            return {}
        approvers = self._rights.approvers_in(account, chat)
        listed = await self.standing(
            account=account, chat=chat, person=person, name="", fresh=False
        )
        found: dict[str, bool | None] = {}
        for name in names:
            match name:
                case "owners":
                    found[name] = self._rights.owns(person)
                case "approvers":
                    found[name] = listed.approver if approvers else False
                case _:
                    found[name] = await self._member(
                        _group(name), account, chat, person, fresh=False, held=frozenset()
                    )
        return found

    async def _any_of(
        self,
        groups: tuple[GroupId | Word, ...],
        account: str,
        chat: str,
        person: str,
        *,
        fresh: bool,
        held: frozenset[str],
    ) -> bool | None:
        answers = [
            await self._member(group, account, chat, person, fresh=fresh, held=held)
            for group in groups
        ]
        if any(answers):
            return True
        return None if None in answers else False

    async def _member(
        self,
        group: GroupId | Word | None,
        account: str,
        chat: str,
        person: str,
        *,
        fresh: bool,
        held: frozenset[str],
    ) -> bool | None:
        place = refs.chat_from(chat, refs.account_from(account))
        match group:
            case None | Word.APPROVERS | Word.OWNERS:
                return False
            case Word.ADMINS:
                role = ADMIN
            case GroupId(platform=platform, space=space, id=role):
                if (platform, space) != (place.account.platform, place.space):
                    return False
            case unknown:
                assert_never(unknown)
        if role in held:
            return True
        key = (account, chat, person, role)
        remembered = self._known.get(key)
        now = self._clock.monotonic()
        if not fresh and remembered is not None and now - remembered[0] < REMEMBERED_S:
            return remembered[1]
        outlet = self._deliveries.outlet(account)
        if outlet is None or not person.startswith(f"{place.account.platform}:"):
            return None
        try:
            asked = frozenset((role,))
            is_in = role in await outlet.adapter.roles(refs.person_id(person), place, asked)
        except PlatformError as error:
            log.warning("nobody can tell who holds a role in %s: %s", chat, error)
            return None
        self._remember(key, now, is_in)
        return is_in

    def _remember(self, key: _Key, now: float, is_in: bool) -> None:
        self._known[key] = (now, is_in)
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)


def _group(name: str) -> GroupId | Word | None:
    found = parse_person_or_group(name)
    return None if isinstance(found, UserId) else found
