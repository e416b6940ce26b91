"""What the transcription endpoint takes and refuses.

Source: platform.openai.com/docs/api-reference/audio/createTranscription.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import BodyPartReader, web

from tests.wire.openai.rules import Refusal

FORMATS = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm")
MODELS = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
FILE_MAX = 25 * 1024 * 1024
FIELDS = ("model", "language", "prompt", "response_format", "temperature")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A request as it arrived."""

    fields: Mapping[str, str]
    name: str
    data: bytes
    multipart: bool = True


async def read_recording(request: web.Request) -> Recording:
    """The fields of a form and its file."""
    if not request.content_type.startswith("multipart/"):
        return Recording(fields={}, name="", data=b"", multipart=False)
    fields: dict[str, str] = {}
    name, data = "", b""
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.filename:
            name, data = part.filename, bytes(await part.read())
        else:
            fields[part.name or ""] = (await part.read()).decode()
    return Recording(fields=fields, name=name, data=data)


def refusal_of_recording(given: Recording) -> Refusal | None:
    """Why the endpoint does not take it."""
    if not given.multipart:
        return Refusal(message="Could not parse multipart form", status=400)
    if given.fields.get("model") not in MODELS:
        return Refusal(message="you must provide a model parameter", status=400)
    unknown = [name for name in given.fields if name not in FIELDS]
    if unknown:
        return Refusal(message=f"Unknown parameter: '{unknown[0]}'.", status=400)
    if not given.name:
        return Refusal(message="Missing required parameter: 'file'.", status=400)
    if given.name.rpartition(".")[2] not in FORMATS:
        return Refusal(message=f"Invalid file format. Supported formats: {FORMATS}", status=400)
    if len(given.data) > FILE_MAX:
        return Refusal(message="Maximum content size limit (26214400) exceeded", status=413)
    if not given.data:
        return Refusal(message="Audio file is too short.", status=400)
    return None
