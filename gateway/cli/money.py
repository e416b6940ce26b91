"""`gatepost spend`, `freeze`, `estimators`, `grants`: money and leave from the shell."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from gateway.cli.approvals import told
from gateway.cli.asking import ask
from gateway.cli.place import state_dir
from gateway.cli.status import age, money
from gateway.cli.status import place as where
from gateway.cli.tables import print_json, print_table
from gateway.control_requests import (
    AskGrants,
    AskSpend,
    ClearEstimator,
    FreezeSpending,
    Revoke,
    UnfreezeSpending,
)
from platforms.terminal.format import escape

Fields = Mapping[str, Any]

SHARE_COLUMNS = ("spent", "held", "calls")
USE_COLUMNS = (
    "spent",
    "held",
    "calls",
    "failed",
    "tokens in",
    "cached",
    "kept",
    "out",
    "reasoning",
    "uncounted",
)
LIMIT_COLUMNS = ("limit", "window", "spent", "held", "of", "left")
LEAVE_COLUMNS = ("id", "what", "for", "where", "by", "left", "a call", "until")

_TITLES = {"requester": "person"}


def spend(config: Path | None, *, month: bool, by: str, as_json: bool) -> int:
    """Print what was spent and the limits; 0."""
    request = AskSpend(stretch="month" if month else "day", by=cast(Any, by))
    table: Fields = ask(state_dir(config, os.environ), request)
    if as_json:
        print_json(table)
        return 0
    print(headline(table))
    for split, found in table["by"].items():
        if found:
            print()
            print_table((_TITLES.get(split, split), *SHARE_COLUMNS), map(share, found))
    for title, uses in (("model", table["models"]), ("kind of call", table["kinds"])):
        if uses:
            print()
            print_table((title, *USE_COLUMNS), map(use, uses))
    print()
    print_table(LIMIT_COLUMNS, map(limit, table["limits"]))
    now = time.time_ns() // 1000
    for line in standing(table, now):
        print(escape(line))
    return 0


def headline(table: Fields) -> str:
    """What it comes to."""
    total = table["total"]
    held = f", {money(total['held'])} held" if total["held"] else ""
    when = "today" if table["stretch"] == "day" else "this month"
    return f"Spent {when}: {money(total['settled'])}{held}, in {total['count']} calls"


def share(each: Fields) -> tuple[str, ...]:
    """One name with its part."""
    name = each["name"] or "nobody"
    return (name, money(each["settled"]), money(each["held"]), str(each["count"]))


def use(each: Fields) -> tuple[str, ...]:
    """One model or kind of call with its tokens; what nobody counted is a question mark.

    "kept" are those that were written into a cache.
    """
    tokens = (each[name] for name in ("input", "cached", "written", "output", "reasoning"))
    return (
        each["name"],
        money(each["spent"]),
        money(each["held"]),
        str(each["calls"]),
        str(each["failed"]),
        *("?" if count is None else f"{count:,}" for count in tokens),
        str(each["uncounted"]),
    )


def limit(each: Fields) -> tuple[str, ...]:
    """One limit in its present window."""
    kind, _, of = each["scope"].partition(":")
    name = f"{kind} {of.partition('|')[2] or of}".strip()
    most = each["limit"]
    left = None if most is None else max(0, most - each["settled"] - each["held"])
    raised = f" (raised by {money(each['raised'])})" if each["raised"] else ""
    return (
        name,
        each["span"],
        money(each["settled"]),
        money(each["held"]),
        "-" if most is None else money(most) + raised,
        "-" if left is None else money(left),
    )


def standing(table: Fields, now: int) -> Iterator[str]:
    """What stands in the way of spending; `now` in microseconds since 1970."""
    for freeze_ in table["freezes"]:
        since = age((now - freeze_["at"]) / 1e6)
        yield (
            f"frozen {where(freeze_['scope'])} by {freeze_['name']} {since} ago:"
            f" {freeze_['reason']}"
        )
    for suspect in table["suspects"]:
        yield (
            f"not trusted: {suspect['name']}, {suspect['reason']};"
            f" gatepost estimators clear {suspect['name']}"
        )


def freeze(config: Path | None, *, place: str) -> int:
    """Stop spending; 0 once the flag is on disk and what runs was told."""
    return told(ask(state_dir(config, os.environ), FreezeSpending(chat=place)))


def unfreeze(config: Path | None, *, place: str) -> int:
    """Let spending go on; 1 if nothing was frozen there."""
    return told(ask(state_dir(config, os.environ), UnfreezeSpending(chat=place)))


def clear(config: Path | None, *, name: str) -> int:
    """Trust an estimator again; 1 if it was trusted."""
    return told(ask(state_dir(config, os.environ), ClearEstimator(name=name)))


def grants(config: Path | None, *, as_json: bool) -> int:
    """Print what is allowed beforehand; 0 also if nothing is."""
    found: list[Fields] = ask(state_dir(config, os.environ), AskGrants())
    if as_json:
        print_json(found)
    elif not found:
        print("Nothing is allowed beforehand; each call is judged.")
    else:
        now = time.time_ns() // 1000
        print_table(LEAVE_COLUMNS, [leave(each, now) for each in found])
    return 0


def leave(each: Fields, now: int) -> tuple[str, ...]:
    """One grant as a row; `now` in microseconds since 1970."""
    auto = each["kind"] == "auto"
    uses = "" if auto else f", {each['uses_left']} times"
    return (
        each["id"],
        "/auto" if auto else f"{each['tool']} {each['operation']}".strip(),
        each["requester"] or "everybody",
        each["chat"],
        each["giver_name"],
        f"{money(each['left'])} of {money(each['cap'])}{uses}",
        "-" if auto else money(each["ceiling"]),
        f"in {age(max(0.0, (each['until_at'] - now) / 1e6))}",
    )


def revoke(config: Path | None, *, ident: str) -> int:
    """Take leave back; 1 if there is none of this id."""
    return told(ask(state_dir(config, os.environ), Revoke(ident=ident)))
