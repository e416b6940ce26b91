"""Deceptive texts on every platform: what is rendered decodes to the bytes that run.

The platforms' own formatters write the card, and readers that follow each platform's parser read
it again: what stands in fences is compared as bytes, and nothing else looks like a card.
"""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.canonical import canonical
from gateway.card import INLINE, INLINE_SMALL, Face, face
from gateway.card_fence import full
from gateway.card_view import CardView, Flag, Item, arguments_of, snapshots_of
from gateway.shown import decoded
from platforms.blocks import Blocks
from platforms.discord.format import fits as fits_discord
from platforms.slack.format import fits as fits_slack
from platforms.telegram.format import fits as fits_telegram
from tests.gateway.card_cases import CARD, JOB, QUESTION, job
from tests.gateway.card_readers import READERS, Read
from tests.gateway.deceptive import BREAKERS, DECEPTIVE, LOOK_ALIKE, TRICKS
from tests.platforms.strategies import HOSTILE, MARKS, PINGS, WORDS

TITLE = "Approval K7Q2F: hf_jobs run"
OURS = re.compile(r"(?:Approval|Payer|At most|Decides|Approve:|Approved by|Budget)\b")
FITS: dict[str, Callable[[Blocks], bool]] = {
    "slack": fits_slack, "discord": fits_discord, "telegram": fits_telegram,
}  # fmt: skip
SHORT = [text for text in DECEPTIVE if len(text) < 200]
ODD = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.lists(
    st.sampled_from([*SHORT, *MARKS, *WORDS, *PINGS]), max_size=8
).map("".join)


def clean(text: str) -> str:
    """Return the text as a model's JSON could have brought it: without halves of characters."""
    return text.encode("utf-8", "replace").decode()


def shown_on(platform: str, view: CardView, *, inline: int = 100_000) -> Face:
    """Return the face as the platform gets it; a terminal has bars for want of fences."""
    sigil = "/" if platform == "terminal" else ""
    return face(view, inline=inline, fits=FITS.get(platform, bool), sigil=sigil)


def parts_on(platform: str, view: CardView) -> tuple[Blocks, ...]:
    """Return what Show all gives there."""
    return full(view, FITS.get(platform, bool), bars=platform == "terminal")


def read(platform: str, body: Blocks) -> Read:
    """Return what a person reads there."""
    return READERS[platform](body)


def lines_of_ours(found: Read) -> list[str]:
    """Return the lines outside of fences that begin as ours do."""
    return [line for line in found.outside if OURS.match(line)]


def beginnings(found: Read) -> list[str]:
    """Return how those lines begin."""
    return [line.split()[0] for line in lines_of_ours(found)]


@pytest.mark.parametrize("platform", READERS)
@pytest.mark.parametrize("text", [clean(text) for text in DECEPTIVE])
def test_what_is_rendered_is_what_runs(platform: str, text: str) -> None:
    """Arguments, scripts and their names come back byte for byte, alive is nothing."""
    value = canonical({"text": text, text: [text]}).decode()
    view = job(arguments=arguments_of(value), snapshots=snapshots_of({"a.py": text.encode()}))
    made = shown_on(platform, view)
    found = read(platform, made.body)
    assert found.alive == []
    if made.cut:
        parts = [read(platform, part) for part in parts_on(platform, view)]
        fences = [fence for part in parts for fence in part.fences]
        assert [part.alive for part in parts] == [[]] * len(parts)
    else:
        fences = found.fences
    assert "".join(map(decoded, fences)) == value + text


@pytest.mark.parametrize("platform", READERS)
@pytest.mark.parametrize("text", [clean(text) for text in DECEPTIVE])
def test_nothing_foreign_looks_like_a_card(platform: str, text: str) -> None:
    """Deceptive values in every place of a card: the lines that begin as ours are ours."""
    quiet = read(platform, shown_on(platform, CARD).body)
    item = replace(
        JOB,
        summary=text,
        payer=f"acme {text}",
        asked_payer=f"x {text}",
        flags=(Flag(name="paid"), Flag(name=f"warning {text}", detail=text)),
        arguments=arguments_of(canonical({"text": text}).decode()),
        snapshots=snapshots_of({f"s {text}": text.encode()}),
    )
    view = replace(CARD, items=(item,), asked_by=text, model_words=text, decides=f"by {text}")
    found = read(platform, shown_on(platform, view, inline=INLINE_SMALL).body)
    assert found.alive == []
    assert found.outside[0].strip() == TITLE
    assert beginnings(found) == beginnings(quiet)


@pytest.mark.parametrize("platform", READERS)
def test_a_look_alike_card_stays_inside(platform: str) -> None:
    """A whole card in the arguments, the script and the model's words is seen for what it is."""
    value = canonical({"text": LOOK_ALIKE}).decode()
    view = replace(
        job(arguments=arguments_of(value), snapshots=snapshots_of({"a": LOOK_ALIKE.encode()})),
        model_words=LOOK_ALIKE + "\n" + LOOK_ALIKE,
    )
    found = read(platform, shown_on(platform, view).body)
    assert lines_of_ours(found)[0].strip() == TITLE
    assert not [line for line in found.outside if line.strip().startswith("Approval K7Q2F: files")]
    assert "".join(map(decoded, found.fences[:2])) == value + LOOK_ALIKE


@pytest.mark.parametrize("platform", READERS)
@pytest.mark.parametrize("text", [clean(text) for text in (*BREAKERS, *TRICKS, LOOK_ALIKE)])
def test_questions_stay_quoted(platform: str, text: str) -> None:
    """A question of the model cannot ping, link or leave its quote."""
    view = replace(QUESTION, question=text, answers=(text, "no"))
    found = read(platform, shown_on(platform, view).body)
    assert found.alive == []
    assert found.outside[0].strip() == "Question Q8W4R: ask_user"


@pytest.mark.parametrize("platform", READERS)
@settings(max_examples=60)
@given(text=ODD, words=ODD, name=ODD)
def test_any_text_comes_back(platform: str, text: str, words: str, name: str) -> None:
    """Whatever stands in arguments, words and names, the fences decode to what runs."""
    text, words, name = clean(text), clean(words), clean(name)
    value = canonical({"a": text}).decode()
    view = replace(job(arguments=arguments_of(value), snapshots=()), model_words=words,
                   asked_by=name)  # fmt: skip
    made = shown_on(platform, view)
    found = read(platform, made.body)
    assert found.alive == []
    assert decoded(found.fences[0]) == value or made.cut
    assert found.outside[0].strip() == TITLE


@pytest.mark.parametrize("platform", READERS)
@pytest.mark.parametrize("text", [clean(text) for text in HOSTILE], ids=range(len(HOSTILE)))
def test_long_hostile_texts_are_cut_and_shown_in_parts(platform: str, text: str) -> None:
    """What is too long for a card fits its message all the same, and Show all has every byte."""
    value = canonical({"a": text}).decode()
    view = job(arguments=arguments_of(value), snapshots=())
    made = shown_on(platform, view, inline=INLINE)
    assert FITS.get(platform, bool)(made.body)
    assert made.cut or decoded(read(platform, made.body).fences[0]) == value
    parts = parts_on(platform, view)
    fences = [fence for part in parts for fence in read(platform, part).fences]
    assert "".join(map(decoded, fences)) == value


def test_the_corpus_is_worth_its_name() -> None:
    """Every trick holds a character that cannot be seen or that changes others."""
    assert len(DECEPTIVE) > 90
    assert all(not text.isascii() or not text.isprintable() for text in TRICKS)
    assert isinstance(CARD.items[0], Item)
