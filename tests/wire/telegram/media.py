"""Photos, voices and albums that a bot sends: what the Bot API takes, and as what.

Source: core.telegram.org/bots/api#sendphoto, #sendvoice, #sendmediagroup; the refusals are those of
the open-source Bot API server with TDLib.
"""

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image, UnidentifiedImageError

from tests.wire.telegram.rules import Refusal, bad
from tests.wire.telegram.world import File

UPLOAD_MAX = 50 * 1024 * 1024
PHOTO_MAX = 10 * 1024 * 1024
PHOTO_SIDES = 10_000
PHOTO_RATIO = 20
ALBUM_LEAST = 2
ALBUM_MOST = 10
_VOICES = (b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3")
_TOGETHER = {"photo": "looked at", "video": "looked at", "document": "files", "audio": "heard"}
"""What an album may mix: pictures with videos, everything else only with its own kind."""


def document(given: Any) -> File:
    """A file as it is."""
    return _file(given, "document")


def photo(given: Any) -> File:
    """A picture within the limits of photos; a file with any other size or form is none."""
    file = _file(given, "photo")
    if len(file.data) > PHOTO_MAX:
        raise bad("file is too big for a photo")
    try:
        with Image.open(io.BytesIO(file.data)) as picture:
            short, long = sorted(picture.size)
            if short + long > PHOTO_SIDES or long > PHOTO_RATIO * short:
                raise bad("PHOTO_INVALID_DIMENSIONS")
            picture.load()
    except (UnidentifiedImageError, OSError, SyntaxError) as exc:
        raise bad("IMAGE_PROCESS_FAILED") from exc
    return replace(file, kind="photo", mime="image/jpeg")


def voice(given: Any, seconds: int) -> File:
    """A voice note; what is no such recording is sent as a document."""
    file = _file(given, "voice")
    spoken = file.data.startswith(_VOICES) or file.data[4:8] == b"ftyp"
    if not spoken:
        return file
    return replace(file, kind="voice", mime="audio/ogg", seconds=seconds)


def album(raw: Any, parts: Mapping[str, Any]) -> list[tuple[File, Mapping[str, Any]]]:
    """The files of an album with what was said of each, or the error it answers."""
    if not isinstance(raw, list) or not all(isinstance(each, dict) for each in raw):
        raise bad("can't parse media JSON object")
    if not ALBUM_LEAST <= len(raw) <= ALBUM_MOST:
        raise bad("media must include 2-10 items")
    kinds = [str(each.get("type")) for each in raw]
    for kind in kinds:
        if kind not in _TOGETHER:
            raise bad(f"type {kind!r} is not supported in a media group")
    if len({_TOGETHER[kind] for kind in kinds}) > 1:
        raise bad(f"{kinds[0].title()} can't be mixed with other media types")
    return [(_of_album(each, parts), each) for each in raw]


def _of_album(entry: Mapping[str, Any], parts: Mapping[str, Any]) -> File:
    given = parts.get(str(entry.get("media")).removeprefix("attach://"))
    kind = str(entry["type"])
    if kind == "photo":
        return photo(given)
    return replace(_file(given, kind), kind=kind)


def _file(given: Any, kind: str) -> File:
    if not isinstance(given, File):
        raise bad(f"there is no {kind} in the request")
    if len(given.data) > UPLOAD_MAX:
        raise Refusal(413, "Request Entity Too Large")
    if not given.data:
        raise bad("file must be non-empty")
    return given
