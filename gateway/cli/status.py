"""`gatepost status`: one look at the running gateway, for people and for programs."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from agent.costs import dollars
from gateway.cli.asking import NotRunning, Refused, ask
from gateway.cli.place import state_dir
from gateway.control_requests import AskStatus
from platforms.terminal.format import escape

if TYPE_CHECKING:
    from rich.console import RenderableType

WATCH_EVERY_S = 2.0
TURNS_SHOWN = 10
APPROVALS_SHOWN = 5
JOBS_SHOWN = 10

Fields = Mapping[str, Any]


def status(config: Path | None, *, as_json: bool, watch: bool) -> int:
    """Print the status: 0 if all is well, 2 if something is not; not running is an error."""
    place = state_dir(config, os.environ)
    if watch:
        return _watch(place, as_json=as_json)
    fields = look(place)
    if as_json:
        _print_json(fields)
    else:
        from rich.console import Console

        Console(highlight=False).print(_page(fields))
    return 2 if troubles(fields) else 0


def look(place: Path) -> Fields:
    """The running gateway's status, and the age of the last backup."""
    fields: dict[str, Any] = ask(place, AskStatus())
    if "scheduled" not in fields.get("rows", {}):
        raise Refused("the running gateway is of another version than this command; restart it")
    at = _backed_up(place)
    return {**fields, "backup_age_s": None if at is None else (fields["now"] - at) / 1e6}


def troubles(fields: Fields) -> list[str]:
    """What is not well, one sentence each."""
    found = []
    if failed := fields["store"]["failed"]:
        found.append(f"the store has failed: {failed}")
    for platform in fields["platforms"]:
        name = platform["platform"]
        if not platform["connected"]:
            found.append(f"{name} is not connected: {platform['problem'] or platform['state']}")
        elif platform["problem"]:
            found.append(f"{name}: {platform['problem']}")
        if platform["alarm"]:
            found.append(f"{name}: {platform['alarm']}")
    return found


def summary(fields: Fields) -> list[tuple[str, str]]:
    """The lines below the platforms, as name and value."""
    store, rows = fields["store"], fields["rows"]
    outbox = ", ".join(f"{count} {state}" for state, count in sorted(fields["outbox"].items()))
    disk = "survives power loss" if store["durability"] == "power" else "survives kill -9 only"
    lines = [
        ("models", ", ".join(fields["models"])),
        *(("", text) for text in chain(fields)),
        ("turns", _turns(fields)),
        *(("", text) for text in open_turns(fields)),
        ("deliveries", outbox or "all arrived"),
        ("store", f"{disk}; {store['commits']} commits, {store['queue_depth']} queued"),
        ("", f"last commit {_ago(store['last_commit_age_s'])}, log {size(store['wal_bytes'])}"),
        ("loop lag", f"{fields['loop_lag_s'] * 1000:.0f} ms at most in the last minute"),
        ("backup", _ago(fields["backup_age_s"])),
    ]
    at = next(number for number, (name, _) in enumerate(lines) if name == "deliveries")
    lines[at:at] = _desk(fields)
    if rows["chats"]:
        chats = ", ".join(f"{c['chat']} {c['state']} ({c['reason']})" for c in rows["chats"])
        lines.append(("chats", chats))
    if rows["asking"]:
        lines.append(("access", f"{rows['asking']} ask to be let in: gatepost pair list"))
    if rows["died"]:
        lines.append(("starts", f"{rows['died']} runs of the last hour ended without a stop"))
    return lines


def _desk(fields: Fields) -> list[tuple[str, str]]:
    """What waits for people, what was spent, and what stands in the way of spending."""
    rows, now = fields["rows"], fields["now"]
    lines = []
    if rows["approvals"]:
        shown = [_approval(card, now) for card in rows["cards"][:APPROVALS_SHOWN]]
        more = rows["approvals"] - len(shown)
        shown += [f"and {more} more"] if more > 0 else []
        lines += _below("approvals", [f"{rows['approvals']} wait: gatepost approvals", *shown])
    held = f", {money(fields['held'])} held" if fields["held"] else ""
    lines.append(("spend", f"{money(fields['spent_today'])} today{held}"))
    frozen = [
        f"{place(each['scope'])} by {each['name']} {_ago(_since(now, each['at']))}"
        f" ({each['reason']})"
        for each in rows["freezes"]
    ]
    autos = [
        f"{each['chat']}: {money(each['left'])} of {money(each['cap'])} left for"
        f" {age(-_since(now, each['until_at']))} ({each['id']})"
        for each in rows["leaves"]
        if each["kind"] == "auto"
    ]
    jobs = [
        f"{each['label']} of t{each['turn_id']}: {each['state']} for"
        f" {age(_since(now, each['started_at']))}"
        for each in rows["jobs"]
    ]
    return [
        *lines,
        *_below("frozen", frozen),
        *_below("auto", autos),
        *_below("jobs", jobs),
        *_below("cron", scheduled(fields)),
        *_below("unpriced", [f"{name}: {why}" for name, why in fields["unpriced"].items()]),
    ]


def _below(name: str, values: list[str]) -> list[tuple[str, str]]:
    """One name and a line for each value."""
    return [(name if number == 0 else "", value) for number, value in enumerate(values)]


def _approval(card: Fields, now: int) -> str:
    what = f"{card['tool']} {card['operation']}".strip()
    closes = card["closes_at"]
    until = "queued" if closes is None else f"closes in {age(-_since(now, closes))}"
    return f"{card['code']} {what} in {card['chat']}, {money(card['at_most'])}, {until}"


def money(amount: int | None) -> str:
    """Micro-dollars for people, None for what nobody knows."""
    if amount is None:
        return "price unknown"
    return dollars(amount) if amount else "$0.00"


def place(scope: str) -> str:
    """Where a freeze holds."""
    return "everywhere" if scope == "all" else str(scope).partition("|")[2]


def scheduled(fields: Fields) -> list[str]:
    """The jobs of the clock, what runs soonest first: its next time, and what came of it last."""
    now, jobs = fields["now"], fields["rows"]["scheduled"]
    never = max((job["next_at"] or 0 for job in jobs), default=0) + 1
    lines = [
        f"{job['name']}: {_coming(job, now)}, {_came(job['last'], now)}"
        for job in sorted(jobs, key=lambda job: (job["next_at"] or never, job["name"]))
    ]
    more = len(lines) - JOBS_SHOWN
    return [*lines[:JOBS_SHOWN], f"and {more} more: gatepost cron list"] if more > 0 else lines


def _coming(job: Fields, now: int) -> str:
    state, reason, at = job["state"], job["reason"], job["next_at"]
    if state != "active":
        return reason if reason.startswith(state) else f"{state}: {reason}".removesuffix(": ")
    return (
        "runs when it is asked to" if at is None else f"next in {age(max(0.0, -_since(now, at)))}"
    )


def _came(fire: Fields | None, now: int) -> str:
    if fire is None:
        return "never ran"
    why = f" ({fire['reason']})" if fire["reason"] else ""
    return f"f{fire['id']} of {_ago(_since(now, fire['slot']))}: {fire['state']}{why}"


def _since(now: int, at: int) -> float:
    return (now - at) / 1e6


def chain(fields: Fields) -> list[str]:
    """Every entry of the chain: who serves, who rests and why, and when it was last used."""
    return [_link(each, fields["now"]) for each in fields["serving"]]


def _link(each: Fields, now: int) -> str:
    parts = [f"{each['entry']} ({each['model']}): {'serves' if each['serves'] else 'stands by'}"]
    why = f" ({each['cause']})" if each["cause"] else ""
    if each["breaker"] == "open":
        parts.append(f"rests for {age(each['rests_s'])} more{why}")
    elif each["breaker"] == "half_open":
        parts.append(f"is tried by the next call{why}")
    elif why:
        parts.append(f"has failed of late{why}")
    if not each["ready"]:
        until = each["keys_rest_until"]
        back = "" if until is None else f" for {age(-_since(now, until))} more"
        parts.append(f"no key is ready{back}")
    if each["dead"]:
        parts.append(f"{each['dead']} of its keys need a person")
    used = None if each["used_at"] is None else _since(now, each["used_at"])
    parts.append("never used" if used is None else f"used {_ago(used)}")
    return ", ".join(parts)


def open_turns(fields: Fields) -> list[str]:
    """The oldest open turns: how old, and when they last moved."""
    now, rows = fields["now"], fields["rows"]
    shown = rows["turns"][:TURNS_SHOWN]
    lines = [
        f"t{turn['turn_id']} of {turn['session_key']}: {turn['state']} for"
        f" {age((now - turn['opened_at']) / 1e6)}, moved {_ago((now - turn['active_at']) / 1e6)}"
        for turn in shown
    ]
    more = rows["open_turns"] - len(shown)
    return [*lines, f"and {more} more"] if more > 0 else lines


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
            remarks(platform),
        )
        for platform in fields["platforms"]
    ]


def remarks(platform: Fields) -> str:
    """What there is to say of a platform beside its state."""
    gap = platform["gap_age_s"]
    lost = "" if gap is None else f"what came since {age(gap)} ago is not read back yet"
    told = (platform["problem"], platform["alarm"], platform["detail"], lost)
    return "; ".join(text for text in told if text)


def size(count: int) -> str:
    """Bytes for people."""
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count} B"


def _turns(fields: Fields) -> str:
    rows, running = fields["rows"], len(fields["running"])
    parked = rows["open_turns"] - running
    return f"{running} running, {sum(fields['waiting'].values())} waiting" + (
        f", {parked} open without running" if parked > 0 else ""
    )


def _ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{age(seconds)} ago"


def _backed_up(place: Path) -> int | None:
    from gateway.store.backup import noted

    return noted(place)


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
    rest = [Text.assemble((f"{name:<11}", "dim"), escape(value)) for name, value in summary(fields)]
    alarms = [Text(sentence, style="red") for sentence in wrong]
    return Group(*lines, table, Text(), *rest, *alarms)


def _watch(place: Path, *, as_json: bool) -> int:
    try:
        if as_json:
            while True:
                _print_json(_look_again(place) or {"error": "no gateway is running"})
                time.sleep(WATCH_EVERY_S)
        from rich.live import Live

        with Live(_page(look(place)), auto_refresh=False) as live:
            while True:
                time.sleep(WATCH_EVERY_S)
                live.update(_page_again(place), refresh=True)
    except KeyboardInterrupt:
        return 0


def _look_again(place: Path) -> Fields | None:
    """The status, or None while a gateway that is watched does not run, as between two starts."""
    try:
        return look(place)
    except NotRunning:
        return None


def _page_again(place: Path) -> "RenderableType":
    fields = _look_again(place)
    return "No gateway is running now; still looking." if fields is None else _page(fields)


def _print_json(fields: Fields) -> None:
    sys.stdout.write(orjson.dumps(fields).decode() + "\n")
    sys.stdout.flush()
