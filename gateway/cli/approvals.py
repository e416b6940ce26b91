"""`gatepost approvals`, `show`, `approve`, `deny`, `answer`: deciding from the shell."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gateway.cli.asking import ask
from gateway.cli.place import state_dir
from gateway.cli.status import age, money
from gateway.cli.tables import print_json, print_table
from gateway.control_requests import AskApprovals, Decide, ShowCard
from platforms.terminal.format import escape

Fields = Mapping[str, Any]

COLUMNS = ("code", "kind", "what", "at most", "asked by", "where", "closes", "decides")


def approvals(config: Path | None, *, as_json: bool) -> int:
    """Print the queue; 0 also if nothing waits."""
    cards: list[Fields] = ask(state_dir(config, os.environ), AskApprovals())
    if as_json:
        print_json(cards)
    elif not cards:
        print("Nothing waits for a decision.")
    else:
        now = time.time_ns() // 1000
        print_table(COLUMNS, [row(card, now) for card in cards])
    return 0


def row(card: Fields, now: int) -> tuple[str, ...]:
    """A card as a row of the queue; `now` in microseconds since 1970."""
    what = f"{card['tool']} {card['operation']}".strip()
    more = f" and {card['items'] - 1} more" if card["items"] > 1 else ""
    closes = card["closes_at"]
    until = "queued" if closes is None else f"in {age(max(0.0, (closes - now) / 1e6))}"
    two = ", two people" if card["two_person"] else ""
    return (
        card["code"],
        card["kind"].replace("_", " "),
        what + more,
        money(card["at_most"]) if card["kind"] in ("call", "in_doubt") else "-",
        card["requester_name"] or card["requester"] or "a clock",
        card["origin"],
        until,
        card["tier"] + two,
    )


def show(config: Path | None, *, code: str) -> int:
    """Print a card whole."""
    print(ask(state_dir(config, os.environ), ShowCard(code=code)))
    return 0


def decide(
    config: Path | None,
    *,
    verb: Literal["approve", "deny", "answer"],
    code: str,
    words: str = "",
    at_most: str = "",
    item: int = 0,
    confirmed: bool = False,
) -> int:
    """Decide and print what came of it; 1 if the decision does not stand."""
    request = Decide(
        verb=verb, code=code, words=words, at_most=at_most, item=item, confirmed=confirmed
    )
    return told(ask(state_dir(config, os.environ), request))


def told(decided: Fields) -> int:
    """Print what came of a decision; its exit code."""
    print(escape(decided["text"]), file=sys.stdout if decided["done"] else sys.stderr)
    return 0 if decided["done"] else 1
