"""`gatepost why`: what became of an event, a turn, a message, an approval or a call."""

import json
import os
from pathlib import Path

from gateway.cli.asking import ask
from gateway.cli.place import state_dir
from gateway.control_requests import AskWhy
from gateway.errors import GatewayError
from platforms.terminal.format import escape


def why(config: Path | None, *, ident: str, as_json: bool) -> int:
    """Print the story of an id; 1 if nothing here has it."""
    lines: list[str] = ask(state_dir(config, os.environ), AskWhy(ident=ident))
    if as_json:
        print(json.dumps({"id": ident, "lines": lines}, ensure_ascii=False))
        return 0 if lines else 1
    if not lines:
        raise GatewayError(
            f"nothing here has the id {ident}; ids look like e12, t5, o7, K7Q2F or"
            " telegram:-100200/55"
        )
    print("\n".join(map(escape, lines)))
    return 0
