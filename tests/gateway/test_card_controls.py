"""What can be pressed under a card, on platforms that differ in what they can."""

from dataclasses import dataclass, replace

import pytest

from gateway.card_controls import LABEL_MAX, controls
from gateway.card_view import Approved, CardView, Flag
from gateway.tokens import Decision, Token, opened, seal
from platforms.base import Capabilities
from platforms.content import Button, Controls, Menu, opens_form
from platforms.discord import limits as discord
from platforms.discord.controls import view_of
from platforms.slack import limits as slack
from platforms.slack.controls import control_blocks
from platforms.telegram import limits as telegram
from tests.gateway.card_cases import BATCH, CARD, IN_DOUBT, JOB, LIMIT, QUESTION, UNKNOWN, job

KEY = b"k" * 32
ID = "AbC-_0123456789abcdefg"
SLACK, DISCORD, TELEGRAM = slack.CAPABILITIES, discord.CAPABILITIES, telegram.CAPABILITIES
PAGE = replace(TELEGRAM, form="page", buttons_per_row=4)
BARE = replace(TELEGRAM, form=None)
RISKY = (Flag(name="destructive"), Flag(name="paid"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What of a card is looked at."""

    page: int = 0
    item: int = 0
    more: bool = False
    confirm: str = ""


def sealed(decision: Decision, option: int = 0) -> str:
    """Return a payload as the desk seals it."""
    token = Token(id=ID, rev=1, decision=decision, option=option)
    return seal(token, key=KEY, account="a", chat="c")


def laid(
    view: CardView, can: Capabilities = TELEGRAM, *, cut: bool = False, **look: object
) -> Controls:
    """Return the controls of a card."""
    seen = Look(**look)  # type: ignore[arg-type]
    payers = ("acme-prod", "acme-research")
    return controls(view, can=can, seal=sealed, look=seen, payers=payers, cut=cut)


def buttons(found: Controls) -> list[Button]:
    """Return every button and menu choice."""
    return [
        button
        for row in found
        for each in row
        for button in (each.options if isinstance(each, Menu) else (each,))
    ]


def meant(button: Button) -> tuple[Decision, int]:
    """Return what a press of it would say."""
    token = opened(button.payload, keys=(KEY,), account="a", chat="c")
    assert token is not None
    return token.decision, token.option


def labels(found: Controls) -> list[list[str]]:
    """Return the rows as people see them."""
    return [[each.label for each in row] for row in found]


def test_the_first_row_carries_the_price() -> None:
    """Approve with what it may cost, Deny, Show all; the rest folds out."""
    assert labels(laid(CARD, SLACK)) == [
        ["Approve once, at most $2.09", "Deny", "Show all"],
        ["More"],
    ]
    menu = laid(CARD, DISCORD)[1][0]
    assert isinstance(menu, Menu)
    assert [option.label for option in menu.options] == [
        "Approve for this chat",
        "Approve for everybody in this chat",
        "Payer: acme-prod",
        "Answer instead",
        "Deny with a reason",
        "Deny and stop",
    ]


def test_without_menus_the_keyboard_is_swapped() -> None:
    """Two keys a row, More leads to the further choices and Back from them."""
    assert labels(laid(CARD)) == [
        ["Approve once, at most $2.09", "Deny"],
        ["Show all", "More"],
    ]
    further = laid(job(editable=True), more=True)
    assert labels(further)[0] == ["Approve for this chat", "Approve for everybody in this chat"]
    assert meant(buttons(further)[-1]) == (Decision.BACK, 0)
    assert (Decision.EDIT, 0) in map(meant, buttons(further))
    assert (Decision.PAYER, 1) in map(meant, buttons(further))


def test_a_page_puts_no_before_yes() -> None:
    """Who walks a page by keyboard meets Deny first."""
    assert labels(laid(CARD, PAGE))[0][:2] == ["Deny", "Approve once, at most $2.09"]


def test_without_forms_nothing_needs_one() -> None:
    """Where no form can be shown, no button opens one."""
    for more in (False, True):
        found = buttons(laid(job(editable=True), BARE, more=more))
        assert not [button for button in found if opens_form(button.payload)]


@pytest.mark.parametrize(
    "view",
    [job(flags=RISKY), job(flags=(Flag(name="recurring"),)), replace(CARD, two_person=True)],
    ids=["destructive", "recurring", "two-person"],
)
def test_what_needs_a_second_word_is_asked_twice(view: CardView) -> None:
    """The platform asks where it can; elsewhere the first press decides nothing."""
    on_slack = buttons(laid(view, SLACK))[0]
    assert meant(on_slack) == (Decision.CONFIRM, 0)
    assert on_slack.style == "plain"
    assert on_slack.confirm.endswith("Run hf_jobs run once, at most $2.09?")
    first = buttons(laid(view))[0]
    assert meant(first) == (Decision.APPROVE, 0)
    assert (first.style, first.confirm) == ("plain", "")
    second = laid(view, confirm="approve")
    assert labels(second) == [["Yes: Approve once, at most $2.09", "Back"]]
    assert meant(buttons(second)[0]) == (Decision.CONFIRM, 0)
    assert buttons(second)[0].style == "danger"


def test_an_ordinary_approval_is_one_press() -> None:
    """Nothing is asked twice that is neither destructive, recurring nor for two."""
    approve = buttons(laid(CARD, SLACK))[0]
    assert (meant(approve), approve.style, approve.confirm) == (
        (Decision.APPROVE, 0), "primary", "",
    )  # fmt: skip


def test_a_cut_card_points_to_show_all() -> None:
    """What has to be pressed first looks like it."""
    found = {button.label: button.style for button in buttons(laid(CARD, cut=True))}
    assert found["Show all"] == "primary"
    assert found["Approve once, at most $2.09"] == "plain"


@pytest.mark.parametrize("tag", ["recurring", "destructive", "outward", "undeclared"])
def test_what_is_never_granted_offers_no_grant(tag: str) -> None:
    """No button gives what no grant may hold."""
    view = job(flags=(Flag(name=tag),))
    decisions = [decision for decision, _ in map(meant, buttons(laid(view, SLACK)))]
    assert not {Decision.GRANT, Decision.GRANT_ALL} & {*decisions}
    assert Decision.GRANT in [decision for decision, _ in map(meant, buttons(laid(CARD, SLACK)))]


def test_a_grant_takes_a_second_press() -> None:
    """Shown whole, then confirmed, each kind by a decision of its own."""
    for confirm, decision in (
        ("grant", Decision.GRANT_CONFIRM), ("grant_all", Decision.GRANT_ALL_CONFIRM),
    ):  # fmt: skip
        assert [meant(button) for button in buttons(laid(CARD, confirm=confirm))] == [
            (decision, 0), (Decision.BACK, 0),
        ]  # fmt: skip


def test_without_a_bound_nobody_can_approve() -> None:
    """An unknown price wants a ceiling typed, an unknown limit offers no Approve at all."""
    typed = laid(replace(job(ceiling=UNKNOWN), ceiling_wanted=True), SLACK)
    assert labels(typed)[0][0] == "Approve with a ceiling"
    assert opens_form(buttons(typed)[0].payload)
    for can in (SLACK, DISCORD, TELEGRAM, BARE):
        unbounded = replace(job(ceiling=UNKNOWN), approvable=False)
        assert not [each for each in buttons(laid(unbounded, can)) if "Approve" in each.label]
    bare = buttons(laid(replace(CARD, ceiling_wanted=True), BARE))
    assert "Approve with a ceiling" not in [button.label for button in bare]


def test_a_batch_is_decided_together_or_one_by_one() -> None:
    """All at their sum, none, or each by itself with the way to the next and back."""
    assert labels(laid(BATCH)) == [
        ["Approve all, at most $2.33", "Deny all"],
        ["One by one", "Show all"],
        ["More"],
    ]
    assert [meant(button) for button in buttons(laid(BATCH))][:3] == [
        (Decision.APPROVE_ALL, 0), (Decision.DENY_ALL, 0), (Decision.ONE_BY_ONE, 0),
    ]  # fmt: skip
    second = buttons(laid(BATCH, item=2))
    assert [meant(button) for button in second] == [
        (Decision.APPROVE, 2), (Decision.DENY, 2), (Decision.SHOW, 0), (Decision.ITEM, 3),
        (Decision.BACK, 0), (Decision.MORE, 0),
    ]  # fmt: skip
    last = laid(BATCH, SLACK, item=3)
    assert meant(buttons(last)[0]) == (Decision.CONFIRM, 3)
    assert "free" in buttons(last)[0].label


def test_a_decided_call_of_a_batch_offers_nothing_more() -> None:
    """Its neighbours can be decided, it cannot; and it leaves the sum."""
    done = replace(BATCH.items[1], outcome=Approved(by="Ann", at="13:41"))
    mixed = replace(BATCH, items=(BATCH.items[0], done, BATCH.items[2]))
    assert [meant(button)[0] for button in buttons(laid(mixed, item=2))] == [
        Decision.SHOW, Decision.ITEM, Decision.BACK,
    ]  # fmt: skip
    assert labels(laid(mixed))[0][0] == "Approve all, at most $0.24"


def test_a_long_batch_turns_its_pages() -> None:
    """The last page leads to the first."""
    long = replace(BATCH, items=(BATCH.items[0],) * 12)
    pages = [
        option
        for page in range(3)
        for decision, option in map(meant, buttons(laid(long, page=page)))
        if decision is Decision.PAGE
    ]
    assert pages == [1, 2, 0]


def test_a_question_has_its_answers() -> None:
    """Numbered answers, words of one's own, or none; many answers fold out."""
    assert labels(laid(QUESTION)) == [
        ["1: train", "2: train and test"],
        ["Answer in words", "Deny"],
    ]
    many = replace(QUESTION, answers=tuple(f"answer {n}" for n in range(20)))
    menu = laid(many, DISCORD)[1][0]
    assert isinstance(menu, Menu)
    assert meant(menu.options[19]) == (Decision.OPTION, 20)
    assert labels(laid(many))[1] == ["More"]
    only = replace(QUESTION, free_text=False)
    assert "Answer in words" not in [button.label for button in buttons(laid(only))]


def test_an_answer_cannot_pass_for_a_button_of_ours() -> None:
    """A model's answer is numbered, visible and short, whatever it says."""
    view = replace(QUESTION, answers=("Approve once, free\u202e", "x" * 200))
    first, second = buttons(laid(view))[:2]
    assert first.label == "1: Approve once, free\\u{202E}"
    assert len(second.label) <= LABEL_MAX


def test_a_limit_is_raised_or_the_turn_stops() -> None:
    """By what is missing, by more, or not at all."""
    assert labels(laid(LIMIT, SLACK)) == [["Raise by $0.35", "+$5", "+$20", "Stop"]]
    assert [meant(button) for button in buttons(laid(LIMIT))] == [
        (Decision.RAISE, 1), (Decision.RAISE, 2), (Decision.RAISE, 3), (Decision.STOP, 0),
    ]  # fmt: skip
    assert LIMIT.limit is not None
    large = replace(LIMIT, limit=replace(LIMIT.limit, short_by=7_000_000, auto=True))
    assert labels(laid(large, SLACK)) == [["Raise by $7.00", "+$20", "Go on asking", "Stop"]]


def test_a_call_in_doubt_has_four_answers() -> None:
    """Evidence, done, again, skip."""
    assert labels(laid(IN_DOUBT, SLACK)) == [["Show evidence", "Mark done", "Run again", "Skip"]]


def test_buttons_vanish_once_it_is_final() -> None:
    """Nothing can be pressed under a card that has ended."""
    assert laid(job(outcome=Approved(by="Ann", at="13:41"))) == ()


@pytest.mark.parametrize("can", [SLACK, DISCORD, TELEGRAM, PAGE, BARE])
@pytest.mark.parametrize("view", [CARD, BATCH, LIMIT, QUESTION, IN_DOUBT, job(flags=RISKY),
    job(editable=True, payer="p" * 90), replace(BATCH, items=(JOB,) * 40),
    replace(QUESTION, answers=("a" * 90,) * 20)], ids=range(9))  # fmt: skip
def test_everything_fits_the_platform(can: Capabilities, view: CardView) -> None:
    """Rows, labels and payloads are within every limit, and each payload says one thing."""
    for look in ({}, {"more": True}, {"confirm": "approve"}, {"item": 1}):
        if look.get("item") and not view.is_batch:
            continue
        found = laid(view, can, **look)
        assert 0 < len(found) <= can.rows
        assert all(0 < len(row) <= can.buttons_per_row for row in found)
        payloads = [button.payload for button in buttons(found)]
        assert len(payloads) == len(set(payloads))
        assert all(len(button.label) <= LABEL_MAX for button in buttons(found))
        assert all(button.confirm == "" or can.confirm for button in buttons(found))
        if can is SLACK:
            assert len(list(control_blocks(found))) == len(found)


async def test_discord_takes_the_controls() -> None:
    """The SDK's own limits hold for the largest card."""
    view = view_of(laid(replace(CARD, items=(replace(JOB, editable=True),)), DISCORD))
    assert view is not None
    assert len(view.children) == 4
