"""`gatepost send`: a message and files to a chat, verbatim, no model."""

import base64
import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.cli.asking import hand_over
from gateway.cli.place import state_dir
from gateway.control_requests import SendFile, SendText
from gateway.errors import GatewayError


def send(
    config: Path | None, *, chat: str, text: str, key: str | None, files: Sequence[Path] = ()
) -> int:
    """Hand a message and files to the running gateway; all is on disk when this returns 0.

    What was cut in between is handed over once in all by the same key.
    """
    words = sys.stdin.read() if text == "-" else text
    if not words.strip() and not files:
        raise GatewayError("there is nothing to send: give a text, or - and the text on stdin")
    key, place = key or str(uuid.uuid4()), state_dir(config, os.environ)
    requests: list[SendText | SendFile] = [*_files(chat, files, key)]
    if words.strip():
        requests.insert(0, SendText(chat=chat, text=words, key=key))
    for request in requests:
        row = hand_over(place, request)
        print(f"stored; what becomes of it: gatepost why o{row}")
    return 0


def _files(chat: str, paths: Sequence[Path], key: str) -> Iterator[SendFile]:
    """Each file as a message of its own, by a key of its own."""
    if not paths:
        return
    from gateway.cli.attaching import read_files

    for number, file in enumerate(read_files(paths), 1):
        data = base64.b64encode(file.data).decode()
        yield SendFile(
            chat=chat, name=file.name, mime=file.mime, data=data, key=f"{key} file {number}"
        )
