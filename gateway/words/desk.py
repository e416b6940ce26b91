"""What commands about decisions and money answer."""

from typing import Final

from gateway.words.phrase import Phrase

NO_FORM: Final = Phrase(
    en="The form could not be opened.",
    de="Das Formular ließ sich nicht öffnen.",
)
APPROVE_USAGE: Final = Phrase(
    en="Write `{mark}approve CODE`; twice the code where a second word is asked for.",
    de="Schreib `{mark}approve CODE`; den Code zweimal, wo ein zweites Wort verlangt wird.",
)
DENY_USAGE: Final = Phrase(
    en="Write `{mark}deny CODE`, and why if you like.",
    de="Schreib `{mark}deny CODE`, und warum, wenn du magst.",
)
SHOW_USAGE: Final = Phrase(
    en="Write `{mark}show CODE`; `{mark}approvals` lists the codes.",
    de="Schreib `{mark}show CODE`; `{mark}approvals` zählt die Codes auf.",
)
ANSWER_USAGE: Final = Phrase(
    en="Write `{mark}answer CODE TEXT`.",
    de="Schreib `{mark}answer CODE TEXT`, mit deiner Antwort als TEXT.",
)
ASKED: Final = Phrase(
    en="- `{code}` {what}{more}, asked by {name}{queued}",
    de="- `{code}` {what}{more}, gefragt von {name}{queued}",
)
MORE: Final = Phrase(en=" and {count} more", de=" und {count} weitere")
QUEUED: Final = Phrase(en=", queued", de=", wartet noch")
NOTHING_WAITS: Final = Phrase(
    en="Nothing waits for a decision here.",
    de="Hier wartet nichts auf eine Entscheidung.",
)
AUTO_NEEDS_SESSION: Final = Phrase(
    en="Say something first; {mark}auto is for a session.",
    de="Schreib zuerst etwas; {mark}auto gilt für eine Sitzung.",
)
REVOKE_USAGE: Final = Phrase(
    en="Write `{mark}revoke ID`; `{mark}grants` lists them.",
    de="Schreib `{mark}revoke ID`; `{mark}grants` zählt sie auf.",
)
BUDGET_USAGE: Final = Phrase(
    en=(
        "Write `{mark}budget SCOPE $N`, for example `{mark}budget chat_day $5`: it raises by so"
        " much."
    ),
    de=(
        "Schreib `{mark}budget BEREICH $N`, zum Beispiel `{mark}budget chat_day $5`: das erhöht um"
        " so viel."
    ),
)
NO_LIMIT: Final = Phrase(
    en="No such limit can be raised here. There are: {known}.",
    de="Eine solche Grenze lässt sich hier nicht erhöhen. Es gibt: {known}.",
)
OWNERS_RAISE: Final = Phrase(en="Only owners raise it.", de="Nur Eigentümer erhöhen sie.")
APPROVERS_RAISE: Final = Phrase(en="Only approvers raise it.", de="Nur Genehmiger erhöhen sie.")
RAISED: Final = Phrase(
    en="The budget of {scope} is raised by {amount}.",
    de="Das Budget für {scope} ist um {amount} erhöht.",
)
LIMIT: Final = Phrase(
    en="- `{kind}` {scope}: {spent} spent, {held} held, {left} left of {limit}",
    de="- `{kind}` {scope}: {spent} ausgegeben, {held} zurückgehalten, {left} übrig von {limit}",
)
WHO_FREEZES: Final = Phrase(
    en="Owners freeze spending; chat approvers freeze their chat.",
    de="Eigentümer halten Ausgaben an; Genehmiger eines Chats halten ihren Chat an.",
)
FROZEN_EVERYWHERE: Final = Phrase(
    en="Spending is frozen everywhere. Deny works; {mark}unfreeze lets it go on.",
    de="Ausgaben sind überall angehalten. Ablehnen geht; {mark}unfreeze lässt sie weitergehen.",
)
FROZEN_HERE: Final = Phrase(
    en="Spending is frozen in this chat. Deny works; {mark}unfreeze lets it go on.",
    de=(
        "Ausgaben sind in diesem Chat angehalten. Ablehnen geht; {mark}unfreeze lässt sie"
        " weitergehen."
    ),
)
OWNER_UNFREEZES: Final = Phrase(
    en="Only an owner can unfreeze.",
    de="Nur ein Eigentümer kann Ausgaben wieder zulassen.",
)
STILL_FROZEN: Final = Phrase(
    en="It is still frozen by {name} ({scope}): {mark}unfreeze all.",
    de="Es ist noch angehalten von {name} ({scope}): {mark}unfreeze all.",
)
GOES_ON: Final = Phrase(en="Spending goes on.", de="Ausgaben gehen weiter.")
WAS_NOT_FROZEN: Final = Phrase(
    en="Nothing was frozen here.",
    de="Hier war nichts angehalten.",
)

THIS_TURN: Final = Phrase(en="this turn", de="diese Antwort")
THIS_SESSION: Final = Phrase(en="this session", de="diese Sitzung")
WHOLE: Final = Phrase(en="{mark}auto", de="das {mark}auto")
CHAT_TODAY: Final = Phrase(en="this chat today", de="diesen Chat heute")
REQUESTER_TODAY: Final = Phrase(en="the requester today", de="wer fragt, heute")
MONTH: Final = Phrase(en="everybody this month", de="alle in diesem Monat")
JOBS_TODAY: Final = Phrase(en="scheduled jobs today", de="geplante Aufträge heute")
GRANT: Final = Phrase(en="the grant", de="die Erlaubnis")
SPENDING: Final = Phrase(en="spending", de="Ausgaben")
