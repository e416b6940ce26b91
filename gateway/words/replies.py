"""What stands under an answer, or in its place: one plain sentence with what to do."""

from typing import Final

from gateway.words.phrase import Phrase

WORKING: Final = Phrase(en="Working on it", de="Bin dabei")
REFERRED: Final = Phrase(en="{sentence} (ref {reference})", de="{sentence} (Ref. {reference})")
FILTERED: Final = Phrase(
    en=(
        "The provider's safety filter stopped this answer. Rephrase it, or start fresh with"
        " {mark}new."
    ),
    de=(
        "Der Sicherheitsfilter des Anbieters hat diese Antwort angehalten. Formuliere es anders,"
        " oder fang mit {mark}new neu an."
    ),
)
OUR_SIDE: Final = Phrase(
    en="Something in this request went wrong on our side. Its operator can look it up.",
    de=(
        "Bei dieser Anfrage ist auf unserer Seite etwas schiefgegangen. Der Betreiber kann es"
        " nachsehen."
    ),
)
CUT_BY_LENGTH: Final = Phrase(
    en='The answer reached the length limit. Say "continue".',
    de='Die Antwort hat die Längengrenze erreicht. Sag "weiter".',
)
CUT_BY_FAILURE: Final = Phrase(
    en='The connection broke here; this is not the whole answer. Say "retry".',
    de='Die Verbindung brach hier ab; das ist nicht die ganze Antwort. Sag "nochmal".',
)
EMPTY: Final = Phrase(
    en="The model finished without an answer. Ask for a smaller piece, or lower {mark}effort.",
    de=(
        "Das Modell endete ohne Antwort. Frag nach einem kleineren Stück, oder senke {mark}effort."
    ),
)
STEP_LIMIT: Final = Phrase(
    en='I stopped after {reached} without finishing. Say "continue" to go on.',
    de='Ich habe nach {reached} aufgehört, ohne fertig zu sein. Sag "weiter", um weiterzumachen.',
)
MANY_STEPS: Final = Phrase(en="many steps", de="vielen Schritten")
LOOP: Final = Phrase(
    en=("I kept repeating the same action without progress, so I stopped. Tell me what to change."),
    de=(
        "Ich habe dasselbe ohne Fortschritt wiederholt und deshalb aufgehört. Sag mir, was anders"
        " sein soll."
    ),
)
UNUSABLE_CALLS: Final = Phrase(
    en="The model kept producing unusable tool calls, so I stopped. None of those was run.",
    de=(
        "Das Modell hat immer wieder unbrauchbare Werkzeugaufrufe gemacht, deshalb habe ich"
        " aufgehört. Keiner davon wurde ausgeführt."
    ),
)
ATTENTION: Final = Phrase(
    en="This bot's model account needs attention ({what}). Its operator has been told.",
    de="Um das Modellkonto dieses Bots muss sich jemand kümmern ({what}). Der Betreiber weiß es.",
)
LOGIN: Final = Phrase(en="login", de="Anmeldung")
CREDIT: Final = Phrase(en="credit", de="Guthaben")
UNTRUSTED: Final = Phrase(
    en="The connection to the model could not be trusted, so I did not use it.",
    de="Der Verbindung zum Modell war nicht zu trauen, deshalb habe ich sie nicht benutzt.",
)
AGENT_STOPPED: Final = Phrase(
    en=(
        'The coding agent on this host stopped. Say "retry"; its operator has been told if it must'
        " log in."
    ),
    de=(
        'Der Programmieragent auf diesem Rechner hat aufgehört. Sag "nochmal"; der Betreiber weiß'
        " es, falls er sich anmelden muss."
    ),
)
UNREACHABLE: Final = Phrase(
    en='I could not reach a model just now. Nothing is lost: say "retry" in a moment.',
    de='Ich konnte gerade kein Modell erreichen. Nichts ist verloren: sag gleich "nochmal".',
)
LIMITED_UNTIL: Final = Phrase(
    en='The model is at its usage limit until {until}. Say "retry" then.',
    de='Das Modell hat bis {until} seine Nutzungsgrenze erreicht. Sag dann "nochmal".',
)
LIMITED: Final = Phrase(
    en='The model is at its usage limit just now. Say "retry" in a minute.',
    de='Das Modell hat gerade seine Nutzungsgrenze erreicht. Sag in einer Minute "nochmal".',
)
NOT_AVAILABLE: Final = Phrase(
    en="The model {model} is not available to this bot ({what}). {mark}model shows what is.",
    de="Das Modell {model} hat dieser Bot nicht ({what}). {mark}model zeigt, was es gibt.",
)
PLAN: Final = Phrase(en="plan", de="Tarif")
NAME: Final = Phrase(en="name", de="Name")
SETTINGS: Final = Phrase(en="settings", de="Einstellungen")
TOO_LARGE: Final = Phrase(
    en="This message is too large for the model{count}. Send less, or as a file.",
    de="Diese Nachricht ist zu groß für das Modell{count}. Schick weniger, oder als Datei.",
)
COUNT: Final = Phrase(en=" ({tokens:,} of {limit:,} tokens)", de=" ({tokens} von {limit} Token)")
STOPPED: Final = Phrase(en="Stopped by {name}.", de="Angehalten von {name}.")
DOUBTS: Final = Phrase(
    en=" This was under way and may have taken effect: {doubts}.",
    de=" Das war im Gange und kann gewirkt haben: {doubts}.",
)
UNDONE: Final = Phrase(
    en="Not done for the coding agent: {what}. {why}.",
    de="Nicht getan für den Programmieragenten: {what}. {why}.",
)
TOO_LATE: Final = Phrase(
    en="Approved too late, and not asked for again",
    de="Zu spät genehmigt, und nicht noch einmal angefragt",
)
UNDONE_MORE: Final = Phrase(
    en="{count} more things were not done for the coding agent.",
    de="{count} weitere Dinge wurden für den Programmieragenten nicht getan.",
)
SWITCHED: Final = Phrase(
    en="Answered by {served}; {primary} is resting.",
    de="Beantwortet von {served}; {primary} ruht.",
)
BACK: Final = Phrase(en="Back on {primary}.", de="Wieder bei {primary}.")
WAITING: Final = Phrase(
    en="Waiting for {provider} until {until}; {mark}stop ends it.",
    de="Warte auf {provider} bis {until}; {mark}stop beendet es.",
)
STUCK: Final = Phrase(
    en=(
        "I stopped after {minutes} minutes without any sign of progress. Ask again, or for less at"
        " once (ref {reference})."
    ),
    de=(
        "Ich habe nach {minutes} Minuten ohne Zeichen von Fortschritt aufgehört. Frag nochmal, oder"
        " nach weniger auf einmal (Ref. {reference})."
    ),
)
WHOLE_IN_FILE: Final = Phrase(
    en="The whole answer is in the file {name}.",
    de="Die ganze Antwort steht in der Datei {name}.",
)
STILL_AT_WORK: Final = Phrase(
    en="Still at work on what came before; this is next.",
    de="Noch bei dem, was vorher kam; das hier ist das Nächste.",
)
WAITS: Final = Phrase(
    en="{code} waits for a decision; what was written meanwhile is next.",
    de="{code} wartet auf eine Entscheidung; was inzwischen geschrieben wurde, ist das Nächste.",
)
WORK_ELSEWHERE: Final = Phrase(
    en="Work elsewhere goes on; what was written meanwhile is next.",
    de="Anderswo läuft noch Arbeit; was inzwischen geschrieben wurde, ist das Nächste.",
)
STOPPED_BEFORE: Final = Phrase(en="Stopped.", de="Angehalten.")
FRESH: Final = Phrase(
    en="Fresh session. The old one is kept.",
    de="Neue Sitzung. Die alte bleibt aufbewahrt.",
)
TOO_LONG_A_MESSAGE: Final = Phrase(
    en="This message is too large ({count:,} of {limit:,} characters). Send less, or in parts.",
    de="Diese Nachricht ist zu groß ({count} von {limit} Zeichen). Schick weniger, oder in Teilen.",
)
FORM_OVER: Final = Phrase(
    en=(
        "This came too late, or was answered already; nothing was done with it. Press the button"
        " again."
    ),
    de=(
        "Das kam zu spät oder war schon beantwortet; damit ist nichts geschehen. Drück den Knopf"
        " noch einmal."
    ),
)
