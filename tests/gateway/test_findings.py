"""What doctor makes of what it saw: a table of findings, each with its severity and remedy."""

from pathlib import Path
from typing import Any

import pytest

from gateway.cli.desk_findings import heard, of_deciders, of_desk, of_equipment, of_owners
from gateway.cli.doctor import line
from gateway.cli.findings import (
    Finding,
    of_backup,
    of_clock,
    of_database,
    of_place,
    of_rows,
    of_status,
    worst,
)
from gateway.cli.run import ownerless
from gateway.cli.status import remarks
from gateway.config.secret import Secret
from gateway.config.values import Config, DiscordConfig, PlatformsConfig, TelegramConfig
from gateway.store.examine import Place
from tests.gateway.shown_status import (
    CARD,
    FREEZE,
    JOB,
    LEAVE,
    MINUTE,
    PLATFORM,
    ROWS,
    STATUS,
    TURN,
)
from tests.gateway.shown_status import SHOWN_AT as NOW

GIB = 1 << 30
DAY = 24 * 60 * MINUTE
WHOLE: dict[str, Any] = {
    "integrity": "ok", "database_bytes": 1 << 20, "wal_bytes": 0, "last_known": NOW, "rows": ROWS,
}  # fmt: skip


def place(**fields: Any) -> Place:
    """A directory with nothing wrong."""
    plain: dict[str, Any] = {
        "exists": True, "free_bytes": 50 * GIB, "total_bytes": 100 * GIB, "network": None,
        "open_to_others": (),
    }  # fmt: skip
    return Place(**{**plain, **fields})


def severities(findings: Any) -> list[tuple[str, str]]:
    """Check and severity of each."""
    return [(finding.check, finding.severity) for finding in findings]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [("disk", "ok")]),
        ({"free_bytes": GIB // 2}, [("disk", "warning")]),
        ({"free_bytes": 1 << 20}, [("disk", "error")]),
        ({"network": "nfs4"}, [("disk", "error"), ("disk", "ok")]),
        ({"open_to_others": (Path("/x/gatepost.db"),)}, [("disk", "ok"), ("rights", "error")]),
    ],
)
def test_the_place(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Room, kind of disk, rights."""
    assert severities(of_place(place(**fields), "/x")) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["ok"]),
        ({"integrity": "row 5 missing from index"}, ["error"]),
        ({"integrity": "not finished"}, ["warning"]),
        ({"wal_bytes": 65 << 20}, ["ok", "warning"]),
    ],
)
def test_the_database(fields: dict[str, Any], expected: list[str]) -> None:
    """Whole or damaged, and how large its log is."""
    found = list(of_database({**WHOLE, **fields}))
    assert [finding.severity for finding in found] == expected


@pytest.mark.parametrize(
    ("now", "newest", "severity"),
    [
        (NOW, NOW, "ok"),
        (NOW, NOW + 30_000_000, "ok"),
        (NOW, NOW + 2 * MINUTE, "error"),
        (86_400_000_000, 0, "error"),
    ],
)
def test_the_clock(now: int, newest: int, severity: str) -> None:
    """Before what was already stored, or in the seventies, it is wrong."""
    assert of_clock(now, newest).severity == severity


@pytest.mark.parametrize(
    ("at", "severity"), [(None, "ok"), (NOW - DAY, "ok"), (NOW - 9 * DAY, "warning")]
)
def test_the_last_backup(at: int | None, severity: str) -> None:
    """Never is told, old is warned of."""
    assert of_backup(NOW, at).severity == severity


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [("telegram", "ok"), ("slack", "error")]),
        (
            {"platforms": [{**PLATFORM, "alarm": "two"}]},
            [("telegram", "ok"), ("telegram", "error")],
        ),
        (
            {"platforms": [{**PLATFORM, "gap_age_s": 3.0}]},
            [("telegram", "ok"), ("telegram", "warning")],
        ),
        ({"platforms": [{**PLATFORM, "problem": "mute"}]}, [("telegram", "error")]),
        ({"platforms": [], "loop_lag_s": 3.0}, [("loop", "warning")]),
        ({"platforms": [], "store": {**STATUS["store"], "failed": "x"}}, [("writer", "error")]),
        (
            {"platforms": [], "store": {**STATUS["store"], "queue_depth": 5_000}},
            [("writer", "warning")],
        ),
        (
            {"platforms": [], "store": {**STATUS["store"], "durability": "process"}},
            [("writer", "ok")],
        ),
    ],
)
def test_the_running_gateway(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Its surfaces, writer and loop."""
    assert severities(of_status({**STATUS, **fields})) == expected


def test_what_of_a_surface_is_missing_is_told() -> None:
    """One of several connections is down: that is the reason, in `status` too."""
    half = {**PLATFORM, "connected": False, "detail": "1 of 2 shards connected"}
    found = [each.finding for each in of_status({**STATUS, "platforms": [half]})]
    assert "not connected (running): 1 of 2 shards connected" in found
    assert remarks(half) == "1 of 2 shards connected"


AMISS = {
    "outbox_id": 7, "chat": "slack:T/C", "purpose": "final", "state": "dead", "reason": "kicked",
    "created_at": NOW - MINUTE,
}  # fmt: skip
GAP = {"account": "discord:1", "since": NOW - 9 * MINUTE, "until": NOW - MINUTE, "cause": "stale"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"died": 2}, ["journalctl"]),
        ({"turns": [TURN]}, []),
        ({"turns": [{**TURN, "active_at": NOW - 20 * MINUTE}]}, ["gatepost why t5"]),
        ({"turns": [{**TURN, "active_at": NOW - DAY, "state": "waiting"}]}, []),
        (
            {"chats": [{"chat": "c", "state": "dead", "reason": "kicked"}]},
            ["let the bot back in"],
        ),
        ({"chats": [{"chat": "c", "state": "paused", "reason": "slow"}]}, [""]),
        ({"amiss": [AMISS, {**AMISS, "outbox_id": 6}]}, ["gatepost why o7"]),
        ({"amiss": [AMISS, {**AMISS, "state": "unknown"}]}, ["o7", "o7"]),
        ({"amiss": [{**AMISS, "created_at": NOW - 2 * DAY}]}, []),
        ({"gaps": [GAP]}, ["left unanswered"]),
        ({"gaps": [{**GAP, "until": NOW - 2 * DAY}]}, []),
    ],
)
def test_the_rows(fields: dict[str, Any], expected: list[str]) -> None:
    """What wants a person is a warning that says where; what is old or parked is none."""
    found = list(of_rows({**ROWS, **fields}, NOW))
    assert len(found) == len(expected)
    for finding, remedy in zip(found, expected, strict=True):
        assert remedy in finding.remedy
        assert finding.severity == ("warning" if remedy else "ok")


LOST = {"code": "LAST2", "chat": "slack:T1/C1", "because": "channel is gone", "at": NOW - MINUTE}


@pytest.mark.parametrize(
    ("fields", "severity", "says", "remedy"),
    [
        ({"freezes": [FREEZE]}, "warning", "slack:T1/C1, by Dana", "unfreeze slack:T1/C1"),
        ({"freezes": [{**FREEZE, "scope": "all"}]}, "error", "everywhere", "unfreeze all"),
        (
            {"suspects": [{"name": "hf_jobs", "since": NOW, "reason": "too low"}]},
            "warning",
            "hf_jobs is not trusted: too low",
            "gatepost estimators clear hf_jobs",
        ),
        ({"doubts": [CARD]}, "warning", "hf_jobs run of t5 may have run", "gatepost show K7Q2F"),
        ({"late_cards": [CARD]}, "warning", "K7Q2F does not stand in", "gatepost approve K7Q2F"),
        ({"undelivered": [LOST]}, "warning", "channel is gone", "gatepost why LAST2"),
        ({"jobs": [{**JOB, "state": "unknown"}]}, "error", "nobody can tell", "acme/job1"),
        (
            {"held_late": {"count": 2, "amount": 90_000, "oldest_at": NOW - 180 * MINUTE}},
            "warning",
            "2 holds ($0.0900) wait for their bill, one for 3 h",
            "a day after its deadline",
        ),
    ],
)
def test_the_desk(fields: dict[str, Any], severity: str, says: str, remedy: str) -> None:
    """What stands in the way of money, or waits for a person who has to be told where."""
    (finding,) = of_desk({**ROWS, **fields}, NOW)
    assert finding.severity == severity
    assert says in finding.finding
    assert remedy in finding.remedy


def test_a_desk_in_order_has_no_findings() -> None:
    """Open cards, running jobs and live leave are no trouble."""
    rows = {**ROWS, "approvals": 1, "cards": [CARD], "jobs": [JOB], "leaves": [LEAVE]}
    assert list(of_desk(rows, NOW)) == []


@pytest.mark.parametrize(
    ("equipment", "unpriced", "expected"),
    [
        ({}, {}, []),
        ({"missing": {"shell": "no bubblewrap"}}, {}, [("tool shell", "error")]),
        (
            {"servers": [{"name": "github", "ready": True, "reason": "", "amiss": []}]},
            {},
            [("mcp github", "ok")],
        ),
        (
            {"servers": [{"name": "github", "ready": True, "reason": "", "amiss": ["changed: x"]}]},
            {},
            [("mcp github", "warning")],
        ),
        (
            {"servers": [{"name": "github", "ready": False, "reason": "exit 1", "amiss": []}]},
            {},
            [("mcp github", "error")],
        ),
        ({}, {"gpt-9": "not in the table"}, [("prices", "error")]),
    ],
)
def test_equipment(
    equipment: dict[str, Any], unpriced: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    """Tools that are missing, servers that are down, models without a price."""
    given = {**STATUS, "equipment": {"missing": {}, "servers": [], **equipment}}
    assert severities(of_equipment({**given, "unpriced": unpriced})) == expected


@pytest.mark.parametrize(
    ("tools", "owners", "approvers", "chats", "expected"),
    [
        (("files", "memory"), False, False, True, []),
        (("files", "shell"), False, False, True, ["error"]),
        (("shell",), False, True, True, ["warning"]),
        (("shell",), True, False, True, []),
        (("shell",), False, False, False, []),
    ],
)
def test_somebody_has_to_decide(
    tools: tuple[str, ...], owners: bool, approvers: bool, chats: bool, expected: list[str]
) -> None:
    """Gated tools in chats without owners or approvers are asked for in vain."""
    found = of_deciders(tools=tools, owners=owners, approvers=approvers, has_chats=chats)
    assert [finding.severity for finding in found] == expected


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ((), ("telegram", "slack")),  # that nobody owns it is said by itself
        (("shell:root", "slack:T1/U1"), ("slack",)),
        (("telegram:1", "slack:T1/U1"), ("telegram", "slack")),
    ],
)
def test_an_owner_needs_no_list(owners: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Whoever came by a code is answered, so nothing about an empty list is said there."""
    assert heard(("telegram", "slack"), owners) == expected


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ((), [("owners", "warning", "no owner yet")]),
        (("shell:root", "slack:T1/U1"), [("owners", "ok", "no owner yet on telegram")]),
        (("slack:T1/U1", "telegram:1"), []),
    ],
)
def test_where_nobody_owns_the_gateway(
    owners: tuple[str, ...], expected: list[tuple[str, str, str]]
) -> None:
    """On each platform that is configured, with the command that changes it."""
    found = list(of_owners(("telegram", "slack"), owners))
    assert [(each.check, each.severity, each.finding) for each in found] == expected
    assert {each.remedy for each in found} <= {"run gatepost pair owner"}


def test_a_start_says_where_nobody_owns_the_gateway() -> None:
    """On each platform that is configured; without one it says nothing."""
    configured = PlatformsConfig(
        telegram=TelegramConfig(token=Secret("t")), discord=DiscordConfig(token=Secret("t"))
    )
    config = Config(platforms=configured)
    assert ownerless(config, ("web:local",)) == ["no owner yet: run gatepost pair owner"]
    told = ["no owner yet on telegram: run gatepost pair owner"]
    assert ownerless(config, ("discord:1",)) == told
    assert ownerless(Config(), ()) == []


def test_the_worst_decides_the_exit_code() -> None:
    """0 fine, 1 warnings, 2 errors; a finding is one line with its remedy."""
    fine = Finding(check="a", finding="fine")
    warned = Finding(check="b", severity="warning", finding="hm", remedy="look")
    wrong = Finding(check="c", severity="error", finding="no", remedy="mend")
    assert [worst(found) for found in ([], [fine], [fine, warned], [wrong, warned])] == [0, 0, 1, 2]
    assert line(warned) == "warn  b               hm  -> look"
    named = Finding(check="provider loopback", finding="the key works")
    assert line(named) == "ok    provider loopback the key works"


def test_who_asks_and_what_moved_is_told() -> None:
    """Nothing is amiss with either; the lines say what to type, and what to write."""
    moved = {"account": "telegram:77", "old": "telegram:-7", "new": "telegram:-1007"}
    found = list(of_rows({**ROWS, "asking": 1, "moved": [moved]}, NOW))
    assert severities(found) == [("access", "ok"), ("access", "ok")]
    assert [each.finding for each in found] == [
        "1 person asks to be let in: gatepost pair list",
        "telegram:-7 is telegram:-1007 by now; the file may say either",
    ]
