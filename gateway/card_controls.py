"""Pure: the buttons and menus under a card, laid out for what the platform can do.

The first row approves, denies and shows all; what else can be decided folds out of a menu, or
swaps the keyboard where there are no menus. A second confirmation is asked by the platform where
it can, and its button then carries the confirmed decision; elsewhere the first press swaps the
keyboard and only the second decides. What stands on a button is checked again when it is pressed.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from agent.costs import Unknown, dollars, total
from gateway.card_lines import PAGE, flag_name
from gateway.card_view import CardView, Flag, Item
from gateway.card_words import cut_inline, most
from gateway.tokens import OPTION_MAX, Decision
from gateway.words import controls as labels
from gateway.words.phrase import Phrase, Reader
from platforms.base import Capabilities
from platforms.content import Button, Controls, Dialog, Menu

LABEL_MAX = 64
"""Characters of a label; Slack takes 75."""

CONFIRM_MAX = 280
"""Characters of a question before a press; Slack takes 300."""

ANSWERS_AS_BUTTONS = 6
AMOUNTS = (5_000_000, 20_000_000)
"""What a limit may be raised by beside what is missing, in micro-dollars; options 2 and 3."""

RAISE_NEEDED, RAISE_FIVE, RAISE_TWENTY, END_AUTO = 1, 2, 3, 4
"""Options of a press that raises a limit."""

_GUARDED = ("destructive", "recurring")
_NEVER_GRANTED = frozenset({"recurring", "destructive", "outward", "undeclared"})


class Seal(Protocol):
    """Makes the payload of a button under this card."""

    def __call__(self, decision: Decision, option: int = 0) -> str: ...


class Looked(Protocol):
    """What of a card is looked at.

    `item` (from 1) is one call of a batch, `page` counts from 0; `more`: the further choices;
    `confirm` is `approve`, `grant` or `grant_all` where a second press is due.
    """

    @property
    def page(self) -> int: ...
    @property
    def item(self) -> int: ...
    @property
    def more(self) -> bool: ...
    @property
    def confirm(self) -> str: ...


def controls(
    view: CardView,
    *,
    can: Capabilities,
    seal: Seal,
    look: Looked,
    payers: Sequence[str] = (),
    cut: bool = False,
) -> Controls:
    """The controls of an open card; none once nothing is left to decide."""
    if not view.is_open:
        return ()
    choices = _Choices(view, can=can, seal=seal, look=look, payers=payers, cut=cut)
    if look.confirm:
        return _rows(list(choices.second()), can)
    further = list(choices.further())
    if look.more:
        return _rows([*further, choices.button(labels.BACK, Decision.BACK)], can)
    first = list(choices.first())
    if not further:
        return _rows(first, can)
    if len(further) > can.menu_options:
        return _rows([*first, choices.button(labels.MORE, Decision.MORE)], can)
    return (*_rows(first, can), (Menu(label=labels.MORE.to(view.reader), options=tuple(further)),))


def guarded(view: CardView, item: Item) -> bool:
    """Whether one press is not enough to approve it."""
    return view.two_person or any(flag.name in _GUARDED for flag in item.flags)


def _rows(buttons: Sequence[Button], can: Capabilities) -> Controls:
    row = can.buttons_per_row
    rows = tuple(tuple(buttons[at : at + row]) for at in range(0, len(buttons), row))
    return rows[: can.rows]


class _Choices:
    """The buttons of one card."""

    def __init__(
        self,
        view: CardView,
        *,
        can: Capabilities,
        seal: Seal,
        look: Looked,
        payers: Sequence[str],
        cut: bool,
    ) -> None:
        self._view = view
        self._reader = view.reader
        self._can = can
        self._seal = seal
        self._item = look.item
        self._page = look.page
        self._confirm = look.confirm
        self._payers = payers
        self._cut = cut
        self._all = view.is_batch and not look.item
        self._one = view.items[max(0, look.item - 1)]

    def button(self, label: Phrase, decision: Decision, option: int = 0) -> Button:
        """A button without a style."""
        return self._labelled(label.to(self._reader), decision, option)

    def _labelled(self, label: str, decision: Decision, option: int = 0) -> Button:
        return Button(label=cut_inline(label, LABEL_MAX), payload=self._seal(decision, option))

    def first(self) -> Iterator[Button]:
        """What most people press."""
        match self._view.kind:
            case "question":
                yield from self._answers()
            case "limit":
                yield from self._amounts()
            case "in_doubt":
                yield self.button(labels.SHOW_EVIDENCE, Decision.EVIDENCE)
                yield self.button(labels.MARK_DONE, Decision.DONE)
                yield self.button(labels.RUN_AGAIN, Decision.AGAIN)
                yield self.button(labels.SKIP, Decision.SKIP)
            case "call":
                yield from self._decisions()

    def further(self) -> Iterator[Button]:
        """What folds out."""
        view, forms = self._view, self._can.form is not None
        if view.kind == "question":
            if len(view.answers) > ANSWERS_AS_BUTTONS:
                yield from self._answer_buttons()
            return
        if view.kind != "call" or self._one.outcome is not None:
            return
        if not view.is_batch:
            yield from self._further_of_one(forms=forms)
        elif self._item and self._one.editable and forms:
            yield self.button(labels.EDIT, Decision.EDIT, self._item)
        if forms:
            yield self.button(labels.DENY_REASON, Decision.DENY_REASON, self._item)
        yield self.button(labels.DENY_STOP, Decision.STOP)

    def second(self) -> Iterator[Button]:
        """The press that counts, and the way back."""
        if self._confirm == "approve":
            decision = Decision.CONFIRM_ALL if self._all else Decision.CONFIRM
            label = labels.YES.to(self._reader, what=self._approve_label())
        else:
            everybody = self._confirm == "grant_all"
            decision = Decision.GRANT_ALL_CONFIRM if everybody else Decision.GRANT_CONFIRM
            label = labels.GRANT_YES.to(self._reader)
        yield Button(
            label=cut_inline(label, LABEL_MAX),
            payload=self._seal(decision, self._item),
            style="danger",
        )
        yield self.button(labels.BACK, Decision.BACK)

    def _decisions(self) -> Iterator[Button]:
        """A page of the web is walked by keyboard, and there No comes before Yes."""
        decided = self._item and self._one.outcome is not None
        if not decided:
            pair = [*self._approve(), self._deny()]
            yield from reversed(pair) if self._can.form == "page" else pair
        if self._all:
            yield self.button(labels.ONE_BY_ONE, Decision.ONE_BY_ONE)
        show = self.button(labels.SHOW_ALL, Decision.SHOW)
        yield Button(label=show.label, payload=show.payload, style="primary") if self._cut else show
        yield from self._elsewhere()

    def _elsewhere(self) -> Iterator[Button]:
        """The other calls of a batch."""
        count = len(self._view.items)
        if self._item:
            if self._item < count and self._item < OPTION_MAX:
                label = labels.NEXT.to(self._reader, number=self._item + 1, count=count)
                yield self._labelled(label, Decision.ITEM, self._item + 1)
            yield self.button(labels.ALL_CALLS, Decision.BACK)
        elif self._all and count > PAGE:
            following = (self._page + 1) % -(-count // PAGE)
            yield self.button(labels.MORE_CALLS, Decision.PAGE, following)

    def _approve(self) -> Iterator[Button]:
        view = self._view
        if not view.approvable:
            return
        if view.ceiling_wanted:
            if self._can.form is not None and not self._all:
                yield self.button(labels.APPROVE_CEILING, Decision.CEILING, self._item)
            return
        items = [one for one in view.items if one.outcome is None] if self._all else [self._one]
        careful = any(guarded(view, one) for one in items)
        decision = Decision.APPROVE_ALL if self._all else Decision.APPROVE
        question = ""
        if careful and self._can.confirm:
            decision = Decision.CONFIRM_ALL if self._all else Decision.CONFIRM
            question = self._question(items)
        yield Button(
            label=cut_inline(self._approve_label(), LABEL_MAX),
            payload=self._seal(decision, self._item),
            style="plain" if careful or self._cut else "primary",
            confirm=question,
            dialog=dialog(self._reader) if question else Dialog(),
        )

    def _approve_label(self) -> str:
        if self._all:
            prices = [one.ceiling for one in self._view.items if one.outcome is None]
            return labels.APPROVE_ALL.to(self._reader, price=most(total(prices), self._reader))
        price = most(self._one.ceiling, self._reader)
        return labels.APPROVE_ONCE.to(self._reader, price=price)

    def _question(self, items: Sequence[Item]) -> str:
        reader = self._reader
        found = {flag.name for one in items for flag in one.flags if flag.name in _GUARDED}
        why = [flag_name(Flag(name=each), reader) for each in sorted(found)]
        why += [labels.BY_TWO.to(reader)] if self._view.two_person else []
        what = f"{self._one.tool} {self._one.operation}".strip()
        if self._all:
            what = labels.CALLS.to(reader, count=len(items))
        price = most(total(one.ceiling for one in items), reader)
        because = labels.AND.to(reader).join(why)
        text = labels.SURE_RUN.to(reader, why=because, what=what, price=price)
        return cut_inline(text, CONFIRM_MAX)

    def _deny(self) -> Button:
        if self._all:
            return self.button(labels.DENY_ALL, Decision.DENY_ALL)
        return self.button(labels.DENY, Decision.DENY, self._item)

    def _further_of_one(self, *, forms: bool) -> Iterator[Button]:
        one = self._one
        known = not isinstance(one.ceiling, Unknown)
        if known and not _NEVER_GRANTED.intersection(flag.name for flag in one.flags):
            if self._view.asked_by:  # a clock's turn is nobody's
                yield self.button(labels.GRANT, Decision.GRANT)
            yield self.button(labels.GRANT_ALL, Decision.GRANT_ALL)
        if one.editable and forms:
            yield self.button(labels.EDIT, Decision.EDIT)
        if one.payer:
            for number, payer in enumerate(self._payers[:OPTION_MAX], start=1):
                if payer != one.payer:
                    label = labels.PAYER.to(self._reader, payer=payer)
                    yield self._labelled(label, Decision.PAYER, number)
        if forms:
            yield self.button(labels.ANSWER_INSTEAD, Decision.ANSWER)

    def _answers(self) -> Iterator[Button]:
        view = self._view
        if len(view.answers) <= ANSWERS_AS_BUTTONS:
            yield from self._answer_buttons()
        if view.free_text and self._can.form is not None:
            yield self.button(labels.ANSWER_IN_WORDS, Decision.ANSWER)
        yield self.button(labels.DENY, Decision.DENY)

    def _answer_buttons(self) -> Iterator[Button]:
        """Numbered, so that no answer of a model can pass for a button of ours."""
        for number, answer in enumerate(self._view.answers[:OPTION_MAX], start=1):
            yield self._labelled(f"{number}: {answer}", Decision.OPTION, number)

    def _amounts(self) -> Iterator[Button]:
        limit = self._view.limit
        if limit is not None and limit.because:
            yield self.button(labels.GO_ON, Decision.RAISE, RAISE_NEEDED)
        elif limit is not None:
            label = labels.RAISE_BY.to(self._reader, amount=dollars(limit.short_by))
            yield self._labelled(label, Decision.RAISE, RAISE_NEEDED)
            for option, amount in enumerate(AMOUNTS, start=RAISE_FIVE):
                if amount > limit.short_by:
                    label = f"+${amount // 1_000_000}"
                    yield self._labelled(label, Decision.RAISE, option)
            if limit.auto:
                yield self.button(labels.GO_ON_ASKING, Decision.RAISE, END_AUTO)
        yield self.button(labels.STOP, Decision.STOP)


def dialog(reader: Reader) -> Dialog:
    """What a platform says around a question of ours."""
    return Dialog(
        title=labels.SURE.to(reader), yes=labels.SURE_YES.to(reader), no=labels.CANCEL.to(reader)
    )
