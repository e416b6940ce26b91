"""What is said about who gets in, to strangers, to owners, and to whoever asks about themselves."""

from typing import Final

from gateway.words.phrase import Phrase

ASKED: Final = Phrase(
    en="I have asked the owner; your code is {code}.",
    de="Ich habe den Eigentümer gefragt; dein Code ist {code}.",
)
ANONYMOUS: Final = Phrase(
    en=(
        "I can't tell who you are: you write as the group. Turn *Remain anonymous* off in your"
        " admin rights, then write again."
    ),
    de=(
        "Ich weiß nicht, wer du bist: du schreibst als die Gruppe. Schalte in deinen Adminrechten"
        " *Anonym bleiben* aus und schreib dann noch einmal."
    ),
)
FROZEN: Final = Phrase(
    en=(
        "Spending is stopped here, so I answer nothing; an owner lets it go on"
        " (`{mark}unfreeze`). Please send this again then."
    ),
    de=(
        "Ausgaben sind hier angehalten, deshalb antworte ich nicht; ein Eigentümer lässt sie wieder"
        " zu (`{mark}unfreeze`). Schick das bitte dann noch einmal."
    ),
)
ONLY_OWNERS: Final = Phrase(en="Only owners decide this.", de="Das entscheiden nur Eigentümer.")
NOBODY_ASKS: Final = Phrase(
    en="Nobody has asked to talk to me.", de="Niemand hat darum gebeten, mir zu schreiben."
)
OWNER_MADE: Final = Phrase(
    en=(
        "You are an owner of this gateway from now on; `{mark}help` shows what you may do. If this"
        " was not meant, `gatepost pair owner --remove` takes it back."
    ),
    de=(
        "Du bist von jetzt an Eigentümer dieses Gateways; `{mark}help` zeigt, was du darfst. War es"
        " nicht so gemeint, nimmt `gatepost pair owner --remove` es zurück."
    ),
)
OWNER_ALREADY: Final = Phrase(
    en="You are an owner already; the code is still good for somebody else.",
    de="Du bist schon Eigentümer; der Code gilt noch für jemand anderen.",
)
OWNER_CODE_OVER: Final = Phrase(
    en=(
        "This code is over: each is good once, for ten minutes. `gatepost pair owner` prints"
        " another, on the machine I run on."
    ),
    de=(
        "Dieser Code gilt nicht mehr: jeder gilt einmal und zehn Minuten lang. `gatepost pair"
        " owner` gibt einen neuen aus, auf dem Rechner, auf dem ich laufe."
    ),
)
OWNER_CODE_WRONG: Final = Phrase(
    en="This is not the code; send it as `gatepost pair owner` printed it.",
    de="Das ist nicht der Code; schick ihn so, wie `gatepost pair owner` ihn ausgegeben hat.",
)
OWNER_CODE_LAST_TRY: Final = Phrase(
    en=(
        "This is not the code, and I take no further tries from you. `gatepost pair owner` prints"
        " a new one to try with."
    ),
    de=(
        "Das ist nicht der Code, und ich nehme keine weiteren Versuche von dir an. `gatepost pair"
        " owner` gibt einen neuen aus, mit dem du es versuchen kannst."
    ),
)
OWNER_CODE_PUBLIC: Final = Phrase(
    en=(
        "Others can read this, so this code is over. Have `gatepost pair owner` print another, and"
        " send me that in a private chat."
    ),
    de=(
        "Das können andere lesen, deshalb gilt dieser Code nicht mehr. Lass `gatepost pair owner`"
        " einen neuen ausgeben und schick ihn mir in einem privaten Chat."
    ),
)
PAIR_COUNTS: Final = Phrase(
    en=(
        "{asking} ask to talk to me, about {decided} an owner has decided. Others read here: give"
        " `{mark}pair list` in a private chat to see who they are."
    ),
    de=(
        "{asking} wollen mir schreiben, über {decided} hat ein Eigentümer entschieden. Hier lesen"
        " andere mit: gib `{mark}pair list` in einem privaten Chat, um zu sehen, wer das ist."
    ),
)
JOBS_PAUSED: Final = Phrase(
    en=(
        "Jobs of theirs that are paused by that: {jobs}. `{mark}cron resume NAME` lets one go on,"
        " `{mark}cron remove NAME` ends it."
    ),
    de=(
        "Damit pausieren diese Jobs von ihnen: {jobs}. `{mark}cron resume NAME` lässt einen"
        " weiterlaufen, `{mark}cron remove NAME` beendet ihn."
    ),
)
STILL_LET_IN: Final = Phrase(
    en=(
        "`{chat}` is left by the word of an owner, but `[access] chats` in the configuration lets"
        " it in as `{pattern}`: whoever is there is answered as long as I am in it. To end that,"
        " take it out there, then restart me or send me SIGHUP."
    ),
    de=(
        "`{chat}` ist nach dem Wort eines Eigentümers verlassen, aber `[access] chats` in der"
        " Konfiguration lässt ihn als `{pattern}` ein: wer dort ist, bekommt Antwort, solange ich"
        " darin bin. Um das zu beenden, nimm ihn dort heraus und starte mich neu, oder schick mir"
        " SIGHUP."
    ),
)
PAIR_USAGE: Final = Phrase(
    en=(
        "Write `{mark}pair list`, or `{mark}pair allow CODE`, `deny` or `block`; an id does for a"
        " code."
    ),
    de=(
        "Schreib `{mark}pair list`, oder `{mark}pair allow CODE`, `deny` oder `block`; statt eines"
        " Codes geht auch eine Kennung."
    ),
)
ALLOW_USAGE: Final = Phrase(
    en="Write `{mark}allow CHAT`, such as `{mark}allow slack:T1/C1`.",
    de="Schreib `{mark}allow CHAT`, zum Beispiel `{mark}allow slack:T1/C1`.",
)
WHY_USAGE: Final = Phrase(
    en="Write `{mark}why ID`; ids look like `e12`, `t5` or `telegram:-100200/55`.",
    de="Schreib `{mark}why ID`; IDs sehen aus wie `e12`, `t5` oder `telegram:-100200/55`.",
)
WHY_NOT_YOURS: Final = Phrase(
    en="You can ask about what you wrote yourself; owners about everything.",
    de="Du kannst nach dem fragen, was du selbst geschrieben hast; Eigentümer nach allem.",
)
WHY_UNKNOWN: Final = Phrase(en="Nothing here has this id.", de="Nichts hat hier diese ID.")
PRIVACY_KEPT: Final = Phrase(
    en=(
        "I keep what is addressed to me, and my answers, for {days} days; who decided what and what"
        " it cost for 400 days."
    ),
    de=(
        "Was an mich gerichtet ist, und meine Antworten behalte ich {days} Tage; wer was"
        " entschieden hat und was es gekostet hat, 400 Tage."
    ),
)
PRIVACY_KEPT_FOREVER: Final = Phrase(
    en="I keep what is addressed to me, and my answers, until somebody deletes it.",
    de="Was an mich gerichtet ist, und meine Antworten behalte ich, bis jemand es löscht.",
)
PRIVACY_GIVEN: Final = Phrase(
    en="It is given to the model that answers{models}, and to tools that a question needs.",
    de=(
        "Das Modell, das antwortet{models}, bekommt es, und Werkzeuge, soweit eine Frage sie"
        " braucht."
    ),
)
PRIVACY_SEEN_HERE: Final = Phrase(
    en=(
        "My answers are seen by everybody in this chat; whoever runs this gateway can read all of"
        " it."
    ),
    de=(
        "Meine Antworten sehen alle in diesem Chat; wer dieses Gateway betreibt, kann alles lesen."
    ),
)
PRIVACY_SEEN: Final = Phrase(
    en="My answers are seen by you; whoever runs this gateway can read all of it.",
    de="Meine Antworten siehst du; wer dieses Gateway betreibt, kann alles lesen.",
)
PRIVACY_GROUPS: Final = Phrase(
    en=(
        "In an allowed group, messages that don't address me are kept for 24 hours; nobody answers"
        " them, but when somebody turns to me the model reads the last of them."
    ),
    de=(
        "In einer zugelassenen Gruppe werden Nachrichten, die nicht an mich gerichtet sind, 24"
        " Stunden behalten; niemand beantwortet sie, aber wenn sich jemand an mich wendet, liest"
        " das Modell die letzten davon."
    ),
)
PRIVACY_GROUPS_FOREVER: Final = Phrase(
    en=(
        "In an allowed group, messages that don't address me are kept as well; nobody answers"
        " them, but when somebody turns to me the model reads the last of them."
    ),
    de=(
        "In einer zugelassenen Gruppe werden auch Nachrichten behalten, die nicht an mich gerichtet"
        " sind; niemand beantwortet sie, aber wenn sich jemand an mich wendet, liest das Modell"
        " die letzten davon."
    ),
)
PRIVACY_ENDS: Final = Phrase(
    en=(
        "`{mark}new` starts afresh, the old session stays stored until it is that old;"
        " `{mark}forget` deletes what was said here, `{mark}export` gives you a copy."
    ),
    de=(
        "`{mark}new` fängt neu an, die alte Sitzung bleibt so lange gespeichert; `{mark}forget`"
        " löscht, was hier gesagt wurde, `{mark}export` gibt dir eine Kopie."
    ),
)
