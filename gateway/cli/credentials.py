"""`gatepost credentials`: the keys of models, what they rest for, and an early end of that."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.cli.asking import ask
from gateway.cli.place import state_dir
from gateway.cli.status import age
from gateway.cli.tables import print_json, print_table
from gateway.control_requests import AskCredentials, RetryCredential

Fields = Mapping[str, Any]

COLUMNS = ("key", "service", "used by", "state", "last of use")


def credentials(config: Path | None, *, as_json: bool) -> int:
    """Print every key; 0 also if some rest."""
    found: list[Fields] = ask(state_dir(config, os.environ), AskCredentials())
    if as_json:
        print_json(found)
    elif not found:
        print("No entry has a key; local servers need none.")
    else:
        now = time.time_ns() // 1000
        print_table(COLUMNS, [line for each in found for line in rows(each, now)])
    return 0


def rows(key: Fields, now: int) -> list[tuple[str, ...]]:
    """A key as rows, one for each thing it rests for; `now` in microseconds since 1970."""
    last = key["last_good"]
    used = "-" if last is None else f"{age(max(0.0, (now - last) / 1e6))} ago"
    states = [_state(rest, now) for rest in key["rests"]] or ["ready"]
    first = (key["label"], key["service"], ", ".join(key["entries"]), states[0], used)
    return [first, *(("", "", "", state, "") for state in states[1:])]


def _state(rest: Fields, now: int) -> str:
    where = f"for {rest['model']}" if rest["model"] else ""
    if rest["dead"]:
        return f"given up: {rest['why']}"
    left = age(max(0.0, (rest["until"] - now) / 1e6))
    return " ".join(part for part in ("rests", where, f"{left} more: {rest['why']}") if part)


def retry(config: Path | None, *, label: str) -> int:
    """Let a key be used again before its rest is over."""
    print(ask(state_dir(config, os.environ), RetryCredential(label=label)))
    return 0
