"""A status as the running gateway gives it over its socket: one surface is up, one is not."""

from typing import Any

PLATFORM = {
    "platform": "telegram",
    "account": "telegram:77",
    "state": "running",
    "state_age_s": None,
    "connected": True,
    "frame_age_s": 3.4,
    "gap_age_s": None,
    "problem": "",
    "alarm": "",
    "detail": "",
}
AWAY = {
    **PLATFORM,
    "platform": "slack",
    "account": None,
    "state": "resting",
    "connected": False,
    "frame_age_s": None,
    "problem": "no answer",
}
SHOWN_AT = 1_760_000_000_000_000
MINUTE = 60_000_000
ROWS: dict[str, Any] = {
    "open_turns": 0,
    "turns": [],
    "questions": [],
    "chats": [],
    "amiss": [],
    "gaps": [],
    "outbox": {},
    "died": 0,
}
TURN = {
    "turn_id": 5,
    "session_key": "a|b",
    "requester": "x",
    "state": "open",
    "opened_at": SHOWN_AT - 4 * MINUTE,
    "active_at": SHOWN_AT - 3_000_000,
    "deaths": 0,
}
STATUS: dict[str, Any] = {
    "now": SHOWN_AT,
    "uptime_s": 4000.0,
    "platforms": [PLATFORM, AWAY],
    "models": ["gpt-5", "local"],
    "running": [{"session_key": "a|b", "turn_id": 1, "requester": "x"}],
    "waiting": {"turn": 2, "now": 1},
    "outbox": {"pending": 1, "dead": 2},
    "outcomes": {},
    "admitted_age_s": {"telegram:77": 700.0},
    "loop_lag_s": 0.0012,
    "store": {
        "queue_depth": 0,
        "last_commit_age_s": 1.0,
        "commits": 9,
        "syncs": 3,
        "wal_bytes": 2_000_000,
        "durability": "power",
        "failed": None,
    },
    "rows": ROWS,
    "backup_age_s": None,
}
