"""The schema of money and of who decides: budgets, approvals, payers, people, policy."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, PlainValidator, Strict, WithJsonSchema

from agent.costs import DOLLAR
from agent.rules import LOWER, Layer
from agent.tools.base import EffectClass, RiskTag, Verdict
from gateway.config import reading, rule_reading, values
from gateway.config.ids import Word, parse_person_or_group
from gateway.config.kinds import (
    Account,
    Accounts,
    Chats,
    ExactChat,
    Money,
    Name,
    Section,
    Text,
    User,
    Users,
    key,
    text_of,
)

_BUDGET = values.BudgetConfig()
_APPROVALS = values.ApprovalsConfig()

Approver = Annotated[
    values.Approver,
    *text_of(
        lambda value: parse_person_or_group(reading.text(value), words=(Word.ADMINS,)),
        format="person-or-group",
    ),
]
Approvers = Annotated[tuple[Approver, ...], Strict(False)]
RuleUser = Annotated[
    values.Approver,
    *text_of(lambda value: parse_person_or_group(reading.text(value)), format="person-or-group"),
]


def _limit(meaning: str, default: int) -> Any:
    dollars = default // DOLLAR if default % DOLLAR == 0 else default / DOLLAR
    return key(meaning, default, written=dollars)


class BudgetSection(Section):
    """The most that may be spent, in dollars. Nothing is begun that would not fit."""

    turn: Money = _limit("In one turn, as far as no person granted it.", _BUDGET.turn)
    session: Money = _limit(
        "In one session since its beginning, as far as no person granted it.", _BUDGET.session
    )
    chat_day: Money = _limit("In one chat on one day.", _BUDGET.chat_day)
    user_day: Money = _limit("For one person on one day, wherever they write.", _BUDGET.user_day)
    org_month: Money = _limit("By all together in a calendar month.", _BUDGET.org_month)
    background_day: Money = _limit(
        "On one day by what nobody is present for: jobs, summaries, probes.",
        _BUDGET.background_day,
    )


class ChatApprovals(Section):
    """Approvals in one chat, by its id or a `*` form; the closest one holds."""

    approvers: Approvers = key("Who decides there, in place of the general list.")


class ChatsSection(Section):
    """Approvals of single chats: `[approvals.chats."slack:T1/C1"]`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ChatApprovals] = Field(init=False)


class ApprovalsSection(Section):
    """Who decides about what the model wants to do, and up to which price (in dollars)."""

    expire_s: int = key(
        "Seconds a card in a chat can be decided.", _APPROVALS.expire_s, ge=60, le=604_800
    )
    owner_expire_s: int = key(
        "Seconds a card for owners, or one about a call in doubt, can be decided.",
        _APPROVALS.owner_expire_s,
        ge=60,
        le=604_800,
    )
    approvers: Approvers = key(
        "Who decides beside the owners: people, Slack user groups (`slack:T1/S1`), Discord roles"
        " (`discord:GUILD/&ROLE`), and `admins` for whoever administers a Telegram chat. Without"
        " any, owners decide.",
        _APPROVALS.approvers,
        written=[],
    )
    requester_up_to: Money = _limit(
        "Whoever asked may approve their own calls up to this price.", _APPROVALS.requester_up_to
    )
    approver_up_to: Money = _limit(
        "Approvers decide up to this price, owners above it.", _APPROVALS.approver_up_to
    )
    two_person_above: Money | None = key(
        "Above this price two people must agree; left out, one is enough.", None
    )
    auto_max: Money = _limit("The most that `/auto` may be given.", _APPROVALS.auto_max)
    owner_chat: ExactChat | None = key(
        "Where owners are asked; left out, the direct chat of the first owner.", None
    )
    confirm_cpu_jobs: bool = key(
        "Whether jobs on the smallest processors (`cpu-basic`, `cpu-upgrade`) are asked for too.",
        _APPROVALS.confirm_cpu_jobs,
    )
    confirm_scheduled_reads: bool = key(
        "Whether looking at scheduled jobs is asked for.", _APPROVALS.confirm_scheduled_reads
    )
    auto_file_upload: bool = key(
        "Whether files may go to the payer's private repositories unasked.",
        _APPROVALS.auto_file_upload,
    )
    chats: ChatsSection = ChatsSection()


class PayersSection(Section):
    """Accounts that paid tools may charge. The model can't choose one, people can."""

    default: Account | None = key("The account that is charged.", None)
    others: Accounts = key("Further accounts a person may choose on a card.", (), written=[])


class PeopleSection(Section):
    """The same person on several platforms, by a name of yours: `ann = ["slack:T1/U1", ...]`.

    Their spending counts together, and where two people must agree they are one.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Users] = Field(init=False)


class ExampleSection(Section):
    """A call a rule is tried on at every start; what it leaves open is not tested."""

    op: Text | None = key("The operation.", None)
    args: Annotated[
        dict[str, Any],
        PlainValidator(rule_reading.example_arguments),
        WithJsonSchema({"type": "object"}),
    ] = key("The arguments, as the model would write them.", {})
    chat: ExactChat | None = key("Where.", None)
    user: User | None = key("For whom.", None)
    tainted: bool = key("Whether the turn has read what nobody entitled typed.", False)
    ceiling: Money | None = key("The price, in place of the tool's own figure.", None)


Examples = Annotated[tuple[ExampleSection, ...], Strict(False)]


def _by_value(kind: Any, allowed: tuple[str, ...]) -> Any:
    return (
        PlainValidator(lambda value: kind(reading.one_of(allowed)(value))),
        WithJsonSchema({"type": "string", "enum": list(allowed)}),
    )


RuleTag = Annotated[RiskTag, *_by_value(RiskTag, tuple(tag.value for tag in RiskTag))]
RuleTags = Annotated[tuple[RuleTag, ...], Strict(False)]
RuleEffect = Annotated[EffectClass, *_by_value(EffectClass, tuple(e.value for e in EffectClass))]
RuleLayer = Annotated[Layer, *_by_value(Layer, (Layer.OPERATOR.value, *map(str, LOWER)))]


class TagsSection(Section):
    """Which risk tags a call may or must have."""

    none: RuleTags = key("None of these.", (), written=[])
    any: RuleTags = key("At least one of these.", (), written=[])
    all: RuleTags = key("Every one of these.", (), written=[])


class CeilingSection(Section):
    """What a call may cost at most. A rule that allows never matches an unknown price."""

    min: Money | None = key("This price or more.", None)
    max: Money | None = key("This price or less.", None)


class PolicySection(Section):
    """A rule about tool calls. The strictest that matches holds; without any, the tool's default.

    What nobody knows (a price, a membership) makes a rule match that asks or denies, and keeps one
    that allows from matching: losing a source never loosens.
    """

    id: Name | None = key("Short name, shown on cards and in `gatepost why`; unique.", None)
    tool: Annotated[str, *text_of(rule_reading.tool_pattern)] = key(
        "A tool's name; `*` at its end stands for anything: `hf_*`, `mcp:github/*`."
    )
    op: Annotated[
        tuple[str, ...],
        PlainValidator(rule_reading.operations),
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
    ] = key("Operations; left out, all of them.", (), written=[])
    when: Annotated[
        Any,
        PlainValidator(rule_reading.conditions),
        WithJsonSchema(
            {"type": "object", "additionalProperties": {"type": "object"}, "format": "conditions"}
        ),
    ] = key(
        'Conditions on arguments, all of which must hold: `{ flavor = { in = ["t4-small"] },'
        ' timeout_s = { max = "1h" } }`. There are `eq`, `in`, `prefix`, `glob`, `min`, `max`,'
        " `absent`, `host_in` (`*.example.org` for all below), `argv_prefix`. An argument that is"
        " missing meets only `absent = true`. In a list every item must fit for `allow`, one is"
        " enough for the others.",
        {},
    )
    ceiling: CeilingSection = CeilingSection()
    effect: Annotated[tuple[RuleEffect, ...], Strict(False)] = key(
        "What a crash means for the call: any of these.", (), written=[]
    )
    tags: TagsSection = TagsSection()
    chat: Chats = key("Where, with everything below; left out, everywhere.", (), written=[])
    user: Annotated[tuple[RuleUser, ...], Strict(False)] = key(
        "For whom: people, Slack user groups, Discord roles, `admins`, `approvers`, `owners`.",
        (),
        written=[],
    )
    verdict: Annotated[Verdict, *_by_value(Verdict, tuple(v.value for v in Verdict))] = key(
        "What is said of such a call."
    )
    firm: bool = key("With `ask`: no grant and no `/auto` stands in for the person.", False)
    layer: RuleLayer = key(
        "Who speaks. The rules of a platform, a chat or a user only tighten what the operator's"
        " leave open.",
        Layer.OPERATOR,
        written="operator",
    )
    reason: Text | None = key("Why, in a few words, for cards and refusals.", None)
    match: Examples = ()
    no_match: Examples = ()
