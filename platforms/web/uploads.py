"""Files that come with a message of the page: a form in parts, bounded while it is read."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from platforms.web.limits import (
    UPLOAD_FIELD_MAX,
    UPLOAD_FILE_MAX,
    UPLOAD_FILES_MAX,
    UPLOAD_MAX,
    UPLOAD_PARTS_MAX,
    UPLOAD_S,
)

_PIECE = 64 * 1024


class UploadRefused(Exception):
    """A form that is not taken; the text says why, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """One file as the browser sent it; its name and type are the browser's words."""

    name: str
    mime: str
    data: bytes = field(repr=False)


async def read_upload(request: web.Request) -> tuple[Mapping[str, str], tuple[SentFile, ...]]:
    """The fields and files of a form; a field for files that was left empty is none.

    Raises UploadRefused for what is too much or too slow, ValueError for what is no such form.
    """
    fields: dict[str, str] = {}
    files: list[SentFile] = []
    room = UPLOAD_MAX
    try:
        async with asyncio.timeout(UPLOAD_S):
            reader = await request.multipart()
            for _ in range(UPLOAD_PARTS_MAX):
                part = await reader.next()
                if part is None:
                    return fields, tuple(files)
                if not isinstance(part, BodyPartReader):
                    raise ValueError("a form within a form")
                if part.filename is None:
                    data = await _read(part, UPLOAD_FIELD_MAX)
                    fields[part.name or ""] = data.decode()
                    continue
                data = await _read(part, min(UPLOAD_FILE_MAX, room))
                room -= len(data)
                if data or part.filename:
                    mime = part.headers.get("Content-Type", "")
                    files.append(SentFile(name=part.filename, mime=mime, data=data))
                if len(files) > UPLOAD_FILES_MAX:
                    raise UploadRefused(f"At most {UPLOAD_FILES_MAX} files go with one message.")
    except TimeoutError as error:
        raise UploadRefused("The files took too long to arrive; nothing was sent.") from error
    raise UploadRefused("This form has too many parts; nothing was sent.")


async def _read(part: BodyPartReader, most: int) -> bytes:
    data = bytearray()
    while piece := await part.read_chunk(_PIECE):
        data += piece
        if len(data) > most:
            size = UPLOAD_FILE_MAX >> 20
            raise UploadRefused(
                f"A file may have {size} MiB, and all of a message {UPLOAD_MAX >> 20} MiB together;"
                " nothing was sent."
            )
    return bytes(data)
