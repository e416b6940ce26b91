"""What owners read of people who ask to be let in and of chats that call, and what came of it."""

from typing import Final

from gateway.words.phrase import Phrase

ALLOW: Final = Phrase(en="Allow", de="Erlauben")
DENY: Final = Phrase(en="Deny", de="Ablehnen")
BLOCK: Final = Phrase(en="Block", de="Sperren")
LEAVE: Final = Phrase(en="Leave", de="Verlassen")

# -- people

WRITES: Final = Phrase(
    en="Somebody new writes to me on {platform}: {whom}.",
    de="Jemand Neues schreibt mir auf {platform}: {whom}.",
)
WHO: Final = Phrase(
    en="{person}, who goes by {name} (not verified)",
    de="{person}, nennt sich {name} (ungeprüft)",
)
NO_WORDS: Final = Phrase(en="(no words)", de="(ohne Worte)")
GOOD_FOR_A_DAY: Final = Phrase(
    en=(
        "Code {code}, good for a day. Allow lets them talk to me directly, nothing else; what they"
        " wrote is answered then."
    ),
    de=(
        "Code {code}, gilt einen Tag. Erlauben lässt sie direkt mit mir reden, sonst nichts; was"
        " sie geschrieben haben, wird dann beantwortet."
    ),
)
PERSON_DECIDED: Final = Phrase(
    en="{whom}: {state} by {owner}.",
    de="{whom}: {state} von {owner}.",
)
ALLOWED: Final = Phrase(en="allowed", de="erlaubt")
DENIED: Final = Phrase(en="denied", de="abgelehnt")
BLOCKED: Final = Phrase(en="blocked", de="gesperrt")
OPEN: Final = Phrase(en="open", de="offen")
AFTER_ALLOW: Final = Phrase(
    en="{who}: may talk to me directly from now on.",
    de="{who}: darf von jetzt an direkt mit mir reden.",
)
AFTER_DENY: Final = Phrase(
    en="{who}: may not talk to me; they can ask again in a day.",
    de="{who}: darf nicht mit mir reden, und kann in einem Tag wieder fragen.",
)
AFTER_BLOCK: Final = Phrase(
    en="{who}: is ignored from now on, everywhere.",
    de="{who}: wird von jetzt an überall ignoriert.",
)
NOBODY_UNDER: Final = Phrase(
    en="Nobody asks under {code}.",
    de="Unter {code} fragt niemand.",
)
NAME_SOMEBODY: Final = Phrase(
    en="Name a code such as K7QF-2M9P, or a person by id such as telegram:1001.",
    de="Nenne einen Code wie K7QF-2M9P, oder jemanden mit einer Kennung wie telegram:1001.",
)
DECIDED_ALREADY: Final = Phrase(
    en="{who} is {state} already, by {owner}.",
    de="{who} ist schon {state}, von {owner}.",
)
LAPSED: Final = Phrase(
    en="The request of {who} has lapsed; when they write again, I ask.",
    de="Die Anfrage von {who} ist verfallen; schreiben sie wieder, frage ich.",
)
IS_OWNER: Final = Phrase(en="{who} is an owner.", de="{who} ist Eigentümer.")
ASKS: Final = Phrase(
    en="- `{code}` {who} asks: {words}",
    de="- `{code}` {who} fragt: {words}",
)
STANDS: Final = Phrase(
    en="- {who}: {state} by `{owner}`",
    de="- {who}: {state} von `{owner}`",
)

# -- chats

ADDED: Final = Phrase(
    en="I was added to {chat}.",
    de="Ich wurde zu {chat} hinzugefügt.",
)
ADDED_BY: Final = Phrase(
    en="I was added to {chat} by {person} ({name}, not verified).",
    de="Ich wurde zu {chat} hinzugefügt von {person} ({name}, ungeprüft).",
)
SILENT_THERE: Final = Phrase(
    en=(
        "I say and hear nothing there until it is allowed: then I answer everybody in it who"
        " mentions me."
    ),
    de=(
        "Ich sage und höre dort nichts, bis es erlaubt ist: dann antworte ich allen darin, die"
        " mich erwähnen."
    ),
)
CHAT_DECIDED: Final = Phrase(
    en="{chat}: {state} by {owner}.",
    de="{chat}: {state} von {owner}.",
)
LEFT_ALONE: Final = Phrase(en="left alone", de="verlassen")
CHAT_ALREADY: Final = Phrase(
    en="`{chat}` is {state} already, by {owner}.",
    de="`{chat}` ist schon {state}, von {owner}.",
)
CHAT_ALLOWED: Final = Phrase(
    en="`{chat}`: its members are answered from now on.",
    de="`{chat}`: wer darin ist, wird von jetzt an beantwortet.",
)
CHAT_LEFT: Final = Phrase(
    en="`{chat}`: nobody is answered there.",
    de="`{chat}`: dort wird niemand beantwortet.",
)
