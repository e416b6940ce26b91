"""What is said about the commands themselves."""

from typing import Final

from gateway.words.phrase import Phrase

HOW: Final = Phrase(
    en="Write to me, and I answer here. In a group, mention me or reply to me.",
    de="Schreib mir, und ich antworte hier. In einer Gruppe erwähne mich oder antworte mir.",
)
HOW_SLACK: Final = Phrase(
    en=(
        "Write to me, and I answer here. In a channel, mention me. Commands begin with `!`;"
        " outside of threads `/gatepost NAME` does the same."
    ),
    de=(
        "Schreib mir, und ich antworte hier. In einem Kanal erwähne mich. Befehle beginnen mit"
        " `!`; außerhalb von Threads geht auch `/gatepost NAME`."
    ),
)
UNKNOWN: Final = Phrase(
    en="There is no command `{mark}{name}`. `{mark}help` lists what there is.",
    de="Den Befehl `{mark}{name}` gibt es nicht. `{mark}help` zählt auf, was es gibt.",
)
UNKNOWN_NEAR: Final = Phrase(
    en="There is no command `{mark}{name}`. Did you mean {near}?",
    de="Den Befehl `{mark}{name}` gibt es nicht. Meintest du {near}?",
)
OR: Final = Phrase(en=" or ", de=" oder ")
WHO: Final = Phrase(en="Who may: {who}.", de="Wer darf: {who}.")

ANYONE: Final = Phrase(en="anyone", de="alle")
APPROVERS: Final = Phrase(en="approvers and owners", de="Genehmiger und Eigentümer")
OWNERS: Final = Phrase(en="owners", de="Eigentümer")
SHARED_APPROVERS: Final = Phrase(
    en="anyone; in a shared thread approvers",
    de="alle; in einem gemeinsamen Thread Genehmiger",
)
SHARED_APPROVERS_CHANGE: Final = Phrase(
    en="anyone; in a shared thread only approvers change it",
    de="alle; in einem gemeinsamen Thread ändern es nur Genehmiger",
)
SHARED_OWNERS: Final = Phrase(
    en="anyone; in a shared thread owners",
    de="alle; in einem gemeinsamen Thread Eigentümer",
)
RULE_STOP: Final = Phrase(
    en="anyone in the session; elsewhere in the chat whoever asked, and approvers",
    de="alle in der Sitzung; anderswo im Chat, wer gefragt hat, und Genehmiger",
)
RULE_WHY: Final = Phrase(
    en="anyone about their own messages; owners about all",
    de="alle über eigene Nachrichten; Eigentümer über alle",
)
RULE_EXPORT: Final = Phrase(
    en="anyone their own session; approvers a shared thread's; owners any",
    de="alle ihre eigene Sitzung; Genehmiger die eines gemeinsamen Threads; Eigentümer jede",
)
RULE_FORGET: Final = Phrase(
    en="anyone their own session; owners any",
    de="alle ihre eigene Sitzung; Eigentümer jede",
)
RULE_DECIDE: Final = Phrase(
    en="whoever the request needs: its card says who",
    de="wen die Anfrage braucht: ihre Karte sagt, wen",
)
RULE_AUTO: Final = Phrase(
    en="whoever asked, in a direct chat; else approvers",
    de="wer gefragt hat, im direkten Chat; sonst Genehmiger",
)
RULE_BUDGET: Final = Phrase(
    en=("anyone reads; approvers raise what is of one session, owners what is of a day or a month"),
    de=(
        "alle lesen; Genehmiger erhöhen, was einer Sitzung gehört, Eigentümer, was für einen Tag"
        " oder Monat gilt"
    ),
)
RULE_CRON: Final = Phrase(
    en="anyone lists; owners and whoever made a job change it",
    de="alle sehen sie; Eigentümer und wer einen Auftrag angelegt hat, ändern ihn",
)
RULE_FREEZE: Final = Phrase(
    en="approvers their chat; owners everything",
    de="Genehmiger ihren Chat; Eigentümer alles",
)

ONLY_OWNERS: Final = Phrase(
    en="Only owners of this gateway can use `{mark}{name}`.",
    de="Nur Eigentümer dieses Gateways können `{mark}{name}` benutzen.",
)
ONLY_APPROVERS: Final = Phrase(
    en="Only approvers of this chat and owners can use `{mark}{name}` here.",
    de="Nur Genehmiger dieses Chats und Eigentümer können `{mark}{name}` hier benutzen.",
)
