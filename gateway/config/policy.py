"""Pure: `[[policy]]` and `[people]` become the rules of the gate."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from agent.rules import Example, Policy, Rule, policy_of
from gateway.config.ids import ChatPattern, UserId
from gateway.config.values import Approver, PeopleConfig

if TYPE_CHECKING:
    from gateway.config.schema_approvals import ExampleSection, PeopleSection, PolicySection


def people_of(section: "PeopleSection") -> PeopleConfig:
    """Who is who on several platforms."""
    return PeopleConfig(ids=dict(section.model_extra or {}))


def policy_from(sections: "tuple[PolicySection, ...]", people: PeopleConfig) -> Policy:
    """Put the rules of the file into force; a person stands for all their ids."""
    return policy_of(
        _rule(section, number, people) for number, section in enumerate(sections, start=1)
    )


def rule_id(given: str | None, number: int) -> str:
    """The name of the rule that stands `number`th in the file, counted from 1."""
    return given or f"policy-{number}"


def chat_patterns(chat: ChatPattern) -> Iterator[str]:
    """Write a chat as rules take it: a Discord channel's id stands for it in any guild."""
    path = "/".join((*chat.parts, "*") if chat.star or not chat.parts else chat.parts)
    yield f"{chat.platform}:{path}"
    if chat.platform == "discord" and chat.parts:
        yield f"{chat.platform}:*/{path}"


def _rule(section: "PolicySection", number: int, people: PeopleConfig) -> Rule:
    users, groups = _split(section.user, people)
    return Rule(
        id=rule_id(section.id, number),
        tool=section.tool,
        verdict=section.verdict,
        layer=section.layer,
        firm=section.firm,
        reason=section.reason or "",
        operations=frozenset(section.op),
        when=section.when,
        ceiling_min=section.ceiling.min,
        ceiling_max=section.ceiling.max,
        effects=frozenset(section.effect),
        tags_none=frozenset(section.tags.none),
        tags_any=frozenset(section.tags.any),
        tags_all=frozenset(section.tags.all),
        chats=tuple(text for chat in section.chat for text in chat_patterns(chat)),
        users=users,
        groups=groups,
        match=tuple(map(_example, section.match)),
        no_match=tuple(map(_example, section.no_match)),
    )


def _split(
    entries: Iterable[Approver], people: PeopleConfig
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    users: list[str] = []
    groups: list[str] = []
    for entry in entries:
        if isinstance(entry, UserId):
            users.extend(people.linked(str(entry)))
        else:
            groups.append(str(entry))
    return tuple(dict.fromkeys(users)), tuple(dict.fromkeys(groups))


def _example(section: "ExampleSection") -> Example:
    return Example(
        operation=section.op or "",
        arguments=section.args,
        chat=str(section.chat) if section.chat else None,
        user=str(section.user) if section.user else None,
        tainted=section.tainted,
        ceiling=section.ceiling,
    )
