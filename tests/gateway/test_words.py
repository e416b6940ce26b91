"""The gateway's own words: one catalogue, each sentence in every language, and who reads which."""

import asyncio
import importlib
import pkgutil
import string
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from gateway import words
from gateway.config import PeopleConfig
from gateway.config.ids import parse_user
from gateway.config.values import GatewayConfig
from gateway.store.sqlite import SqliteStore
from gateway.words.phrase import LANGUAGES, Language, Phrase, Reader, language_of
from platforms.events import Author
from tests.gateway.core import Core, says
from tests.gateway.events import ANN, OUR_MENTION, command, in_group, message
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import CONFIG

GERMAN = replace(ANN, locale="de-AT")
SAME = ("card.BUDGET",)
"""What is the same word in every language."""


def phrases() -> Iterator[tuple[str, Phrase]]:
    """Every sentence of the catalogue, by its name."""
    for module in pkgutil.iter_modules(words.__path__):
        for name, value in vars(importlib.import_module(f"gateway.words.{module.name}")).items():
            if isinstance(value, Phrase):
                yield f"{module.name}.{name}", value


def places(text: str) -> list[str]:
    """The fields of a sentence; the same one may stand twice."""
    return sorted({name for _, name, _, _ in string.Formatter().parse(text) if name})


def test_a_phrase_has_every_language() -> None:
    """The languages are its fields: one that is missing is a missing argument."""
    assert {each.name for each in fields(Phrase)} == set(LANGUAGES)
    assert len(list(phrases())) > 60


@pytest.mark.parametrize(("name", "phrase"), list(phrases()))
def test_every_language_says_it_with_the_same_fields(name: str, phrase: Phrase) -> None:
    """Nothing is empty, nothing is left in English, and no field is lost or made up."""
    assert phrase.en.strip() and phrase.de.strip()
    assert places(phrase.de) == places(phrase.en), name
    assert phrase.en.endswith(".") == phrase.de.endswith("."), name
    assert phrase.de != phrase.en or name in SAME
    given = dict.fromkeys(places(phrase.en), 1)
    for language in LANGUAGES:
        text = phrase.to(Reader(language=language, mark="!"), **given | {"mark": "!"})
        assert "{" not in text and "/stop" not in text, name


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("de_DE", "de"),
        ("DE", "de"),
        ("en-GB", "en"),
        ("fr", None),
        ("", None),
        (None, None),
        ("fr-CH, de;q=0.8, en;q=0.7", "de"),
        ("*", None),
        ("dental", None),
    ],
)
def test_the_language_of_a_locale(locale: str | None, language: Language | None) -> None:
    """A tag of a platform, or what a browser lists in order."""
    assert language_of(locale) == language


@pytest.fixture
async def core(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Core]:
    """A connected gateway where everybody has their own language; two ids are one person's."""
    people = PeopleConfig(ids={"ann": (parse_user("telegram:1001"), parse_user("slack:T1/U1"))})
    core = Core(store, tmp_path, clock, config=replace(CONFIG, people=people))
    await core.connect()
    yield core
    await core.close()


async def answer(core: Core, event: Any, chat: str = "1001") -> str:
    """Let something come in, and return the next words that stand in a chat."""
    before = len(core.adapter.shown(chat))
    await core.take(event)
    await core.adapter.until(lambda: len(core.adapter.shown(chat)) > before)
    await core.router.settled()
    return core.adapter.shown(chat)[-1]


async def test_a_person_reads_their_language_where_they_are_alone(core: Core) -> None:
    """As told, and as remembered where a message tells nothing; a group reads English."""
    assert "Schreib mir" in await answer(core, message("/help", number=1, author=GERMAN))
    assert "gibt es nicht" in await answer(core, message("/xyzzy", number=2))
    group = in_group("/help", number=3, author=GERMAN)
    assert "Write to me" in await answer(core, group, "-100200")
    english = replace(ANN, locale="en")
    assert "Write to me" in await answer(core, message("/help", number=4, author=english))
    assert "There is no command" in await answer(core, message("/xyzzy", number=5))


async def test_an_answer_ends_in_the_language_of_who_asked(core: Core) -> None:
    """What stands under it is read by them."""
    core.answers(says("One", asyncio.Event()))
    await core.take(message("hallo", number=1, author=GERMAN))
    await core.model.waits.wait()
    await core.take(message("/stop", number=2))
    await core.shows("One\n\nAngehalten von Ann.")


async def test_commands_answer_in_the_language_of_who_gives_them(core: Core) -> None:
    """Whatever they say: settings, the past, what is forgotten."""
    told = {
        "/status": "Diese Sitzung: 0 Antworten",
        "/whoami": "jemand, der fragen darf",
        "/model nope": "gibt es hier nicht",
        "/effort": "Diese Sitzung denkt mit default",
        "/busy queue": "wartet auf eine eigene",
        "/stop": "Hier läuft nichts.",
        "/approvals": "Hier wartet nichts auf eine Entscheidung.",
        "/approve": "Schreib /approve CODE",
        "/budget": "diesen Chat heute: $0.00 ausgegeben",
        "/undo": "Von dieser Sitzung gibt es nichts",
        "/compact": "Es gibt noch nichts zusammenzufassen.",
        "/export": "Von dieser Sitzung ist nichts gespeichert.",
        "/new": "Neue Sitzung. Die alte bleibt aufbewahrt.",
    }
    for number, (text, words_) in enumerate(told.items(), 1):
        assert words_ in await answer(core, message(text, number=number, author=GERMAN))


async def test_linked_ids_read_one_language(core: Core) -> None:
    """What one platform tells of a person holds on the others too."""
    await answer(core, message("/help", number=1, author=GERMAN))
    rows = await core.store.read(
        lambda tx: tx.rows("SELECT person, language FROM tongue ORDER BY person")
    )
    assert rows == [("slack:T1/U1", "de"), ("telegram:1001", "de")]


async def test_a_stranger_leaves_no_row(core: Core) -> None:
    """Only who is let in is remembered."""
    stranger = Author(id="9999", name="Mallory", locale="de")
    await core.take(message("hi", number=1, author=stranger))
    assert await core.store.read(lambda tx: tx.rows("SELECT 1 FROM tongue")) == []


async def test_one_language_for_everybody(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """Configured, it holds in groups too, and nobody's own is asked for."""
    config = replace(CONFIG, gateway=GatewayConfig(language="de"))
    core = Core(store, tmp_path, clock, config=config, language="de")
    await core.connect()
    english = replace(ANN, locale="en")
    group = in_group("/help", number=1, author=english)
    assert "Schreib mir" in await answer(core, group, "-100200")
    core.answers(says("Einmal", asyncio.Event()))
    await core.take(in_group("hi", number=2, mentions=(OUR_MENTION,), author=english))
    await core.model.waits.wait()
    await core.take(command("stop", number=3, chat=group.chat))
    await core.adapter.until(lambda: "Angehalten von Ann." in core.adapter.shown("-100200")[-1])
    await core.close()
