"""What stands on buttons, in menus and forms. The longest platform label is 75 characters."""

from typing import Final

from gateway.words.phrase import Phrase

MORE: Final = Phrase(en="More", de="Mehr")
BACK: Final = Phrase(en="Back", de="Zurück")
SHOW_EVIDENCE: Final = Phrase(en="Show evidence", de="Zeig, was bekannt ist")
MARK_DONE: Final = Phrase(en="Mark done", de="Als getan vermerken")
RUN_AGAIN: Final = Phrase(en="Run again", de="Noch einmal")
SKIP: Final = Phrase(en="Skip", de="Auslassen")
EDIT: Final = Phrase(en="Edit", de="Ändern")
DENY: Final = Phrase(en="Deny", de="Ablehnen")
DENY_ALL: Final = Phrase(en="Deny all", de="Alle ablehnen")
DENY_REASON: Final = Phrase(en="Deny with a reason", de="Ablehnen mit Grund")
DENY_STOP: Final = Phrase(en="Deny and stop", de="Ablehnen und anhalten")
SHOW_ALL: Final = Phrase(en="Show all", de="Alles zeigen")
ONE_BY_ONE: Final = Phrase(en="One by one", de="Einzeln")
NEXT: Final = Phrase(en="Next: {number} of {count}", de="Weiter: {number} von {count}")
ALL_CALLS: Final = Phrase(en="All calls", de="Alle Aufrufe")
MORE_CALLS: Final = Phrase(en="More calls", de="Weitere Aufrufe")
APPROVE_ONCE: Final = Phrase(
    en="Approve once, {price}",
    de="Einmal genehmigen, {price}",
)
APPROVE_ALL: Final = Phrase(en="Approve all, {price}", de="Alle genehmigen, {price}")
APPROVE_CEILING: Final = Phrase(
    en="Approve with a ceiling",
    de="Mit Obergrenze genehmigen",
)
YES: Final = Phrase(en="Yes: {what}", de="Ja: {what}")
GRANT_YES: Final = Phrase(
    en="Yes: approve, and for this chat from now on",
    de="Ja: genehmigen, und für diesen Chat ab jetzt",
)
GRANT: Final = Phrase(en="Approve for this chat", de="Für diesen Chat genehmigen")
GRANT_ALL: Final = Phrase(
    en="Approve for everybody in this chat",
    de="Für alle in diesem Chat genehmigen",
)
PAYER: Final = Phrase(en="Payer: {payer}", de="Zahlt: {payer}")
ANSWER_INSTEAD: Final = Phrase(en="Answer instead", de="Stattdessen antworten")
ANSWER_IN_WORDS: Final = Phrase(en="Answer in words", de="In Worten antworten")
GO_ON: Final = Phrase(en="Go on", de="Weiter")
RAISE_BY: Final = Phrase(en="Raise by {amount}", de="Erhöhen um {amount}")
GO_ON_ASKING: Final = Phrase(en="Go on asking", de="Wieder fragen")
STOP: Final = Phrase(en="Stop", de="Anhalten")

# -- what is asked before a press counts

SURE_RUN: Final = Phrase(
    en="This is {why}. Run {what} once, {price}?",
    de="Das ist {why}. Soll {what} einmal laufen, {price}?",
)
CALLS: Final = Phrase(en="{count} calls", de="{count} Aufrufe")
AND: Final = Phrase(en=" and ", de=" und ")
BY_TWO: Final = Phrase(en="decided by two people", de="von zweien zu entscheiden")
SURE: Final = Phrase(en="Are you sure?", de="Bist du sicher?")
SURE_YES: Final = Phrase(en="Yes", de="Ja")
CANCEL: Final = Phrase(en="Cancel", de="Abbrechen")

# -- forms

YOUR_ANSWER: Final = Phrase(en="Your answer", de="Deine Antwort")
CEILING: Final = Phrase(en="At most, in dollars", de="Höchstens, in Dollar")
REASON: Final = Phrase(
    en="Why not? The model reads it.",
    de="Warum nicht? Das Modell liest es.",
)
