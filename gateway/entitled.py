"""Pure: who may decide what. People are known by immutable id and by nothing else.

requester    free and reversible calls, and paid ones up to a limit: whoever asked, or those below
approver     dearer ones, destructive or outward ones, more money for a turn or session
owner        above that: unknown prices, what recurs, more money for a day or month
"""

from collections.abc import Callable, Set
from dataclasses import dataclass, field

from agent.costs import Ceiling, Unknown
from agent.tools.base import RiskTag
from gateway import refs
from gateway.config import ApprovalsConfig, PeopleConfig
from gateway.config.ids import GroupId, UserId, Word
from gateway.store.records.cards import Card, Tier
from gateway.words import card as said
from gateway.words.phrase import ENGLISH, Reader

Approver = UserId | GroupId | Word

_APPROVER_TAGS = frozenset({RiskTag.DESTRUCTIVE, RiskTag.OUTWARD})
_DAILY = ("chat_day:", "user_day:", "org_month", "background_day")


def _never_moved(account: str, chat: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Who is what. `owners` are people as events name them; they may change at any time.

    `formerly` tells the addresses that a chat of an account had before.
    """

    owners: Set[str] = frozenset()
    approvals: ApprovalsConfig = field(default_factory=ApprovalsConfig)
    people: PeopleConfig = field(default_factory=PeopleConfig)
    formerly: Callable[[str, str], tuple[str, ...]] = _never_moved

    def approvers_in(self, account: str, chat: str) -> tuple[Approver, ...]:
        """The approvers of a chat, people and groups, whichever address the file gives it."""
        addresses = (chat, *self.formerly(account, chat))
        places = tuple(refs.chat_from(each, refs.account_from(account)) for each in addresses)
        return self.approvals.approvers_for(places)

    def person(self, ident: str) -> str:
        """One name for all ids of a person."""
        return self.people.canonical(ident)

    def owns(self, person: str) -> bool:
        """Whether a person is an owner, by any of their ids."""
        return not self.owners.isdisjoint(self.people.linked(person))

    def is_named(self, person: str, approvers: tuple[Approver, ...]) -> bool:
        """Whether a person is on a list by one of their ids, groups aside."""
        named = {str(each) for each in approvers if isinstance(each, UserId)}
        return not named.isdisjoint(self.people.linked(person))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a person is where they decide. `approver` None: the platform could not be asked."""

    person: str
    name: str
    human: bool = True
    owner: bool = False
    approver: bool | None = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """Whose word a call needs."""

    tier: Tier
    two_person: bool = False


def needed(
    *,
    ceiling: Ceiling,
    tags: frozenset[RiskTag],
    declared: bool,
    rights: Rights,
    unattended: bool = False,
) -> Needed:
    """Whose word a gated call needs: of all reasons the strictest."""
    if isinstance(ceiling, Unknown) or RiskTag.RECURRING in tags:
        return Needed(tier="owner", two_person=_two(ceiling, rights))
    tier: Tier = "requester"
    if not declared or not tags.isdisjoint(_APPROVER_TAGS) or unattended:
        tier = "approver"
    if ceiling > rights.approvals.requester_up_to:
        tier = "approver"
    if ceiling > rights.approvals.approver_up_to:
        tier = "owner"
    return Needed(tier=tier, two_person=_two(ceiling, rights))


def needed_to_raise(scope: str, *, shared: bool = True) -> Tier:
    """Whose word raises a limit; a cap of `/auto` is raised by who may give it."""
    if scope.startswith("whole:") and not shared:
        return "requester"
    return "owner" if scope.startswith(_DAILY) else "approver"


def strictest(all_needed: tuple[Needed, ...]) -> Needed:
    """What a card needs whose items need these."""
    order: tuple[Tier, ...] = ("requester", "approver", "owner")
    tier = max((each.tier for each in all_needed), key=order.index)
    return Needed(tier=tier, two_person=any(each.two_person for each in all_needed))


def may_approve(
    standing: Standing, tier: Tier, *, two_person: bool, requester: str, rights: Rights
) -> bool | None:
    """Whether a person's yes counts; None where a lookup failed, which is never a yes."""
    if not standing.human:
        return False
    if two_person and rights.person(standing.person) == rights.person(requester):
        return False
    if standing.owner:
        return True
    match tier:
        case "owner":
            return False
        case "approver":
            return standing.approver
        case "requester":
            return standing.person == requester or standing.approver


def may_deny(standing: Standing, card: Card, *, rights: Rights) -> bool | None:
    """Whether a person's no counts: whose yes would, and the requester's."""
    if standing.human and standing.person == card.requester:
        return True
    return may_approve(standing, card.tier, two_person=False, requester="", rights=rights)


def deciders(tier: Tier, *, two_person: bool, reader: Reader = ENGLISH) -> str:
    """The same in words for a card."""
    who = {
        "requester": said.DECIDED_BY_REQUESTER,
        "approver": said.DECIDED_BY_APPROVERS,
        "owner": said.DECIDED_BY_OWNERS,
    }[tier].to(reader)
    return said.TWO_OF.to(reader, who=who) if two_person else who


def _two(ceiling: Ceiling, rights: Rights) -> bool:
    above = rights.approvals.two_person_above
    return above is not None and (isinstance(ceiling, Unknown) or ceiling > above)
