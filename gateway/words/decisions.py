"""What whoever presses or types a decision reads. The audit keeps the English of it."""

from typing import Final

from gateway.words.phrase import Phrase

NOTHING: Final = Phrase(
    en="There is nothing to decide here (any more).",
    de="Hier ist nichts (mehr) zu entscheiden.",
)
CHANGED: Final = Phrase(
    en="The card changed; look again.",
    de="Die Karte hat sich geändert; sieh noch einmal hin.",
)
TURN_ENDED: Final = Phrase(
    en="Its turn has ended; there is nothing to decide.",
    de="Die Antwort, zu der sie gehört, ist zu Ende; es gibt nichts zu entscheiden.",
)
IN_QUEUE: Final = Phrase(
    en="It waits until others in this chat are decided.",
    de="Sie wartet, bis andere in diesem Chat entschieden sind.",
)
TIME_OVER: Final = Phrase(en="Its time is over.", de="Ihre Zeit ist abgelaufen.")
NOT_LOOKED_UP: Final = Phrase(
    en="Nobody could look up what you may decide here; try again.",
    de="Was du hier entscheiden darfst, ließ sich nicht nachsehen; versuch es noch einmal.",
)
ONLY_REQUESTER: Final = Phrase(
    en="Only whoever asked, or an approver, can decide this.",
    de="Nur wer gefragt hat, oder ein Genehmiger, kann das entscheiden.",
)
ONLY_APPROVERS: Final = Phrase(
    en="Only chat approvers can decide this.",
    de="Nur Genehmiger dieses Chats können das entscheiden.",
)
ONLY_OWNERS: Final = Phrase(
    en="Only owners can decide this.",
    de="Nur Eigentümer können das entscheiden.",
)
AMOUNT_USAGE: Final = Phrase(
    en="Write an amount in dollars, such as 2.50.",
    de="Schreib einen Betrag in Dollar, etwa 2.50.",
)
COSTS_MORE: Final = Phrase(
    en="It may cost up to {amount}, which is more.",
    de="Es kann bis zu {amount} kosten, und das ist mehr.",
)
WRITE_ANSWER: Final = Phrase(
    en="Write what the model is to read.",
    de="Schreib, was das Modell lesen soll.",
)
ONE_BY_ONE: Final = Phrase(
    en="Not all of it has a known price: decide it one by one.",
    de="Nicht alles davon hat einen bekannten Preis: entscheide es einzeln.",
)
UNBOUNDED: Final = Phrase(
    en="Nothing bounds what it costs: edit it, or deny it.",
    de="Nichts begrenzt, was es kostet: ändere es, oder lehn es ab.",
)
PRICE_UNKNOWN: Final = Phrase(
    en="Its price is unknown: an owner has to say what it may cost.",
    de="Sein Preis ist unbekannt: ein Eigentümer muss sagen, was es kosten darf.",
)
SURE_CODE: Final = Phrase(
    en="To be sure, write: {mark}approve {code} {code}",
    de="Um sicher zu sein, schreib: {mark}approve {code} {code}",
)
SURE_PRESS: Final = Phrase(
    en="Press once more to be sure.",
    de="Drück noch einmal, um sicher zu sein.",
)
STANDS_BELOW: Final = Phrase(en="All of it stands below.", de="Alles davon steht unten.")
QUESTION_USAGE: Final = Phrase(
    en="Write your answer: {mark}answer {code} TEXT",
    de="Schreib deine Antwort: {mark}answer {code} TEXT",
)
RAISE_OR_STOP: Final = Phrase(en="Raise it, or stop.", de="Erhöhe es, oder halt an.")
EVIDENCE: Final = Phrase(
    en="What is known is in the chat.",
    de="Was bekannt ist, steht im Chat.",
)
EVIDENCE_THERE: Final = Phrase(
    en="It stands in the chat already.",
    de="Es steht schon im Chat.",
)
DOUBT_USAGE: Final = Phrase(
    en="Choose: mark done, run again, or skip.",
    de="Wähle: als getan vermerken, noch einmal ausführen, oder auslassen.",
)
APPROVED: Final = Phrase(en="Approved.", de="Genehmigt.")
DENIED: Final = Phrase(en="Denied.", de="Abgelehnt.")
DENIED_STOPPED: Final = Phrase(
    en="Denied, and the turn is stopped.",
    de="Abgelehnt, und die Antwort ist angehalten.",
)
SHOWS_NOW: Final = Phrase(
    en="The card shows it now; it still needs its own approval.",
    de="Die Karte zeigt es jetzt; es braucht noch seine eigene Genehmigung.",
)
ANSWERED: Final = Phrase(en="Answered.", de="Beantwortet.")
AUTO_MOST: Final = Phrase(
    en="{mark}auto goes up to {amount} without an owner; go on asking.",
    de="{mark}auto geht ohne Eigentümer bis {amount}; frag weiter.",
)
STILL_FROZEN: Final = Phrase(
    en="Spending is still frozen by {name}: an owner writes {mark}unfreeze{where}.",
    de="Ausgaben sind noch angehalten von {name}: ein Eigentümer schreibt {mark}unfreeze{where}.",
)
GOES_ON: Final = Phrase(en="It goes on.", de="Es geht weiter.")
AUTO_ENDED: Final = Phrase(
    en="{mark}auto has ended; each call is asked again.",
    de="{mark}auto ist zu Ende; jeder Aufruf wird wieder angefragt.",
)
NOTED_DONE: Final = Phrase(en="Noted as done.", de="Als getan vermerkt.")
SKIPPED: Final = Phrase(en="Skipped.", de="Ausgelassen.")
JUDGED_ANEW: Final = Phrase(
    en="It is judged anew, as a new call.",
    de="Es wird neu beurteilt, als neuer Aufruf.",
)
PRICE_CHANGED: Final = Phrase(
    en="The price changed; the card shows it now. Look again and decide.",
    de=(
        "Der Preis hat sich geändert; die Karte zeigt ihn jetzt. Sieh noch einmal hin und"
        " entscheide."
    ),
)
VOTED: Final = Phrase(
    en="Your yes is noted; one more person has to approve it.",
    de="Dein Ja ist vermerkt; noch jemand muss es genehmigen.",
)
OTHER_AMOUNT: Final = Phrase(
    en="The yes before was to another amount and does not count for this one. {voted}",
    de="Das Ja davor galt einem anderen Betrag und zählt für diesen nicht. {voted}",
)
SOME_APPROVED: Final = Phrase(
    en="{approved} of {asked} approved. {rest}",
    de="{approved} von {asked} genehmigt. {rest}",
)
NOT_ALLOWED: Final = Phrase(
    en="Not allowed (any more): {reason}. It was not run.",
    de="Nicht (mehr) erlaubt: {reason}. Es lief nicht.",
)
MOVED: Final = Phrase(
    en="It changed, and {who} decide it now: it is asked as {code}.",
    de="Es hat sich geändert, und {who} entscheiden es jetzt: es wird als {code} angefragt.",
)
OTHERS_DECIDE: Final = Phrase(
    en="By today's rules {who} decide this.",
    de="Nach den heutigen Regeln entscheiden das {who}.",
)
REQUESTERS: Final = Phrase(en="requesters", de="die Fragenden")
APPROVERS: Final = Phrase(en="approvers", de="Genehmiger")
OWNERS: Final = Phrase(en="owners", de="Eigentümer")
NO_ROOM: Final = Phrase(
    en="Not approved: {why}. An owner can raise it with {mark}budget.",
    de="Nicht genehmigt: {why}. Ein Eigentümer kann es mit {mark}budget erhöhen.",
)
ROOM_LEFT: Final = Phrase(
    en="the budget of {scope} has {left} left of {limit} ({held} is held)",
    de="das Budget für {scope} hat noch {left} von {limit} ({held} ist gebunden)",
)
NO_MONEY: Final = Phrase(en="nothing", de="nichts")
BROKEN: Final = Phrase(
    en="This can't run any more: {why}.",
    de="Das kann nicht mehr laufen: {why}.",
)
EDIT_NOT_ALLOWED: Final = Phrase(
    en="Not allowed: {reason}. The card stays as it was.",
    de="Nicht erlaubt: {reason}. Die Karte bleibt, wie sie war.",
)
EDIT_REFUSED: Final = Phrase(
    en="{why} The card stays as it was.",
    de="{why} Die Karte bleibt, wie sie war.",
)
EDIT_TOO_LONG: Final = Phrase(
    en="That is over 256 KiB, more than anybody can look at. The card stays as it was.",
    de="Das sind über 256 KiB, mehr als jemand ansehen kann. Die Karte bleibt, wie sie war.",
)
TOOL_GONE: Final = Phrase(
    en="This can't be edited any more: its tool has changed.",
    de="Das lässt sich nicht mehr ändern: sein Werkzeug ist ein anderes.",
)
NO_PAYER: Final = Phrase(en="There is no such payer.", de="Einen solchen Zahler gibt es nicht.")
PAYER_FIXED: Final = Phrase(
    en="Who pays for this can't be chosen.",
    de="Wer das zahlt, lässt sich nicht wählen.",
)
DOES_NOT_FIT: Final = Phrase(en="That does not fit: {why}", de="Das passt nicht: {why}")
SECRET: Final = Phrase(
    en="A secret stands in {place}; it must not be given in a call.",
    de="In {place} steht ein Geheimnis; in einem Aufruf darf keines stehen.",
)
NO_LOOK: Final = Phrase(
    en="It can't be looked up now.",
    de="Das lässt sich jetzt nicht nachsehen.",
)
NOTHING_CHANGED: Final = Phrase(en="Nothing was changed.", de="Nichts wurde geändert.")
FIELD_FIXED: Final = Phrase(
    en="{field} can't be changed.",
    de="{field} lässt sich nicht ändern.",
)
LOOK_AT_REVISION: Final = Phrase(
    en="It was changed since it was asked. Look at it as it is now first: {show}",
    de="Es wurde geändert, seit danach gefragt wurde. Sieh es dir erst an, wie es ist: {show}",
)
SHOW_FIRST: Final = Phrase(
    en="It is longer than what is shown: press Show all first.",
    de="Es ist länger als das, was zu sehen ist: drück erst Alles zeigen.",
)
SHOW_FIRST_OR_WRITE: Final = Phrase(
    en="It is longer than what is shown: press Show all first, or write {show}.",
    de="Es ist länger als das, was zu sehen ist: drück erst Alles zeigen, oder schreib {show}.",
)
DECIDED_ALREADY: Final = Phrase(
    en="This is decided already: {state} by {name} {at}.",
    de="Das ist schon entschieden: {state} von {name} {at}.",
)
NOBODY: Final = Phrase(en="nobody", de="niemandem")
STATE_APPROVED: Final = Phrase(en="approved", de="genehmigt")
STATE_DENIED: Final = Phrase(en="denied", de="abgelehnt")
STATE_ANSWERED: Final = Phrase(en="answered", de="beantwortet")
STATE_EXPIRED: Final = Phrase(en="expired", de="abgelaufen")
STATE_SUPERSEDED: Final = Phrase(en="superseded", de="ersetzt")
STATE_WITHDRAWN: Final = Phrase(en="withdrawn", de="zurückgezogen")
STATE_UNDELIVERABLE: Final = Phrase(en="undeliverable", de="unzustellbar")
STATE_PENDING: Final = Phrase(en="pending", de="offen")
FROZEN: Final = Phrase(
    en="Not approved: spending is frozen by {name}. Deny still works.",
    de="Nicht genehmigt: Ausgaben sind angehalten von {name}. Ablehnen geht.",
)
