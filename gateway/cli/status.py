"""`gatepost status`: one look at the running gateway, for people and for programs."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from gateway.cli.asking import ask
from gateway.cli.place import state_dir
from gateway.control import AskStatus

if TYPE_CHECKING:
    from rich.console import RenderableType

WATCH_EVERY_S = 2.0

Fields = Mapping[str, Any]


def status(config: Path | None, *, as_json: bool, watch: bool) -> int:
    """Print the status: 0 if all is well, 2 if something is not; not running is an error."""
    place = state_dir(config, os.environ)
    if watch:
        return _watch(place, as_json=as_json)
    fields: Fields = ask(place, AskStatus())
    if as_json:
        _print_json(fields)
    else:
        from rich.console import Console

        Console(highlight=False).print(_page(fields))
    return 2 if troubles(fields) else 0


def troubles(fields: Fields) -> list[str]:
    """What is not well, one sentence each."""
    found = []
    if failed := fields["store"]["failed"]:
        found.append(f"the store has failed: {failed}")
    for platform in fields["platforms"]:
        if not platform["connected"]:
            reason = platform["problem"] or platform["state"]
            found.append(f"{platform['platform']} is not connected: {reason}")
    return found


def summary(fields: Fields) -> list[tuple[str, str]]:
    """The lines below the platforms, as name and value."""
    store = fields["store"]
    waiting = sum(fields["waiting"].values())
    running = len(fields["running"])
    outbox = ", ".join(f"{count} {state}" for state, count in sorted(fields["outbox"].items()))
    disk = "survives power loss" if store["durability"] == "power" else "survives kill -9 only"
    return [
        ("models", ", ".join(fields["models"])),
        ("turns", f"{running} running, {waiting} waiting"),
        ("deliveries", outbox or "all arrived"),
        ("store", f"{disk}; {store['commits']} commits, {store['queue_depth']} queued"),
        ("loop lag", f"{fields['loop_lag_s'] * 1000:.0f} ms"),
    ]


def age(seconds: float | None) -> str:
    """A span for people: 4 s, 12 min, 3 h, 5 d."""
    if seconds is None:
        return "never"
    for limit, unit, length in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def platform_rows(fields: Fields) -> list[tuple[str, ...]]:
    """One row a platform: account, state, last frame, last message let in, problem."""
    admitted = fields["admitted_age_s"]
    return [
        (
            platform["account"] or platform["platform"],
            "connected" if platform["connected"] else platform["state"],
            "-" if platform["frame_age_s"] is None else age(platform["frame_age_s"]),
            age(admitted.get(platform["account"])),
            platform["problem"],
        )
        for platform in fields["platforms"]
    ]


def _page(fields: Fields) -> "RenderableType":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    wrong = troubles(fields)
    table = Table(box=None, pad_edge=False)
    for name in ("platform", "state", "last frame", "last message", "problem"):
        table.add_column(name, header_style="dim")
    for row in platform_rows(fields):
        cells: Sequence[Text] = [Text(cell) for cell in row]
        cells[1].stylize("green" if row[1] == "connected" else "red")
        table.add_row(*cells)
    lines = [Text(f"Gatepost, running for {age(fields['uptime_s'])}", style="bold"), Text()]
    rest = [Text.assemble((f"{name:<11}", "dim"), value) for name, value in summary(fields)]
    alarms = [Text(sentence, style="red") for sentence in wrong]
    return Group(*lines, table, Text(), *rest, *alarms)


def _watch(place: Path, *, as_json: bool) -> int:
    try:
        if as_json:
            while True:
                _print_json(ask(place, AskStatus()))
                time.sleep(WATCH_EVERY_S)
        from rich.live import Live

        with Live(_page(ask(place, AskStatus())), auto_refresh=False) as live:
            while True:
                time.sleep(WATCH_EVERY_S)
                live.update(_page(ask(place, AskStatus())), refresh=True)
    except KeyboardInterrupt:
        return 0


def _print_json(fields: Fields) -> None:
    sys.stdout.write(orjson.dumps(fields).decode() + "\n")
    sys.stdout.flush()
