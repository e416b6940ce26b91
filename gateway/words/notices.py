"""What chats and owners are told by themselves about money and cards."""

from typing import Final

from gateway.words.phrase import Phrase

NEARLY_SPENT: Final = Phrase(
    en="Of the budget of {scope}, {spent} of {limit} are spent. {mark}budget shows what is left.",
    de=(
        "Vom Budget für {scope} sind {spent} von {limit} ausgegeben. {mark}budget zeigt, was noch"
        " da ist."
    ),
)
COST_MORE: Final = Phrase(
    en="Something cost more than was put aside for it ({what}): gatepost why {ident}.",
    de="Etwas hat mehr gekostet, als dafür zurückgelegt war ({what}): gatepost why {ident}.",
)
TOO_FAST: Final = Phrase(
    en="{chat} is frozen: {reason}. Look at {mark}spend, then {mark}unfreeze.",
    de="{chat} ist angehalten: {reason}. Sieh dir {mark}spend an, dann {mark}unfreeze.",
)
NOT_ASKED: Final = Phrase(
    en="Approval {code} of {chat} was not asked: {why}. Its turn is stopped.",
    de="Genehmigung {code} von {chat} wurde nicht gefragt: {why}. Ihre Antwort ist angehalten.",
)
CONDENSED: Final = Phrase(
    en="This chat grew too long to summarise; I kept the recent part. {mark}new starts clean.",
    de=(
        "Dieser Chat ließ sich nicht mehr zusammenfassen; ich habe das Neueste behalten. {mark}new"
        " fängt von vorn an."
    ),
)
