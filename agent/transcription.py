"""Speech to text by an OpenAI-compatible endpoint: one request, its failure with what it costs.

Source: platform.openai.com/docs/api-reference/audio/createTranscription.
"""

import io
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import aiohttp
import orjson

CONNECT_S: Final = 5.0
TOTAL_S: Final = 120.0
ANSWER_MAX: Final = 1024 * 1024
TEXT_MAX: Final = 50_000
"""Characters: far more than anybody says in ten minutes."""

ENDINGS: Final = {
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "video/mp4": "mp4",
    "video/webm": "webm",
}
"""By the ending of a name the endpoint tells what a file is; others it takes none of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said; `seconds` as the endpoint charges for them, None if it does not tell."""

    text: str
    seconds: int | None = None


Failure = Literal["kind", "down", "broke", "key", "busy", "refused", "failed"]
"""No such type of recording, nobody there, no end, no right, no room, no, no transcript."""


class TranscriptionFailed(Exception):
    """There is no transcript; `began` is False if certainly nothing is paid for the attempt."""

    def __init__(self, message: str, *, reason: Failure, began: bool) -> None:
        super().__init__(message)
        self.reason: Failure = reason
        self.began = began


class Transcriber(Protocol):
    """Whoever writes down what is said."""

    @property
    def model(self) -> str:
        """What it is called in the books."""

    async def transcribe(self, data: bytes, mime: str) -> Transcript:
        """What a recording says; raises TranscriptionFailed."""


class HttpTranscriber:
    """A Transcriber over HTTP; `language` is an ISO 639-1 code, None lets the model listen."""

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str | None = None,
        language: str | None = None,
        total_s: float = TOTAL_S,
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/audio/transcriptions"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._language = language
        self._timeout = aiohttp.ClientTimeout(
            total=total_s, connect=CONNECT_S, sock_connect=CONNECT_S
        )

    def __repr__(self) -> str:
        return f"HttpTranscriber({self._model!r})"

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    async def transcribe(self, data: bytes, mime: str) -> Transcript:
        """Make one request; see Transcriber."""
        if mime not in ENDINGS:
            raise TranscriptionFailed(
                f"{mime or 'no type'} can't be sent", reason="kind", began=False
            )
        form = aiohttp.FormData()
        form.add_field("model", self._model)
        form.add_field("response_format", "json")
        if self._language is not None:
            form.add_field("language", self._language)
        name = f"recording.{ENDINGS[mime]}"
        form.add_field("file", io.BytesIO(data), filename=name, content_type=mime)
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
                ) as session,
                session.post(
                    self._url, data=form, headers=self._headers, allow_redirects=False
                ) as response,
            ):
                body = await response.content.read(ANSWER_MAX)
                return _read(response.status, body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise TranscriptionFailed("nobody answers", reason="down", began=False) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TranscriptionFailed("it broke off", reason="broke", began=True) from error


def _read(status: int, body: bytes) -> Transcript:
    if status != 200:
        raise TranscriptionFailed(
            f"it answered {status}", reason=_refusal(status), began=status >= 500 or status < 400
        )
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    text = answer.get("text") if isinstance(answer, dict) else None
    if not isinstance(text, str):
        raise TranscriptionFailed("it gave no transcript", reason="failed", began=True)
    return Transcript(text=text.strip()[:TEXT_MAX], seconds=_seconds(answer))


def _refusal(status: int) -> Failure:
    match status:
        case 401 | 403:
            return "key"
        case 429:
            return "busy"
        case _:
            return "refused" if 400 <= status < 500 else "failed"


def _seconds(answer: dict[str, Any]) -> int | None:
    """As the bill counts them; the duration of the verbose form is the same."""
    usage = answer.get("usage")
    counted = usage.get("seconds") if isinstance(usage, dict) else answer.get("duration")
    if isinstance(counted, bool) or not isinstance(counted, int | float) or counted < 0:
        return None
    return int(-(-counted // 1))
