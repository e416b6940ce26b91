"""`gatepost send`: a message to a chat, verbatim, no model."""

import os
import sys
import uuid
from pathlib import Path

from gateway.cli.asking import hand_over
from gateway.cli.place import state_dir
from gateway.control_requests import SendText
from gateway.errors import GatewayError


def send(config: Path | None, *, chat: str, text: str, key: str | None) -> int:
    """Hand a message to the running gateway; it is on disk when this returns 0."""
    words = sys.stdin.read() if text == "-" else text
    if not words.strip():
        raise GatewayError("there is nothing to send: give a text, or - and the text on stdin")
    request = SendText(chat=chat, text=words, key=key or str(uuid.uuid4()))
    row = hand_over(state_dir(config, os.environ), request)
    print(f"stored; what becomes of it: gatepost why o{row}")
    return 0
