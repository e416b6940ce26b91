"""Cards in every language: the same bytes and presses, labels that fit, no line passed off."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from gateway.card import INLINE, face, lines, plain
from gateway.card_controls import CONFIRM_MAX, LABEL_MAX, controls
from gateway.card_fence import full
from gateway.card_lines import is_ours
from gateway.card_view import (
    Answered,
    Approved,
    CardView,
    Closed,
    Denied,
    Ended,
    Flag,
    LimitReached,
    Outcome,
)
from gateway.card_words import outcome_spans, quote_text
from gateway.membership import card_of as chat_card
from gateway.pairing import card_of as pairing_card
from gateway.shown import decoded
from gateway.store.records.pairings import Pairing
from gateway.tokens import Decision
from gateway.words import card as card_words
from gateway.words import controls as control_words
from gateway.words import decisions, grants, outcomes
from gateway.words.phrase import LANGUAGES, Language, Phrase, Reader
from platforms.base import Capabilities
from platforms.blocks import Blocks, Code, plain_text, spans_text
from platforms.content import Button, Controls, Field, Form, Menu
from platforms.discord import limits as discord
from platforms.discord.controls import view_of as discord_view
from platforms.events import ChatRef
from platforms.slack import limits as slack
from platforms.slack.controls import control_blocks
from platforms.slack.forms import Place
from platforms.slack.forms import view_of as slack_form
from platforms.telegram import limits as telegram
from tests.gateway.card_cases import (
    BATCH,
    CARD,
    IN_DOUBT,
    LIMIT,
    NOW,
    QUESTION,
    QUOTE,
    UNKNOWN,
    job,
)
from tests.gateway.events import TELEGRAM, changed

GERMAN = Reader(language="de")
RISKY = (Flag(name="destructive"), Flag(name="recurring"), Flag(name="paid"))
VIEWS = {
    "call": CARD,
    "editable": job(editable=True),
    "risky": replace(job(flags=RISKY), two_person=True),
    "unknown price": replace(job(ceiling=UNKNOWN), ceiling_wanted=True),
    "unbounded": replace(job(ceiling=UNKNOWN), approvable=False),
    "batch": BATCH,
    "dear batch": replace(BATCH, items=(replace(BATCH.items[1], ceiling=10**12),) * 12),
    "limit": LIMIT,
    "auto": replace(LIMIT, limit=replace(LIMIT.limit, auto=True)),  # type: ignore[arg-type]
    "frozen": replace(LIMIT, limit=replace(LIMIT.limit, because="why")),  # type: ignore[arg-type]
    "question": QUESTION,
    "in doubt": IN_DOUBT,
    "long": job(summary="x", snapshots=(replace(CARD.items[0].snapshots[0], text="y\n" * 4_000),)),
}
PLATFORMS = {"slack": slack.CAPABILITIES, "discord": discord.CAPABILITIES,
             "telegram": telegram.CAPABILITIES}  # fmt: skip
BEGINNINGS = [
    (name, phrase)
    for module in (card_words, outcomes)
    for name, phrase in vars(module).items()
    if isinstance(phrase, Phrase)
]
ON_A_PRESS = [
    (f"{module.__name__}.{name}", phrase)
    for module in (decisions, grants)
    for name, phrase in vars(module).items()
    if isinstance(phrase, Phrase) and not name.startswith(("AUTO", "WHAT", "BOUNDS"))
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What of a card is looked at."""

    page: int = 0
    item: int = 0
    more: bool = False
    confirm: str = ""


LOOKS = (Look(), Look(more=True), Look(item=1), Look(confirm="approve"), Look(confirm="grant"))


def roomy(body: Blocks) -> bool:
    """Take whatever comes."""
    return bool(body)


def in_language(view: CardView, language: Language) -> CardView:
    """Return a card that speaks to somebody else."""
    return replace(view, reader=Reader(language=language))


def laid(view: CardView, can: Capabilities, look: Look) -> Controls:
    """Return a card's controls with payloads that can be read."""

    def seal(decision: Decision, option: int = 0) -> str:
        return f"{decision.name}{option}"

    return controls(view, can=can, seal=seal, look=look, payers=("acme-prod", "acme-research"))


def buttons(found: Controls) -> Iterator[Button]:
    """Return every button and menu choice."""
    for row in found:
        for each in row:
            yield from each.options if isinstance(each, Menu) else (each,)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_what_runs_is_the_same_in_every_language(view: CardView) -> None:
    """The fences decode to the same bytes, in the card and in all its parts; what is cut is cut."""
    shown = set()
    for language in LANGUAGES:
        spoken = in_language(view, language)
        bodies = [face(spoken, inline=INLINE, fits=roomy).body, *full(spoken, roomy)]
        codes = [[each for each in body if isinstance(each, Code)] for body in bodies]
        shown.add(tuple(tuple(decoded(each.text) for each in body) for body in codes))
    assert len(shown) == 1


@pytest.mark.parametrize("can", PLATFORMS.values(), ids=PLATFORMS)
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_press_means_the_same_in_every_language(view: CardView, can: Capabilities) -> None:
    """The same buttons in the same order carry the same decisions, and none is in English."""
    for look in LOOKS:
        first, *others = (laid(in_language(view, each), can, look) for each in LANGUAGES)
        for other in others:
            assert [b.payload for b in buttons(first)] == [b.payload for b in buttons(other)]
            assert [b.style for b in buttons(first)] == [b.style for b in buttons(other)]
            same = {b.label for b in buttons(first)} & {b.label for b in buttons(other)}
            assert all(label.startswith(("+$", "1:", "2:")) for label in same), same


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_labels_fit_every_platform(view: CardView, language: Language) -> None:
    """No label and no question is cut, and every platform takes what it is given."""
    for can in PLATFORMS.values():
        for look in LOOKS:
            found = laid(in_language(view, language), can, look)
            for each in buttons(found):
                assert len(each.label) <= LABEL_MAX and "…" not in each.label
                assert len(each.confirm) <= CONFIRM_MAX and "…" not in each.confirm
            wire = str(list(control_blocks(found)))
            assert "…" not in wire
    assert min(slack.LABEL_MAX, slack.OPTION_LABEL_MAX, discord.LABEL_MAX) > LABEL_MAX


async def test_discord_takes_german_controls() -> None:
    """Its own client builds the buttons and menus of every card."""
    for view in VIEWS.values():
        for look in LOOKS:
            assert discord_view(laid(replace(view, reader=GERMAN), discord.CAPABILITIES, look))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_dialogs_and_forms_fit(language: Language) -> None:
    """Slack's buttons of a dialog take 30 characters and a form's 24, Discord's labels 45."""
    reader = Reader(language=language)
    words = control_words.SURE, control_words.SURE_YES, control_words.CANCEL
    assert all(len(each.to(reader)) <= 24 for each in words)
    labels = [each.to(reader) for each in (control_words.YOUR_ANSWER, control_words.CEILING,
                                           control_words.REASON)]  # fmt: skip
    assert all(len(label) <= discord.FIELD_LABEL_MAX for label in labels)
    assert all(len(label) <= telegram.PLACEHOLDER_MAX for label in labels)
    fields = tuple(Field(name=label, label=label) for label in labels)
    form = Form(id="f", title="K7Q2F: x", fields=fields, cancel=control_words.CANCEL.to(reader))
    view = slack_form(form, Place(channel="C1", thread=None, card=None))
    assert view["close"]["text"] == control_words.CANCEL.to(reader)


@pytest.mark.parametrize(("name", "phrase"), ON_A_PRESS)
def test_what_a_press_is_told_fits_its_bubble(name: str, phrase: Phrase) -> None:
    """Telegram answers a press in 200 characters; a field is given twenty."""
    for language in LANGUAGES:
        assert len(phrase.form(language)) <= telegram.CALLBACK_ANSWER_MAX - 40, name


@pytest.mark.parametrize(("name", "phrase"), BEGINNINGS)
def test_what_is_ours_in_one_language_is_ours_in_all(name: str, phrase: Phrase) -> None:
    """A summary that begins like a line of ours, in whatever language, stands in quotes."""
    known = all(is_ours(phrase.form(language)) for language in LANGUAGES)
    assert known or not is_ours(phrase.en), name


def test_a_summary_that_speaks_german_is_quoted() -> None:
    """It may not pass for a line of the card, and be the card in English."""
    for view in (CARD, replace(CARD, reader=GERMAN)):
        made = replace(view, items=(replace(CARD.items[0], summary="Genehmigt von Ann 13:41"),))
        assert '"Genehmigt von Ann 13:41"' in plain(made)


def test_labels_leave_room_for_what_they_label() -> None:
    """All lines hang alike; only a grant's label is longer, and has its blanks too."""
    for view in VIEWS.values():
        for line in lines(replace(view, reader=GERMAN, proposal=("was erlaubt wird",))):
            assert len(line.label) <= 9 or line.label == card_words.GRANT.de
            assert not line.label or line.padded.endswith("  ")


def test_the_card_of_a_job_in_german() -> None:
    """The same lines in the same order; figures, dates and codes read alike in every language."""
    item = replace(
        CARD.items[0],
        quote=quote_text(QUOTE, now=NOW, reader=GERMAN),
        flags=(Flag(name="paid"), Flag(name="tainted", detail="gelesen: 2 Webseiten")),
    )
    view = replace(
        CARD,
        reader=GERMAN,
        items=(item,),
        budget=("diesen Chat heute $1.20 von $10.00, hiermit höchstens $3.29",),
        decides="Genehmiger des Chats",
    )
    sha = item.foreign[0].sha256[:8], item.foreign[1].sha256[:8]
    found = plain(view).split("\n")
    assert found[:8] == [
        "Genehmigung K7Q2F: hf_jobs run",
        "1 x A100 80 GB (a100-large), stopped after 45 min",
        "Zahlt      acme-research   (das Modell wollte acme-prod)",
        "Höchstens  $2.09 = 50 min x $0.041667   (45 min + 5 to start, by started minute)"
        "   Preis live, 4 min alt",
        "Budget     diesen Chat heute $1.20 von $10.00, hiermit höchstens $3.29",
        "Hinweise   kostet Geld, unter fremdem Einfluss (gelesen: 2 Webseiten)",
        "Zuständig  Genehmiger des Chats; gefragt von Dana; schließt 14:32",
        f"Argumente  73 Byte, sha256 {sha[0]}...; Skript train.py, 4 Zeilen, sha256 {sha[1]}...",
    ]
    assert found[-3:] == [
        'Modell sagt (ungeprüft): "Fine-tune on the new split as agreed."',
        "Genehmigen: läuft einmal, genau wie gezeigt. Ablehnen: das Modell erfährt es."
        " Niemand bis 14:32: die Antwort hält an.",
        "Schreib  /approve K7Q2F   oder   /deny K7Q2F Grund   oder   /show K7Q2F",
    ]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Approved(by="Ann", at="13:41", running=True), "Genehmigt von Ann 13:41, läuft"),
        (
            Denied(by="Ann", at="13:41", reason="zu teuer", stopped=True),
            "Abgelehnt von Ann 13:41: zu teuer; die Antwort wurde angehalten",
        ),
        (Answered(by="Ann", at="13:41", words="train"), "Beantwortet von Ann 13:41: train"),
        (
            Closed(how="expired", at="14:32"),
            "Abgelaufen 14:32: niemand hat entschieden, die Antwort hielt an",
        ),
        (Closed(how="replaced", by="Dana"), "Ersetzt, Dana schrieb weiter"),
        (
            Closed(how="withdrawn", by="das Gateway", because="die Antwort endete"),
            "Zurückgezogen von das Gateway: die Antwort endete",
        ),
        (
            Ended(how="done", ran_s=720, spent=510_000, held=2_090_000),
            "Getan: lief 12 min, $0.51 (gebunden $2.09, frei $1.58)",
        ),
        (Ended(how="done", spent=0), "Getan: kostenlos"),
        (
            Ended(how="failed", because="boom", spent=None, held=2_090_000),
            "Fehlgeschlagen: boom; Kosten noch nicht bekannt (gebunden $2.09)",
        ),
        (Ended(how="unknown", held=2_090_000), "Lief vielleicht; $2.09 bleibt gebunden"),
    ],
)
def test_how_a_card_ends_in_german(outcome: Outcome, words: str) -> None:
    """Every end has its sentence."""
    assert spans_text(outcome_spans(outcome, GERMAN)) == words


def test_what_owners_are_asked_in_german() -> None:
    """Who asks to be let in, and which chat calls; ids, names and codes stay as they are."""
    pairing = Pairing(
        account="telegram:77",
        person="telegram:1002",
        state="open",
        code="K7QF2M9P",
        chat="telegram:1002",
        name="Ben",
        words="May I?",
        asked_at=0,
    )
    assert plain_text(pairing_card(pairing, GERMAN)).split("\n")[0] == (
        "Jemand Neues schreibt mir auf Telegram: telegram:1002, nennt sich Ben (ungeprüft)."
    )
    assert "Code K7QF-2M9P, gilt einen Tag." in plain_text(pairing_card(pairing, GERMAN))
    called = changed("we_joined", chat=ChatRef(account=TELEGRAM, chat_id="-900"))
    assert plain_text(chat_card(called, GERMAN)).startswith(
        "Ich wurde zu telegram:-900 hinzugefügt von telegram:1002 (Ben, ungeprüft)."
    )


def test_a_limit_in_german() -> None:
    """How the budget stands, what is missing, and who raises it."""
    limit = LimitReached(
        scope="diesen Chat heute",
        budget="dieses Chats für heute",
        limit=10_000_000,
        spent=9_800_000,
        held=150_000,
        needed=400_000,
        short_by=350_000,
        model="big-2",
        instead_of="big-1",
    )
    view = replace(LIMIT, reader=GERMAN, limit=limit, decides="Eigentümer")
    text = plain_text(face(view, inline=INLINE, fits=roomy).body)
    assert (
        "big-1 ist nicht verfügbar. Soll big-2 antworten, für höchstens $0.40? Das Budget dieses"
        " Chats für heute ist aufgebraucht ($9.80 von $10.00, $0.15 gebunden). Eigentümer können es"
        " unten erhöhen. Weitergehen braucht höchstens $0.40: es fehlen $0.35."
    ) in text
