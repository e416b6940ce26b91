"""What commands about a session answer."""

from typing import Final

from gateway.words.phrase import Phrase

SOMEONE: Final = Phrase(en="someone", de="jemand")
WITHDRAWN_ONE: Final = Phrase(
    en="Stopped; 1 waiting message withdrawn.",
    de="Angehalten; 1 wartende Nachricht zurückgenommen.",
)
WITHDRAWN: Final = Phrase(
    en="Stopped; {count} waiting messages withdrawn.",
    de="Angehalten; {count} wartende Nachrichten zurückgenommen.",
)
NOTHING_RUNS: Final = Phrase(en="Nothing is running here.", de="Hier läuft nichts.")
DONE: Final = Phrase(en="Done.", de="Erledigt.")
FAILED: Final = Phrase(
    en="This command failed on our side (ref {reference}).",
    de="Dieser Befehl ist auf unserer Seite gescheitert (Ref. {reference}).",
)

STATUS_MODEL: Final = Phrase(en="- Model: {model}", de="- Modell: {model}")
STATUS_TURNS: Final = Phrase(
    en="- This session: {count} turns",
    de="- Diese Sitzung: {count} Antworten",
)
STATUS_BUSY: Final = Phrase(
    en="- Now: an answer is being made, {count} waiting",
    de="- Jetzt: eine Antwort entsteht, {count} warten",
)
STATUS_IDLE: Final = Phrase(
    en="- Now: nothing is running, {count} waiting",
    de="- Jetzt: nichts läuft, {count} warten",
)
STATUS_ELSEWHERE: Final = Phrase(
    en="- Elsewhere: {count} running",
    de="- Anderswo: {count} laufen",
)
STATUS_CARDS: Final = Phrase(
    en="- Decisions: {count} wait here; `{mark}approvals` lists them",
    de="- Entscheidungen: {count} warten hier; `{mark}approvals` zählt sie auf",
)
STATUS_SPENT: Final = Phrase(
    en="- Spent in this chat today: {amount}",
    de="- Heute in diesem Chat ausgegeben: {amount}",
)
RESTS: Final = Phrase(
    en="- {model} rests for {seconds} s more ({cause})",
    de="- {model} ruht noch {seconds} s ({cause})",
)
ANSWERS_MEANWHILE: Final = Phrase(
    en="- {model} answers meanwhile",
    de="- {model} antwortet inzwischen",
)
NO_KEY: Final = Phrase(
    en="- {model} has no working key: its operator has to log in again or give another",
    de=(
        "- {model} hat keinen gültigen Schlüssel: der Betreiber muss sich neu anmelden oder einen"
        " anderen geben"
    ),
)
KEY_RESTS: Final = Phrase(
    en="- {model} is at its limit or out of credit; its key rests for {minutes} min more",
    de=(
        "- {model} ist an seiner Grenze oder ohne Guthaben; sein Schlüssel ruht noch {minutes} min"
    ),
)

THIS_SESSION: Final = Phrase(en="(this session)", de="(diese Sitzung)")
MODEL_USAGE: Final = Phrase(
    en="`{mark}model NAME` chooses, `{mark}model default` goes back.",
    de="`{mark}model NAME` wählt, `{mark}model default` geht zurück.",
)
NO_MODEL: Final = Phrase(
    en="There is no model `{name}` here. There are: {names}.",
    de="Das Modell `{name}` gibt es hier nicht. Es gibt: {names}.",
)
MODEL_CHOSEN: Final = Phrase(
    en="From the next turn on, this session uses {model}.",
    de="Ab der nächsten Antwort benutzt diese Sitzung {model}.",
)

WHO_YOU: Final = Phrase(en="- You: `{person}`", de="- Du: `{person}`")
WHO_LINKED: Final = Phrase(
    en="- Also you: {linked}",
    de="- Auch du: {linked}",
)
WHO_RIGHTS: Final = Phrase(en="- Here you are: {rights}", de="- Hier bist du: {rights}")
OWNER: Final = Phrase(en="owner", de="Eigentümer")
APPROVER: Final = Phrase(en="approver", de="Genehmiger")
MEMBER: Final = Phrase(en="someone who may ask", de="jemand, der fragen darf")
NOBODY_CAN_TELL: Final = Phrase(
    en="someone who may ask (the platform could not be asked about approvers)",
    de="jemand, der fragen darf (die Plattform war nach Genehmigern nicht zu fragen)",
)
WHO_CHAT: Final = Phrase(en="- Chat: `{chat}`", de="- Chat hier: `{chat}`")
WHO_SESSION: Final = Phrase(en="- Session: `{key}`", de="- Sitzung: `{key}`")

AT_IT: Final = Phrase(
    en=(
        "I am still at it, or something waits for a decision here. `{mark}stop` ends it; then"
        " again."
    ),
    de=(
        "Ich bin noch dabei, oder etwas wartet hier auf eine Entscheidung. `{mark}stop` beendet"
        " es; dann nochmal."
    ),
)
NO_PAST: Final = Phrase(
    en="There is nothing of this session to go back to.",
    de="Von dieser Sitzung gibt es nichts, wohin man zurückgehen könnte.",
)
TAKEN_BACK: Final = Phrase(en="Taken back: {words}.", de="Zurückgenommen: {words}.")
STAYS_DONE: Final = Phrase(
    en="{text} What was done stays done:",
    de="{text} Was getan wurde, bleibt getan:",
)
NO_WORDS: Final = Phrase(en="(no words)", de="(keine Worte)")
NOTHING_TO_CONDENSE: Final = Phrase(
    en="There is nothing to condense yet.",
    de="Es gibt noch nichts zusammenzufassen.",
)
CONDENSES: Final = Phrase(
    en="I condense the older part of this chat before my next answer here.",
    de="Ich fasse den älteren Teil dieses Chats vor meiner nächsten Antwort hier zusammen.",
)
EFFORT: Final = Phrase(
    en="This session thinks at `{level}`. `{mark}effort LEVEL` changes it: {levels}.",
    de="Diese Sitzung denkt mit `{level}`. `{mark}effort LEVEL` ändert es: {levels}.",
)
NO_LEVEL: Final = Phrase(
    en="There is no such level. There are: {levels}.",
    de="Diese Stufe gibt es nicht. Es gibt: {levels}.",
)
EFFORT_CHOSEN: Final = Phrase(
    en=(
        "From the next turn on, this session thinks at `{level}`, or at the nearest level its"
        " model allows."
    ),
    de=(
        "Ab der nächsten Antwort denkt diese Sitzung mit `{level}`, oder mit der nächsten Stufe,"
        " die ihr Modell erlaubt."
    ),
)
JOIN: Final = Phrase(
    en="what is written while I answer joins that answer",
    de="was während einer Antwort geschrieben wird, kommt in diese Antwort",
)
QUEUE: Final = Phrase(
    en="what is written while I answer waits for its own answer",
    de="was während einer Antwort geschrieben wird, wartet auf eine eigene",
)
INTERRUPT: Final = Phrase(
    en="what is written while I answer makes me begin anew with it",
    de="was während einer Antwort geschrieben wird, lässt mich damit neu beginnen",
)
BUSY: Final = Phrase(
    en="`{mode}`: {what}. `{mark}busy MODE` changes it: {modes}.",
    de="`{mode}`: {what}. `{mark}busy MODE` ändert es: {modes}.",
)
NO_MODE: Final = Phrase(
    en="There is no such mode. There are: {modes}.",
    de="Diese Art gibt es nicht. Es gibt: {modes}.",
)
BUSY_CHOSEN: Final = Phrase(
    en="From the next turn on: {what}.",
    de="Ab der nächsten Antwort: {what}.",
)
