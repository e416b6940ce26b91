"""What was spent, as `/spend` tells it."""

from typing import Final

from gateway.words.phrase import Phrase

TODAY: Final = Phrase(en="today", de="heute")
THIS_MONTH: Final = Phrase(en="this month", de="diesen Monat")
SPENT: Final = Phrase(en="Spent {span}: {sum}", de="Ausgegeben {span}: {sum}")
SPENT_HERE: Final = Phrase(
    en="Spent in this chat {span}: {sum}",
    de="In diesem Chat ausgegeben {span}: {sum}",
)
BY_YOU: Final = Phrase(
    en="Asked for by you, in all chats: {sum}",
    de="Von dir gefragt, in allen Chats: {sum}",
)
AND_HELD: Final = Phrase(
    en="{sum}, and {held} is held",
    de="{sum}, und {held} ist gebunden",
)
BY_CHAT: Final = Phrase(en="By chat:", de="Nach Chat:")
BY_PERSON: Final = Phrase(en="By person:", de="Nach Person:")
BY_WHAT: Final = Phrase(en="By what:", de="Wofür:")
BY_MODEL: Final = Phrase(en="By model:", de="Nach Modell:")
BY_KIND: Final = Phrase(
    en="By kind of model call:",
    de="Nach Art des Modellaufrufs:",
)
NOBODY: Final = Phrase(en="nobody", de="niemand")

ONE_CALL: Final = Phrase(en="1 call", de="1 Aufruf")
CALLS: Final = Phrase(en="{count} calls", de="{count} Aufrufe")
IN_ONE_CALL: Final = Phrase(en="{money} in 1 call", de="{money} in 1 Aufruf")
IN_CALLS: Final = Phrase(en="{money} in {count} calls", de="{money} in {count} Aufrufen")
FAILED: Final = Phrase(
    en=" ({count} without an answer)",
    de=" ({count} ohne Antwort)",
)
UNCOUNTED: Final = Phrase(
    en="{calls} told no tokens",
    de="{calls} ohne Angabe von Tokens",
)
UNSETTLED: Final = Phrase(
    en="{calls} without a figure yet, {held} held",
    de="{calls} noch ohne Betrag, {held} gebunden",
)
TOKENS_UNKNOWN: Final = Phrase(en="tokens unknown", de="Tokens unbekannt")
TOKENS: Final = Phrase(
    en="{read} tokens in{inside}, {written} out{thought}",
    de="{read} Tokens hinein{inside}, {written} heraus{thought}",
)
CACHED: Final = Phrase(en="{count} cached", de="{count} aus dem Cache")
INTO_CACHE: Final = Phrase(en="{count} into a cache", de="{count} in einen Cache")
REASONING: Final = Phrase(
    en=" ({count} of it reasoning)",
    de=" (davon {count} Überlegung)",
)
