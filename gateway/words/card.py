"""What stands on a card: its title, its lines, what each choice does."""

from typing import Final

from gateway.words.phrase import Phrase

# -- titles

CALL: Final = Phrase(en="Approval {code}: {what}", de="Genehmigung {code}: {what}")
CALLS: Final = Phrase(
    en="Approval {code}: {count} calls, {sums} together",
    de="Genehmigung {code}: {count} Aufrufe, zusammen {sums}",
)
QUESTION: Final = Phrase(en="Question {code}: {what}", de="Frage {code}: {what}")
LIMIT: Final = Phrase(en="Limit {code}: {what}", de="Grenze {code}: {what}")
IN_DOUBT: Final = Phrase(en="In doubt {code}: {what}", de="Im Zweifel {code}: {what}")

# -- labels; but for a grant's of nine characters at most, so that all lines hang alike

PAYER: Final = Phrase(en="Payer", de="Zahlt")
AT_MOST: Final = Phrase(en="At most", de="Höchstens")
HELD: Final = Phrase(en="Held", de="Gebunden")
BUDGET: Final = Phrase(en="Budget", de="Budget")
FLAGS: Final = Phrase(en="Flags", de="Hinweise")
EDITED: Final = Phrase(en="Edited", de="Geändert")
EARLIER: Final = Phrase(en="Earlier", de="Vorher")
DECIDES: Final = Phrase(en="Decides", de="Zuständig")
VOTES: Final = Phrase(en="Votes", de="Stimmen")
GRANT: Final = Phrase(en="For this chat", de="Für diesen Chat")
ARGUMENTS: Final = Phrase(en="Arguments", de="Argumente")

# -- lines

OF_SEVERAL: Final = Phrase(en="{number} of {count}: ", de="{number} von {count}: ")
BEGAN: Final = Phrase(
    en="It began {at}; its end is not known, and it was not run again.",
    de="Er begann {at}; sein Ende ist nicht bekannt, und er lief nicht noch einmal.",
)
END_UNKNOWN: Final = Phrase(
    en="Its end is not known, and it was not run again.",
    de="Sein Ende ist nicht bekannt, und er lief nicht noch einmal.",
)
ASKED_PAYER: Final = Phrase(
    en="{payer}   (the model asked for {asked})",
    de="{payer}   (das Modell wollte {asked})",
)
UNTIL_KNOWN: Final = Phrase(
    en="{amount} until it is known",
    de="{amount}, bis es bekannt ist",
)
EDITED_BY: Final = Phrase(en="by {name}", de="von {name}")
AND_MORE: Final = Phrase(en=", and {count} more", de=", und {count} weitere")
ASKED_BY: Final = Phrase(en="asked by {name}", de="gefragt von {name}")
CLOSES: Final = Phrase(en="closes {at}", de="schließt {at}")
PAGE: Final = Phrase(
    en="Calls {first} to {last} of {count}",
    de="Aufrufe {first} bis {last} von {count}",
)
BYTES_HIDDEN: Final = Phrase(
    en="... {count} bytes of arguments are not shown here ...",
    de="... {count} Byte der Argumente stehen nicht hier ...",
)
CHARACTERS_HIDDEN: Final = Phrase(
    en="... {count} of {all} characters are not shown here ...",
    de="... {count} von {all} Zeichen stehen nicht hier ...",
)
EMPTY: Final = Phrase(en="(empty)", de="(leer)")
BYTES: Final = Phrase(
    en="{count} bytes, sha256 {digest}",
    de="{count} Byte, sha256 {digest}",
)
ONE_LINE: Final = Phrase(
    en="{what} {name}, 1 line, sha256 {digest}",
    de="{what} {name}, 1 Zeile, sha256 {digest}",
)
LINES: Final = Phrase(
    en="{what} {name}, {count} lines, sha256 {digest}",
    de="{what} {name}, {count} Zeilen, sha256 {digest}",
)
SCRIPT: Final = Phrase(en="script", de="Skript")
ARGUMENTS_OF: Final = Phrase(en="arguments, {what}", de="Argumente, {what}")
ALL_OF_IT: Final = Phrase(
    en="Approval {code}: all that runs",
    de="Genehmigung {code}: alles, was läuft",
)
PART_OF_IT: Final = Phrase(
    en="Approval {code}: all that runs, part {number} of {count}",
    de="Genehmigung {code}: alles, was läuft, Teil {number} von {count}",
)
CHANGE: Final = Phrase(en="What was changed:", de="Was geändert wurde:")
CHANGE_BEGINS: Final = Phrase(
    en="How the change begins:",
    de="Wie die Änderung beginnt:",
)
MODEL_SAYS: Final = Phrase(
    en='Model says (not checked): "{words}"',
    de='Modell sagt (ungeprüft): "{words}"',
)
MODEL_SAYS_BELOW: Final = Phrase(
    en="Model says (not checked):",
    de="Modell sagt (ungeprüft):",
)

# -- money

FREE: Final = Phrase(en="free", de="kostenlos")
PRICE_UNKNOWN: Final = Phrase(en="price unknown", de="Preis unbekannt")
MOST: Final = Phrase(en="at most {amount}", de="höchstens {amount}")
PRICE_FROM: Final = Phrase(en="price {source}", de="Preis {source}")
PRICE_AGED: Final = Phrase(
    en="price {source}, {age} old",
    de="Preis {source}, {age} alt",
)
UNKNOWN_PRICE: Final = Phrase(
    en="price unknown; an owner may type a ceiling",
    de="Preis unbekannt; ein Eigentümer darf eine Obergrenze nennen",
)
UNKNOWN_LIMIT: Final = Phrase(
    en="price unknown; nothing bounds it",
    de="Preis unbekannt; nichts begrenzt ihn",
)
UNKNOWN_ENDLESS: Final = Phrase(
    en="price unknown; it acts again until it is ended, an owner types a cap",
    de=(
        "Preis unbekannt; es handelt immer wieder, bis es beendet wird, ein Eigentümer nennt eine"
        " Obergrenze"
    ),
)
UNKNOWN_SUSPECT: Final = Phrase(
    en="price unknown; the last estimate was too low, an owner has to clear it",
    de="Preis unbekannt; die letzte Schätzung war zu niedrig, ein Eigentümer muss sie freigeben",
)
CHAT_BUDGET: Final = Phrase(
    en="{scope} {gone} of {limit}, at most {after} with this",
    de="{scope} {gone} von {limit}, hiermit höchstens {after}",
)
PERSON_BUDGET: Final = Phrase(
    en="{name} today {gone} of {limit}",
    de="{name} heute {gone} von {limit}",
)
WHOEVER_ASKED: Final = Phrase(en="whoever asked", de="wer gefragt hat")
SOMEONE: Final = Phrase(en="someone", de="jemand")
VOTES_TO: Final = Phrase(
    en="{names} (at most {amount})",
    de="{names} (höchstens {amount})",
)

# -- a limit

NOTHING_SPENT: Final = Phrase(
    en="Nothing is spent here now: {because}",
    de="Hier wird jetzt nichts ausgegeben: {because}",
)
STOPPED_BY: Final = Phrase(
    en="spending is stopped by {name}: {reason}",
    de="Ausgaben sind angehalten von {name}: {reason}",
)
ANOTHER_MODEL: Final = Phrase(
    en="{model} is unavailable. Answer with {other} for at most {amount}? ",
    de="{model} ist nicht verfügbar. Soll {other} antworten, für höchstens {amount}? ",
)
USED_UP: Final = Phrase(
    en="The {budget} budget is used up ({spent} of {limit}).",
    de="Das Budget {budget} ist aufgebraucht ({spent} von {limit}).",
)
USED_UP_HELD: Final = Phrase(
    en="The {budget} budget is used up ({spent} of {limit}, {held} held).",
    de="Das Budget {budget} ist aufgebraucht ({spent} von {limit}, {held} gebunden).",
)
CAN_RAISE: Final = Phrase(
    en=" {who} can raise it below.",
    de=" {who} können es unten erhöhen.",
)
SHORT: Final = Phrase(
    en=" Going on needs at most {needed}: {short} short.",
    de=" Weitergehen braucht höchstens {needed}: es fehlen {short}.",
)
OF_TURN: Final = Phrase(en="turn's", de="dieser Antwort")
OF_SESSION: Final = Phrase(en="session's", de="dieser Sitzung")
OF_AUTO: Final = Phrase(en="{mark}auto", de="von {mark}auto")
OF_CHAT_DAY: Final = Phrase(en="chat's daily", de="dieses Chats für heute")
OF_USER_DAY: Final = Phrase(en="requester's daily", de="dessen, der fragt, für heute")
OF_MONTH: Final = Phrase(en="monthly", de="dieses Monats")
OF_JOBS: Final = Phrase(en="scheduled jobs' daily", de="geplanter Aufträge für heute")
OF_GRANT: Final = Phrase(en="grant's", de="der Erlaubnis")

# -- who decides

DECIDED_BY_REQUESTER: Final = Phrase(
    en="whoever asked, chat approvers, owners",
    de="wer gefragt hat, Genehmiger des Chats, Eigentümer",
)
DECIDED_BY_APPROVERS: Final = Phrase(
    en="chat approvers, owners",
    de="Genehmiger des Chats, Eigentümer",
)
DECIDED_BY_OWNERS: Final = Phrase(en="owners", de="Eigentümer")
TWO_OF: Final = Phrase(
    en="two of: {who} (not whoever asked)",
    de="zwei von: {who} (nicht, wer gefragt hat)",
)

# -- what each choice does

NOT_ALL_SHOWN: Final = Phrase(
    en="Not all of it stands here: Approve works for who has pressed Show all.",
    de="Nicht alles davon steht hier: Genehmigen kann, wer Alles zeigen gedrückt hat.",
)
DOES_ALL_UNKNOWN: Final = Phrase(
    en="Not all of it has a known price: decide it one by one. Deny all: the model is told.",
    de=(
        "Nicht alles davon hat einen bekannten Preis: entscheide es einzeln. Alle ablehnen: das"
        " Modell erfährt es."
    ),
)
DOES_CEILING: Final = Phrase(
    en="Approve: an owner types what it may cost at most. Deny: the model is told.",
    de=(
        "Genehmigen: ein Eigentümer schreibt, was es höchstens kosten darf. Ablehnen: das Modell"
        " erfährt es."
    ),
)
DOES_UNBOUNDED: Final = Phrase(
    en="Nobody can approve it as it is: edit it or deny it.",
    de="Niemand kann ihn genehmigen, wie er ist: ändere ihn oder lehn ihn ab.",
)
DOES_ALL: Final = Phrase(
    en="Approve all: each runs once, exactly as shown. Deny all: the model is told.",
    de=(
        "Alle genehmigen: jeder läuft einmal, genau wie gezeigt. Alle ablehnen: das Modell erfährt"
        " es."
    ),
)
DOES_CALL: Final = Phrase(
    en="Approve: runs once, exactly as shown. Deny: the model is told.",
    de="Genehmigen: läuft einmal, genau wie gezeigt. Ablehnen: das Modell erfährt es.",
)
DOES_QUESTION: Final = Phrase(
    en="An answer goes to the model as yours. Deny: it is told that nobody answers.",
    de="Eine Antwort geht an das Modell als deine. Ablehnen: es erfährt, dass niemand antwortet.",
)
DOES_FROZEN: Final = Phrase(
    en=(
        "The reply so far is kept and no model call is repeated. Go on, once it may: the turn goes"
        " on. Stop: it ends here."
    ),
    de=(
        "Was schon geantwortet ist, bleibt, und kein Modellaufruf wird wiederholt. Weiter, sobald"
        " es darf: die Antwort geht weiter. Anhalten: sie endet hier."
    ),
)
DOES_LIMIT: Final = Phrase(
    en=(
        "The reply so far is kept and no model call is repeated. Raise: the turn goes on. Stop: it"
        " ends here."
    ),
    de=(
        "Was schon geantwortet ist, bleibt, und kein Modellaufruf wird wiederholt. Erhöhen: die"
        " Antwort geht weiter. Anhalten: sie endet hier."
    ),
)
DOES_DOUBT: Final = Phrase(
    en=(
        "Mark done: the model is told that it took effect. Run again: a new approval. Skip: it is"
        " not run again."
    ),
    de=(
        "Als getan vermerken: das Modell erfährt, dass er gewirkt hat. Noch einmal: eine neue"
        " Genehmigung. Auslassen: er läuft nicht noch einmal."
    ),
)
NOBODY_BY: Final = Phrase(
    en="Nobody by {at}: the turn stops.",
    de="Niemand bis {at}: die Antwort hält an.",
)
REPLY: Final = Phrase(en="Reply  {commands}", de="Schreib  {commands}")
OR: Final = Phrase(en="   or   ", de="   oder   ")
REASON: Final = Phrase(en="reason", de="Grund")
YOUR_WORDS: Final = Phrase(en="your words", de="deine Worte")

# -- lines beside cards

WAITS_IN_QUEUE: Final = Phrase(
    en="Approval {code} waits until others here are decided.",
    de="Genehmigung {code} wartet, bis andere hier entschieden sind.",
)
ASKED_ELSEWHERE: Final = Phrase(
    en="Approval {code} is asked of {who} elsewhere.",
    de="Genehmigung {code} wird anderswo angefragt, zuständig: {who}.",
)
REMINDER: Final = Phrase(
    en="Approval {code} still waits; it closes {at}. `{mark}show {code}` shows it.",
    de="Genehmigung {code} wartet noch; sie schließt {at}. `{mark}show {code}` zeigt sie.",
)
ASKED_BEFORE: Final = Phrase(
    en="asked as {code} before it changed",
    de="gefragt als {code}, bevor es sich änderte",
)
APPROVED_BEFORE: Final = Phrase(
    en="approved by {name} {at}, {because}",
    de="genehmigt von {name} {at}, {because}",
)
KNOWN_OF_DOUBT: Final = Phrase(
    en=(
        "Tool {tool}, call {call}, turn t{turn}, asked for by {name}.\nBegun: {began}. It was cut"
        " off before it ended; no result was stored. Found at: {found}.\nArguments:"
    ),
    de=(
        "Werkzeug {tool}, Aufruf {call}, Antwort t{turn}, verlangt von {name}.\nBegonnen: {began}."
        " Er wurde abgebrochen, bevor er endete; kein Ergebnis ist gespeichert. Gefunden:"
        " {found}.\nArgumente:"
    ),
)
RECEIPT: Final = Phrase(
    en="{mark}auto: {what}, {cost}; {left} left until {at}.",
    de="{mark}auto: {what}, {cost}; {left} übrig bis {at}.",
)
