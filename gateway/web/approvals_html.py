"""The approvals pages as HTML: the queue, and a card with all of what would run. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from agent.costs import Unknown, dollars
from gateway.card import closing, face, lines
from gateway.card_lines import PAGE, Line
from gateway.card_view import CardKind, CardView
from gateway.web.approvals import CardPage, Choice, QueueLine
from gateway.web.times import until
from platforms.blocks import Blocks, spans_text
from platforms.web.controls import FIELD_PREFIX, NOT_NOW, field_html
from platforms.web.format import format_card, format_spans
from platforms.web.html import Html, el, join
from platforms.web.page import time_html

FIXED_PREFIX = "fixed."
"""What the names of a choice's own values begin with where it is sent."""

_ALL = 1 << 30
_KINDS: Mapping[CardKind, str] = {
    "call": "",
    "question": "Question",
    "limit": "Limit",
    "in_doubt": "May have run",
}
_STYLES = {"plain": "button", "primary": "button primary", "danger": "button danger"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What was sent and did not count, to be put back where it was filled in."""

    action: str = ""
    fixed: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)


def queue_content(queue: tuple[QueueLine, ...], *, now: datetime) -> Html:
    """The open cards as a table, or what will stand here."""
    if not queue:
        return _nothing_waits()
    count = "1 card waits" if len(queue) == 1 else f"{len(queue)} cards wait"
    names = ("Code", "What", "At most", "Asked by", "Where", "Closes in")
    head = el("tr", None, *(el("th", {"scope": "col"}, name) for name in names))
    table = el(
        "table",
        {"class": "queue"},
        el("thead", None, head),
        el("tbody", None, *(_row(line, now=now) for line in queue)),
    )
    return join(
        el("h1", None, "Approvals"),
        el("p", {"class": "quiet"}, f"{count} for a decision, as of ", time_html(now), "."),
        el("div", {"class": "sheet"}, table),
    )


def _nothing_waits() -> Html:
    return join(
        el("h1", None, "Approvals"),
        el(
            "section",
            {"class": "sheet bare"},
            el("h2", None, "Nothing waits for a decision"),
            el(
                "p",
                None,
                "When the agent wants to do something that costs money, reaches others or can't be"
                " undone, its card stands here until somebody decides: what would run, what it"
                " costs at most, who asked, where, and when it closes.",
            ),
            el(
                "p",
                None,
                "The same card stands in the chat in which it was asked. Whoever decides first,"
                " here or there, decides for both.",
            ),
        ),
    )


def _row(line: QueueLine, *, now: datetime) -> Html:
    kind = _KINDS[line.kind]
    link = el("a", {"href": f"/approvals/{line.code}", "class": "code-link"}, line.code)
    what = join(
        el("span", {"class": "chip"}, kind) if kind else None,
        el("bdi", {"class": "what"}, line.what),
        el("bdi", {"class": "quiet"}, line.summary) if line.summary else None,
    )
    cells: tuple[tuple[str, Html | str], ...] = (
        ("What", what),
        ("At most", _at_most(line)),
        ("Asked by", el("bdi", None, line.asked_by or "a clock")),
        ("Where", el("bdi", None, line.chat)),
        ("Closes in", until(line.closes_at, now) if line.closes_at else "waits behind others"),
    )
    return el(
        "tr",
        None,
        el("th", {"scope": "row"}, link),
        *(el("td", {"data-name": name}, cell) for name, cell in cells),
    )


def _at_most(line: QueueLine) -> Html:
    unknown = isinstance(line.at_most, Unknown)
    return el("span", {"class": "warn" if unknown else None}, dollars(line.at_most))


def card_title(page: CardPage) -> str:
    """The card's first line."""
    return spans_text(lines(page.view)[0].spans)


def card_content(
    page: CardPage, *, token: str, told: str = "", problem: str = "", posted: Posted | None = None
) -> Html:
    """A card: its lines as a table, all of what runs, and what the viewer may do."""
    view, desk = page.view, _Desk(page=page, token=token, posted=posted or Posted())
    items = range(1, len(view.items) + 1) if view.is_batch else ()
    return join(
        el("p", {"class": "back"}, el("a", {"href": "/approvals"}, "All open cards")),
        el("p", {"class": "said", "role": "status"}, told) if told else None,
        el("p", {"class": "failure", "role": "alert"}, problem) if problem else None,
        el(
            "section",
            {"class": "sheet card-sheet"},
            el("h1", None, format_spans(lines(view)[0].spans)),
            _table(lines(view)[1:], page.chat),
            el("div", {"class": "runs"}, *format_card(_rest(view, 0))),
            desk.choices(page.choices),
        ),
        *(_item(desk, number) for number in items),
        _draft(page.rule_draft),
    )


def _item(desk: "_Desk", number: int) -> Html:
    view = desk.page.view
    title, *rows = lines(view, item=number)
    return el(
        "section",
        {"class": "sheet card-sheet", "id": f"item-{number}"},
        el("h2", None, format_spans(title.spans)),
        _table(tuple(rows), ""),
        el("div", {"class": "runs"}, *format_card(_rest(view, number))),
        desk.choices(desk.page.item_choices.get(number, ())),
    )


def _rest(view: CardView, item: int) -> Blocks:
    """All of a card below its lines, exactly as chats would show it if they had the room.

    What a batch runs stands with its items; of the whole there are only its last words.
    """
    below = face(view, inline=_ALL, fits=lambda _: True, item=item).body[1:]
    if not view.is_batch or item:
        return below
    whole = len(view.items) <= PAGE and (view.is_open or bool(closing(view)))
    return below[-1:] if whole else ()


def _table(rows: tuple[Line, ...], chat: str) -> Html:
    """The lines of a card; one without a label has the whole width."""
    made = [_table_row(row) for row in rows]
    if chat:
        where = el("th", {"scope": "row"}, "Where")
        made.append(el("tr", None, where, el("td", None, el("bdi", None, chat))))
    return el("table", {"class": "facts"}, el("tbody", None, *made))


def _table_row(row: Line) -> Html:
    words = el("bdi", None, format_spans(row.spans))
    if not row.label:
        return el("tr", None, el("td", {"colspan": "2"}, words))
    return el("tr", None, el("th", {"scope": "row"}, row.label), el("td", None, words))


def _draft(rule: str) -> Html | None:
    if not rule:
        return None
    return el(
        "details",
        {"class": "sheet draft"},
        el("summary", None, "A rule that would allow exactly this"),
        el(
            "p",
            {"class": "quiet"},
            "A draft for the gateway's configuration, for owners. It allows this call with these"
            " arguments, for this person in this chat, without asking. Widen it with care; ",
            el("code", None, "gatepost check"),
            " tells what is wrong with it.",
        ),
        el(
            "div",
            {"class": "code whole"},
            el("pre", {"tabindex": "0", "dir": "ltr"}, el("code", None, rule)),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """What the forms of a page share."""

    page: CardPage
    token: str
    posted: Posted

    def choices(self, choices: tuple[Choice, ...]) -> Html | None:
        if not choices:
            return None
        made = (self._choice(choice) for choice in _in_keyboard_order(choices))
        return el("div", {"class": "choices", "role": "group", "aria-label": "Decide"}, *made)

    def _choice(self, choice: Choice) -> Html:
        if choice.fields:
            return self._form(choice)
        button = el("button", {"class": _STYLES[choice.style]}, choice.label)
        if not choice.confirm:
            return self._sent(choice, button)
        asked = el("p", None, choice.confirm)
        return _fold(choice, self._sent(choice, join(asked, button)), kind="question")

    def _form(self, choice: Choice) -> Html:
        again = self.posted.action == choice.action and self.posted.fixed == choice.fixed
        values = self.posted.values if again else {}
        filled = (replace(f, text=values.get(f.name, f.text)) for f in choice.fields)
        inside = join(
            el("p", None, choice.about) if choice.about else None,
            *map(field_html, filled),
            el("p", None, choice.confirm) if choice.confirm else None,
            el("div", {"class": "ends"}, el("button", {"class": _send_style(choice)}, "Send")),
        )
        return _fold(choice, self._sent(choice, inside, fill=True), kind="menu", unfolded=again)

    def _sent(self, choice: Choice, inside: Html, *, fill: bool = False) -> Html:
        fields = {
            "token": self.token,
            "rev": str(self.page.rev),
            "action": choice.action,
            **{FIXED_PREFIX + name: value for name, value in choice.fixed.items()},
        }
        return el(
            "form",
            {
                "method": "post",
                "action": f"/approvals/{self.page.view.code}",
                "class": "fill" if fill else None,
            },
            *(
                el("input", {"type": "hidden", "name": name, "value": value})
                for name, value in fields.items()
            ),
            inside,
        )


def _fold(choice: Choice, inside: Html, *, kind: str, unfolded: bool = False) -> Html:
    words: tuple[Html | str, ...] = (choice.label,)
    if kind == "question":
        folded = el("span", {"class": "folded"}, choice.label)
        words = (folded, el("span", {"class": "unfolded"}, NOT_NOW))
    return el(
        "details",
        {"class": f"fold {kind}", "open": unfolded},
        el("summary", {"class": _STYLES[choice.style]}, *words),
        el("div", {"class": "panel"}, inside),
    )


def _send_style(choice: Choice) -> str:
    return _STYLES["danger" if choice.style == "danger" else "primary"]


def _in_keyboard_order(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Consent is never what the Tab key meets first, as in the chat."""
    light = next(
        (
            i
            for i, choice in enumerate(choices)
            if choice.style != "primary" and not choice.confirm and not choice.fields
        ),
        0,
    )
    return (choices[light], *choices[:light], *choices[light + 1 :])


VALUE_PREFIX = FIELD_PREFIX
"""What the names of what was filled in begin with where it is sent."""
