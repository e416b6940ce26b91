"""What `/cron` answers, and what is said of jobs that people change."""

from typing import Final

from gateway.words.phrase import Phrase

USAGE: Final = Phrase(
    en=(
        'Write `{mark}cron list`, `{mark}cron next NAME`, `{mark}cron add "SCHEDULE" TEXT`, or'
        " `{mark}cron run`, `pause`, `resume` or `remove` with a NAME."
    ),
    de=(
        'Schreib `{mark}cron list`, `{mark}cron next NAME`, `{mark}cron add "ZEITPLAN" TEXT`, oder'
        " `{mark}cron run`, `pause`, `resume` oder `remove` mit einem NAMEN."
    ),
)
ADD_USAGE: Final = Phrase(
    en='Write `{mark}cron add "0 9 * * mon-fri" TEXT`: when, in quotes, and what to do.',
    de=(
        'Schreib `{mark}cron add "0 9 * * mon-fri" TEXT`: wann, in Anführungszeichen, und was zu'
        " tun ist."
    ),
)
ONLY_OWNERS_ADD: Final = Phrase(
    en=(
        "Only owners add jobs by command. Ask me for it in words: I then ask the owners, if I have"
        " the tool for it."
    ),
    de=(
        "Per Befehl legen nur Eigentümer Aufträge an. Bitte mich in Worten darum: ich frage dann"
        " die Eigentümer, wenn ich das Werkzeug dafür habe."
    ),
)
NO_JOBS: Final = Phrase(en="There are no jobs here.", de="Hier gibt es keine Aufträge.")
MORE: Final = Phrase(en="and {count} more", de="und {count} weitere")
FROM_OUTSIDE: Final = Phrase(en="from outside", de="von außen")
NEXT: Final = Phrase(en="next {at}", de="nächstes Mal {at}")
ELSEWHERE: Final = Phrase(en="for {chat}", de="für {chat}")
WHEN_ASKED: Final = Phrase(
    en="{name} runs when it is asked to.",
    de="{name} läuft, wenn jemand darum bittet.",
)
RUNS_NOW: Final = Phrase(en="{name} runs now (f{fire}).", de="{name} läuft jetzt (f{fire}).")
TOO_MANY: Final = Phrase(
    en="So many runs of {name} wait already that no further one is taken.",
    de="So viele Läufe von {name} warten schon, dass keiner mehr dazukommt.",
)
GOES_ON: Final = Phrase(en="{name} goes on.", de="{name} geht weiter.")
GOES_ON_AT: Final = Phrase(
    en="{name} goes on; first {at}.",
    de="{name} geht weiter; zuerst {at}.",
)
MADE: Final = Phrase(
    en="`{name}` is made. What it writes is posted here.",
    de="`{name}` ist angelegt. Was er schreibt, erscheint hier.",
)
MADE_AT: Final = Phrase(
    en="`{name}` is made; first {at}. What it writes is posted here.",
    de="`{name}` ist angelegt; zuerst {at}. Was er schreibt, erscheint hier.",
)
ONLY_OWNERS: Final = Phrase(
    en="Only owners may do that to {name}.",
    de="Das dürfen mit {name} nur Eigentümer.",
)
ONLY_MAKER: Final = Phrase(
    en="Only owners, and whoever made it, may do that to {name}.",
    de="Das dürfen mit {name} nur Eigentümer und wer den Auftrag angelegt hat.",
)

# -- what people change

SAY_WHAT: Final = Phrase(
    en="Say what the job has to do.",
    de="Sag, was der Auftrag tun soll.",
)
TOO_LONG: Final = Phrase(
    en="What a job has to do is at most {most} characters.",
    de="Was ein Auftrag tun soll, hat höchstens {most} Zeichen.",
)
SCHEDULE_WRONG: Final = Phrase(
    en="{problem}: {fix}.",
    de="Der Zeitplan geht nicht. {problem}: {fix}.",
)
SCHEDULE_FAULT: Final = Phrase(en="{problem}.", de="Der Zeitplan geht nicht: {problem}.")
JOBS_FULL: Final = Phrase(
    en="There are {count} jobs already; remove one first.",
    de="Es gibt schon {count} Aufträge; entferne zuerst einen.",
)
NAME_WRONG: Final = Phrase(
    en="A name has small letters, digits, - and _, at most 40 of them.",
    de="Ein Name hat kleine Buchstaben, Ziffern, - und _, höchstens 40 davon.",
)
NAME_TAKEN: Final = Phrase(
    en="There is a job {name} already; choose another name.",
    de="Einen Auftrag {name} gibt es schon; wähl einen anderen Namen.",
)
TIME_OVER: Final = Phrase(
    en="That time is over; choose one that is to come.",
    de="Diese Zeit ist vorbei; wähl eine, die noch kommt.",
)
NOT_AT_WORK: Final = Phrase(
    en="{name} is not at work: {state}.",
    de="{name} ist nicht im Dienst: {state}.",
)
PAUSED: Final = Phrase(
    en="{name} is paused. What waits of it still runs.",
    de="{name} ruht. Was davon wartet, läuft noch.",
)
NOT_PAUSED: Final = Phrase(en="{name} is not paused.", de="{name} ruht nicht.")
CANNOT_GO_ON: Final = Phrase(
    en="{name} can't go on: {why}.",
    de="{name} kann nicht weitergehen: {why}.",
)
ITS_TIME_OVER: Final = Phrase(
    en="{name} is over: its only time has passed.",
    de="{name} ist vorbei: die einzige Zeit ist vergangen.",
)
IN_CONFIGURATION: Final = Phrase(
    en="{name} stands in the configuration: remove it there, or pause it here.",
    de="{name} steht in der Konfiguration: entferne ihn dort, oder lass ihn hier ruhen.",
)
REMOVED: Final = Phrase(
    en="{name} is removed. What runs of it goes on to its end.",
    de="{name} ist entfernt. Was davon läuft, geht zu Ende.",
)
NO_JOB: Final = Phrase(
    en="There is no job {name}.",
    de="Einen Auftrag {name} gibt es nicht.",
)
NAME_IT: Final = Phrase(en="Name the job.", de="Nenne den Auftrag.")
SOMEONE: Final = Phrase(en="someone", de="jemand")

# -- how a job stands

STATE_ASKED: Final = Phrase(
    en="runs when it is asked to",
    de="läuft, wenn jemand darum bittet",
)
STATE_ACTIVE: Final = Phrase(en="active", de="im Dienst")
STATE_PAUSED_BY: Final = Phrase(en="paused by {who}", de="angehalten von {who}")
STATE_PAUSED: Final = Phrase(en="paused: {why}", de="ruht: {why}")
STATE_OVER: Final = Phrase(en="over", de="vorbei")
STATE_REMOVED: Final = Phrase(en="removed", de="entfernt")
