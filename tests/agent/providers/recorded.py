"""Error answers as providers have sent them, each with where it was published.

One a line in `tests/fixtures/errors`: `recorded` has one for every row, `traps` those whose words
point to a wrong row, each won by order alone. A `text` is a body that is no JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.credentials import Service

FIXTURES = Path(__file__).parents[2] / "fixtures" / "errors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One answer. `status` 200 means that it stands inside a stream."""

    reason: str
    source: str
    status: int
    body: bytes
    service: Service = Service.STATIC
    fill: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.reason}: {self.source}"


def recorded(name: str) -> tuple[Recorded, ...]:
    """The cases of one file."""
    lines = (FIXTURES / f"{name}.jsonl").read_text().splitlines()
    return tuple(_case(json.loads(line)) for line in lines)


def _case(fields: Mapping[str, Any]) -> Recorded:
    raw = fields.get("text")
    body = json.dumps(fields["body"], ensure_ascii=False) if raw is None else raw
    return Recorded(
        reason=fields["reason"],
        source=fields["source"],
        status=fields["status"],
        body=body.encode(),
        service=Service(fields.get("service", "static")),
        fill=fields.get("fill", 0.0),
    )


def _huge(text: bytes) -> bytes:
    return b"x" * (16 * 1024) + text + b"y" * (5 * 1024 * 1024)


HUGE = (
    Recorded(
        reason="server_error",
        source="a 5 MB message is matched to 16 KiB",
        status=500,
        body=b'{"error":{"message":"' + _huge(b" maximum context length ") + b'"}}',
    ),
    Recorded(
        reason="server_error",
        source="a 5 MB text is matched to 16 KiB",
        status=500,
        body=_huge(b" maximum context length "),
    ),
)
ROWS = recorded("recorded")
TRAPS = (*recorded("traps"), *HUGE)
