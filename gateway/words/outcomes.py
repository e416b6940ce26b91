"""How what was asked ended, as its card says it."""

from typing import Final

from gateway.words.phrase import Phrase

APPROVED: Final = Phrase(en="Approved by {name} {at}", de="Genehmigt von {name} {at}")
RUNNING: Final = Phrase(
    en="Approved by {name} {at}, running",
    de="Genehmigt von {name} {at}, läuft",
)
LAPSED: Final = Phrase(
    en="Approved by {name} {at}, could not start in time",
    de="Genehmigt von {name} {at}, konnte nicht rechtzeitig beginnen",
)
DENIED: Final = Phrase(en="Denied by {name} {at}", de="Abgelehnt von {name} {at}")
TURN_STOPPED: Final = Phrase(en="; the turn was stopped", de="; die Antwort wurde angehalten")
ANSWERED: Final = Phrase(en="Answered by {name} {at}", de="Beantwortet von {name} {at}")
EXPIRED: Final = Phrase(
    en="Expired {at}: nobody decided, the turn stopped",
    de="Abgelaufen {at}: niemand hat entschieden, die Antwort hielt an",
)
EXPIRED_AT_SOME_TIME: Final = Phrase(
    en="Expired: nobody decided, the turn stopped",
    de="Abgelaufen: niemand hat entschieden, die Antwort hielt an",
)
REPLACED: Final = Phrase(en="Replaced, {name} wrote on", de="Ersetzt, {name} schrieb weiter")
WITHDRAWN: Final = Phrase(en="Withdrawn", de="Zurückgezogen")
UNASKED: Final = Phrase(en="Nobody could be asked", de="Niemand konnte gefragt werden")
CANCELLED: Final = Phrase(en="Cancelled", de="Abgebrochen")
BY: Final = Phrase(en="{what} by {name}", de="{what} von {name}")
DONE: Final = Phrase(en="Done", de="Getan")
FAILED: Final = Phrase(en="Failed", de="Fehlgeschlagen")
MAY_HAVE_RUN: Final = Phrase(en="May have run", de="Lief vielleicht")
RAN: Final = Phrase(en="ran {span}", de="lief {span}")
STAYS_HELD: Final = Phrase(en="; {amount} stays held", de="; {amount} bleibt gebunden")

COST_UNKNOWN: Final = Phrase(
    en="cost not known yet (held {held})",
    de="Kosten noch nicht bekannt (gebunden {held})",
)
COST: Final = Phrase(en="{spent} (held {held})", de="{spent} (gebunden {held})")
COST_LESS: Final = Phrase(
    en="{spent} (held {held}, released {rest})",
    de="{spent} (gebunden {held}, frei {rest})",
)
COST_MORE: Final = Phrase(
    en="{spent} (held {held}, {rest} over)",
    de="{spent} (gebunden {held}, {rest} darüber)",
)

BY_GATEWAY: Final = Phrase(en="the gateway", de="das Gateway")
BY_RULES: Final = Phrase(en="the rules", de="die Regeln")
BY_TIME: Final = Phrase(en="time", de="die Zeit")

# -- why it ended without a decision

TURN_ENDED: Final = Phrase(en="turn ended", de="die Antwort endete")
ITS_TURN_ENDED: Final = Phrase(en="its turn has ended", de="seine Antwort ist zu Ende")
TOOL_CHANGED: Final = Phrase(
    en="the tool has changed since this was asked",
    de="das Werkzeug hat sich geändert, seit danach gefragt wurde",
)
ASKED_ANEW: Final = Phrase(
    en="asked of {who} as {code}",
    de="neu gefragt als {code}, zuständig: {who}",
)
STOPPED_BY: Final = Phrase(en="stopped by {name}", de="angehalten von {name}")
NOBODY_IN_TIME: Final = Phrase(
    en="nobody decided in time",
    de="niemand hat rechtzeitig entschieden",
)
TURN_HALTED: Final = Phrase(
    en="Stopped: approval {code}: {why}.",
    de="Angehalten: Genehmigung {code}: {why}.",
)
KNOWN_NOW: Final = Phrase(
    en="it is known by now what became of it",
    de="inzwischen ist bekannt, was daraus wurde",
)
NOT_IN_TIME: Final = Phrase(
    en="could not start in time",
    de="konnte nicht rechtzeitig beginnen",
)
NOT_LOOKED_UP: Final = Phrase(
    en="nobody could look up whether that still counts",
    de="niemand konnte nachsehen, ob das noch zählt",
)
NOT_ENTITLED: Final = Phrase(
    en="may not decide this any more",
    de="darf das nicht mehr entscheiden",
)
UNSENT: Final = Phrase(en="it could not be sent", de="sie ließ sich nicht senden")
LATE: Final = Phrase(
    en="it was not sent in 10 minutes",
    de="sie wurde in 10 Minuten nicht gesendet",
)
