"""What is said about leave for several calls: grants of a chat, and the mode of a session."""

from typing import Final

from gateway.words.phrase import Phrase

READ_IT: Final = Phrase(
    en="Read it, and press once more.",
    de="Lies es, und drück noch einmal.",
)
NOT_HERE: Final = Phrase(en="That can't be done here.", de="Das geht hier nicht.")
GIVEN: Final = Phrase(
    en="Approved, and for this chat until used up (grant {ident}).",
    de="Genehmigt, und für diesen Chat, bis es aufgebraucht ist (Erlaubnis {ident}).",
)
ONE_CALL: Final = Phrase(
    en="A grant is for one call; look at them one by one.",
    de="Eine Erlaubnis gilt einem Aufruf; sieh sie dir einzeln an.",
)
NEVER: Final = Phrase(
    en="This can't be allowed beforehand; each such call is asked.",
    de="Das lässt sich nicht im Voraus erlauben; jeder solche Aufruf wird angefragt.",
)
NOBODYS: Final = Phrase(
    en="Nobody asked for this in person; it can be allowed for everybody here, or once.",
    de="Danach hat niemand selbst gefragt; erlauben lässt es sich allen hier, oder einmal.",
)
TWO_PEOPLE: Final = Phrase(
    en="Two people decide this, each time it is asked.",
    de="Das entscheiden zwei, jedes Mal, wenn es angefragt wird.",
)
ONLY_APPROVERS: Final = Phrase(
    en="Only an approver can allow it for everybody here.",
    de="Allen hier kann es nur ein Genehmiger erlauben.",
)
NOT_YOU: Final = Phrase(en="You can't allow that.", de="Das kannst du nicht erlauben.")
WHAT: Final = Phrase(
    en="{what} with exactly these arguments: {arguments}",
    de="{what} mit genau diesen Argumenten: {arguments}",
)
BOUNDS: Final = Phrase(
    en="for {whom}; at most {each} a call, {all} in all, {uses} times, until {at}",
    de="für {whom}; höchstens {each} je Aufruf, {all} zusammen, {uses} Mal, bis {at}",
)
EVERYBODY_HERE: Final = Phrase(en="everybody in this chat", de="alle in diesem Chat")
EVERYBODY: Final = Phrase(en="everybody", de="alle")
GRANT: Final = Phrase(
    en="`{ident}` {what} for {whom}, by {giver}: {uses} uses, at most {each} each, until {at}",
    de="`{ident}` {what} für {whom}, von {giver}: noch {uses} Mal, höchstens je {each}, bis {at}",
)
AUTO: Final = Phrase(
    en="`{ident}` {mark}auto by {giver}: {left} of {cap} left until {at}",
    de="`{ident}` {mark}auto von {giver}: {left} von {cap} übrig bis {at}",
)
NOTHING: Final = Phrase(
    en="Nothing is allowed beforehand here; each call is judged.",
    de="Hier ist nichts im Voraus erlaubt; jeder Aufruf wird beurteilt.",
)
NO_GRANT: Final = Phrase(
    en="There is no grant {ident} here.",
    de="Eine Erlaubnis {ident} gibt es hier nicht.",
)
WHO_REVOKES: Final = Phrase(
    en="Only whoever gave it, an approver or an owner can take it back.",
    de="Zurücknehmen kann sie nur, wer sie gegeben hat, ein Genehmiger oder ein Eigentümer.",
)
REVOKED: Final = Phrase(
    en="Grant {ident} is taken back.",
    de="Die Erlaubnis {ident} ist zurückgenommen.",
)

AUTO_ENDED: Final = Phrase(en="{mark}auto has ended.", de="{mark}auto ist zu Ende.")
AUTO_NOT_ON: Final = Phrase(en="{mark}auto is not on.", de="{mark}auto ist nicht an.")
AUTO_USAGE: Final = Phrase(
    en="Write it as `{mark}auto $5 2h`, `{mark}auto +$2 1h` or `{mark}auto off`.",
    de="Schreib es als `{mark}auto $5 2h`, `{mark}auto +$2 1h` oder `{mark}auto off`.",
)
AUTO_MOST: Final = Phrase(
    en="At most {amount} for one session.",
    de="Höchstens {amount} für eine Sitzung.",
)
AUTO_HOURS: Final = Phrase(en="At most 8 hours.", de="Höchstens 8 Stunden.")
AUTO_SPENT: Final = Phrase(
    en="This session has spent {amount} already; the cap counts all of it.",
    de="Diese Sitzung hat schon {amount} ausgegeben; die Obergrenze zählt alles davon.",
)
AUTO_SHARED: Final = Phrase(
    en="In a shared thread an approver turns {mark}auto on.",
    de="In einem gemeinsamen Thread schaltet ein Genehmiger {mark}auto an.",
)
AUTO_NOT_YOURS: Final = Phrase(
    en="Only whoever's session it is can.",
    de="Das kann nur, wem die Sitzung gehört.",
)
AUTO_OFF: Final = Phrase(
    en="{mark}auto is off: what is not free is asked. `{mark}auto $5 2h` turns it on.",
    de="{mark}auto ist aus: was nicht kostenlos ist, wird angefragt. `{mark}auto $5 2h` schaltet"
    " es an.",
)
AUTO_ON: Final = Phrase(
    en="{mark}auto is on ({ident}): {spent} spent, {left} left until {at}. `{mark}auto off` ends"
    " it.",
    de="{mark}auto ist an ({ident}): {spent} ausgegeben, {left} übrig bis {at}. `{mark}auto off`"
    " beendet es.",
)
