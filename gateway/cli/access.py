"""`gatepost pair`: who gets in, from the shell."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gateway.cli.approvals import told
from gateway.cli.asking import ask
from gateway.cli.place import state_dir
from gateway.cli.status import age
from gateway.cli.tables import print_json, print_table
from gateway.control_requests import AskPairings, DecidePairing

Fields = Mapping[str, Any]

COLUMNS = ("code", "person", "name (not verified)", "state", "by", "wrote")


def pairings(config: Path | None, *, as_json: bool) -> int:
    """Print who asks and who was decided about; 0 also if nobody."""
    people: list[Fields] = ask(state_dir(config, os.environ), AskPairings())
    if as_json:
        print_json(people)
    elif not people:
        print("Nobody has asked to talk to the bot.")
    else:
        now = time.time_ns() // 1000
        print_table(COLUMNS, [row(each, now) for each in people])
    return 0


def row(person: Fields, now: int) -> tuple[str, ...]:
    """A person as a row of the list; `now` in microseconds since 1970."""
    code = person["code"]
    waits = person["state"] == "open"
    left = age(max(0.0, (person["until_at"] - now) / 1e6))
    return (
        f"{code[:4]}-{code[4:]}" if waits else "",
        person["person"],
        person["name"],
        f"asks, {left} left" if waits else person["state"],
        person["decided_by"] or "",
        person["words"],
    )


def decide_pairing(
    config: Path | None, *, verb: Literal["allow", "deny", "block"], whom: str
) -> int:
    """Decide about a person and print what came of it; 1 if nothing changed."""
    return told(ask(state_dir(config, os.environ), DecidePairing(verb=verb, whom=whom)))
