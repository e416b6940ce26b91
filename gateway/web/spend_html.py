"""The spend page as HTML; its plots are drawn here, as SVG. Pure.

A policy of the listener forbids styles inside elements, so widths are attributes of SVG shapes.
Whatever a plot shows also stands beside it in words and numbers.
"""

from datetime import datetime

from agent.costs import dollars
from gateway.web.spend import DaySpend, Frozen, LimitState, ModelCalls, Share, Spend
from gateway.web.times import until
from platforms.web.html import Html, el, join
from platforms.web.page import time_html

SPANS = (7, 30, 90)
SHARES_SHOWN = 10
NEAR = 0.8
"""The part of a limit from which people are told."""

_PLOT_WIDTH, _PLOT_HEIGHT = 720, 150
_BAR_WIDTH = 1_000
"""Units a limit's bar is drawn in."""


def money(amount: int) -> str:
    """An amount that was spent: zero is a number here, nothing was given away."""
    return dollars(amount) if amount else "$0.00"


def spend_content(spend: Spend, *, span: int, now: datetime) -> Html:
    """The whole page."""
    return join(
        el("h1", None, "Spend"),
        *(_frozen(one) for one in spend.freezes),
        _limits(spend.limits, now=now),
        _days(spend, span),
        el(
            "div",
            {"class": "shares"},
            _shares("Chats", spend.chats),
            _shares("People", spend.people),
            _shares("Models", spend.models),
            _shares("Tools", spend.tools),
        ),
        _calls(spend.calls),
    )


def _frozen(one: Frozen) -> Html:
    return el(
        "p",
        {"class": "frozen", "role": "status"},
        el("strong", None, "Frozen: ", el("bdi", None, one.where), "."),
        " Nothing is spent there since ",
        time_html(one.since),
        f" ({one.by}{': ' if one.reason else ''}",
        el("bdi", None, one.reason) if one.reason else None,
        "). An owner ends it with ",
        el("code", None, "/unfreeze"),
        ".",
    )


def _limits(limits: tuple[LimitState, ...], *, now: datetime) -> Html:
    if not limits:
        words = "No limit has begun to count: the first call that costs something begins its day."
        return _sheet("Limits", el("p", {"class": "quiet"}, words))
    return _sheet("Limits", el("ul", {"class": "limits"}, *(_limit(one, now) for one in limits)))


def _limit(one: LimitState, now: datetime) -> Html:
    raised = f", raised by {money(one.raised)}" if one.raised else ""
    held = f"{money(one.held)} held, " if one.held else ""
    words = (
        f"{money(one.settled)} spent, {held}{money(one.left)} left of {money(one.limit)}{raised}"
    )
    used = one.settled + one.held
    state = "full" if used >= one.limit else "near" if used >= NEAR * one.limit else None
    return el(
        "li",
        {"class": state},
        el(
            "div",
            {"class": "said-of"},
            el("strong", None, el("bdi", None, one.name)),
            el("span", {"class": "quiet"}, f"ends in {until(one.ends_at, now)}"),
        ),
        _limit_bar(one, words),
        el("p", None, _mark(state), words),
    )


def _mark(state: str | None) -> Html | None:
    """Colour alone tells nothing to many."""
    names = {"near": "Nearly used up. ", "full": "Used up. "}
    return el("strong", {"class": "warn"}, names[state]) if state else None


def _limit_bar(one: LimitState, words: str) -> Html:
    """Settled, then held; where more was spent than the limit, a line marks the limit."""
    used = one.settled + one.held
    whole = max(one.limit, used, 1)
    settled, held = _part(one.settled, whole), _part(used, whole)
    at_limit = _part(one.limit, whole)
    over = _rect(at_limit - 3, 3, "mark") if used > one.limit else None
    return el(
        "svg",
        {
            "class": "bar-of",
            "viewBox": f"0 0 {_BAR_WIDTH} 10",
            "preserveAspectRatio": "none",
            "role": "img",
            "aria-label": words,
        },
        _rect(0, _BAR_WIDTH, "left"),
        _rect(0, settled, "settled"),
        _rect(settled, held - settled, "held"),
        over,
    )


def _part(amount: int, whole: int) -> int:
    """A length in units of a bar; what is above zero is to be seen."""
    return max(round(_BAR_WIDTH * amount / whole), 4) if amount else 0


def _rect(x: int, width: int, kind: str) -> Html | None:
    if width <= 0:
        return None
    shape = {"x": str(x), "y": "0", "width": str(width), "height": "10", "class": kind}
    return el("rect", shape)


def _days(spend: Spend, span: int) -> Html:
    total = sum(day.amount for day in spend.days)
    links = (
        el(
            "a",
            {"href": f"/spend?days={days}", "aria-current": "true" if days == span else None},
            f"{days} days",
        )
        for days in SPANS
    )
    unpriced = None
    if spend.unpriced:
        calls = "1 call" if spend.unpriced == 1 else f"{spend.unpriced} calls"
        words = f"{calls} of these days cost an amount nobody knows; no sum contains it."
        unpriced = el("p", {"class": "warn"}, words)
    return _sheet(
        "By day",
        el("p", {"class": "spans"}, *links),
        el("p", None, el("strong", None, money(total)), f" in the last {span} days"),
        unpriced,
        _plot(spend.days) if total else el("p", {"class": "quiet"}, "Nothing was spent."),
    )


def _plot(days: tuple[DaySpend, ...]) -> Html:
    highest = max(day.amount for day in days)
    step = _PLOT_WIDTH / len(days)
    bars = (
        el(
            "rect",
            {
                "x": f"{number * step + step * 0.12:.2f}",
                "width": f"{step * 0.76:.2f}",
                "y": f"{_PLOT_HEIGHT - _height(day.amount, highest)}",
                "height": f"{_height(day.amount, highest)}",
                "class": "settled",
            },
            el("title", None, f"{day.day:%d %b}: {money(day.amount)}"),
        )
        for number, day in enumerate(days)
    )
    first, last = days[0].day, days[-1].day
    label = f"Spend by day from {first:%d %b} to {last:%d %b}, at most {money(highest)} a day"
    figures = (
        el("tr", None, el("th", {"scope": "row"}, f"{day.day:%a %d %b}"),
           el("td", {"class": "right"}, money(day.amount)))
        for day in reversed(days)
        if day.amount
    )  # fmt: skip
    return join(
        el(
            "figure",
            {"class": "plot"},
            el("p", {"class": "quiet top-label"}, money(highest)),
            el(
                "svg",
                {
                    "viewBox": f"0 0 {_PLOT_WIDTH} {_PLOT_HEIGHT}",
                    "preserveAspectRatio": "none",
                    "role": "img",
                    "aria-label": label,
                },
                *bars,
            ),
            el(
                "figcaption",
                {"class": "quiet"},
                el("span", None, f"{first:%d %b}"),
                el("span", None, f"{last:%d %b}"),
            ),
        ),
        el(
            "details",
            {"class": "figures"},
            el("summary", None, "In figures"),
            el("table", {"class": "facts"}, el("tbody", None, *figures)),
        ),
    )


def _height(amount: int, highest: int) -> int:
    return max(round(_PLOT_HEIGHT * amount / highest), 2) if amount else 0


def _shares(title: str, shares: tuple[Share, ...]) -> Html:
    if not shares:
        return _sheet(title, el("p", {"class": "quiet"}, "Nothing was spent."))
    most = max(share.amount for share in shares)
    shown, rest = shares[:SHARES_SHOWN], shares[SHARES_SHOWN:]
    more = None
    if rest:
        words = f"and {len(rest)} more: {money(sum(share.amount for share in rest))}"
        more = el("p", {"class": "quiet"}, words)
    lines = (_share(share, most) for share in shown)
    return _sheet(title, el("ul", {"class": "limits"}, *lines), more)


def _share(share: Share, most: int) -> Html:
    return el(
        "li",
        None,
        el(
            "div",
            {"class": "said-of"},
            el("bdi", None, share.name),
            el("span", None, money(share.amount)),
        ),
        el(
            "svg",
            {
                "class": "bar-of thin",
                "viewBox": f"0 0 {_BAR_WIDTH} 10",
                "preserveAspectRatio": "none",
                "aria-hidden": "true",
            },
            _rect(0, _part(share.amount, max(most, 1)), "settled"),
        ),
    )


_CALL_COLUMNS = (
    "Model",
    "Spent",
    "Calls",
    "Failed",
    "Tokens in",
    "Cached",
    "Kept",
    "Out",
    "Reasoning",
)


def _calls(calls: tuple[ModelCalls, ...]) -> Html | None:
    """Every model with its calls and tokens; what nobody has counted is no zero."""
    if not calls:
        return None
    head = (el("th", {"scope": "col"}, name) for name in _CALL_COLUMNS)
    table = el(
        "table",
        {"class": "facts"},
        el("thead", None, el("tr", None, *head)),
        el("tbody", None, *(_call_row(one) for one in calls)),
    )
    scrolls = el("div", {"class": "table", "tabindex": "0"}, table)
    return _sheet("Model calls", scrolls, *(_call_remark(one) for one in calls))


def _call_row(one: ModelCalls) -> Html:
    figures = (one.input, one.cached, one.written, one.output, one.reasoning)
    cells = (
        money(one.amount),
        f"{one.calls:,}",
        f"{one.failed:,}",
        *("unknown" if tokens is None else f"{tokens:,}" for tokens in figures),
    )
    name = el("th", {"scope": "row"}, el("bdi", None, one.model))
    return el("tr", None, name, *(el("td", {"class": "right"}, cell) for cell in cells))


def _call_remark(one: ModelCalls) -> Html | None:
    """What is not in the figures of a model."""
    remarks = []
    if one.uncounted and one.input is not None:
        remarks.append(f"{one.uncounted:,} of its calls told no tokens")
    if one.open:
        remarks.append(f"no figure yet for {one.open:,}, {money(one.held)} held")
    if not remarks:
        return None
    return el("p", {"class": "quiet"}, el("bdi", None, one.model), f": {'; '.join(remarks)}.")


def _sheet(title: str, *content: Html | None) -> Html:
    return el("section", {"class": "sheet"}, el("h2", None, title), *content)
