"""Files of this machine that go with what is said: `/attach FILE words`, or `--file`."""

import io
import mimetypes
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.attached import size_text
from gateway.errors import GatewayError
from platforms.terminal.limits import SENT_FILES_MAX, SENT_MAX_BYTES
from platforms.terminal.wire import File

ATTACH: Final = "/attach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Words and the files that go with them."""

    text: str
    files: tuple[File, ...] = ()


def said_in(line: str) -> Said:
    """What a typed line says; raises GatewayError for a file that can't be sent.

    A path with blanks is quoted, or its blanks escaped, as a terminal does where a file is dropped.
    """
    command, _, rest = line.strip().partition(" ")
    if command != ATTACH:
        return Said(text=line)
    try:
        typed = io.StringIO(rest)
        reader = shlex.shlex(typed, posix=True)
        reader.whitespace_split, reader.commenters = True, ""
        path = reader.get_token()
    except ValueError as error:
        raise GatewayError("a quote of this path has no end") from error
    if not path:
        raise GatewayError("write /attach and a file, then what you want to say")
    return Said(text=typed.read().strip(), files=read_files((Path(path),)))


def read_files(paths: Sequence[Path]) -> tuple[File, ...]:
    """These files with their bytes; raises GatewayError with what to do."""
    if len(paths) > SENT_FILES_MAX:
        raise GatewayError(f"at most {SENT_FILES_MAX} files go with one message")
    files = tuple(map(_read, paths))
    if sum(len(each.data) for each in files) > SENT_MAX_BYTES:
        raise GatewayError(f"all files of a message may have {size_text(SENT_MAX_BYTES)} together")
    return files


def _read(path: Path) -> File:
    found = path.expanduser()
    try:
        if found.stat().st_size > SENT_MAX_BYTES:
            raise GatewayError(f"{path} is larger than {size_text(SENT_MAX_BYTES)}")
        data = found.read_bytes()
    except OSError as error:
        raise GatewayError(f"{path} can't be read: {error.strerror}") from error
    mime, _ = mimetypes.guess_type(found.name)
    return File(name=found.name, mime=mime or "", data=data)
