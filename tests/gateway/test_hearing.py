"""Voice notes become words that are paid for, or both sides are told why not."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.messages import UserMessage
from agent.transcription import HttpTranscriber
from gateway.hearing import SECONDS_MAX, Hearing
from gateway.recordings import BYTES_A_SECOND, length_of
from gateway.sniffing import type_of
from gateway.store.records import reservations
from gateway.store.sqlite import SqliteStore
from platforms.events import Attachment
from tests.gateway.core import Core
from tests.gateway.events import message
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import CONFIG
from tests.recordings import (
    movie,
    mp3,
    spoken,
    spoken_movie,
    told_to_last,
    voice,
    vorbis,
    waved,
)
from tests.wire.openai import OpenAIServer
from tests.wire.openai.server import TRANSCRIBE
from tests.wire.server import Answer, CutAfter

KEY = "sk-loopback"
PRICE = 6_000
"""Micro-dollars a minute, as the usual model costs."""

Make = Callable[..., Core]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(key=KEY) as server:
        yield server


@pytest.fixture
async def make(
    store: SqliteStore, tmp_path: Path, clock: HandClock, server: OpenAIServer
) -> AsyncIterator[Make]:
    """Makes gateways whose voice notes are transcribed."""
    made: list[Core] = []

    def core(*, model: str = "whisper-1", key: str | None = KEY, **options: Any) -> Core:
        transcriber = HttpTranscriber(
            base_url=server.base_url, model=model, api_key=key, language="en"
        )
        hears = Hearing(transcriber=transcriber, price=PRICE)
        made.append(Core(store, tmp_path, clock, **{"hears": hears} | options))
        return made[-1]

    yield core
    for each in made:
        await each.close()


async def note(core: Core, data: bytes, **fields: Any) -> Attachment:
    """A voice note that lies among what is kept."""
    blob = await core.blobs.put(data)
    return Attachment(**{"id": "1", "kind": "voice", "file": blob} | fields)


async def given(core: Core, data: bytes, **fields: Any) -> str:
    """What the model reads of a voice note, once it has answered."""
    await core.connect()
    core.answers("Heard.")
    await core.take(message("", number=1, attachments=(await note(core, data, **fields),)))
    await core.adapter.until(lambda: "Heard." in core.adapter.shown("1001"))
    (said,) = [m for m in core.model.requests[0].messages if isinstance(m, UserMessage)]
    return said.text


async def booked(core: Core) -> list[tuple[str, str, int, int | None]]:
    """What was put aside for transcriptions and what became of it."""
    rows = await core.store.read(lambda tx: reservations.of_turn(tx, 1))
    return [(row.what, row.state, row.amount, row.actual) for row in rows]


async def test_a_voice_note_is_its_words_and_is_paid_for(make: Make, server: OpenAIServer) -> None:
    """By the seconds that the service counts; the ceiling is by those the recording has."""
    data = voice(12.2)
    server.spoken[data] = " Turn on the light. "
    server.spoken_seconds = 12
    core = make()
    assert await given(core, data) == "[voice note, 13 s, transcribed]\nTurn on the light."
    (asked,) = server.requests(TRANSCRIBE)
    assert asked.arguments == {
        "model": "whisper-1",
        "response_format": "json",
        "language": "en",
        "bytes": len(data),
        "name": "recording.ogg",
    }
    assert await booked(core) == [("whisper-1", "settled", 1_400, 1_200)]
    assert core.adapter.shown("1001") == ["Heard."]


@pytest.mark.parametrize(
    ("answer", "why", "state"),
    [
        (Answer(status=401), "the transcription service refuses its key", "released"),
        (Answer(status=429), "the transcription service is busy or out of credit", "released"),
        (Answer(status=400), "the transcription service does not take it", "released"),
        (Answer(status=500), "the transcription service gave no transcript", "held"),
        (Answer(status=200, body=b"no"), "the transcription service gave no transcript", "held"),
        (CutAfter(), "the transcription service broke off", "held"),
    ],
)
async def test_what_fails_is_told_and_paid_for_only_if_it_began(
    make: Make, server: OpenAIServer, answer: Answer | CutAfter, why: str, state: str
) -> None:
    """What may be billed stays held until its time is over."""
    server.faults.add(TRANSCRIBE, answer)
    data = voice(3)
    server.spoken[data] = "Anything."
    core = make()
    told = await given(core, data, seconds=3)
    assert told == f"[attached: a voice note (3 s); not read: {why}]"
    assert core.adapter.shown("1001") == [f"Not read: a voice note ({why}).", "Heard."]
    ((_, stands, _, _),) = await booked(core)
    assert stands == state


async def test_silence_is_told(make: Make, server: OpenAIServer) -> None:
    """It was paid for all the same."""
    data = voice(3)
    server.spoken[data] = "  "
    core = make()
    assert "it has no words in it" in await given(core, data)
    assert [state for _, state, _, _ in await booked(core)] == ["settled"]


async def test_a_recording_that_is_too_long_costs_nothing(make: Make, server: OpenAIServer) -> None:
    """By what was declared, or by its own bytes where nothing was."""
    core = make()
    assert "longer than 10 minutes" in await given(core, voice(SECONDS_MAX + 1))
    assert server.record == []
    assert await booked(core) == []


async def test_without_room_in_the_budget_nothing_is_asked(
    make: Make, server: OpenAIServer
) -> None:
    """The turn goes on without the words."""
    limits = replace(CONFIG.budget, turn=100)
    core = make(config=replace(CONFIG, budget=limits))
    assert "the budget has no room to transcribe it" in await given(core, voice(60))
    assert server.record == []


async def test_where_nobody_transcribes_that_is_said(make: Make) -> None:
    """One line on both sides; the file is not even fetched."""
    core = make(hears=None)
    told = await given(core, voice(2), seconds=2)
    assert told == "[attached: a voice note (2 s); not read: nobody transcribes voice notes here]"
    assert core.adapter.shown("1001")[0] == (
        "Not read: a voice note (nobody transcribes voice notes here)."
    )


async def test_a_service_that_is_down_costs_nothing(make: Make) -> None:
    """Nothing has left."""
    transcriber = HttpTranscriber(base_url="http://127.0.0.1:9", model="whisper-1")
    core = make(hears=Hearing(transcriber=transcriber, price=PRICE))
    assert "the transcription service is down" in await given(core, voice(3))
    assert [state for _, state, _, _ in await booked(core)] == ["released"]


def _named(value: object) -> str:
    """What a case is called: not by all its bytes."""
    return value[:4].hex() if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize(
    ("data", "mime", "seconds"),
    [
        (voice(12.2), "audio/ogg", 13),
        (spoken(4, told=4), "audio/ogg", 4),
        (waved(4), "audio/wav", 4),
        (mp3(9), "audio/mpeg", 9),
        (mp3(9, low=True, tag=b"\xff\xf3\x24\xc0" * 900), "audio/mpeg", 9),
        (movie(7), "audio/mp4", 7),
        (movie(8, long=True), "audio/mp4", 8),
        (spoken_movie(9, told=9), "audio/mp4", 9),
        (b"ID3\x03\x00", "audio/mpeg", None),
        (b"OggS", "audio/ogg", None),
        (movie(7)[:30], "audio/mp4", None),
    ],
    ids=_named,
)
def test_how_long_a_recording_lasts(data: bytes, mime: str, seconds: int | None) -> None:
    """By its own bytes, rounded up, give or take a frame."""
    assert type_of(data) == mime
    length = length_of(data, mime)
    assert length.seconds in ({seconds, seconds + 1} if seconds else {None})
    assert length.at_most == (length.seconds or 1)


@pytest.mark.parametrize(
    ("data", "sounds"),
    [
        (spoken(90, told=1), 90),
        (spoken(90, told=-1), 90),
        (spoken(2_000, told=1), SECONDS_MAX + 1),  # more pieces than are counted
        (told_to_last(waved(90), bytes_a_second=4_000_000), 90),
        (told_to_last(waved(90), bytes_a_second=0), -(-9_000 // BYTES_A_SECOND)),
        (waved(90).replace(b"fmt ", b"fmx ", 1), -(-9_000 // BYTES_A_SECOND)),
        (mp3(90, low=True), 90),
        (mp3(1) + bytes(90_000), 90_000 // BYTES_A_SECOND),
        (mp3(1) + b"\xff\xfb" * 500_000, 1_000_000 // BYTES_A_SECOND),
        (vorbis(1, 90_000), 90_000 // BYTES_A_SECOND),
        (spoken_movie(90, told=1), 90),
        (spoken_movie(90, told=1, rate=44_100), 90),
        (spoken_movie(1, told=1, fragments=True) + bytes(90_000), 90_000 // BYTES_A_SECOND),
        (movie(1) + bytes(90_000), 90_000 // BYTES_A_SECOND),
        (b"fLaC" + bytes(90_000), 90_000 // BYTES_A_SECOND),
        (spoken(1, told=1, streams=2) + bytes(90_000), 90_000 // BYTES_A_SECOND),
    ],
    ids=_named,
)
def test_a_recording_that_lies_is_paid_for_as_long_as_it_sounds(data: bytes, sounds: int) -> None:
    """What it tells of itself counts no less than what is heard, counted or by its bytes."""
    assert length_of(data, type_of(data)).at_most >= sounds


@pytest.mark.parametrize(
    "data", [mp3(SECONDS_MAX + 2), spoken_movie(SECONDS_MAX + 2, told=3)], ids=["mp3", "mp4"]
)
async def test_a_lie_does_not_get_a_voice_note_in(
    make: Make, server: OpenAIServer, data: bytes
) -> None:
    """Longer than ten minutes is longer than ten minutes, whatever its head tells."""
    assert "longer than 10 minutes" in await given(make(), data)
    assert server.record == []


async def test_what_a_recording_hides_is_put_aside(make: Make, server: OpenAIServer) -> None:
    """Where its length can't be counted, by its bytes; the service tells what it really was."""
    data = vorbis(2, 90_000)
    server.spoken[data] = "Hidden."
    server.spoken_seconds = 100
    core = make()
    await given(core, data)
    assert await booked(core) == [("whisper-1", "settled", 12_100, 10_000)]


def test_a_price_is_rounded_up() -> None:
    """Never to nothing, but for no seconds or no price."""
    hears = Hearing(transcriber=HttpTranscriber(base_url="http://h", model="m"), price=PRICE)
    assert [hears.cost(seconds) for seconds in (0, 1, 59, 60, 61)] == [0, 100, 5_900, 6_000, 6_100]
    assert replace(hears, price=1).cost(1) == 1
    assert hears.quote(599).ceiling == 60_000


def test_no_key_is_shown() -> None:
    """Not even in tracebacks."""
    made = HttpTranscriber(base_url="http://h", model="m", api_key="the-secret")
    assert "the-secret" not in repr(made)
