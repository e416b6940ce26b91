"""What `gatepost doctor` makes of what it saw: one finding a check, each with what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from gateway.cli.status import age, size
from gateway.store.examine import NOT_FINISHED, Place

Severity = Literal["ok", "warning", "error"]
Fields = Mapping[str, Any]
"""A value of the running gateway as its socket gives it."""

FREE_LOW_BYTES = 1 << 30
FREE_GONE_BYTES = 100 << 20
WAL_LARGE_BYTES = 64 << 20
QUEUE_LONG = 1_000
LAG_LONG_S = 1.0
TURN_IDLE_S = 900.0
RECENT_S = 86_400.0
BACKUP_OLD_S = 8 * 86_400.0
CLOCK_SLACK_S = 60.0
CLOCK_YEAR = 2025

_MICROS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check; `remedy` says what to do, and is empty where nothing need be."""

    check: str
    severity: Severity = "ok"
    finding: str
    remedy: str = ""


def worst(findings: list[Finding]) -> int:
    """The exit code: 0 if all is well, 1 with warnings, 2 with errors."""
    return max(({"ok": 0, "warning": 1, "error": 2}[f.severity] for f in findings), default=0)


def of_place(seen: Place, directory: str) -> Iterator[Finding]:
    """The state directory's disk and rights."""
    if seen.network is not None:
        yield Finding(
            check="disk",
            severity="error",
            finding=f"{directory} lies on a network file system ({seen.network})",
            remedy="set gateway.state_dir to a local disk",
        )
    free = f"{size(seen.free_bytes)} free for {directory}"
    low: Severity = "error" if seen.free_bytes < FREE_GONE_BYTES else "warning"
    if seen.free_bytes < FREE_LOW_BYTES:
        yield Finding(check="disk", severity=low, finding=free, remedy="make room on this disk")
    else:
        yield Finding(check="disk", finding=free)
    for path in seen.open_to_others:
        mode = "700" if path.is_dir() else "600"
        yield Finding(
            check="rights",
            severity="error",
            finding=f"{path} is open to other users",
            remedy=f"chmod {mode} {path}",
        )


def of_database(examined: Fields) -> Iterator[Finding]:
    """Whether the database is whole, and the size of its log."""
    large = size(examined["database_bytes"])
    match examined["integrity"]:
        case "ok":
            yield Finding(check="store", finding=f"whole, {large}")
        case str(found) if found == NOT_FINISHED:
            yield Finding(
                check="store",
                severity="warning",
                finding=f"too large to be checked at once ({large})",
                remedy="`gatepost backup` checks the whole of its copy",
            )
        case found:
            yield Finding(
                check="store",
                severity="error",
                finding=f"damaged: {found}",
                remedy="stop the gateway and `gatepost restore --replace` the last backup",
            )
    if examined["wal_bytes"] > WAL_LARGE_BYTES:
        yield Finding(
            check="store",
            severity="warning",
            finding=f"its log is {size(examined['wal_bytes'])} large",
            remedy="close what else has the database open; else restart the gateway",
        )


def of_clock(now: int, last_known: int) -> Finding:
    """Whether the machine's clock can be right; both in microseconds since 1970."""
    behind_s = (last_known - now) / _MICROS
    moment = datetime.fromtimestamp(now / _MICROS, tz=UTC)
    shown = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    remedy = "let the machine keep time (timedatectl set-ntp true)"
    if moment.year < CLOCK_YEAR:
        return Finding(check="clock", severity="error", finding=shown, remedy=remedy)
    if behind_s > CLOCK_SLACK_S:
        return Finding(
            check="clock",
            severity="error",
            finding=f"{shown} is {behind_s:.0f} s before the newest stored row",
            remedy=remedy,
        )
    return Finding(check="clock", finding=shown)


def of_backup(now: int, at: int | None) -> Finding:
    """When the last backup was made."""
    how = "gatepost backup DEST, or enable gatepost-backup.timer"
    if at is None:
        return Finding(check="backup", finding="none was made here yet", remedy=how)
    old_s = (now - at) / _MICROS
    told = f"{age(old_s)} old"
    if old_s > BACKUP_OLD_S:
        return Finding(check="backup", severity="warning", finding=told, remedy=how)
    return Finding(check="backup", finding=told)


def of_status(status: Fields) -> Iterator[Finding]:
    """The running gateway: its surfaces, loop and writer."""
    for surface in status["platforms"]:
        yield from _surface(surface)
    for entry in status["serving"]:
        if entry["dead"] and not entry["ready"]:
            yield Finding(
                check="models",
                severity="error",
                finding=f"{entry['entry']} ({entry['model']}) is not asked: its key was refused",
                remedy="`gatepost credentials` says which; put another into its api_key and"
                " restart, or `gatepost credentials retry` it once it is mended",
            )
    for who, key in status["unlisted"].items():
        yield Finding(
            check="access",
            finding=f"{who} wrote and was ignored: nobody listed it",
            remedy=_let_in(who, key),
        )
    store = status["store"]
    if store["failed"]:
        yield Finding(
            check="writer",
            severity="error",
            finding=store["failed"],
            remedy="mend the disk and restart the gateway",
        )
    elif store["queue_depth"] > QUEUE_LONG:
        yield Finding(
            check="writer",
            severity="warning",
            finding=f"{store['queue_depth']} writes wait",
            remedy="the disk is slow: see what else uses it",
        )
    if store["durability"] != "power":
        yield Finding(
            check="writer",
            finding="a power cut may lose the last messages",
            remedy='set gateway.durability = "power" if it must not',
        )
    if status["loop_lag_s"] > LAG_LONG_S:
        yield Finding(
            check="loop",
            severity="warning",
            finding=f"ran up to {status['loop_lag_s']:.1f} s late in the last minute",
            remedy="the machine is short of processor time",
        )


def _let_in(who: str, key: str) -> str:
    person = key == "access.users"
    sooner = "`gatepost pair owner` if it is you" if person else f"as an owner write /allow {who}"
    return f'if it should be answered, {sooner}; or add "{who}" to {key} and restart'


def of_rows(rows: Fields, now: int) -> Iterator[Finding]:
    """What the rows say: deaths, stuck turns, dead chats, what did not arrive."""
    if rows["died"]:
        yield Finding(
            check="starts",
            severity="warning",
            finding=f"{rows['died']} runs of the last hour ended without a stop",
            remedy="the log before each start says why (journalctl -u gatepost)",
        )
    for turn in rows["turns"]:
        idle_s = (now - turn["active_at"]) / _MICROS
        if turn["state"] == "open" and idle_s > TURN_IDLE_S:
            yield Finding(
                check="turns",
                severity="warning",
                finding=f"t{turn['turn_id']} of {turn['session_key']} has not moved for"
                f" {age(idle_s)}",
                remedy=f"gatepost why t{turn['turn_id']}; /stop in its chat ends it",
            )
    for chat in rows["chats"]:
        dead = chat["state"] == "dead"
        yield Finding(
            check="chats",
            severity="warning" if dead else "ok",
            finding=f"{chat['chat']} is {chat['state']}: {chat['reason']}",
            remedy="let the bot back in, and write there" if dead else "",
        )
    if rows["asking"]:
        people = "1 person asks" if rows["asking"] == 1 else f"{rows['asking']} people ask"
        yield Finding(check="access", finding=f"{people} to be let in: gatepost pair list")
    for moved in rows["moved"]:
        yield Finding(
            check="access",
            finding=f"{moved['old']} is {moved['new']} by now; the file may say either",
        )
    yield from _amiss(rows, now)
    for gap in rows["gaps"]:
        if (now - gap["until"]) / _MICROS < RECENT_S:
            yield Finding(
                check="gaps",
                severity="warning",
                finding=f"{gap['account']} was without transport from {_time(gap['since'])} to"
                f" {_time(gap['until'])} ({gap['cause']}), and nothing could be read back",
                remedy="ask there whether something was left unanswered",
            )


def _surface(surface: Fields) -> Iterator[Finding]:
    name = str(surface["platform"])
    if not surface["connected"]:
        stopped = surface["state"] == "stopped"
        why = surface["problem"] or surface["detail"] or "no reason yet"
        yield Finding(
            check=name,
            severity="error",
            finding=f"not connected ({surface['state']}): {why}",
            remedy="mend that, then restart the gateway or send it SIGHUP"
            if stopped
            else "it tries again by itself",
        )
    elif surface["problem"]:
        yield Finding(
            check=name,
            severity="error",
            finding=surface["problem"],
            remedy="the log says since when",
        )
    else:
        heard_s = surface["frame_age_s"]
        heard = "" if heard_s is None else f", last sign of life {age(heard_s)} ago"
        told = f"; {surface['detail']}" if surface["detail"] else ""
        yield Finding(check=name, finding=f"connected{heard}{told}")
    if surface["alarm"]:
        yield Finding(
            check=name,
            severity="error",
            finding=surface["alarm"],
        )
    if surface["gap_age_s"] is not None:
        yield Finding(
            check=name,
            severity="warning",
            finding=f"its events since {age(surface['gap_age_s'])} ago are not read back yet",
            remedy="it goes on by itself",
        )


def _amiss(rows: Fields, now: int) -> Iterator[Finding]:
    recent = [row for row in rows["amiss"] if (now - row["created_at"]) / _MICROS < RECENT_S]
    for state, meaning in (
        ("dead", "could not be delivered"),
        ("unknown", "may or may not have arrived"),
    ):
        found = [row for row in recent if row["state"] == state]
        if found:
            last = found[0]
            yield Finding(
                check="deliveries",
                severity="warning",
                finding=f"{len(found)} messages of the last day {meaning}; the last to"
                f" {last['chat']}" + (f" ({last['reason']})" if last["reason"] else ""),
                remedy=f"gatepost why o{last['outbox_id']}",
            )


def _time(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros / _MICROS, tz=UTC):%Y-%m-%d %H:%M:%S}"
