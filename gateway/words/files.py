"""Why a file was not read, for the people of its chat and, in English, for the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.words.phrase import ENGLISH, Phrase, Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A reason in every language; it ends a sentence."""

    phrase: Phrase
    fields: Mapping[str, object] = field(default_factory=dict)

    def to(self, reader: Reader) -> str:
        """Say it to a reader."""
        return self.phrase.to(reader, **self.fields)

    def __str__(self) -> str:
        return self.to(ENGLISH)


def because(phrase: Phrase, **fields: object) -> Why:
    """A reason with its fields."""
    return Why(phrase=phrase, fields=fields)


NOT_READ: Final = Phrase(en="Not read: {files}.", de="Nicht gelesen: {files}.")
PICTURE: Final = Phrase(en="a picture", de="ein Bild")
RECORDING: Final = Phrase(en="a recording", de="eine Aufnahme")
VOICE_NOTE: Final = Phrase(en="a voice note", de="eine Sprachnachricht")
FILE: Final = Phrase(en="a file", de="eine Datei")

GONE: Final = Phrase(en="it is no longer there", de="nicht mehr da")
NO_RIGHT: Final = Phrase(
    en="the gateway has no right to read it", de="das Gateway darf sie nicht lesen"
)
NOT_HANDED_OUT: Final = Phrase(
    en="its platform does not hand it out", de="die Plattform gibt sie nicht heraus"
)
LARGER_THAN_HANDED_OUT: Final = Phrase(
    en="it is larger than its platform hands out", de="größer, als die Plattform herausgibt"
)
NOT_CONNECTED: Final = Phrase(
    en="its platform is not connected", de="die Plattform ist nicht verbunden"
)
NOT_FOUND: Final = Phrase(
    en="its platform did not say where it is", de="die Plattform hat nicht gesagt, wo sie liegt"
)
TOO_SLOW: Final = Phrase(
    en="it took longer than {seconds} seconds", de="es dauerte länger als {seconds} Sekunden"
)
SILENT: Final = Phrase(en="its server went silent", de="der Server ist verstummt")
UNREACHABLE: Final = Phrase(
    en="its server could not be reached", de="der Server war nicht zu erreichen"
)
NOT_GIVEN: Final = Phrase(
    en="its server did not give it out", de="der Server hat sie nicht herausgegeben"
)
PRIVATE: Final = Phrase(en="it lies on a private network", de="sie liegt in einem privaten Netz")
ELSEWHERE: Final = Phrase(
    en="it is served from somewhere else", de="sie wird von woanders ausgeliefert"
)
LEADS_ON: Final = Phrase(en="its server leads on and on", de="der Server leitet immer weiter")
A_PAGE: Final = Phrase(en="a web page came in its place", de="an ihrer Stelle kam eine Webseite")
TOO_LARGE: Final = Phrase(en="it is larger than {size}", de="größer als {size}")
ALL_TOO_LARGE: Final = Phrase(
    en="all files of the message together are too large",
    de="alle Dateien der Nachricht zusammen sind zu groß",
)
TOO_MANY: Final = Phrase(
    en="only {count} files of a message are read",
    de="von einer Nachricht werden nur {count} Dateien gelesen",
)
OUR_SIDE: Final = Phrase(
    en="something went wrong on our side", de="auf unserer Seite ist etwas schiefgegangen"
)
NO_PICTURE: Final = Phrase(en="it is no PNG, JPEG, GIF or WebP", de="kein PNG, JPEG, GIF oder WebP")
OTHER_PICTURE: Final = Phrase(
    en="it is no PNG, JPEG, GIF or WebP ({mime})", de="kein PNG, JPEG, GIF oder WebP ({mime})"
)
LARGE_ANIMATION: Final = Phrase(
    en="it is an animation that is too large", de="eine zu große Animation"
)
DAMAGED: Final = Phrase(
    en="it is damaged, or has too many pixels", de="beschädigt, oder mit zu vielen Bildpunkten"
)

NOBODY_HEARS: Final = Phrase(
    en="nobody transcribes voice notes here", de="hier schreibt niemand Sprachnachrichten auf"
)
TOO_LONG: Final = Phrase(
    en="it is longer than {minutes} minutes", de="länger als {minutes} Minuten"
)
NO_WORDS: Final = Phrase(en="it has no words in it", de="es sind keine Worte darin")
FROZEN: Final = Phrase(en="spending is frozen here", de="Ausgaben sind hier eingefroren")
NO_ROOM: Final = Phrase(
    en="the budget has no room to transcribe it",
    de="das Budget reicht nicht, um sie aufzuschreiben",
)
UNHEARD_KIND: Final = Phrase(
    en="recordings of this kind can't be transcribed",
    de="Aufnahmen dieser Art können nicht aufgeschrieben werden",
)
SERVICE_DOWN: Final = Phrase(
    en="the transcription service is down", de="der Dienst zum Aufschreiben antwortet nicht"
)
SERVICE_BROKE: Final = Phrase(
    en="the transcription service broke off", de="der Dienst zum Aufschreiben brach ab"
)
SERVICE_KEY: Final = Phrase(
    en="the transcription service refuses its key",
    de="der Dienst zum Aufschreiben weist den Schlüssel ab",
)
SERVICE_BUSY: Final = Phrase(
    en="the transcription service is busy or out of credit",
    de="der Dienst zum Aufschreiben ist überlastet oder ohne Guthaben",
)
SERVICE_REFUSES: Final = Phrase(
    en="the transcription service does not take it",
    de="der Dienst zum Aufschreiben nimmt sie nicht",
)
SERVICE_FAILS: Final = Phrase(
    en="the transcription service gave no transcript",
    de="der Dienst zum Aufschreiben hat nichts aufgeschrieben",
)
